"""VirtualServices that do not reach the servers they are meant for."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from istiodoctor.mesh.attachments import AttachmentQuestions
from istiodoctor.mesh.grants import gateway_ref
from istiodoctor.mesh.hosts import ANY, HostIndex, covers, is_wildcard, meet
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import MESH, Binding, BoundRule, GatewayReference, ReferenceState
from istiodoctor.mesh.servers import ANY_NAMESPACE, GatewayApi, Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import HttpMatch, HttpRule, TlsMatch, TlsMode, VirtualService
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

MOST_COMPARED = 50
"""Hosts compared for a likely misspelling."""
CATCH_ALL = ("catch-all", "")
_EVERYTHING = frozenset({("prefix", "/"), ("regex", ".*"), ("regex", "/.*")})

MatchKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LostReference:
    """A `gateways` entry that is not known to lead to a Gateway."""

    reference: GatewayReference
    candidates: tuple[Ref, ...]
    """Gateways of the same name in other namespaces that have a host of the VirtualService."""
    suitable: tuple[Ref, ...]
    """Gateways of other names that have one."""
    api_gateway: Ref | None
    """A Gateway API Gateway of that very name: no VirtualService can be bound to it."""
    is_answered: bool
    """Whether all its hosts are answered by way of other Gateways all the same."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnservedHost:
    """A host of a VirtualService that no server of its Gateways has."""

    virtual_service: VirtualService
    index: int
    host: str
    servers: tuple[Server, ...]
    """The servers of the Gateways it names."""
    near: tuple[str, ...]
    """Hosts of those servers that may have been meant."""
    is_partial: bool
    """Whether other hosts of the VirtualService are served."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unbound:
    """A VirtualService for the mesh alone whose host a Gateway has and nobody routes there."""

    virtual_service: VirtualService
    hosts: tuple[str, ...]
    servers: tuple[Server, ...]
    is_sure: bool
    """False where the Gateway takes every host, or other VirtualServices may be unseen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IgnoredTlsRoutes:
    """`tls` routes on servers that end TLS, with nothing else to answer for the hosts."""

    virtual_service: VirtualService
    hosts: tuple[str, ...]
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassthroughGap:
    """Hosts of a PASSTHROUGH server for which no `tls` match gives a filter chain."""

    server: Server
    hosts: tuple[str, ...]
    virtual_services: tuple[VirtualService, ...]
    """Those bound for these hosts, all without a match that helps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepeatedSni:
    """SNI hosts that two `tls` rules on one server match: the second is left out."""

    server: Server
    first: VirtualService
    second: VirtualService
    hosts: tuple[str, ...]

    @property
    def order_is_known(self) -> bool:
        """Whether creation times, or the order within one object, decide."""
        sources = {self.first, self.second}
        return len(sources) == 1 or all(each.metadata.creation_timestamp for each in sources)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shadow:
    """Rules that never apply because another one takes the same requests before them."""

    winner: BoundRule
    losers: tuple[BoundRule, ...]
    """All of one VirtualService; those that do what the winner does are not among them."""
    hosts: tuple[str, ...]
    server: Server | None = None
    """Where two VirtualServices meet; None within one."""

    @property
    def order_is_known(self) -> bool:
        """Whether creation times, or the order within one object, decide."""
        sources = {self.winner.virtual_service, self.losers[0].virtual_service}
        return len(sources) == 1 or all(each.metadata.creation_timestamp for each in sources)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitHost:
    """A host whose routes are on a wildcard server while its SNI reaches a narrower one."""

    virtual_service: VirtualService
    host: str
    bound: Server
    reached: Server
    listener: Listener


class MisroutingQuestions(AttachmentQuestions):
    """VirtualServices and servers that miss each other."""

    @question(Kind.VIRTUAL_SERVICE)
    def virtual_services_are_known(self) -> bool:
        """Whether a VirtualService that is not here does not exist."""
        return self._is_complete(Kind.VIRTUAL_SERVICE)

    @question(rests_on=[AttachmentQuestions.servers])
    def servers_by_gateway(self) -> Mapping[Ref, tuple[Server, ...]]:
        """Return the servers of each Gateway or ListenerSet, in order."""
        found: dict[Ref, list[Server]] = defaultdict(list)
        for server in self.servers():
            found[server.gateway].append(server)
        return {ref: tuple(servers) for ref, servers in found.items()}

    @question(rests_on=[AttachmentQuestions.servers])
    def _istio_server_index(self) -> HostIndex[tuple[str, Server]]:
        return HostIndex(
            (host.name, (host.namespace, server))
            for server in self.servers()
            if server.api is GatewayApi.ISTIO
            for host in server.hosts
        )

    @question(rests_on=[_istio_server_index])
    def istio_servers_for(self, host: str, namespace: str) -> tuple[Server, ...]:
        """Return the Istio servers that have a host and take routes from a namespace.

        The most specific first.
        """
        return tuple(
            server
            for allowed, server in self._istio_server_index().covering(host)
            if allowed in (ANY_NAMESPACE, namespace)
        )

    @question(rests_on=[AttachmentQuestions.gateway_references])
    def _references_by_source(self) -> Mapping[Ref, tuple[GatewayReference, ...]]:
        found: dict[Ref, list[GatewayReference]] = defaultdict(list)
        for reference in self.gateway_references():
            found[reference.virtual_service.ref].append(reference)
        return {ref: tuple(references) for ref, references in found.items()}

    @question(rests_on=[_references_by_source])
    def references_of(self, virtual_service: VirtualService) -> tuple[GatewayReference, ...]:
        """Return what a VirtualService's `gateways` lead to."""
        return self._references_by_source().get(virtual_service.ref, ())

    @question(
        rests_on=[
            AttachmentQuestions.gateway_references,
            AttachmentQuestions.routes_for,
            AttachmentQuestions.api_gateways_by_ref,
            servers_by_gateway,
            istio_servers_for,
        ]
    )
    def lost_references(self) -> tuple[LostReference, ...]:
        """Return the `gateways` entries that lead nowhere, or to something that was not read."""
        return tuple(
            self._lost(reference)
            for reference in self.gateway_references()
            if reference.state in (ReferenceState.MISSING, ReferenceState.UNKNOWN)
        )

    def _lost(self, reference: GatewayReference) -> LostReference:
        source, target = reference.virtual_service, reference.target
        hosts = source.spec.hosts
        found = {
            server.gateway: None
            for host in hosts
            for server in self.istio_servers_for(host, source.namespace)
            if ANY not in server.names
        }
        same_name = (ref for ref in reference.elsewhere if self._has_host(ref, hosts))
        api = gateway_ref(target.namespace, target.name)
        return LostReference(
            reference=reference,
            candidates=tuple(same_name),
            suitable=tuple(ref for ref in found if ref not in reference.elsewhere),
            api_gateway=api if api in self.api_gateways_by_ref() else None,
            is_answered=bool(hosts) and all(self._is_answered(source, host) for host in hosts),
        )

    def _has_host(self, gateway: Ref, hosts: tuple[str, ...]) -> bool:
        return any(
            meet(name, host) is not None
            for server in self.servers_by_gateway().get(gateway, ())
            for name in server.names
            for host in hosts
        )

    @question(
        rests_on=[
            AttachmentQuestions.virtual_services,
            AttachmentQuestions.servers_of,
            AttachmentQuestions.routes_for,
            _references_by_source,
            servers_by_gateway,
            istio_servers_for,
        ]
    )
    def unserved_hosts(self) -> tuple[UnservedHost, ...]:
        """Return the hosts of VirtualServices that none of the Gateways they name has.

        Not judged where a named Gateway is missing or was not read.
        """
        bound = self.servers_of()
        named = self._references_by_source()
        return tuple(
            each
            for source in self.virtual_services()
            if (references := named.get(source.ref))
            and all(each.state is ReferenceState.FOUND for each in references)
            for each in self._unserved(source, references, bound.get(source.ref, ()))
        )

    def _unserved(
        self,
        source: VirtualService,
        references: tuple[GatewayReference, ...],
        bindings: tuple[Binding, ...],
    ) -> Iterator[UnservedHost]:
        bound = {host for each in bindings for host in (*each.hosts, *each.blocked_hosts)}
        lost = [
            (index, host)
            for index, host in enumerate(source.spec.hosts)
            if host not in bound and not any(covers(host, each) for each in bound)
        ]
        if not lost:
            return
        is_partial = len(lost) < len(source.spec.hosts)
        for_mesh = MESH in source.spec.gateways
        by_gateway = self.servers_by_gateway()
        servers = tuple(
            server
            for gateway in dict.fromkeys(each.target for each in references)
            for server in by_gateway.get(gateway, ())
        )
        for index, host in lost:
            if (for_mesh and is_partial) or is_internal(host) or self._is_answered(source, host):
                continue
            yield UnservedHost(
                virtual_service=source,
                index=index,
                host=host,
                servers=servers,
                near=near_hosts(host, servers),
                is_partial=is_partial,
            )

    def _is_answered(self, source: VirtualService, host: str) -> bool:
        return any(
            self.routes_for(server, host)
            for server in self.istio_servers_for(host, source.namespace)
        )

    @question(
        rests_on=[
            AttachmentQuestions.virtual_services,
            AttachmentQuestions.bindings,
            AttachmentQuestions.routes_for,
            AttachmentQuestions.is_service_entry_host,
            istio_servers_for,
            virtual_services_are_known,
        ]
    )
    def unbound_virtual_services(self) -> tuple[Unbound, ...]:
        """Return VirtualServices without a gateway for hosts that a Gateway has.

        And that no other VirtualService answers for there. Names of the mesh and hosts of
        ServiceEntries are what such a VirtualService is for.
        """
        return tuple(
            each
            for source in self.virtual_services()
            if all(gateway == MESH for gateway in source.spec.gateways)
            if (each := self._unbound(source))
        )

    def _unbound(self, source: VirtualService) -> Unbound | None:
        hosts: dict[str, None] = {}
        servers: dict[Server, None] = {}
        certain = self.virtual_services_are_known()
        for host in source.spec.hosts:
            if is_internal(host) or self.is_service_entry_host(host):
                continue
            candidates = self._awaiting(host, source.namespace)
            if candidates:
                hosts[host] = None
                servers |= dict.fromkeys(candidates)
                certain = certain and ANY not in candidates[0].names
        if not servers:
            return None
        return Unbound(
            virtual_service=source, hosts=tuple(hosts), servers=tuple(servers), is_sure=certain
        )

    def _awaiting(self, host: str, namespace: str) -> tuple[Server, ...]:
        """Return the servers that have a host no VirtualService answers for on any of them."""
        candidates = [
            server
            for server in self.istio_servers_for(host, namespace)
            if (server.routes_http or server.is_passthrough)
            and server.mode is not TlsMode.ISTIO_MUTUAL
            and not server.https_redirect
        ]
        if any(self.routes_for(server, host) for server in candidates):
            return ()
        named = tuple(each for each in candidates if ANY not in each.names)
        # A server for every host is no sign that this one is meant, unless it routes nothing.
        return named or tuple(
            each for each in candidates if not any(b.hosts for b in self.bindings().get(each, ()))
        )

    @question(
        rests_on=[
            AttachmentQuestions.virtual_services,
            AttachmentQuestions.servers_of,
            AttachmentQuestions.routes_for,
        ]
    )
    def ignored_tls_routes(self) -> tuple[IgnoredTlsRoutes, ...]:
        """Return VirtualServices whose `tls` routes are bound only where TLS ends."""
        return tuple(
            each
            for source in self.virtual_services()
            if source.spec.tls and not source.spec.http
            if (each := self._ignored(source))
        )

    def _ignored(self, source: VirtualService) -> IgnoredTlsRoutes | None:
        bindings = self.servers_of().get(source.ref, ())
        passed = [host for each in bindings if each.server.is_passthrough for host in each.hosts]
        hosts: dict[str, None] = {}
        servers: dict[Server, None] = {}
        for binding in bindings:
            if not _wants_other_routes(binding.server, source):
                continue
            for host in binding.hosts:
                if any(covers(each, host) for each in passed):
                    continue
                if not any(each.spec.http for each in self.routes_for(binding.server, host)):
                    hosts[host] = None
                    servers[binding.server] = None
        if not servers:
            return None
        return IgnoredTlsRoutes(virtual_service=source, hosts=tuple(hosts), servers=tuple(servers))

    @question(
        rests_on=[
            AttachmentQuestions.live_servers,
            AttachmentQuestions.bindings,
            virtual_services_are_known,
        ]
    )
    def passthrough_gaps(self) -> tuple[PassthroughGap, ...]:
        """Return the hosts of PASSTHROUGH servers that no `tls` match of a route takes.

        A server with a credential and no mode is meant to end TLS: not judged here.
        """
        return tuple(
            gap
            for server in self.live_servers()
            if server.api is GatewayApi.ISTIO and server.is_passthrough
            if not (server.tls and not server.mode_is_explicit and _names_credential(server))
            for gap in self._gaps(server)
        )

    def _gaps(self, server: Server) -> Iterator[PassthroughGap]:
        bindings = [each for each in self.bindings().get(server, ()) if each.hosts]
        if not bindings and not self.virtual_services_are_known():
            return
        taken = HostIndex((sni, True) for each in bindings for sni in sni_hosts(each))
        by_host = HostIndex((host, each) for each in bindings for host in each.hosts)
        grouped: dict[tuple[Ref, ...], list[str]] = defaultdict(list)
        sources = {each.virtual_service.ref: each.virtual_service for each in bindings}
        for host in server.names:
            if next(taken.meeting(host), None):
                continue
            refs = dict.fromkeys(each.virtual_service.ref for each in by_host.meeting(host))
            grouped[tuple(refs)].append(host)
        for key, hosts in grouped.items():
            yield PassthroughGap(
                server=server,
                hosts=tuple(hosts),
                virtual_services=tuple(sources[ref] for ref in key),
            )

    @question(rests_on=[AttachmentQuestions.live_servers, AttachmentQuestions.bindings])
    def repeated_sni_hosts(self) -> tuple[RepeatedSni, ...]:
        """Return the SNI hosts that more than one `tls` rule on a PASSTHROUGH server matches."""
        return tuple(
            repeated
            for server in self.live_servers()
            if server.api is GatewayApi.ISTIO and server.is_passthrough
            for repeated in _repeated(server, self.bindings().get(server, ()))
        )

    @question(
        rests_on=[
            AttachmentQuestions.virtual_services,
            AttachmentQuestions.bindings,
            AttachmentQuestions.http_rules,
        ]
    )
    def shadowed_rules(self) -> tuple[Shadow, ...]:
        """Return rules of routes on gateways that never apply.

        Within a VirtualService the first match wins. Several for one host are appended in the
        order of age, and rules that take everything move to the end: of equal matches the oldest
        wins.
        """
        within = (
            self._shadow_within(source)
            for source in self.virtual_services()
            if any(gateway != MESH for gateway in source.spec.gateways)
        )
        across = (
            shadow
            for server, bindings in self.bindings().items()
            if server.routes_http
            for host, sources in _shared_hosts(bindings).items()
            for shadow in self._shadows_across(server, host, sources)
        )
        return (*filter(None, within), *across)

    def _shadow_within(self, source: VirtualService) -> Shadow | None:
        if len(source.spec.http) < 2:
            return None
        rules = [each for each in self.http_rules(source) if each.place.ref == source.ref]
        if len(rules) < len(source.spec.http):
            return None  # delegates add their own conditions
        first = next((i for i, each in enumerate(rules) if CATCH_ALL in match_keys(each.rule)), -1)
        losers = tuple(each for each in rules[first + 1 :] if not _acts_alike(rules[first], each))
        if first < 0 or not losers:
            return None
        return Shadow(winner=rules[first], losers=losers, hosts=source.spec.hosts)

    def _shadows_across(
        self, server: Server, host: str, sources: list[VirtualService]
    ) -> Iterator[Shadow]:
        first: dict[MatchKey, BoundRule] = {}
        for source in sources:
            own: dict[MatchKey, BoundRule] = {}
            for bound in self.http_rules(source):
                if bound.place.ref == source.ref:
                    for key in match_keys(bound.rule, server):
                        own.setdefault(key, bound)
            for key, bound in own.items():
                winner = first.setdefault(key, bound)
                if winner is not bound and not _acts_alike(winner, bound):
                    yield Shadow(winner=winner, losers=(bound,), hosts=(host,), server=server)

    @question(
        rests_on=[
            AttachmentQuestions.listeners,
            AttachmentQuestions.server_for,
            AttachmentQuestions.bindings,
            AttachmentQuestions.routes_for,
            AttachmentQuestions.bound_virtual_services,
        ]
    )
    def split_hosts(self) -> tuple[SplitHost, ...]:
        """Return hosts routed on a wildcard server whose SNI reaches a server without routes."""
        return tuple(
            SplitHost(
                virtual_service=binding.virtual_service,
                host=host,
                bound=server,
                reached=reached,
                listener=listener,
            )
            for listener in self.listeners()
            for server in listener.servers
            if server.is_tls and any(map(is_wildcard, server.names))
            for binding in self.bindings().get(server, ())
            for host in binding.hosts
            if (reached := self.server_for(listener, host)) and reached is not server
            if reached.api is GatewayApi.ISTIO and reached.is_tls
            if not self.routes_for(reached, host)
            and binding.virtual_service
            not in self.bound_virtual_services().get(reached.gateway, ())
        )

    @question(rests_on=[AttachmentQuestions.servers_of, AttachmentQuestions.listeners_of])
    def routing_workloads(self, virtual_service: VirtualService) -> tuple[Workload, ...]:
        """Return the known gateway workloads that a VirtualService is bound on."""
        return tuple(
            dict.fromkeys(
                listener.workload
                for binding in self.servers_of().get(virtual_service.ref, ())
                if binding.hosts
                for listener in self.listeners_of(binding.server)
                if listener.workload.is_known
            )
        )


def is_internal(host: str) -> bool:
    """Whether a host is a name of the mesh itself: a short name, or one of the cluster's."""
    if host == ANY:
        return False
    return "." not in host or ".svc." in host or host.endswith((".svc", ".local"))


def twins(host: str) -> tuple[str, ...]:
    """Return the names people confuse with a host: with and without `www.`."""
    return (host.removeprefix("www."),) if host.startswith("www.") else (f"www.{host}",)


def near_hosts(host: str, servers: tuple[Server, ...]) -> tuple[str, ...]:
    """Return hosts of servers that may have been meant: www or apex, a wildcard, a misspelling."""
    names = list(dict.fromkeys(name for server in servers for name in server.names))
    close = {*twins(host), f"*.{host}", f"*.{host.partition('.')[2]}"}
    found = [name for name in names if name in close]
    return tuple(found or get_close_matches(host, names[:MOST_COMPARED], n=1, cutoff=0.85))


def match_keys(rule: HttpRule, server: Server | None = None) -> Iterator[MatchKey]:
    """Yield what a rule takes by its path alone; CATCH_ALL for everything.

    Matches with further conditions yield nothing; those for another port never apply.
    """
    if not rule.match:
        yield CATCH_ALL
    for match in rule.match:
        port = server.port if server else 0
        if match != HttpMatch(name=match.name, uri=match.uri, port=match.port):
            continue
        if match.ignore_uri_case or match.port not in (0, port):
            continue
        uri = match.uri
        written = (
            [(kind, getattr(uri, kind)) for kind in ("exact", "prefix", "regex")] if uri else []
        )
        key = next(((kind, text) for kind, text in written if text is not None), CATCH_ALL)
        yield CATCH_ALL if key in _EVERYTHING else key


def sni_hosts(binding: Binding) -> Iterator[str]:
    """Yield the SNI hosts of the `tls` matches that apply on a binding's server."""
    for rule in binding.virtual_service.spec.tls:
        for match in rule.match:
            if tls_match_applies(match, binding):
                yield from match.sni_hosts


def tls_match_applies(match: TlsMatch, binding: Binding) -> bool:
    """Whether a `tls` match is evaluated on the server: `port` and `gateways`."""
    if match.port and match.port != binding.server.port:
        return False
    gateway = binding.server.gateway
    names = {f"{gateway.namespace}/{gateway.name}"}
    if binding.virtual_service.namespace == gateway.namespace:
        names.add(gateway.name)
    return not match.gateways or bool(names & set(match.gateways))


def _repeated(server: Server, bindings: tuple[Binding, ...]) -> Iterator[RepeatedSni]:
    first: dict[str, VirtualService] = {}
    twice: dict[tuple[Ref, Ref], dict[str, None]] = defaultdict(dict)
    sources = {each.virtual_service.ref: each.virtual_service for each in bindings}
    for binding in bindings:
        source = binding.virtual_service
        for host in map(str.lower, sni_hosts(binding) if binding.hosts else ()):
            if host in first:
                twice[first[host].ref, source.ref][host] = None
            first.setdefault(host, source)
    for (one, other), hosts in twice.items():
        yield RepeatedSni(
            server=server, first=sources[one], second=sources[other], hosts=tuple(hosts)
        )


def _shared_hosts(bindings: tuple[Binding, ...]) -> dict[str, list[VirtualService]]:
    found: dict[str, list[VirtualService]] = defaultdict(list)
    for binding in bindings:
        for host in binding.hosts:
            found[host].append(binding.virtual_service)
    return {host: sources for host, sources in found.items() if len(sources) > 1}


def _acts_alike(one: BoundRule, other: BoundRule) -> bool:
    return one.namespace == other.namespace and (
        (one.rule.route, one.rule.redirect, one.rule.rewrite, one.rule.direct_response)
        == (other.rule.route, other.rule.redirect, other.rule.rewrite, other.rule.direct_response)
    )


def _wants_other_routes(server: Server, source: VirtualService) -> bool:
    if not server.terminates_tls:
        return False
    return server.protocol == "HTTPS" or not source.spec.tcp


def _names_credential(server: Server) -> bool:
    tls = server.tls
    return bool(tls and (tls.credential_name or tls.credential_names or tls.server_certificate))
