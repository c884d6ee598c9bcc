"""Phrases that every output for people shares: times, counts, lists of names."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from istiodoctor.problem import Confidence, Diagnosis, Severity
from istiodoctor.renderers.text import visible
from istiodoctor.report import Report

NAME_LIMIT = 80
"""How many characters of one name among several are shown."""


def in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a zone is taken to be in UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def timestamp(moment: datetime) -> str:
    """Return `2026-01-15 09:00 UTC`."""
    return f"{in_utc(moment):%Y-%m-%d %H:%M} UTC"


def clock(moment: datetime, now: datetime) -> str:
    """Return `08:59:12 UTC`, with the date in front when it is not today's."""
    utc = in_utc(moment)
    day = "" if utc.date() == in_utc(now).date() else f"{utc:%Y-%m-%d} "
    return f"{day}{utc:%H:%M:%S} UTC"


def relative(moment: datetime, now: datetime) -> str:
    """Return `in 3 days`, `2 hours ago` or `now`."""
    distance = in_utc(moment) - in_utc(now)
    amount = _amount(abs(distance))
    if not amount:
        return "now"
    return f"in {amount}" if distance > timedelta() else f"{amount} ago"


def _amount(span: timedelta) -> str:
    """Return the length in the unit a person would choose; empty under a minute."""
    minutes = span // timedelta(minutes=1)
    if minutes < 120:
        return counted(minutes, "minute") if minutes else ""
    hours = minutes // 60
    if hours < 48:
        return counted(hours, "hour")
    days = hours // 24
    return counted(days, "day") if days < 730 else counted(days // 365, "year")


def counted(number: int, noun: str) -> str:
    """Return `1 host`, `2 hosts`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(
    names: Sequence[str],
    shown: int,
    *,
    limit: int = NAME_LIMIT,
    separator: str = ", ",
) -> str:
    """Return the first names and how many there are besides: `a, b, +9 more`."""
    first = [visible(name, limit) for name in names[:shown]]
    rest = len(names) - len(first)
    return separator.join([*first, f"+{rest:,} more"] if rest > 0 else first)


def numbered(ranks: Iterable[int]) -> str:
    """Return `problem 2`, `problems 2, 3`."""
    names = [str(rank) for rank in ranks]
    return f"{'problem' if len(names) == 1 else 'problems'} {listed(names, 6)}"


def unique(texts: Iterable[str]) -> list[str]:
    """Return the texts without repetitions or empty ones, in their first order."""
    return [text for text in dict.fromkeys(texts) if text]


def severity_counts(report: Report) -> str:
    """Return `3 critical, 1 high`; empty when there is no problem."""
    counts = ((severity, report.count(severity)) for severity in Severity)
    return ", ".join(f"{count} {severity}" for severity, count in counts if count)


def certainty(confidence: Confidence) -> str:
    """Return how a finding is known, in a word for the reader; empty for the ordinary case."""
    return "" if confidence is Confidence.CERTAIN else str(confidence)


def title_of(diagnosis: Diagnosis) -> str:
    """Return the title, or the check's name where there is none."""
    return diagnosis.title or diagnosis.name
