"""Istio versions, as image tags tell them."""

import re

from istiodoctor.model.value import Value

_TAG = re.compile(r"(?:^|[^\d.])v?(1)\.(\d{1,3})(?:\.(\d{1,3}))?(?![\d.])")
"""Istio has had no other major version: another number is somebody's own numbering."""


class Version(Value, frozen=True, order=True):
    """A release of Istio."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def of_image(cls, image: str) -> "Version | None":
        """Read the version from an image reference; None for `latest`.

        Digests and private tags.
        """
        tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        found = _TAG.search(tag)
        if not found:
            return None
        major, minor, patch = found.groups()
        return cls(int(major), int(minor), int(patch or 0))

    def __str__(self) -> str:
        """`1.22.3`."""
        return f"{self.major}.{self.minor}.{self.patch}"

    def has(self, *releases: tuple[int, int, int]) -> bool:
        """Whether a change that came with these patch releases is in this version.

        Each release is where the change entered its minor line; later minor lines have it from
        their start.
        """
        newest = max(releases)
        for release in releases:
            if (self.major, self.minor) == release[:2]:
                return self.patch >= release[2]
        return (self.major, self.minor) > newest[:2]
