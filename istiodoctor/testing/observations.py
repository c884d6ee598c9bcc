"""What probes saw, written as short YAML in examples.

`tls`: a list of handshakes, `http`: a list of requests. A handshake names `server` (`shop/web/0`:
the first server of Gateway shop/web), `sni` (and `host` where that is a wildcard), and its way:
`pod` with `port`, `address`, `node` or `dns`. `chain` is written as in a Secret.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import yaml

from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.kind import CORE, ISTIO_NETWORKING
from istiodoctor.model.observation import (
    AccessPoint,
    HttpObservation,
    HttpStep,
    HttpTarget,
    Outcome,
    TlsObservation,
    TlsTarget,
    UrlAccessPoint,
    Via,
)
from istiodoctor.model.ref import Ref
from istiodoctor.testing.words import NOW, pem

POD = "istio-system/gateway"
VIAS = {
    "address": Via.SERVICE_ADDRESS,
    "node": Via.NODE_PORT,
    "dns": Via.DNS,
}


def handshakes(text: str) -> tuple[TlsObservation, ...]:
    """Return the handshakes of a `tls` block."""
    return tuple(map(_handshake, yaml.safe_load(text)))


def requests(text: str) -> tuple[HttpObservation, ...]:
    """Return the requests of an `http` block."""
    return tuple(map(_request, yaml.safe_load(text)))


def _handshake(written: Mapping[str, Any]) -> TlsObservation:
    chain = read_bundle(pem(written.get("chain", "")).encode()).certificates
    outcome = Outcome(written.get("outcome", "handshake"))
    sni = written.get("sni", "")
    return TlsObservation(
        target=TlsTarget(
            access_point=_access_point(written),
            host=written.get("host", sni),
            sni=sni,
            server=_server(written["server"]) if "server" in written else "",
        ),
        outcome=outcome,
        at=NOW,
        alert=written.get("alert", ""),
        version="TLSv1.3" if chain else "",
        versions=tuple(written.get("versions", ())),
        older_alert=written.get("older_alert", ""),
        chain=chain,
        client_certificate_requested=written.get("asks_for_certificate", False),
        acceptable_client_cas=tuple(written.get("authorities", ())),
        verified=written.get("verified"),
        chain_is_trusted=written.get("trusted", True if chain else None),
        addresses=tuple(written.get("addresses", ())),
    )


def _request(written: Mapping[str, Any]) -> HttpObservation:
    access_point = _access_point(written)
    steps = tuple(_step(each, access_point) for each in written["steps"])
    return HttpObservation(
        target=HttpTarget(
            url=steps[0].url,
            access_points=(UrlAccessPoint(scheme="http", port=80, access_point=access_point),),
            host=written["host"],
            server=_server(written["server"]) if "server" in written else "",
            forwarded_proto=written.get("forwarded_proto", ""),
            sni=written.get("sni", ""),
            answer_begins=written.get("answer_begins", ""),
        ),
        outcome=Outcome(written.get("outcome", "answered")),
        steps=steps,
        at=NOW,
    )


def _step(written: Mapping[str, Any], access_point: AccessPoint) -> HttpStep:
    date = written.get("date")
    return HttpStep(
        url=written["url"],
        access_point=access_point,
        status=written.get("status", 200),
        location=written.get("location", ""),
        server=written.get("server", "istio-envoy"),
        from_upstream=written.get("from_upstream", False),
        body=written.get("body", ""),
        strict_transport_security=written.get("strict_transport_security", ""),
        is_expected=written.get("is_expected"),
        error=written.get("error", ""),
        date=date.astimezone(UTC) if date else None,
        at=NOW,
    )


def _access_point(written: Mapping[str, Any]) -> AccessPoint:
    gateway = _ref(written.get("gateway", POD))
    for key, via in VIAS.items():
        if key in written:
            service = _ref(written["service"], "Service") if "service" in written else None
            return AccessPoint(
                via=via,
                port=written.get("port", 443),
                gateway=gateway,
                service=service,
                address=written[key],
            )
    pod = _ref(written.get("pod", POD))
    port = written.get("port", 443)
    return AccessPoint(via=Via.PORT_FORWARD, port=port, gateway=gateway, pod=pod)


def _ref(path: str, kind: str = "Pod") -> Ref:
    namespace, name = path.split("/")
    return Ref(CORE, kind, namespace, name)


def _server(path: str) -> str:
    gateway, _, index = path.rpartition("/")
    return f"{ISTIO_NETWORKING}/Gateway/{gateway}#{index}"
