"""One HTTP request as a client sends it: what filter chains and routes can match on.

Sources: RFC 9112 §3.2 and RFC 9113 §8.3.1 (Host and `:authority`), RFC 6066 §3 (SNI has no last
dot and is no address). Measured with curl 7.88: Host keeps the case and the last dot of the URL's
host and leaves out the scheme's own port; SNI is in lower case, without the dot.
"""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urljoin, urlsplit

from msgspec.structs import replace

from istiodoctor.model.http_statuses import FOUND, MOVED_PERMANENTLY, SEE_OTHER
from istiodoctor.model.value import Value

DEFAULT_PORTS = {"http": 80, "https": 443}
MOST_URL = 8_000
"""Characters of a URL: what servers take."""
MOST_HEADER = 8_000
"""Characters of a header's value: Envoy takes 60 KiB of headers in all."""
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_WORKLOAD = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
FOR_ONE_HOST = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that clients take to no other host, and not from HTTPS into the clear."""
BECOMES_GET = frozenset({MOVED_PERMANENTLY, FOUND, SEE_OTHER})


class Request(Value, frozen=True, kw_only=True):
    """A request before it is sent."""

    scheme: str
    """`http` or `https`."""
    host: str
    """The name or address that a client connects to: lower case, without brackets or last dot."""
    port: int
    path: str = "/"
    """As written: what Envoy makes of dots and escapes is not done here."""
    query: str | None = None
    """What follows the `?`, as written; None without one."""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case; the later of two equal ones wins."""
    written: str = ""
    """The host as the URL writes it: its case, its brackets, its last dot; empty for `host`."""
    sni: str | None = None
    """The SNI to send instead of the URL's host, in lower case as Envoy reads it; empty to send
    none."""
    workload: str = ""
    """`NAMESPACE/NAME` of the only gateway workload to go through; empty for any."""

    @classmethod
    def of_url(
        cls,
        url: str,
        *,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        server_name: str | None = None,
        workload: str = "",
    ) -> "Request":
        """Return the request that a client makes of a URL; raises ValueError with a sentence.

        A user and password in it are left out: browsers send them only to who asks for them.
        """
        parts, written = _split(url)
        host = written.strip("[]").lower().rstrip(".")
        port = parts.port
        if parts.scheme not in DEFAULT_PORTS or not host:
            raise ValueError("a URL begins with https:// or http:// and a host")
        if port == 0 or not (is_address(host) or _NAME.fullmatch(host)):
            raise ValueError("its host or port is none that a client could ask for")
        if not _TOKEN.fullmatch(method):
            raise ValueError(f"{method!r} is no method")
        if workload and not _WORKLOAD.fullmatch(workload):
            raise ValueError(f"a workload is named NAMESPACE/NAME, not {workload!r}")
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or DEFAULT_PORTS[parts.scheme],
            path=parts.path or "/",
            query=parts.query if "?" in url.partition("#")[0] else None,
            method=method,
            headers=tuple(_header(*each) for each in headers),
            written="" if written == host else written,
            sni=None if server_name is None else _server_name(server_name, parts.scheme),
            workload=workload,
        )

    @property
    def url(self) -> str:
        """The URL, with its port only where it says something."""
        return f"{self.scheme}://{self._place}{self.target}"

    @property
    def target(self) -> str:
        """Path and query, as they stand in the request line."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def by_name(self) -> "Request":
        """The same request with its host in lower case and without a last dot."""
        return replace(self, written="") if self.written else self

    @property
    def authority(self) -> str:
        """Host, or `:authority`: the header given, or the URL's host with any port but its own."""
        return self.header("host") or self._place

    @property
    def _place(self) -> str:
        host = self.written or (f"[{self.host}]" if ":" in self.host else self.host)
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def virtual_host(self) -> str:
        """The name that virtual hosts are chosen by: the Host header without its port.

        A last dot stays: to Envoy, which istiod does not tell to strip it, that is another name.
        """
        return without_port(self.authority).lower()

    @property
    def server_name(self) -> str:
        """The SNI that a client sends; empty for an address, for which it sends none."""
        if self.sni is not None:
            return self.sni
        return "" if is_address(self.host) else self.host

    @property
    def why_no_server_name(self) -> str:
        """Why a client sends no SNI."""
        if self.sni is None:
            return "a client sends no SNI for an address"
        return "it is sent without SNI"

    @property
    def served_name(self) -> str:
        """The name by which a client finds a gateway: its SNI, else its Host without last dot."""
        return self.server_name or self.virtual_host.removesuffix(".")

    def header(self, name: str) -> str | None:
        """Return the value of a header; None without it."""
        return dict(self.headers).get(name) if self.headers else None

    def redirected(self, location: str, status: int) -> "Request":
        """Return the request that follows a redirect; raises ValueError where it leads nowhere."""
        target = Request.of_url(urljoin(self.url, location).partition("#")[0])
        is_same_host = target.host == self.host
        is_kept = is_same_host and (target.scheme, self.scheme) != ("http", "https")
        left_behind = {"host"} if is_kept else {"host", *FOR_ONE_HOST}
        rewritten = status == SEE_OTHER or (status in BECOMES_GET and self.method == "POST")
        return replace(
            target,
            method="GET" if rewritten and self.method != "HEAD" else self.method,
            headers=tuple(each for each in self.headers if each[0] not in left_behind),
            workload=self.workload if is_same_host else "",
        )


def _split(url: str) -> tuple[SplitResult, str]:
    """Return the parts of a URL, and its host as written; raises ValueError with a sentence."""
    if len(url) > MOST_URL or _UNSAFE.search(url):
        raise ValueError(
            f"a URL has no spaces or control characters and at most {MOST_URL} others"
        )
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(f"it is no URL: {error}") from None
    place = parts.netloc.rpartition("@")[2]
    host, bracket, _ = place.partition("]")
    return parts, host + bracket if bracket else place.partition(":")[0]


def _header(name: str, value: str) -> tuple[str, str]:
    """Return a header with its name in lower case; raises ValueError for one that none can be."""
    lowered = "host" if name.lower() == ":authority" else name.lower()
    if not _TOKEN.fullmatch(lowered):
        raise ValueError(f"{name!r} is no name of a header")
    if len(value) > MOST_HEADER or _UNSAFE_VALUE.search(value):
        raise ValueError(
            f"the header {name} has control characters or more than {MOST_HEADER} others"
        )
    return lowered, value


def _server_name(name: str, scheme: str) -> str:
    """Return an SNI as Envoy reads it; raises ValueError for what is none."""
    lowered = name.lower()
    if scheme != "https":
        raise ValueError("only https:// has an SNI")
    if lowered and not _NAME.fullmatch(lowered.removesuffix(".")):
        raise ValueError(f"{name!r} is no SNI")
    return lowered


def requested(url: str) -> Request | None:
    """Return the request that a client makes of a URL; None for what is no URL."""
    try:
        return Request.of_url(url)
    except ValueError:
        return None


def first_page(scheme: str, host: str, port: int) -> Request | None:
    """Return the request for `/` of a host in lower case; None for what is none."""
    if not (_NAME.fullmatch(host) or is_address(host)):
        return None
    return Request(scheme=scheme, host=host, port=port)


def is_address(host: str) -> bool:
    """Whether a host is an IP address and no name."""
    if not (host[-1:].isdigit() or ":" in host):  # asked of every request, and the parser is slow
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def without_port(authority: str) -> str:
    """Return a Host header's name or address, without port and brackets."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def without_dots(path: str) -> str:
    """Return a path with `.` and `..` resolved, as most clients do, and Istio's Envoy anyway."""
    if "/." not in path:
        return path or "/"
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
