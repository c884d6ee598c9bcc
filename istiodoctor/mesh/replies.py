"""What requests were answered with: redirects that lead back, ports and clocks that are off."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from istiodoctor.mesh.doors import DoorQuestions
from istiodoctor.mesh.question import question
from istiodoctor.mesh.servers import Server
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import HttpObservation, HttpStep, Outcome, Via

BAD_GATEWAY = frozenset({502, 503, 504})
DENIED = "RBAC: access denied"
PLAIN_TO_TLS = (
    "The plain HTTP request was sent to HTTPS port",
    "This combination of host and port requires TLS",
    "Client sent an HTTP request to an HTTPS server",
)
"""What backends say that speak TLS and were sent plain HTTP."""
CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop:
    """A redirect that led back to where it came from."""

    server: Server
    observation: HttpObservation
    step: HttpStep
    """The one that redirected to itself, or back."""


class ReplyQuestions(DoorQuestions):
    """Requests by server."""

    @question(Kind.HTTP_PROBE, rests_on=[DoorQuestions.servers_by_id])
    def requests(self) -> tuple[tuple[Server, HttpObservation], ...]:
        """Return the requests that were made, with the server that each should reach."""
        servers = self.servers_by_id()
        return tuple(
            (servers[seen.target.server], seen)
            for seen in self._snapshot.http_observations
            if seen.target.server in servers
        )

    @question(rests_on=[requests])
    def loops(self) -> tuple[Loop, ...]:
        """Return the redirects that lead back to themselves, told as no proxy would tell them."""
        return tuple(
            Loop(server=server, observation=seen, step=seen.last)
            for server, seen in self.requests()
            if seen.outcome is Outcome.LOOP and not seen.target.forwarded_proto
        )

    @question(rests_on=[requests])
    def error_answers(self) -> Mapping[Server, tuple[HttpStep, ...]]:
        """Return the requests that ended in an error of the gateway's, by server.

        A 404 is none of them: not every path of a host leads somewhere.
        """
        found: dict[Server, dict[HttpStep, None]] = defaultdict(dict)
        for server, seen in self.requests():
            if seen.outcome is Outcome.ANSWERED and _is_error(seen.last):
                found[server][seen.last] = None
        return {server: tuple(steps) for server, steps in found.items()}

    @question(rests_on=[requests])
    def kept_node_ports(self) -> tuple[tuple[Server, HttpStep], ...]:
        """Return the redirects to https:// that keep the node port of plain HTTP."""
        return tuple(
            (server, step)
            for server, seen in self.requests()
            for step in seen.steps
            if step.door and step.door.via is Via.NODE_PORT and _keeps_port(step)
        )

    @question(rests_on=[requests])
    def differing_clocks(self) -> Mapping[Server, tuple[tuple[HttpStep, timedelta], ...]]:
        """Return the answers of gateways whose clock differs from that of this machine."""
        found: dict[Server, list[tuple[HttpStep, timedelta]]] = defaultdict(list)
        for server, seen in self.requests():
            for step in seen.steps:
                if step.date and step.at and abs(step.date - step.at) > CLOCKS_DIFFER:
                    found[server].append((step, step.date - step.at))
        return {server: tuple(each) for server, each in found.items()}


def _is_error(step: HttpStep) -> bool:
    if any(words in step.body for words in PLAIN_TO_TLS):
        return True
    if step.from_upstream:
        return False
    return step.status in BAD_GATEWAY or (step.status == 403 and DENIED in step.body)


def _keeps_port(step: HttpStep) -> bool:
    try:
        asked, told = urlsplit(step.url), urlsplit(step.location)
        same = (asked.hostname, asked.port) == (told.hostname, told.port)
    except ValueError:
        return False
    return same and told.scheme == "https" and asked.scheme == "http" and asked.port is not None
