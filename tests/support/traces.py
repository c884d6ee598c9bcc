"""Traces as values: what a renderer is given, and what a program reads."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from istiodoctor.problem import Ref
from istiodoctor.report import Confirmation, Hop, HopState, ScanError, said
from istiodoctor.trace_report import (
    Answer,
    AnswerKind,
    AnswerOutcome,
    ClusterState,
    RouteCluster,
    ServedCertificate,
    Stop,
    Trace,
    TracedPath,
    Traces,
    TraceVerdict,
)
from tests.support.reports import TOOL, scan

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "trace.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
NETWORKING = "networking.istio.io"
INGRESS = Ref("apps", "Deployment", "istio-system", "ingress")
SERVICE = Ref("", "Service", "istio-system", "ingress")
GATEWAY = Ref(NETWORKING, "Gateway", "shop", "web")
ROUTE = Ref(NETWORKING, "VirtualService", "shop", "checkout")


def valid(text: str) -> Any:
    """Return a JSON trace, after asserting that the contract is kept."""
    value = json.loads(text)
    assert [fault.message for fault in VALIDATOR.iter_errors(value)] == []
    return value


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
    redirect = TracedPath(
        url=plain,
        gateway=INGRESS,
        hops=(
            _hop("service", "load balancer 203.0.113.10, port 80 leads to port 8080", SERVICE),
            _hop("workload", "1 of 2 pods ready", INGRESS, HopState.WARNING),
            _hop("redirect", f"httpsRedirect sends it to {secure}: 301", GATEWAY),
        ),
        answer=Answer(
            kind=AnswerKind.REDIRECT,
            text=f"301 to {secure}",
            status=301,
            location=secure,
            outcome=AnswerOutcome.REDIRECT,
        ),
    )
    routed = TracedPath(
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
        answer=Answer(
            kind=AnswerKind.NONE,
            text=gone.text,
            status=503,
            outcome=AnswerOutcome.NO_CLUSTER,
            clusters=(
                RouteCluster(name="outbound|8080||shop.shop.svc.cluster.local", weight=80),
                RouteCluster(
                    name="outbound|8080||canary.shop.svc.cluster.local",
                    weight=20,
                    state=ClusterState.NO_CLUSTER,
                ),
            ),
        ),
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


def _seen(hop: Hop, confirmation: Confirmation, seen: str = "") -> Hop:
    return msgspec.structs.replace(hop, confirmation=confirmation, seen=seen)


def probed_trace() -> Trace:
    """Return a trace that was looked at on the wire, with every confirmation there is."""
    confirmed, contradicted = Confirmation.CONFIRMED, Confirmation.CONTRADICTED
    dark = Confirmation.NOT_LOOKED_AT
    url = "https://shop.example.com/a"
    shop = Ref("", "Service", "shop", "shop")
    certificate = _hop(
        "certificate",
        "shop-cert found, valid until 2026-03-01",
        Ref("", "Secret", "istio-system", "shop-cert"),
        HopState.WARNING,
        "SDS002",
    )
    backend = _hop("backend", "port 8080", shop, HopState.BROKEN)
    stopped = _seen(backend, contradicted, "the gateway itself answers 503: no\x1b[2J route")
    leg = TracedPath(
        url=url,
        gateway=INGRESS,
        hops=(
            _seen(_hop("dns", "shop.example.com resolves to 203.0.113.10"), confirmed),
            _seen(
                _hop("service", "load balancer 203.0.113.10, port 443", SERVICE),
                dark,
                "203.0.113.10:443: no answer in time",
            ),
            _seen(_hop("workload", "1 pod", INGRESS), confirmed, "reached Pod ingress-1"),
            _seen(
                certificate,
                contradicted,
                "serial 0a1b, for shop.example.com, valid until 2026-02-01, trusted; the Secret"
                " holds serial 0c2d",
            ),
            _seen(_hop("route", "spec.http[0]", ROUTE), confirmed),
            stopped,
        ),
        answer=Answer(
            kind=AnswerKind.NONE,
            text=said(stopped),
            outcome=AnswerOutcome.ERROR,
            clusters=(RouteCluster(name="outbound|8080||shop.shop.svc.cluster.local"),),
            certificate=ServedCertificate(namespace="istio-system", name="shop-cert"),
        ),
        is_unseen=False,
    )
    return Trace(
        url=url,
        method="GET",
        tool=TOOL,
        scan=scan(),
        verdict=TraceVerdict.STOPPED,
        legs=(leg,),
        stopped_at=Stop(leg=0, hop=stopped),
        is_probed=True,
        notes=("Never sent, so not part of what was seen: te.",),
    )


def answered_trace(number: int = 1) -> Trace:
    """Return a trace that a backend answers."""
    url = f"https://shop.example.com/{number}"
    shop = Ref("", "Service", "shop", "shop")
    leg = TracedPath(
        url=url,
        gateway=INGRESS,
        hops=(
            _hop("filter-chain", "by the SNI shop.example.com", GATEWAY),
            _hop("backend", "port 8080", shop),
        ),
        answer=Answer(
            kind=AnswerKind.BACKEND, text=f"{shop} answers", outcome=AnswerOutcome.BACKEND
        ),
    )
    return Trace(
        id=str(number),
        url=url,
        method="GET",
        tool=TOOL,
        scan=scan(),
        verdict=TraceVerdict.ANSWERED,
        legs=(leg,),
    )


def unknown_trace() -> Trace:
    """Return a trace that ends at what was not read."""
    url = "https://shop.example.com/secret"
    text = "shop-cert could not be read"
    leg = TracedPath(
        url=url,
        gateway=INGRESS,
        hops=(_hop("certificate", text, None, HopState.UNKNOWN),),
        answer=Answer(kind=AnswerKind.UNKNOWN, text=text),
    )
    verdict = TraceVerdict.UNKNOWN
    return replace(answered_trace(), id="dark", url=url, verdict=verdict, legs=(leg,))


def many_traces() -> Traces:
    """Return traces of every verdict, in the order in which they were asked for."""
    return traces(
        answered_trace(),
        replace(stopped_trace(), id="checkout"),
        unknown_trace(),
        answered_trace(4),
    )


def traces(*each: Trace) -> Traces:
    """Return the traces of one run."""
    return Traces(tool=TOOL, scan=scan(), traces=each)


def unread_traces() -> Traces:
    """Return what becomes of many requests where nothing could be read."""
    error = ScanError(kind="no-objects", message="there is nothing in \x1b[2J it")
    dark = replace(unknown_trace(), legs=(), error=error)
    return traces(replace(dark, id="1"), replace(dark, id="2"))
