"""What the Envoys of pods say of themselves, asked through the API server, with GET alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from istiodoctor.model.envoy_dump import MOST_BYTES, EnvoyAnswers, decode_envoy
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread
from istiodoctor.sources.cluster.admin_port import AdminPort, AnswerError
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.crew import Job, work_off
from istiodoctor.sources.cluster.deadline import Deadline
from istiodoctor.sources.cluster.failure import RequestError
from istiodoctor.sources.cluster.listing import is_possible
from istiodoctor.sources.cluster.scope import Scope

ADMIN_PORT = 15000
CERTIFICATES = "/certs"
LISTENERS = "/listeners?format=json"
SERVER_INFO = "/server_info"
CONFIG_DUMPS = (
    "/config_dump?resource=dynamic_active_secrets",
    "/config_dump?resource=dynamic_warming_secrets",
    "/config_dump?resource=dynamic_listeners",
)
"""Nothing but these is ever asked for: other endpoints change the proxy, or cost it much."""

PODS_AT_ONCE = 4
SHARE_OF_PODS = 1 / 3
"""How much of the whole time all the pods may take together…"""
SHARE_OF_ANSWER = 1 / 12
"""…and how much of it one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envoys:
    """Reads the state of Envoys."""

    connection: Connection
    scope: Scope

    def read(self, pods: frozenset[tuple[str, str]]) -> Iterator[Reading]:
        """Yield the state of the Envoy in each of these pods, or why it was not read."""
        deadline = self.connection.deadline
        until = deadline.at_most(deadline.seconds * SHARE_OF_PODS)
        jobs = [
            Job(
                kind=Kind.ENVOY,
                namespace=namespace,
                name=name,
                work=partial(self._state, namespace, name, until),
            )
            for namespace, name in sorted(pods)
            if self.scope.permits(namespace) and is_possible(namespace) and is_possible(name)
        ]
        yield from work_off(jobs, deadline, threads=PODS_AT_ONCE)

    def _state(self, namespace: str, name: str, until: Deadline) -> Reading:
        pod = Ref(CORE, "Pod", namespace, name)
        with AdminPort(
            self.connection,
            namespace=namespace,
            pod=name,
            port=ADMIN_PORT,
            until=until,
            seconds=self.connection.deadline.seconds * SHARE_OF_ANSWER,
            limit=MOST_BYTES,
        ) as port:
            answers = _answers(port, pod)
        return decode_envoy(pod, taken_at=datetime.now(UTC), answers=answers)


def _answers(port: AdminPort, pod: Ref) -> EnvoyAnswers:
    """Ask for everything; what is not had takes nothing from the rest, unless nobody answers."""
    found: dict[str, bytes] = {}
    missing: list[Unread] = []
    for path in (CERTIFICATES, *CONFIG_DUMPS, LISTENERS, SERVER_INFO):
        try:
            # A resource that it has none of is a 404.
            found[path] = port.find(path) if path in CONFIG_DUMPS else port.get(path)
        except RequestError as failed:
            missing.append(failed.unread(Kind.ENVOY, pod.namespace, pod.name))
            if not isinstance(failed, AnswerError):
                break
    return EnvoyAnswers(
        certs=found.get(CERTIFICATES),
        config_dumps=tuple(found[path] for path in CONFIG_DUMPS if path in found),
        listeners=found.get(LISTENERS),
        server_info=found.get(SERVER_INFO),
        missing=tuple(missing),
    )
