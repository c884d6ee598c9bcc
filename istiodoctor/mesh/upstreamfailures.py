"""What the logs and the objects say of TLS between a gateway and its backends."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.destinations import DestinationState
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.log_meaning import LogFact, Meaning
from istiodoctor.mesh.proxylogs import ProxyLogQuestions
from istiodoctor.mesh.question import question
from istiodoctor.mesh.upstreamtls import UpstreamTls, UpstreamTlsQuestions
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads import ControlPlane, Workload

SAFER_DEFAULTS = (1, 21, 0)
"""From here on certificates of backends are verified, and the SNI is the request's Host."""
SNI_FLAG = "ENABLE_AUTO_SNI"
ORIGINATING = frozenset({"SIMPLE", "MUTUAL"})
UNVERIFIED = "CERTIFICATE_VERIFY_FAILED"
EXTERNAL_NAME = "ExternalName"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedBackend:
    """A backend whose certificate Envoy refused, as an access log shows."""

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnnamedBackend:
    """A destination outside the cluster that is not told by its own name which host is meant."""

    upstream: UpstreamTls
    is_automatic: bool
    """Whether the SNI is the request's Host; without that there is none."""
    version: Version
    """That of the istiod which configures the gateway."""


class UpstreamFailureQuestions(ProxyLogQuestions, UpstreamTlsQuestions):
    """Handshakes with backends."""

    @question(rests_on=[UpstreamTlsQuestions.upstream_tls])
    def _upstreams(self) -> Mapping[tuple[Workload, str], tuple[UpstreamTls, ...]]:
        found: dict[tuple[Workload, str], list[UpstreamTls]] = defaultdict(list)
        for each in self.upstream_tls():
            found[each.workload, each.resolution.fqdn].append(each)
        return {key: tuple(upstreams) for key, upstreams in found.items()}

    @question(
        logs={Meaning.UPSTREAM_TLS_FAILURE},
        rests_on=[ProxyLogQuestions.log_facts, ProxyLogQuestions.workload_of, _upstreams],
    )
    def refused_certificates(self) -> tuple[RefusedBackend, ...]:
        """Return the backends whose certificates gateways refused, by gateway workload."""
        found: dict[tuple[Workload, str], list[LogFact]] = defaultdict(list)
        for fact in self.log_facts(Meaning.UPSTREAM_TLS_FAILURE):
            workload = self.workload_of(fact)
            fqdn = fact.cluster.rpartition("|")[2].rstrip(";")
            if workload and fqdn and UNVERIFIED in fact.reason:
                found[workload, fqdn].append(fact)
        return tuple(
            RefusedBackend(
                workload=key[0],
                fqdn=key[1],
                facts=tuple(facts),
                upstreams=self._upstreams().get(key, ()),
            )
            for key, facts in found.items()
        )

    @question(
        rests_on=[
            UpstreamTlsQuestions.upstream_tls,
            UpstreamTlsQuestions.control_plane_of,
            UpstreamTlsQuestions.http_rules,
        ],
    )
    def unnamed_backends(self) -> tuple[UnnamedBackend, ...]:
        """Return the outside backends to which a gateway speaks TLS with no SNI, or not theirs."""
        return tuple(
            UnnamedBackend(upstream=each, is_automatic=automatic, version=plane.version)
            for each in self.upstream_tls()
            if _is_outside(each) and each.tls and not each.tls.sni
            if (plane := self.control_plane_of(each.workload)) and plane.version
            if not ((automatic := _has_automatic_sni(plane)) and self._asks_by_its_name(each))
        )

    def _asks_by_its_name(self, upstream: UpstreamTls) -> bool:
        """Whether the Host that reaches the backend, and so the SNI, is one of its own."""
        source = upstream.use.virtual_service
        if any(covers(host, upstream.resolution.fqdn) for host in source.spec.hosts):
            return True
        return any(
            isinstance(bound.rule.rewrite, dict) and bound.rule.rewrite.get("authority")
            for bound in self.http_rules(source)
            if any(
                route.destination.host == upstream.use.destination.host
                for route in bound.rule.route
            )
        )


def _is_outside(upstream: UpstreamTls) -> bool:
    """Whether the gateway itself begins TLS, over HTTP routes, with something outside."""
    service = upstream.resolution.service
    outside = upstream.resolution.state is DestinationState.SERVICE_ENTRY or (
        service is not None and service.spec.type == EXTERNAL_NAME
    )
    return outside and upstream.mode in ORIGINATING and upstream.use.protocol == "http"


def _has_automatic_sni(plane: ControlPlane) -> bool:
    values = (each.environment(SNI_FLAG) for each in plane.workload.spec.containers)
    flag = next((value for value in values if value is not None), None)
    if flag is not None:
        return flag == "true"
    return plane.version is not None and plane.version.has(SAFER_DEFAULTS)


def is_hard_to_verify(upstream: UpstreamTls) -> bool:
    """Whether a backend inside the cluster would need a certificate of a public authority."""
    tls, service = upstream.tls, upstream.resolution.service
    if tls is None or service is None or service.spec.type == EXTERNAL_NAME:
        return False
    says = tls.ca_certificates or tls.credential_name or tls.subject_alt_names or tls.sni
    return upstream.mode in ORIGINATING and not says and not tls.insecure_skip_verify
