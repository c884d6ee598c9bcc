"""Container logs, bounded as the kubelet bounds them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.apiserver.answers import RefusedError, bad_request

Line = tuple[datetime, str]
LogKey = tuple[str, str, str, bool]

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?")
_TIME_IS_NEAR_THE_START = 400


class Logs:
    """Every container's lines, each at the time it was written."""

    def __init__(self, *, now: datetime | None) -> None:
        """`now` fixes the clock that `sinceSeconds` counts back from."""
        self._now = now
        self._lines: dict[LogKey, list[Line]] = {}

    def append(self, key: LogKey, entries: Iterable[str | Sequence[str]]) -> None:
        """Add lines: text, or a time and a text. A line without a time follows the one before."""
        lines = self._lines.setdefault(key, [])
        for entry in entries:
            written, text = ("", entry) if isinstance(entry, str) else entry
            time = _time(written or text[:_TIME_IS_NEAR_THE_START])
            lines.append((time or (lines[-1][0] if lines else self._clock()), text))

    def text(self, pod: Mapping[str, Any], query: Mapping[str, str]) -> str:
        """What the log endpoint answers for a pod."""
        previous = query.get("previous") == "true"
        container = _container(pod, query.get("container", ""))
        metadata = pod["metadata"]
        key = (metadata["namespace"], metadata["name"], container, previous)
        if previous and key not in self._lines:
            raise bad_request(
                f'previous terminated container "{container}" in pod "{metadata["name"]}"'
                " not found"
            )
        lines = self._lines.get(key, [])
        since = self._since(query)
        if since:
            lines = [line for line in lines if line[0] >= since]
        if (tail := _number(query, "tailLines")) is not None:
            lines = lines[max(0, len(lines) - tail) :]
        stamped = query.get("timestamps") == "true"
        text = "".join(
            f"{_stamp(time)} {text}\n" if stamped else text + "\n" for time, text in lines
        )
        if (limit := _number(query, "limitBytes")) is not None:
            return text.encode()[:limit].decode(errors="ignore")
        return text

    def _clock(self) -> datetime:
        return self._now or datetime.now(UTC)

    def _since(self, query: Mapping[str, str]) -> datetime | None:
        seconds, time = _number(query, "sinceSeconds"), query.get("sinceTime")
        if seconds is not None and time:
            raise RefusedError(
                422,
                "Invalid",
                'PodLogOptions "" is invalid: sinceSeconds: Forbidden: at most one of `sinceTime`'
                " or `sinceSeconds` may be specified",
            )
        if seconds is not None:
            return self._clock() - timedelta(seconds=seconds)
        return _time(time) if time else None


def _container(pod: Mapping[str, Any], wanted: str) -> str:
    """The container that is meant; the server itself knows no default among several."""
    name = pod["metadata"]["name"]
    spec = pod.get("spec") or {}
    containers = [container["name"] for container in spec.get("containers") or ()]
    initial = [container["name"] for container in spec.get("initContainers") or ()]
    if wanted:
        if wanted not in containers + initial:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        _require_started(pod, wanted)
        return wanted
    if len(containers) == 1:
        return _container(pod, containers[0])
    message = f"a container name must be specified for pod {name}"
    message += f", choose one of: [{' '.join(containers)}]"
    if initial:
        message += f" or one of the init containers: [{' '.join(initial)}]"
    raise bad_request(message)


def _require_started(pod: Mapping[str, Any], container: str) -> None:
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting")
        if status["name"] == container and waiting and not status.get("lastState"):
            raise bad_request(
                f'container "{container}" in pod "{pod["metadata"]["name"]}" is waiting to start:'
                f" {waiting.get('reason', 'ContainerCreating')}"
            )


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _time(text: str) -> datetime | None:
    if not (found := _TIME.search(text)):
        return None
    time = datetime.fromisoformat(found[0])
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _stamp(time: datetime) -> str:
    """RFC 3339 with nanoseconds, as the kubelet writes it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
