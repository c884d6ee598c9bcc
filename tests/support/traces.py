"""Traces as values: what a renderer is given, and what a program reads."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from istiodoctor.report import (
    Answer,
    AnswerKind,
    Confirmation,
    Hop,
    HopState,
    Ref,
    Stop,
    Trace,
    TraceLeg,
    TraceVerdict,
    said,
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


def _seen(hop: Hop, confirmation: Confirmation, seen: str = "") -> Hop:
    return replace(hop, confirmation=confirmation, seen=seen)


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
    leg = TraceLeg(
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
        answer=Answer(kind=AnswerKind.NONE, text=said(stopped)),
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
