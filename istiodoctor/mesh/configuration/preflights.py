"""Which CORS preflights the gateway answers by itself, with 200 and without asking a backend.

Source: Envoy's source/extensions/filters/http/cors/cors_filter.cc (`decodeHeaders`). The filter
stands behind those of policies and faults and before the router
(pilot/pkg/networking/core/listener_builder.go:509); redirects and direct responses are none of its
routes (measured with Envoy 1.40). An origin `*` is sent as an exact match of `*`, which
Envoy takes for any.
"""

from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.route import Comparison, Cors, Forward, Route, StringMatcher
from istiodoctor.mesh.configuration.route_match import takes_text

ANY = "*"
PREFLIGHT_STATUS = 200


def answers_preflight(route: Route, request: ReceivedRequest) -> bool | None:
    """Whether a route's CORS settings answer a request; None where that is not known."""
    cors = route.cors
    if cors is None or not isinstance(route.action, Forward) or request.method != "OPTIONS":
        return False
    origin, method = _value(request, "origin"), _value(request, "access-control-request-method")
    if not origin or not method:
        return False
    return _allows(cors, origin) if cors.forwards_other_preflights else True


def _allows(cors: Cors, origin: str) -> bool | None:
    answers = {_takes(each, origin) for each in cors.allow_origins}
    return True if True in answers else None if None in answers else False


def _takes(matcher: StringMatcher, origin: str) -> bool | None:
    if matcher.comparison is Comparison.EXACT and matcher.value == ANY:
        return True
    return takes_text(matcher, origin)


def _value(request: ReceivedRequest, name: str) -> str:
    """Return the first value of a header; empty without it."""
    return next(iter(request.values(name) or ("",)))
