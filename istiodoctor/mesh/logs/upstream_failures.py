"""TLS failures between a gateway and its backends, by logs and objects."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.configuration.bindings import as_held
from istiodoctor.mesh.configuration.upstream_tls import UpstreamTls, is_plain_name, upstream_tls
from istiodoctor.mesh.credentials.credentials import credential, secret_exists
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.control_planes import ControlPlane, control_plane_of
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import ClientTls
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref

SNI_FLAG = "ENABLE_AUTO_SNI"
ORIGINATING = frozenset({"SIMPLE", "MUTUAL"})
UNVERIFIED = "CERTIFICATE_VERIFY_FAILED"
EXTERNAL_NAME = "ExternalName"


class Lack(StrEnum):
    """What is missing of the Secret that a DestinationRule's `credentialName` names."""

    SECRET = "secret"
    PAIR = "pair"
    """The Secret has no certificate with its key, which MUTUAL presents."""
    CA = "authority"
    """No CA to check the backend with: neither `<name>-cacert` nor the Secret itself has one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LackingCredential:
    """A destination whose TLS lacks its Secret, or a key in it."""

    upstream: UpstreamTls
    secret: Ref
    lack: Lack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailedBackend:
    """A backend with which a gateway's TLS failed, as an access log shows."""

    workload: Workload
    fqdn: str
    facts: tuple[LogFact, ...]
    """Oldest first."""
    upstreams: tuple[UpstreamTls, ...] = ()
    """The destinations there that a DestinationRule sets TLS for."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that clients asked for, else those of the routes."""
        routes = (host for each in self.upstreams for host in each.use.virtual_service.spec.hosts)
        asked = (fact.host for fact in self.facts if fact.host)
        return tuple(dict.fromkeys(routes)) or tuple(dict.fromkeys(asked))

    @property
    def places(self) -> tuple[Place, ...]:
        """The settings in force, then the routes; the workload where neither is known."""
        settings = dict.fromkeys(each.place for each in self.upstreams if each.place)
        routes = dict.fromkeys(each.use.place for each in self.upstreams)
        return (*settings, *routes, Place(self.workload.owner))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnnamedBackend:
    """A destination outside the cluster that gets no SNI, or another host's."""

    upstream: UpstreamTls
    is_automatic: bool
    """Whether the SNI is the request's Host; without that there is none."""
    version: Version
    """That of the istiod which configures the gateway."""


@question
def lacking_credentials(mesh: Mesh) -> tuple[LackingCredential, ...]:
    """Return what gateways lack to speak TLS as DestinationRules with a Secret say.

    istiod's ApplyCustomSDSToClientCommonTLSContext; names with a prefix are not judged.
    """
    return tuple(
        LackingCredential(
            upstream=each,
            secret=Ref(CORE, "Secret", each.workload.namespace, each.tls.credential_name + suffix),
            lack=lack,
        )
        for each in upstream_tls(mesh)
        if each.tls and each.mode in ORIGINATING and is_plain_name(each.tls.credential_name)
        for suffix, lack in _lacks(mesh, each.workload.namespace, each.tls, each.mode)
    )


def _lacks(mesh: Mesh, namespace: str, tls: ClientTls, mode: str) -> Iterator[tuple[str, Lack]]:
    """Yield the suffix of the Secret's name with what it lacks."""
    name = tls.credential_name
    exists, found = secret_exists(mesh, namespace, name), credential(mesh, namespace, name)
    if mode == "MUTUAL":
        if exists is False:
            yield "", Lack.SECRET
            return
        if found and not found.pairs:
            yield "", Lack.PAIR
    if tls.insecure_skip_verify:
        return
    dedicated = secret_exists(mesh, namespace, name + CA_SUFFIX)
    dedicated_ca = credential(mesh, namespace, name + CA_SUFFIX)
    if dedicated and dedicated_ca and not dedicated_ca.ca_key:
        yield CA_SUFFIX, Lack.CA
    elif dedicated is False and exists is False:
        yield "", Lack.SECRET
    elif dedicated is False and found and not found.ca_key:
        yield "", Lack.CA


@question
def _upstreams(mesh: Mesh) -> Mapping[tuple[Workload, str], tuple[UpstreamTls, ...]]:
    found: dict[tuple[Workload, str], list[UpstreamTls]] = defaultdict(list)
    for each in upstream_tls(mesh):
        found[each.workload, each.fqdn].append(each)
    return {key: tuple(upstreams) for key, upstreams in found.items()}


@question(logs={Meaning.UPSTREAM_TLS_FAILURE})
def _failed(mesh: Mesh) -> Mapping[bool, tuple[FailedBackend, ...]]:
    """Return the failed handshakes: under True those over the backend's certificate."""
    found: dict[tuple[Workload, str, bool], list[LogFact]] = defaultdict(list)
    for fact in log_facts(mesh, Meaning.UPSTREAM_TLS_FAILURE):
        workload = workload_of(mesh, fact)
        fqdn = fact.cluster.rpartition("|")[2].rstrip(";")
        if workload and fqdn:
            found[workload, fqdn, UNVERIFIED in fact.reason].append(fact)
    failed: dict[bool, list[FailedBackend]] = defaultdict(list)
    for (workload, fqdn, unverified), facts in found.items():
        upstreams = _upstreams(mesh).get((workload, fqdn), ())
        failed[unverified].append(
            FailedBackend(workload=workload, fqdn=fqdn, facts=tuple(facts), upstreams=upstreams)
        )
    return {unverified: tuple(each) for unverified, each in failed.items()}


@question
def refused_certificates(mesh: Mesh) -> tuple[FailedBackend, ...]:
    """Return the backends whose certificates gateways refused, by gateway workload."""
    return _failed(mesh).get(True, ())


@question
def failed_handshakes(mesh: Mesh) -> tuple[FailedBackend, ...]:
    """Return the backends with which TLS failed for any other reason."""
    return _failed(mesh).get(False, ())


@question
def unnamed_backends(mesh: Mesh) -> tuple[UnnamedBackend, ...]:
    """Return the outside backends to which a gateway speaks TLS with no SNI, or not theirs."""
    return tuple(
        UnnamedBackend(upstream=each, is_automatic=automatic, version=plane.version)
        for each in upstream_tls(mesh)
        if _is_outside(each) and each.tls and not each.tls.sni
        if (plane := control_plane_of(mesh, each.workload)) and plane.version
        if not ((automatic := _has_automatic_sni(plane)) and _asks_by_its_name(mesh, each))
    )


def _asks_by_its_name(mesh: Mesh, upstream: UpstreamTls) -> bool:
    """Whether the Host that reaches the backend, and so the SNI, is one of its own."""
    source = upstream.use.virtual_service
    if any(covers(host, upstream.fqdn) for host in source.spec.hosts):
        return True
    name = upstream.use.resolved.host
    return any(
        held.rule.rewrite and held.rule.rewrite.authority
        for held in as_held(mesh, source).http
        if any(route.destination.host == name for route in held.rule.route)
    )


def _is_outside(upstream: UpstreamTls) -> bool:
    """Whether the gateway itself begins TLS, over HTTP routes, with something outside."""
    service = upstream.routed.kubernetes_service
    outside = service is None or service.spec.type == EXTERNAL_NAME
    return outside and upstream.mode in ORIGINATING and upstream.use.protocol == "http"


def _has_automatic_sni(plane: ControlPlane) -> bool:
    values = (each.environment(SNI_FLAG) for each in plane.workload.spec.containers)
    flag = next((value for value in values if value is not None), None)
    if flag is not None:
        return flag == "true"
    return has(plane, Change.BACKENDS_VERIFIED)


def is_hard_to_verify(upstream: UpstreamTls) -> bool:
    """Whether a backend inside the cluster would need a certificate of a public CA."""
    tls, service = upstream.tls, upstream.routed.kubernetes_service
    if tls is None or service is None or service.spec.type == EXTERNAL_NAME:
        return False
    says = tls.ca_certificates or tls.credential_name or tls.subject_alt_names or tls.sni
    return upstream.mode in ORIGINATING and not says and not tls.insecure_skip_verify
