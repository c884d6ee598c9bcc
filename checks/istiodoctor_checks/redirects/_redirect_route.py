"""How plain requests that an HTTPRoute answers are redirected: by a RequestRedirect filter."""

from dataclasses import replace
from typing import Any

from istiodoctor.fix import Fix, Patch, PatchType, create, json_patch
from istiodoctor.mesh.configuration.redirects import PlainHost
from istiodoctor.mesh.gateways.attachments import Attachment
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.model.gatewayapi import HttpRoute
from istiodoctor.model.kind import Kind

RULE = {
    "filters": [
        {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    ]
}
SOLVERS = "An HTTPRoute of an ACME solver has a narrower path and comes before it."


def redirect_by_route(plain: PlainHost, tls: Server, attached: Attachment) -> Fix:
    """Redirect the plain requests of an HTTPRoute, which goes on answering by HTTPS."""
    route = attached.route
    if attached.servers == (plain.server,):
        return json_patch(
            route.ref,
            [{"op": "replace", "path": "/spec/rules", "value": [RULE]}],
            f"Redirect in {route.ref} by a RequestRedirect filter",
            why=f"It is attached to {plain.server} alone. {SOLVERS}",
        )
    if {*attached.servers} == {plain.server, tls} and isinstance(route, HttpRoute):
        return _moved(plain, tls, attached, route)
    return Fix(
        title=f"Attach an HTTPRoute with a RequestRedirect filter to {plain.server}",
        why=(
            f"{attached.place} must then name its other listeners by sectionName, so that"
            f" {route.ref} is no longer attached to this one."
        ),
    )


def _moved(plain: PlainHost, tls: Server, attached: Attachment, route: HttpRoute) -> Fix:
    """Leave the route to the TLS listener, and put one that redirects on the plain one."""
    section = {
        "op": "add",
        "path": f"{attached.place.path}/sectionName",
        "value": tls.section_name,
    }
    redirecting = create(
        _manifest(plain, attached, route),
        Kind.HTTP_ROUTE,
        f"Attach {route.ref} to the listener {tls.section_name} alone, and redirect on"
        f" {plain.server.section_name}",
        why=f"A new HTTPRoute redirects by a RequestRedirect filter. {SOLVERS}",
    )
    patch = Patch(ref=route.ref, type=PatchType.JSON, body=[section])
    return replace(redirecting, patches=(patch, *redirecting.patches), undo=())


def _manifest(plain: PlainHost, attached: Attachment, route: HttpRoute) -> dict[str, Any]:
    hostnames = {"hostnames": list(route.spec.hostnames)} if route.spec.hostnames else {}
    reference = attached.parent_reference
    named = {
        "group": reference.group,
        "kind": reference.kind,
        "namespace": reference.namespace,
        "name": reference.name,
        "sectionName": plain.server.section_name,
    }
    return {
        "metadata": {"name": f"{route.name}-redirect", "namespace": route.namespace},
        "spec": {
            "parentRefs": [{key: value for key, value in named.items() if value}],
            **hostnames,
            "rules": [RULE],
        },
    }
