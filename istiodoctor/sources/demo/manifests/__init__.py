"""The documents of the demo, with their times filled in."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from istiodoctor.model.wanted import LogTarget
from istiodoctor.sources.yaml_documents import parse, split

SUFFIX = ".yaml"
_TIME = re.compile(r"\{\{now(?:(?P<sign>[+-])(?P<amount>\d+)(?P<unit>[smhd]))?\}\}")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_documents(now: datetime) -> Iterator[dict[str, Any]]:
    """Yield every document; `{{now-90d}}` (or s, m, h) becomes a time as Kubernetes writes it."""
    manifests = (each for each in files(__package__).iterdir() if each.name.endswith(SUFFIX))
    for manifest in sorted(manifests, key=lambda each: each.name):
        text = _TIME.sub(lambda found: _time(found, now), manifest.read_text(encoding="utf-8"))
        for piece in split(text):
            yield parse(piece.text)


def log_of(document: Mapping[str, Any]) -> tuple[LogTarget, tuple[str, ...]]:
    """Return whose log a document is, and its lines as Istio prints them.

    The lines are lists in it: a time, the level and what follows, all of them set apart by tabs.
    """
    namespace, pod, container = document["log"].split("/")
    target = LogTarget(namespace=namespace, pod=pod, container=container)
    lines = ("\t".join((_precise(at), *rest)) for at, *rest in document["lines"])
    return target, tuple(lines)


def _time(found: re.Match[str], now: datetime) -> str:
    distance = timedelta()
    if found["unit"]:
        distance = timedelta(**{_UNITS[found["unit"]]: int(found["sign"] + found["amount"])})
    return f"{now + distance:%Y-%m-%dT%H:%M:%SZ}"


def _precise(time: str) -> str:
    """Return a time with microseconds, which Istio's logs have and its objects have not."""
    return f"{datetime.fromisoformat(time):%Y-%m-%dT%H:%M:%S.%fZ}"
