"""Redirects that lead to the very URL that was asked for: what one server makes of routes."""

from collections.abc import Iterable, Iterator, Mapping

from istiodoctor.mesh.configuration.held import HeldVirtualService
from istiodoctor.mesh.configuration.translation import MatchedRule, matched_rules
from istiodoctor.mesh.configuration.virtual_hosts import server_context
from istiodoctor.mesh.hops import FORWARDED_PROTO
from istiodoctor.mesh.servers import Server
from istiodoctor.model.istio import HttpMatch, HttpRule


def returning_redirects(
    held: HeldVirtualService, server: Server, hosts: Iterable[str]
) -> Iterator[MatchedRule]:
    """Yield the matches that redirect HTTPS requests for some hosts to themselves, in order.

    None after a match that takes everything: no request gets there.
    """
    for each in matched_rules(held, server_context(server)):
        if returns(each.held.rule, server, hosts) and not asks_for_scheme(each.written):
            yield each


def returns(rule: HttpRule, server: Server, hosts: Iterable[str]) -> bool:
    """Whether a redirect leads to the URL that was asked for."""
    redirect = rule.redirect
    return bool(
        redirect
        and redirect.scheme == "https"
        and not redirect.uri
        and not redirect.prefix_rewrite
        and redirect.authority in ("", *hosts)
        and redirect.port in (0, server.port)
    )


def asks_for_scheme(match: HttpMatch | None) -> bool:
    """Whether a match is about requests that did not come by HTTPS."""
    if match is None:
        return False
    headers: Mapping[str, object] = {**match.headers, **match.without_headers}
    return match.scheme is not None or any(key.lower() == FORWARDED_PROTO for key in headers)
