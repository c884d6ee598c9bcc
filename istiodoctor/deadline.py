"""A deadline: the time after which nothing is waited for."""

import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time, on the clock that nobody sets, after which nothing is waited for."""

    at: float
    seconds: float
    """How far away it was when it was set."""

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Set a deadline so many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def remaining(self) -> float:
        """Seconds left; 0 once it has passed."""
        return max(0.0, self.at - time.monotonic())

    def left(self) -> float:
        """Return the seconds left; raises TimeoutError when there are none."""
        remaining = self.remaining
        if remaining <= 0:
            raise TimeoutError
        return remaining

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return self.remaining == 0

    def at_most(self, seconds: float) -> "Deadline":
        """Return an earlier deadline, or this one if it comes first."""
        return Deadline.after(min(seconds, self.remaining))
