"""What a test may change in a running server, and ask of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.apiserver.process import ServerProcess

Object = Mapping[str, Any]
LogEntry = str | tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the server saw it; no status means that it was never answered."""

    method: str
    path: str
    query: Mapping[str, str]
    accept: str
    user: str
    status: int | None
    at: float


class Controls:
    """The commands that the server's process understands."""

    _process: ServerProcess

    # Objects

    def apply(self, *objects: Object) -> None:
        """Create or replace objects."""
        self._process.ask("apply", objects=objects)

    def load(self, path: Path) -> None:
        """Create or replace the objects of a file."""
        self._process.ask("load", path=str(path.absolute()))

    def delete(self, body: Object) -> None:
        """Delete the object of this kind and name; without one it is an error of the test."""
        if not self._process.ask("delete", **_target(body)):
            raise LookupError(f"there is no {_target(body)}")

    def after(
        self,
        path: str,
        *,
        apply: Iterable[Object] = (),
        delete: Iterable[Object] = (),
        skip: int = 0,
    ) -> None:
        """Change objects right after a request whose path matches, once: a race to order."""
        deleted = [_target(body) for body in delete]
        self._process.ask("after", path=path, skip=skip, apply=list(apply), delete=deleted)

    def compact(self) -> None:
        """Forget old revisions: every continue token given so far has expired."""
        self._process.ask("compact")

    def set_versions(self, group: str, versions: Sequence[str]) -> None:
        """Serve a group under exactly these versions; none of them removes it."""
        self._process.ask("versions", group=group, versions=list(versions))

    def add_log(
        self,
        pod: str,
        container: str,
        lines: Iterable[LogEntry],
        *,
        previous: bool = False,
    ) -> None:
        """Add lines to the log of a container of a pod (`namespace/name`)."""
        namespace, _, name = pod.partition("/")
        self._process.ask(
            "log",
            namespace=namespace,
            pod=name,
            container=container,
            lines=list(lines),
            previous=previous,
        )

    def port_forward(self, pod: str, port: int, *, to: tuple[str, int]) -> None:
        """Let a port of a pod (`namespace/name`) lead to a listener; others are refused."""
        namespace, _, name = pod.partition("/")
        self._process.ask("port_forward", namespace=namespace, pod=name, port=port, address=to)

    # Refusals and faults

    def forbid(
        self,
        resource: str | None = None,
        *,
        namespace: str | None = None,
        verb: str | None = None,
        group: str | None = None,
        name: str | None = None,
        user: str | None = None,
    ) -> None:
        """Take a right away; what is not named means any.

        A namespace takes the list of all namespaces with it; `namespace=""` takes only that.
        Subresources are named in full: `pods/log`, `pods/portforward`.
        """
        self._process.ask(
            "forbid",
            resource=resource,
            namespace=namespace,
            verb=verb,
            group=group,
            name=name,
            user=user,
        )

    def permit_all(self) -> None:
        """Give back everything that was forbidden."""
        self._process.ask("permit_all")

    def fault(
        self, action: str, path: str, *, times: int | None = None, skip: int = 0, **options: Any
    ) -> None:
        """Spoil requests whose path and query match a regular expression.

        Actions and their options: `status` (code, reason, message, retry_after), `expire` (410
        for requests that continue a list), `hang`, `drip` (a header that never ends, a byte every
        `delay` seconds), `answer` (200 with this `text`, each character a byte), `unserved` (404,
        as for a path that nobody serves), `cut` (the connection closes in the middle of the
        body), `slow` (pieces, delay), `garbage` (content_type), `huge` (size), `redirect`
        (location). The first `skip` requests pass, then `times` are hit: all without it.
        """
        self._process.ask(
            "fault", action=action, path=path, times=times, skip=skip, options=options
        )

    def recover(self) -> None:
        """End all faults."""
        self._process.ask("recover")

    # What happened

    def requests(self) -> list[Request]:
        """Every request so far, in the order they came in."""
        return [Request(**recorded) for recorded in self._process.ask("requests")]

    def forget_requests(self) -> None:
        """Count from here."""
        self._process.ask("forget_requests")


def _target(body: Object) -> dict[str, str]:
    metadata = body["metadata"]
    return {
        "api_version": body["apiVersion"],
        "kind": body["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
    }
