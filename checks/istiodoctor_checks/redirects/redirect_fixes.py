"""Fixes of redirect loops, and the evidence of them."""

from typing import Any

from istiodoctor.command import change, kubectl
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.fix import Fix, Risk, json_patch, remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.redirects import PlainHost, RedirectKind
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.header_trust import header_trust
from istiodoctor.model.kind import APPS
from istiodoctor.model.observation import HttpStep
from istiodoctor_checks._wire import observed_evidence

SECRET = "NAME-OF-THE-TLS-SECRET"


def redirect_before_the_gateway(plain: PlainHost) -> Fix:
    """Take the redirect out of the gateway."""
    by_route = plain.redirect is RedirectKind.ROUTE
    what = f"the redirect rule from {plain.place.ref}" if by_route else "httpsRedirect"
    return remove_field(
        plain.place,
        f"Remove {what}" if by_route else f"Remove {what} from {plain.server}",
        why="Redirect plain requests where TLS ends: in the load balancer or proxy.",
    )


def trust_the_proxy(plain: PlainHost) -> Fix:
    """Make Envoy believe the X-Forwarded-Proto of the proxy before it."""
    owner = plain.workload.owner
    annotation = '{"proxy.istio.io/config":"gatewayTopology: {numTrustedProxies: 1}"}'
    body = '{"spec":{"template":{"metadata":{"annotations":' + annotation + "}}}}"
    patch = kubectl("patch", owner, change(body))
    return Fix(
        title=f"Trust one proxy before {plain.workload}",
        risk=Risk.RESTARTS_TRAFFIC,
        commands=(patch,) if owner.group == APPS else (),
        why=(
            "The annotation proxy.istio.io/config with gatewayTopology: {numTrustedProxies: 1}"
            " makes Envoy believe that proxy's X-Forwarded-Proto and X-Forwarded-For; the proxy"
            " must set them itself. Pods restart. Only where every client comes through it."
        ),
    )


def serve_https(plain: PlainHost) -> Fix:
    """End TLS in the gateway, where nothing before it does."""
    is_listener = plain.server.api is GatewayApi.GATEWAY_API
    return json_patch(
        plain.server.gateway,
        [
            {
                "op": "add",
                "path": "/spec/listeners/-" if is_listener else "/spec/servers/-",
                "value": _https_listener(plain) if is_listener else _https_server(plain),
            }
        ],
        "Serve HTTPS in the gateway",
        why="Right where TLS reaches the gateway; put the name of the TLS Secret.",
    )


def _https_listener(plain: PlainHost) -> dict[str, Any]:
    hostname = {"hostname": plain.server.hostname} if plain.server.hostname else {}
    return {
        "name": "https",
        **hostname,
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"certificateRefs": [{"name": SECRET}]},
    }


def _https_server(plain: PlainHost) -> dict[str, Any]:
    return {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": [str(host) for host in plain.server.hosts],
        "tls": {"mode": "SIMPLE", "credentialName": SECRET},
    }


def circle_seen(step: HttpStep | None) -> tuple[Evidence, ...]:
    """Return the redirect that closes a circle, where that was seen."""
    return observed_evidence((step,)) if step else ()


def trust_seen(mesh: Mesh, plain: PlainHost) -> tuple[Evidence, ...]:
    """Return what the pods did with a request that claims https, where that was tried."""
    found = header_trust(mesh).get(plain.workload)
    if found is None:
        return ()
    step = found.steps[0]
    word = "trusted" if found.trusts else "not trusted"
    return (
        Evidence(
            kind=EvidenceKind.HTTP,
            text=f"{step}, told X-Forwarded-Proto: https, which is {word}",
            ref=step.access_point.pod if step.access_point else None,
            at=step.at,
        ),
    )
