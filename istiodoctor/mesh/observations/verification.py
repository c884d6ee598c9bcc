"""Verification of findings: observations that confirm or contradict them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.credentials.credentials import CredentialUse, credential, uses_by_secret
from istiodoctor.mesh.envoy.secrets import PodSecret
from istiodoctor.mesh.envoy.state import held_secrets
from istiodoctor.mesh.gateways.listeners import workloads_of
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import ANY, HostIndex, meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import handshakes, servers_by_id
from istiodoctor.mesh.observations.http_answers import goes_round, is_own, requests
from istiodoctor.mesh.observations.unserved_names import (
    UnservedHandshakes,
    WhyUnserved,
    unserved_handshakes,
)
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload, pod_is_ready
from istiodoctor.model.observation import HttpObservation, HttpStep, Outcome, TlsObservation, Via
from istiodoctor.model.ref import Ref

REFUSALS = frozenset({Outcome.ALERT, Outcome.RESET, Outcome.REFUSED, Outcome.NOT_TLS})
REDIRECTS = range(300, 400)


class Claim(StrEnum):
    """What clients observe where a check's finding holds."""

    NO_HANDSHAKE = "no-handshake"
    """The gateway's pods refuse TLS."""
    STORED_CERTIFICATE = "stored-certificate"
    """Clients are shown the certificate that the Secret holds."""
    UNSERVED = "unserved"
    """No TLS server answers for these names."""
    NOT_FOUND = "not-found"
    """The gateway itself answers that there is no such host: 404."""
    REDIRECT_LOOP = "redirect-loop"
    """On the way that clients take, https:// is redirected to itself."""


Observation = TlsObservation | HttpStep | PodSecret
"""An observation that confirms or contradicts a claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a finding is about: observations of these servers, hosts or Secrets bear on it."""

    servers: frozenset[str]
    """Identities (`Server.id`)."""
    hosts: frozenset[str]
    credentials: frozenset[tuple[str, str]]
    """Namespace and name of Secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The observations that confirm a claim, and those that contradict it."""

    confirming: tuple[Observation, ...] = ()
    contradicting: tuple[Observation, ...] = ()
    unheard: frozenset[Ref] = frozenset()
    """Ready pods that were not observed: they may differ."""

    @property
    def confirms(self) -> bool:
        """Whether an observation confirms it."""
        return bool(self.confirming)

    @property
    def contradicts(self) -> bool:
        """Whether every observation contradicts it, of all ready pods."""
        return bool(self.contradicting) and not self.confirming and not self.unheard


def verification(mesh: Mesh, claim: Claim, subject: Subject) -> Verification:
    """Return the observations for and against a claim; empty where nothing was observed."""
    snapshot = mesh.snapshot
    if not (snapshot.tls_observations or snapshot.http_observations or snapshot.envoys):
        return Verification()
    match claim:
        case Claim.NO_HANDSHAKE:
            return _of_pods(mesh, subject, _is_without_tls, _is_with_tls)
        case Claim.STORED_CERTIFICATE:
            stored = _stored_serials(mesh, subject)
            return _of_pods(
                mesh,
                subject,
                lambda seen: _shows(seen) and not stored.isdisjoint(_shows(seen)),
                lambda seen: bool(stored) and stored.isdisjoint(_shows(seen)),
            )
        case Claim.UNSERVED:
            asked = tuple(_unserved_about(mesh, subject))
            return Verification(
                confirming=tuple(e for each in asked for e in (*each.refused, *each.plain)),
                contradicting=tuple(e for each in asked for e in each.completed),
            )
        case Claim.NOT_FOUND:
            steps = [each.last for each in _requests_about(mesh, subject)]
            return _told(steps, _is_unknown_host, _is_known_host)
        case Claim.REDIRECT_LOOP:
            requests = tuple(_requests_about(mesh, subject))
            looping = [each.last for each in requests if _is_loop(each)]
            clients = [each.last for each in requests if _is_by_name(each)]
            return Verification(
                confirming=tuple(looping),
                contradicting=tuple(each for each in clients if _is_arrived(each)),
            )


def _of_pods(
    mesh: Mesh,
    subject: Subject,
    agrees: Callable[[TlsObservation | PodSecret], object],
    denies: Callable[[TlsObservation | PodSecret], object],
) -> Verification:
    """Sort what pods show: on the wire first, and what their Envoys hold."""
    workloads = _workloads_about(mesh, subject)
    seen: list[TlsObservation | PodSecret]
    seen = [*_handshakes_about(mesh, subject, workloads), *_held_about(mesh, subject)]
    confirming = tuple(each for each in seen if agrees(each))
    contradicting = tuple(each for each in seen if denies(each))
    heard = {_pod_of(each) for each in (*confirming, *contradicting)}
    ready = {pod.ref for each in workloads for pod in each.pods if pod_is_ready(pod)}
    return Verification(
        confirming=confirming, contradicting=contradicting, unheard=frozenset(ready - heard)
    )


def _uses_about(mesh: Mesh, subject: Subject) -> Iterator[CredentialUse]:
    for key in sorted(subject.credentials):
        yield from uses_by_secret(mesh).get(key, ())


def _servers_about(mesh: Mesh, subject: Subject) -> tuple[Server, ...]:
    if not subject.servers:
        return tuple(dict.fromkeys(each.server for each in _uses_about(mesh, subject)))
    found = (servers_by_id(mesh).get(each) for each in sorted(subject.servers))
    return tuple(each for each in found if each)


def _workloads_about(mesh: Mesh, subject: Subject) -> tuple[Workload, ...]:
    if subject.credentials:
        return tuple(dict.fromkeys(each.workload for each in _uses_about(mesh, subject)))
    found = (
        each for server in _servers_about(mesh, subject) for each in workloads_of(mesh, server)
    )
    return tuple(dict.fromkeys(found))


def _handshakes_about(
    mesh: Mesh, subject: Subject, workloads: Iterable[Workload]
) -> Iterator[TlsObservation]:
    owners = {each.owner for each in workloads}
    for server in _servers_about(mesh, subject):
        for each in handshakes(mesh).get(server, ()):
            target = each.target
            is_at_pod = (
                target.access_point.pod is not None and target.access_point.gateway in owners
            )
            if is_at_pod and target.sni and _is_about(target.host, subject.hosts):
                yield each
    # A listener of the Gateway API whose Secret istiod cannot use is no server of Envoy's.
    for asked in _unserved_about(mesh, subject) if subject.servers else ():
        if asked.unserved.why is WhyUnserved.LEFT_OUT:
            for each in (*asked.refused, *asked.plain, *asked.completed):
                if (
                    each.target.access_point.pod is not None
                    and each.target.access_point.gateway in owners
                ):
                    yield each


@question
def _held_by_key(mesh: Mesh) -> Mapping[tuple[str, str], tuple[PodSecret, ...]]:
    found: dict[tuple[str, str], list[PodSecret]] = defaultdict(list)
    for held in held_secrets(mesh):
        found[held.key] += held.pods
    return {key: tuple(pods) for key, pods in found.items()}


def _held_about(mesh: Mesh, subject: Subject) -> Iterator[PodSecret]:
    for key in sorted(subject.credentials):
        yield from _held_by_key(mesh).get(key, ())


def _unserved_about(mesh: Mesh, subject: Subject) -> Iterator[UnservedHandshakes]:
    for asked in unserved_handshakes(mesh):
        unserved = asked.unserved
        is_own = not subject.servers or unserved.server.id in subject.servers
        if is_own and _is_about(unserved.name, subject.hosts):
            yield asked


@question
def _untold_requests(mesh: Mesh) -> HostIndex[tuple[int, Server, HttpObservation]]:
    """Return the requests that claim no X-Forwarded-Proto, in their order, by host."""
    return HostIndex(
        (seen.target.host, (number, server, seen))
        for number, (server, seen) in enumerate(requests(mesh))
        if not seen.target.forwarded_proto
    )


def _requests_about(mesh: Mesh, subject: Subject) -> Iterator[HttpObservation]:
    index = _untold_requests(mesh)
    found = {
        number: seen
        for host in subject.hosts or (ANY,)
        for number, server, seen in index.meeting(host)
        if not subject.servers or server.id in subject.servers
    }
    for number in sorted(found):
        yield found[number]


def _stored_serials(mesh: Mesh, subject: Subject) -> frozenset[str]:
    found = (credential(mesh, *each) for each in subject.credentials)
    return frozenset(each.leaf.serial for each in found if each and each.leaf)


def _is_about(host: str, hosts: frozenset[str]) -> bool:
    """Whether a host is one of a finding's; one that names none is about all."""
    return not hosts or any(meet(host, each) for each in hosts)


def _pod_of(seen: TlsObservation | PodSecret) -> Ref | None:
    return seen.pod if isinstance(seen, PodSecret) else seen.target.access_point.pod


def _shows(seen: TlsObservation | PodSecret) -> frozenset[str]:
    """Return the serials of what clients get."""
    if isinstance(seen, PodSecret):
        return seen.serials
    return frozenset({seen.leaf.serial} if seen.leaf else ())


def _is_without_tls(seen: TlsObservation | PodSecret) -> bool:
    if isinstance(seen, PodSecret):
        return seen.has_nothing
    return seen.outcome in REFUSALS and not seen.leaf


def _is_with_tls(seen: TlsObservation | PodSecret) -> bool:
    return bool(seen.served) if isinstance(seen, PodSecret) else seen.leaf is not None


def _told(
    steps: Iterable[HttpStep],
    agrees: Callable[[HttpStep], bool],
    denies: Callable[[HttpStep], bool],
) -> Verification:
    found = tuple(steps)
    return Verification(
        confirming=tuple(each for each in found if agrees(each)),
        contradicting=tuple(each for each in found if denies(each)),
    )


def _is_unknown_host(step: HttpStep) -> bool:
    return step.status == 404 and is_own(step)


def _is_known_host(step: HttpStep) -> bool:
    return step.from_upstream or 200 <= step.status < 300


def _is_loop(seen: HttpObservation) -> bool:
    return goes_round(seen) and not seen.last.from_upstream


def _is_arrived(step: HttpStep) -> bool:
    """Whether a request over https:// got an answer of its own."""
    is_answer = step.status > 0 and step.status not in REDIRECTS
    return step.url.startswith("https:") and is_answer


def _is_by_name(seen: HttpObservation) -> bool:
    """Whether it went where the host's name leads, as clients go."""
    access_point = seen.steps[0].access_point
    return access_point is not None and access_point.via is Via.DNS
