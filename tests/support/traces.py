"""Traces as values: what a renderer is given."""

from istiodoctor.report import (
    Answer,
    AnswerKind,
    Hop,
    HopState,
    Ref,
    Stop,
    Trace,
    TraceLeg,
    TraceVerdict,
)
from tests.support.reports import TOOL, scan

NETWORKING = "networking.istio.io"
INGRESS = Ref("apps", "Deployment", "istio-system", "ingress")
SERVICE = Ref("", "Service", "istio-system", "ingress")
GATEWAY = Ref(NETWORKING, "Gateway", "shop", "web")
ROUTE = Ref(NETWORKING, "VirtualService", "shop", "checkout")


def _hop(
    hop: str, text: str, ref: Ref | None = None, state: HopState = HopState.OK, code: str = ""
) -> Hop:
    return Hop(hop=hop, ref=ref, state=state, text=text, code=code)


def stopped_trace() -> Trace:
    """Return a redirect, then weights of which one leads nowhere; a header tries to hide it."""
    plain = "http://shop.example.com/a"
    secure = "https://shop.example.com/a"
    gone = _hop(
        "backend",
        "20% of requests: there is no Service shop/canary: 503\x1b[2J",
        Ref("", "Service", "shop", "canary"),
        HopState.BROKEN,
        "VS009",
    )
    shop = Ref("", "Service", "shop", "shop")
    redirect = TraceLeg(
        url=plain,
        gateway=INGRESS,
        hops=(
            _hop("service", "load balancer 203.0.113.10, port 80 leads to port 8080", SERVICE),
            _hop("workload", "1 of 2 pods ready", INGRESS, HopState.WARNING),
            _hop("redirect", f"httpsRedirect sends it to {secure}: 301", GATEWAY),
        ),
        answer=Answer(
            kind=AnswerKind.REDIRECT, text=f"301 to {secure}", status=301, location=secure
        ),
    )
    routed = TraceLeg(
        url=secure,
        gateway=INGRESS,
        hops=(
            _hop("server", "Gateway shop/web server 443 (https) by the SNI", GATEWAY),
            _hop("certificate", "shop-cert could not be read", None, HopState.UNKNOWN),
            _hop("route", "spec.http[0] (uri prefix /a)", ROUTE),
            _hop("backend", "80% of requests: port 8080", shop),
            _hop("endpoints", "2 ready on port 8080", shop),
            gone,
        ),
        answer=Answer(kind=AnswerKind.NONE, text=gone.text),
        follows=0,
    )
    return Trace(
        url=plain,
        method="GET",
        tool=TOOL,
        scan=scan(),
        verdict=TraceVerdict.STOPPED,
        legs=(redirect, routed),
        stopped_at=Stop(leg=1, hop=gone, command=("istiodoctor", "explain", "VS009")),
    )
