"""One HTTP request as Istio sees it: what its rules can match on."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
MOST_URL = 8_000
"""Characters of a URL: what servers take."""
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SEE_OTHER = 303
FOR_ONE_HOST = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that clients take to no other host, and not from HTTPS into the clear."""
BECOMES_GET = frozenset({301, 302, SEE_OTHER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request before it is sent."""

    scheme: str
    """`http` or `https`."""
    host: str
    """The name or address in the URL, lower case, without brackets."""
    port: int
    path: str = "/"
    query: str = ""
    """What follows the `?`, as written."""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case; the later of two equal ones wins."""
    source_namespace: str = ""
    """What `sourceNamespace` is compared with; empty for the namespace of the gateway's pods."""

    @classmethod
    def of_url(
        cls,
        url: str,
        *,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        source_namespace: str = "",
    ) -> "Request":
        """Return the request that a client makes of a URL; raises ValueError with a sentence."""
        if len(url) > MOST_URL or _UNSAFE.search(url):
            raise ValueError("a URL has no spaces or control characters and at most 8000 others")
        try:
            parts = urlsplit(url)
            port, host = parts.port, (parts.hostname or "").removesuffix(".")
        except ValueError as error:
            raise ValueError(f"it is no URL: {error}") from None
        if parts.scheme not in DEFAULT_PORTS or not host:
            raise ValueError("a URL begins with https:// or http:// and a host")
        if port == 0 or not (is_address(host) or _NAME.fullmatch(host)):
            raise ValueError("its host or port is none that a client could ask for")
        if not _TOKEN.fullmatch(method):
            raise ValueError(f"{method!r} is no method")
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or DEFAULT_PORTS[parts.scheme],
            path=without_dots(parts.path),
            query=parts.query,
            method=method,
            headers=tuple((name.lower(), value) for name, value in headers),
            source_namespace=source_namespace,
        )

    @property
    def url(self) -> str:
        """The URL, with its port only where it says something."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self._place}{self.path}{query}"

    @property
    def authority(self) -> str:
        """The Host header: the one given, or the URL's host with any port but the scheme's own."""
        return self.header("host") or self._place

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def virtual_host(self) -> str:
        """The name that virtual hosts are chosen by: the Host header without its port."""
        return without_port(self.authority).lower()

    @property
    def server_name(self) -> str:
        """The SNI that a client sends; empty for an address, for which it sends none."""
        return "" if is_address(self.host) else self.host

    def header(self, name: str) -> str | None:
        """Return the value of a header; None without it."""
        return dict(self.headers).get(name)

    def redirected(self, location: str, status: int) -> "Request":
        """Return the request that follows a redirect; raises ValueError where it leads nowhere."""
        target = Request.of_url(urljoin(self.url, location).partition("#")[0])
        is_kept = target.host == self.host and (target.scheme, self.scheme) != ("http", "https")
        left_behind = {"host"} if is_kept else {"host", *FOR_ONE_HOST}
        rewritten = status == SEE_OTHER or (status in BECOMES_GET and self.method == "POST")
        return replace(
            target,
            method="GET" if rewritten and self.method != "HEAD" else self.method,
            headers=tuple(each for each in self.headers if each[0] not in left_behind),
            source_namespace=self.source_namespace,
        )


def requested(url: str) -> Request | None:
    """Return the request that a client makes of a URL; None for what is no URL."""
    try:
        return Request.of_url(url)
    except ValueError:
        return None


def is_address(host: str) -> bool:
    """Whether a host is an IP address and no name."""
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
    """Return a path with `.` and `..` resolved: clients do it, and so does Istio's Envoy."""
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
