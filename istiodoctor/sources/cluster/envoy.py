"""What the Envoys of pods say of themselves, asked through the API server, with GET alone."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from istiodoctor.deadline import Deadline
from istiodoctor.model.envoy_configuration import Section
from istiodoctor.model.envoy_configuration_dump import (
    Alike,
    ConfigurationAnswers,
    decode_configuration,
)
from istiodoctor.model.envoy_dump import EnvoyAnswers, decode_envoy
from istiodoctor.model.envoy_parts import MOST_BYTES
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread
from istiodoctor.sources.cluster.admin_port import AdminPort, AnswerError
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.jobs import Job, read_all
from istiodoctor.sources.cluster.listing import is_possible
from istiodoctor.sources.cluster.request_error import RequestError
from istiodoctor.sources.cluster.scope import Scope

ADMIN_PORT = 15000
CERTIFICATES = "/certs"
LISTENERS = "/listeners?format=json"
SERVER_INFO = "/server_info"
DYNAMIC_LISTENERS = "/config_dump?resource=dynamic_listeners"
CONFIG_DUMPS = (
    "/config_dump?resource=dynamic_active_secrets",
    "/config_dump?resource=dynamic_warming_secrets",
    DYNAMIC_LISTENERS,
)
CONFIGURATION = {
    Section.ROUTES: "/config_dump?resource=dynamic_route_configs",
    Section.CLUSTERS: "/config_dump?resource=dynamic_active_clusters",
    Section.ENDPOINTS: "/config_dump?include_eds&resource=dynamic_endpoint_configs",
}
"""Nothing but these is ever asked for: other endpoints change the proxy, or cost it much, and
`mask=` with a field that it does not know has ended older Envoys."""

PODS_AT_ONCE = 4
SHARE_OF_PODS = 1 / 3
"""How much of the whole time all the pods may take together…"""
SHARE_OF_ANSWER = 1 / 12
"""…and how much of it one answer."""

Pods = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envoys:
    """Reads what Envoys say."""

    connection: Connection
    scope: Scope

    def read(self, pods: Pods) -> Iterator[Reading]:
        """Yield the state of the Envoy in each of these pods, or why it was not read."""
        yield from self._asked(Kind.ENVOY, pods, _state)

    def read_configurations(self, pods: Pods) -> Iterator[Reading]:
        """Yield the routes, clusters and endpoints of the Envoy in each of these pods."""
        yield from self._asked(
            Kind.ENVOY_CONFIGURATION, pods, partial(_configuration, alike=Alike())
        )

    def _asked(
        self, kind: Kind, pods: Pods, what: Callable[[AdminPort, Ref], Reading]
    ) -> Iterator[Reading]:
        deadline = self.connection.deadline
        until = deadline.at_most(deadline.seconds * SHARE_OF_PODS)
        jobs = [
            Job(
                kind=kind,
                namespace=namespace,
                name=name,
                work=partial(self._ask, Ref(CORE, "Pod", namespace, name), what, until),
            )
            for namespace, name in sorted(pods)
            if self.scope.permits(namespace) and is_possible(namespace) and is_possible(name)
        ]
        yield from read_all(jobs, deadline, threads=PODS_AT_ONCE)

    def _ask(
        self, pod: Ref, what: Callable[[AdminPort, Ref], Reading], until: Deadline
    ) -> Reading:
        with AdminPort(
            self.connection,
            namespace=pod.namespace,
            pod=pod.name,
            port=ADMIN_PORT,
            until=until,
            seconds=self.connection.deadline.seconds * SHARE_OF_ANSWER,
            limit=MOST_BYTES,
        ) as port:
            return what(port, pod)


def _state(port: AdminPort, pod: Ref) -> Reading:
    paths = (CERTIFICATES, *CONFIG_DUMPS, LISTENERS, SERVER_INFO)
    found, missing = _answers(port, pod, paths, Kind.ENVOY)
    answers = EnvoyAnswers(
        certs=found.get(CERTIFICATES),
        config_dumps=tuple(found[path] for path in CONFIG_DUMPS if path in found),
        knows_listeners=bool(found.get(DYNAMIC_LISTENERS)),
        listeners=found.get(LISTENERS),
        server_info=found.get(SERVER_INFO),
        missing=missing,
    )
    return decode_envoy(pod, taken_at=datetime.now(UTC), answers=answers)


def _configuration(port: AdminPort, pod: Ref, *, alike: Alike) -> Reading:
    found, missing = _answers(port, pod, CONFIGURATION.values(), Kind.ENVOY_CONFIGURATION)
    if not found.get(CONFIGURATION[Section.CLUSTERS]):  # every Envoy has clusters
        found = {path: answer for path, answer in found.items() if answer}
    answers = ConfigurationAnswers(
        asked={section: found[path] for section, path in CONFIGURATION.items() if path in found},
        missing=missing,
    )
    return decode_configuration(pod, taken_at=datetime.now(UTC), answers=answers, alike=alike)


def _answers(
    port: AdminPort, pod: Ref, paths: Iterable[str], kind: Kind
) -> tuple[dict[str, bytes], tuple[Unread, ...]]:
    """Ask for everything; what is not had takes nothing from the rest, unless nobody answers."""
    found: dict[str, bytes] = {}
    missing: list[Unread] = []
    for path in paths:
        try:
            # A resource that it has none of is a 404.
            has_none = path.startswith("/config_dump")
            found[path] = port.find(path) if has_none else port.get(path)
        except RequestError as failed:
            missing.append(failed.unread(kind, pod.namespace, pod.name))
            if not isinstance(failed, AnswerError):
                break
    return found, tuple(missing)
