"""What rules of the Gateway API's routes do with requests: filters, and references to backends."""

from istiodoctor.model.metadata import Fields


class ObjectReference(Fields, frozen=True, kw_only=True):
    """A reference to a Secret, ConfigMap or backend; the namespace may differ."""

    group: str | None = None
    kind: str | None = None
    name: str = ""
    namespace: str = ""
    port: int = 0
    weight: int = 1


class PathModifier(Fields, frozen=True, kw_only=True):
    """What replaces the path, or the part of it that the match took."""

    type: str = ""
    replace_full_path: str = ""
    replace_prefix_match: str = ""


class RequestRedirect(Fields, frozen=True, kw_only=True):
    """The RequestRedirect filter; the default code is 302."""

    scheme: str = ""
    hostname: str = ""
    port: int = 0
    status_code: int = 302
    path: PathModifier | None = None


class UrlRewrite(Fields, frozen=True, kw_only=True):
    """The URLRewrite filter."""

    hostname: str = ""
    path: PathModifier | None = None


class HeaderValue(Fields, frozen=True, kw_only=True):
    """A header and what it is set to."""

    name: str = ""
    value: str = ""


class HeaderModifier(Fields, frozen=True, kw_only=True):
    """The filters RequestHeaderModifier and ResponseHeaderModifier."""

    set: tuple[HeaderValue, ...] = ()
    add: tuple[HeaderValue, ...] = ()
    remove: tuple[str, ...] = ()


class Fraction(Fields, frozen=True, kw_only=True):
    """A part of the requests."""

    numerator: int = 0
    denominator: int = 100


class RequestMirror(Fields, frozen=True, kw_only=True):
    """The RequestMirror filter; without a share it copies every request."""

    backend_ref: ObjectReference = ObjectReference()
    percent: int | None = None
    fraction: Fraction | None = None


class CorsFilter(Fields, frozen=True, kw_only=True):
    """The CORS filter, as far as it decides which preflight requests Envoy answers."""

    allow_origins: tuple[str, ...] = ()


class RouteFilter(Fields, frozen=True, kw_only=True):
    """A filter of a rule or of a backend."""

    type: str = ""
    request_redirect: RequestRedirect | None = None
    url_rewrite: UrlRewrite | None = None
    request_header_modifier: HeaderModifier | None = None
    response_header_modifier: HeaderModifier | None = None
    request_mirror: RequestMirror | None = None
    cors: CorsFilter | None = None
