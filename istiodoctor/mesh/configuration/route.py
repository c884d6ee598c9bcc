"""Route configurations in Envoy's words: virtual hosts, routes, what they match and do.

Source: Envoy's `config.route.v3` (route_components.proto), as far as istiod fills it.
"""

from enum import StrEnum

from istiodoctor.model.http_statuses import MOVED_PERMANENTLY
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.value import Value

SERVICE_UNAVAILABLE = 503


class Comparison(StrEnum):
    """How a string is compared with a pattern (`type.matcher.v3.StringMatcher`)."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "regex"
    """RE2; the whole string must match."""


class StringMatcher(Value, frozen=True, kw_only=True):
    """A pattern for one string."""

    comparison: Comparison
    value: str
    ignore_case: bool = False


class HeaderMatcher(Value, frozen=True, kw_only=True):
    """A condition on one header; `:method`, `:authority` and `:scheme` are headers too."""

    name: str
    matcher: StringMatcher | None = None
    """None: the header must be present."""
    invert: bool = False
    treats_missing_as_empty: bool = False
    is_redacted: bool = False
    """The value it is compared with was not kept: a credential, in what an Envoy holds."""


class QueryParameterMatcher(Value, frozen=True, kw_only=True):
    """A condition on one query parameter."""

    name: str
    matcher: StringMatcher | None = None
    """None: the parameter must be present."""


class PathComparison(StrEnum):
    """How a route compares the path, its query cut off."""

    PREFIX = "prefix"
    EXACT = "path"
    SEPARATED_PREFIX = "path_separated_prefix"
    """The prefix itself, or the prefix and a `/`."""
    REGEX = "safe_regex"


class RouteMatch(Value, frozen=True, kw_only=True):
    """What a route takes: every condition must hold."""

    comparison: PathComparison = PathComparison.PREFIX
    path: str = "/"
    case_sensitive: bool = True
    headers: tuple[HeaderMatcher, ...] = ()
    query_parameters: tuple[QueryParameterMatcher, ...] = ()
    metadata: tuple[str, ...] = ()
    """Claims of a JWT that are asked for (`@request.auth.claims…`): what a token holds is not
    known here."""

    @property
    def is_catch_all(self) -> bool:
        """Whether istiod moves it behind the others (`IsCatchAllRoute`, route.go:1630)."""
        everything = {
            PathComparison.PREFIX: "/",
            PathComparison.SEPARATED_PREFIX: "/",
            PathComparison.REGEX: ".*",
        }
        return everything.get(self.comparison) == self.path and not (
            self.headers or self.query_parameters or self.metadata
        )


class RegexRewrite(Value, frozen=True, kw_only=True):
    """A path rewritten by a regular expression."""

    pattern: str
    substitution: str


class Redirect(Value, frozen=True, kw_only=True):
    """`RedirectAction`: the client is sent elsewhere."""

    host: str = ""
    port: int = 0
    scheme: str = ""
    path: str = ""
    """`path_redirect`: the new path, with a query of its own or none."""
    prefix_rewrite: str = ""
    regex_rewrite: RegexRewrite | None = None
    status: int = MOVED_PERMANENTLY
    strips_query: bool = False


class DirectResponse(Value, frozen=True, kw_only=True):
    """`DirectResponseAction`: Envoy answers by itself."""

    status: int
    body_size: int = 0
    """Bytes; 0 too where the body was not kept."""


class ClusterWeight(Value, frozen=True, kw_only=True):
    """One cluster that a route or a TCP proxy leads to."""

    name: str
    """`outbound|80||web.shop.svc.cluster.local`."""
    weight: int = 1
    made_by: Place | None = None
    """The destination or backendRef."""
    namespace: str = ""
    """Of the object it is written in: whose Service of a name is preferred."""


class Duration(Value, frozen=True, kw_only=True):
    """A time limit, as it is written."""

    name: str
    """Its field in a VirtualService."""
    text: str
    may_be_zero: bool = True


class HeaderChange(Value, frozen=True, kw_only=True):
    """A header that a route sets or adds, or removes."""

    name: str
    value: str | None = None
    """None where it is removed."""


class Forward(Value, frozen=True, kw_only=True):
    """`RouteAction`: the request goes to one of the clusters, by their weights."""

    clusters: tuple[ClusterWeight, ...]
    missing_cluster_status: int = SERVICE_UNAVAILABLE
    """The answer where the cluster does not exist; 500 for routes of the Gateway API."""
    prefix_rewrite: str = ""
    regex_rewrite: RegexRewrite | None = None
    host_rewrite: str = ""
    mirrors: tuple[ClusterWeight, ...] = ()
    durations: tuple[Duration, ...] = ()
    """Time limits that a rule sets."""
    idle: tuple[str, ...] = ()
    """Hosts of destinations with the weight 0 beside others: they are not in the route."""


class Fault(Value, frozen=True, kw_only=True):
    """The fault filter's settings on a route, as far as they decide an answer."""

    abort_status: int = 0
    """0: no abort with a HTTP status."""
    grpc_status: int | None = None
    abort_percentage: float = 0.0
    """Of requests; an abort without a percentage happens to none."""
    delay_percentage: float = 0.0
    delay: Duration | None = None


class Cors(Value, frozen=True, kw_only=True):
    """The CORS filter's settings on a route, as far as they decide an answer."""

    allow_origins: tuple[StringMatcher, ...] = ()
    forwards_other_preflights: bool = True


Action = Redirect | DirectResponse | Forward


class Route(Value, frozen=True, kw_only=True, eq=False):
    """One route of a virtual host."""

    name: str = ""
    match: RouteMatch
    action: Action | None
    """None where istiod makes none (a redirect code that Envoy does not have): Envoy refuses."""
    made_by: Place
    """The rule."""
    owner: Ref
    """The VirtualService, HTTPRoute or Ingress in force: the root one of a delegation."""
    fault: Fault | None = None
    cors: Cors | None = None
    headers: tuple[HeaderChange, ...] = ()
    """What it changes of headers; not kept of what an Envoy holds."""
    unknown_because: str = ""
    """What was not read or is not modelled, and could change this route; empty where nothing."""


class VirtualHost(Value, frozen=True, kw_only=True, eq=False):
    """What Envoy knows under some domains."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    """In the order in which Envoy asks them."""
    require_tls: bool = False
    """Every request that did not come by HTTPS is redirected to it, 301."""
    redirected_by: Place | None = None
    """The `httpsRedirect` behind `require_tls`."""
    owners: tuple[Ref, ...] = ()
    """The objects that it has routes of."""
    unknown_because: str = ""
    """What is not modelled and could change which of its routes answers."""


class RouteConfiguration(Value, frozen=True, kw_only=True, eq=False):
    """`RouteConfiguration`: the virtual hosts that one HTTP connection manager chooses from."""

    name: str
    virtual_hosts: tuple[VirtualHost, ...]
    ignores_port: bool = True
    """The port of a Host header is cut off before domains are compared."""
    unknown_because: str = ""
    """What is not modelled and could change which of its virtual hosts answers."""
