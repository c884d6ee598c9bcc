"""Requests, matches and redirects by chance, with what is easily got wrong more often."""

from random import Random

from istiodoctor.mesh.configuration.request_line import RequestMessage
from istiodoctor.mesh.configuration.route import (
    Comparison,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    Redirect,
    RegexRewrite,
    RouteMatch,
    StringMatcher,
)

PIECES = (
    *"aB/\\?#&=+{}|^`\"<>~-_'()[]@:!$,;*", "//", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c",
    "%5C", "%00", "%", "%4", "%zz", "%61", "%7e", "%20", "%25", "%3f", "%23", ";x", "?x", "#y",
    "é", "\x7f",
)  # fmt: skip
SENT_HOSTS = (
    "a.com", "A.Com", "", "a.com:80", "a.com:", "a.com:x", "a.com.", "[::1]", "[::1]:80", "[::1",
    "a b", "a/b", "a@b", None, "a,b", "a_b", "a:b:c", "::1", "a|b", "*",
)  # fmt: skip
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "CONNECT", "get", "FOO", "PATCH", "TRACE", "PURGE")
HEADERS = (
    (("X-Forwarded-Proto", "https"),),
    (("X-Forwarded-Proto", "http"),),
    (("x-forwarded-proto", "HTTPS"),),
    (("x-forwarded-proto", "wss"),),
    (("x-forwarded-proto", ""),),
    (("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")),
    (("Upgrade", "websocket"), ("Connection", "Upgrade")),
    (("Upgrade", "foo"), ("Connection", "keep-alive, upgrade")),
    (("Upgrade", "foo"),),
    (("Upgrade", "h2c"), ("Connection", "Upgrade")),
    (("x_y", "1"),),
    (("x y", "1"),),
    (("x-a", "\x01"),),
    (("é", "1"),),
    (("x-a", "é"),),
)
DOMAINS = (
    "*", "*.com", "*.a.com", "a.com", "*-x.a.com", "a.*", "a.com.*", "a*", "x.a.com", "*.x.a.com",
    "A.b.com", "localhost", "*a.com", "a.com:80", "[::1]", "b.*", "*m", "*.com:81", ".a.com",
    "*.A.org", "**", "a.b.c",
)  # fmt: skip
HOSTS = (
    "a.com", "A.COM", "a.com:80", "a.com:", "a.com:81", "x.a.com", "y-x.a.com", "-x.a.com",
    ".a.com", "z.x.a.com", "a.org", "a.", "a", "ab", "a.com.", "a.com.x", "a.b.com",
    "localhost:8080", "", "[::1]", "[::1]:80", "::1", "b.", "b.c", "*.a.com", "*", "x.com:81",
    "a:b", "xa.com", "z.a.org", "com", "a.b.c",
)  # fmt: skip
TARGETS = (
    "/", "/", "/a", "/A", "/a/b", "/ab", "/abb", "/%2F", "/a/", "/b", "/a?q=1", "/a?q=a&q=b",
    "/A/b?a=1&Q=x", "/a?%61=1", "/a?q", "/?q=&a", "/a?&&q=1", "/a?=1", "/a?q=a=1",
)  # fmt: skip
WORDS = (
    "a", "b", "A", "ab", "/a", "/A/b", "a=1", "1", "2", "1,2", "", "/", "é", "http", "https",
    "GET", "t0.com", ".", "a.*", ".*", "[ab]+", "a|b", "(a)(b)?", "^a$", r"\d", "[[:alpha:]]+",
    "(?i)a", r"\pL",
)  # fmt: skip
NAMES = (
    "x-a", "x-a", "X-A", ":method", ":authority", ":scheme", ":path", "host", "accept", "cookie",
    "x-forwarded-proto", "user-agent", "x-forwarded-host", "te", "x-missing", "x-forwarded-for",
    "x-request-id",
)  # fmt: skip
SENT_NAMES = (
    "x-a", "x-a", "x-a", "accept", "cookie", "user-agent", "x-forwarded-host", "te",
    "x-forwarded-proto",
)  # fmt: skip
VALUES = ("a", "b", "A", "ab", "1", "2", "1,2", "", "é", "http", "https", "x", "trailers")
PATTERNS = ("a", "/a(.*)", "(.)", "x*", "^/", "b$", ".*", "/(?P<n>[^/]*)")
SUBSTITUTIONS = ("", r"q\xr", r"q\5", "q\\1\\", "z", r"\0\0", r"/\1", r"\\")


def random_message(random: Random) -> RequestMessage:
    """Return a request, often none that Envoy takes."""
    return RequestMessage(
        method=random.choice(METHODS) if random.random() < 0.3 else "GET",
        target=_any_target(random),
        host=random.choice(SENT_HOSTS) if random.random() < 0.5 else "a.com",
        headers=random.choice(HEADERS) if random.random() < 0.5 else (),
        version="1.0" if random.random() < 0.1 else "1.1",
    )


def _any_target(random: Random) -> str:
    rest = "".join(random.choices(PIECES, k=random.randint(0, 6)))
    form = random.random()
    if form < 0.75:
        return f"/{rest}"
    if form < 0.85:
        return rest
    if form < 0.9:
        scheme = random.choice(("http", "HTTP", "https", "HTTPS", "ftp"))
        host = random.choice(("o.com", "O.com:81", "", "u@h", "u:p@h:1", "[::1]:8", "a b"))
        return f"{scheme}://{host}{random.choice(('', '/'))}{rest}"
    return random.choice(("*", "a.com:443", "a.com"))


def random_target(random: Random) -> str:
    """Return a path that routes are likely to take."""
    return random.choice(TARGETS)


def random_headers(random: Random) -> tuple[tuple[str, str], ...]:
    """Return headers, some of them twice."""
    count = random.choice((0, 1, 2, 3))
    return tuple((random.choice(SENT_NAMES), random.choice(VALUES)) for _ in range(count))


def random_match(random: Random) -> RouteMatch:
    """Return a match that Envoy takes."""
    comparison = random.choice(tuple(PathComparison))
    paths: tuple[str, ...] = ("/", "/", "/a", "/A", "/a/b", "/ab", "/%2F", "/a/")
    if comparison is PathComparison.REGEX:
        paths = (".*", ".*", "/a.*", "/[ab]+", "/a?.*")
    elif comparison is PathComparison.SEPARATED_PREFIX:
        paths = ("/a", "/A", "/a/b", "/ab")
    return RouteMatch(
        comparison=comparison,
        path=random.choice(paths),
        case_sensitive=random.random() < 0.7,
        headers=tuple(_header(random) for _ in range(random.choice((0, 0, 0, 1, 2)))),
        query_parameters=tuple(_parameter(random) for _ in range(random.choice((0, 0, 0, 1)))),
    )


def _header(random: Random) -> HeaderMatcher:
    return HeaderMatcher(
        name=random.choice(NAMES),
        matcher=_text(random) if random.random() < 0.8 else None,
        invert=random.random() < 0.3,
        treats_missing_as_empty=random.random() < 0.3,
    )


def _parameter(random: Random) -> QueryParameterMatcher:
    matcher = _text(random) if random.random() < 0.8 else None
    return QueryParameterMatcher(name=random.choice(("q", "Q", "%61", "a")), matcher=matcher)


def _text(random: Random) -> StringMatcher:
    comparison = random.choice(tuple(Comparison))
    value = random.choice(WORDS)
    if comparison is not Comparison.EXACT:
        value = value or "a"
    ignores = comparison is not Comparison.REGEX and random.random() < 0.3
    return StringMatcher(comparison=comparison, value=value, ignore_case=ignores)


def random_redirect(random: Random) -> Redirect:
    """Return a redirect that Envoy takes."""
    path, prefix, regex = "", "", None
    kind = random.random()
    if kind < 0.25:
        path = random.choice(("/n", "n", "/n?z=1", "/"))
    elif kind < 0.5:
        prefix = random.choice(("/n", "/n/", "/", "n"))
    elif kind < 0.75:
        pattern, substitution = random.choice(PATTERNS), random.choice(SUBSTITUTIONS)
        regex = RegexRewrite(pattern=pattern, substitution=substitution)
    return Redirect(
        host=random.choice(("", "", "n.com")),
        port=random.choice((0, 0, 80, 443, 8443)),
        scheme=random.choice(("", "", "https", "http", "HTTPS")),
        status=random.choice((301, 302, 303, 307, 308)),
        strips_query=random.random() < 0.2,
        path=path,
        prefix_rewrite=prefix,
        regex_rewrite=regex,
    )
