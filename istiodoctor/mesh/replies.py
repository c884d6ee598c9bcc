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


def _keeps_port(step: HttpStep) -> bool:
    try:
        asked, told = urlsplit(step.url), urlsplit(step.location)
        same = (asked.hostname, asked.port) == (told.hostname, told.port)
    except ValueError:
        return False
    return same and told.scheme == "https" and asked.scheme == "http" and asked.port is not None
