"""Rules of routes that never apply because others take their requests."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import (
    MESH,
    Binding,
    BoundRule,
    bindings,
    http_rules,
    virtual_services,
)
from istiodoctor.mesh.servers import Server
from istiodoctor.model.istio import HttpMatch, HttpRule, VirtualService

CATCH_ALL = ("catch-all", "")
_EVERYTHING = frozenset({("prefix", "/"), ("regex", ".*"), ("regex", "/.*")})

MatchKey = tuple[str, str]


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


@question
def shadowed_rules(mesh: Mesh) -> tuple[Shadow, ...]:
    """Return rules of routes on gateways that never apply.

    Within a VirtualService the first match wins. Several for one host are appended in the
    order of age, and rules that take everything move to the end: of equal matches the oldest
    wins.
    """
    within = (
        _shadow_within(mesh, source)
        for source in virtual_services(mesh)
        if any(gateway != MESH for gateway in source.spec.gateways)
    )
    across = (
        shadow
        for server, bound in bindings(mesh).items()
        if server.routes_http
        for host, sources in _shared_hosts(bound).items()
        for shadow in _shadows_across(mesh, server, host, sources)
    )
    return (*filter(None, within), *across)


def _shadow_within(mesh: Mesh, source: VirtualService) -> Shadow | None:
    if len(source.spec.http) < 2:
        return None
    rules = [each for each in http_rules(mesh, source) if each.place.ref == source.ref]
    if len(rules) < len(source.spec.http):
        return None  # delegates add their own conditions
    first = next((i for i, each in enumerate(rules) if CATCH_ALL in match_keys(each.rule)), -1)
    losers = tuple(each for each in rules[first + 1 :] if not _acts_alike(rules[first], each))
    if first < 0 or not losers:
        return None
    return Shadow(winner=rules[first], losers=losers, hosts=source.spec.hosts)


def _shadows_across(
    mesh: Mesh, server: Server, host: str, sources: list[VirtualService]
) -> Iterator[Shadow]:
    first: dict[MatchKey, BoundRule] = {}
    for source in sources:
        own: dict[MatchKey, BoundRule] = {}
        for bound in http_rules(mesh, source):
            if bound.place.ref == source.ref:
                for key in match_keys(bound.rule, server):
                    own.setdefault(key, bound)
        for key, bound in own.items():
            winner = first.setdefault(key, bound)
            if winner is not bound and not _acts_alike(winner, bound):
                yield Shadow(winner=winner, losers=(bound,), hosts=(host,), server=server)


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
