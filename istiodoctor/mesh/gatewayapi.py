"""Gateway API listeners in the mesh's own words (pilot/pkg/config/kube/gateway/conversion.go)."""

from collections.abc import Iterator, Mapping

from istiodoctor.mesh.grants import gateway_ref, is_granted
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.references import CredentialReference, Form, Purpose
from istiodoctor.mesh.servers import (
    ANY_NAMESPACE,
    WITH_CLIENT_AUTHORITY,
    GatewayApi,
    RouteNamespaces,
    Server,
    ServerHost,
)
from istiodoctor.model.gatewayapi import (
    Gateway,
    GatewayClass,
    Listener,
    ListenerSet,
    ListenerTls,
    XListenerSet,
)
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.routefilters import ObjectReference

CONTROLLER = "istio.io/gateway-controller"
BUILT_IN_CLASSES = frozenset({"istio", "istio-remote"})
TERMINATE_MODE = "gateway.istio.io/tls-terminate-mode"
_TERMINATE_MODES = {
    "MUTUAL": TlsMode.MUTUAL,
    "OPTIONAL_MUTUAL": TlsMode.OPTIONAL_MUTUAL,
    "ISTIO_MUTUAL": TlsMode.ISTIO_MUTUAL,
    "ISTIO_SIMPLE": TlsMode.SIMPLE,
}


@question(Kind.GATEWAY_CLASS)
def _classes(mesh: Mesh) -> frozenset[str]:
    served = {
        each.name for each in mesh.all(GatewayClass) if each.spec.controller_name == CONTROLLER
    }
    return BUILT_IN_CLASSES | served


@question(Kind.GATEWAY)
def api_gateways(mesh: Mesh) -> tuple[Gateway, ...]:
    """Return the Gateway API Gateways that belong to Istio."""
    classes = _classes(mesh)
    return tuple(each for each in mesh.all(Gateway) if each.spec.gateway_class_name in classes)


@question
def api_gateways_by_ref(mesh: Mesh) -> Mapping[Ref, Gateway]:
    """Return them by name."""
    return {gateway.ref: gateway for gateway in api_gateways(mesh)}


@question(Kind.LISTENER_SET, Kind.X_LISTENER_SET)
def listener_sets(mesh: Mesh) -> tuple[ListenerSet, ...]:
    """Return all ListenerSets, the experimental ones too."""
    return (*mesh.all(ListenerSet), *mesh.all(XListenerSet))


@question
def api_servers(mesh: Mesh) -> tuple[Server, ...]:
    """Return the listeners of Gateways and ListenerSets as servers."""
    gateways = api_gateways_by_ref(mesh)
    servers = [
        _server(mesh, gateway, gateway.ref, index, listener)
        for gateway in gateways.values()
        for index, listener in enumerate(gateway.spec.listeners)
    ]
    for listeners in listener_sets(mesh):
        parent = listeners.spec.parent_ref
        ref = gateway_ref(parent.namespace or listeners.namespace, parent.name)
        if ref in gateways and _admits(gateways[ref], listeners):
            servers += [
                _server(mesh, listeners, ref, index, listener)
                for index, listener in enumerate(listeners.spec.listeners)
            ]
    return tuple(servers)


def _server(
    mesh: Mesh, source: Gateway | ListenerSet, parent: Ref, index: int, listener: Listener
) -> Server:
    path = f"/spec/listeners/{index}"
    allowed = listener.allowed_routes.namespaces
    mode = _mode(listener)
    namespace = {"Same": source.namespace, "None": ""}.get(allowed.from_, ANY_NAMESPACE)
    return Server(
        gateway=source.ref,
        parent=parent,
        gateway_name=f"{source.namespace}/{source.name}",
        index=index,
        path=path,
        age_order=source.age_order,
        port=listener.port,
        protocol=listener.protocol.upper(),
        port_name=listener.name,
        hosts=(ServerHost(namespace, (listener.hostname or "*").lower()),),
        has_tls=mode is not None,
        mode=mode,
        credentials=tuple(_references(mesh, source.ref, listener.tls, mode, path + "/tls"))
        if listener.tls
        else (),
        api=GatewayApi.GATEWAY_API,
        allowed_routes=RouteNamespaces(policy=allowed.from_, selector=allowed.selector),
    )


def _references(
    mesh: Mesh, origin: Ref, tls: ListenerTls, mode: TlsMode | None, path: str
) -> Iterator[CredentialReference]:
    own_certificate = tls.options.get(TERMINATE_MODE) == "ISTIO_SIMPLE"
    if mode in (None, TlsMode.PASSTHROUGH, TlsMode.ISTIO_MUTUAL) or own_certificate:
        return
    for index, reference in enumerate(tls.certificate_refs):
        pointer = f"{path}/certificateRefs/{index}"
        yield _reference(mesh, origin, reference, pointer, Purpose.SERVER)
    validation = tls.frontend_validation
    if validation:
        for index, reference in enumerate(validation.ca_certificate_refs):
            pointer = f"{path}/frontendValidation/caCertificateRefs/{index}"
            yield _reference(mesh, origin, reference, pointer, Purpose.AUTHORITY)
    elif mode in WITH_CLIENT_AUTHORITY and tls.certificate_refs:
        pointer = f"{path}/certificateRefs/0"
        yield _reference(mesh, origin, tls.certificate_refs[0], pointer, Purpose.AUTHORITY)


def _reference(
    mesh: Mesh, origin: Ref, reference: ObjectReference, path: str, purpose: Purpose
) -> CredentialReference:
    kind = reference.kind or "Secret"
    namespace = reference.namespace or origin.namespace
    target = Ref(reference.group or CORE, kind, namespace, reference.name)
    form = Form.KUBERNETES_GATEWAY
    if kind == "ConfigMap" and purpose is Purpose.AUTHORITY:
        form = Form.CONFIG_MAP
    elif kind != "Secret" or target.group != CORE:
        form = Form.INVALID
    return CredentialReference(
        text=target.path,
        form=form,
        namespace=namespace,
        name=reference.name,
        purpose=purpose,
        path=path,
        granted=is_granted(mesh, origin, target),
    )


def _admits(gateway: Gateway, listeners: ListenerSet) -> bool:
    """Whether `allowedListeners` lets a ListenerSet in: by default none.

    A selector is not followed: what it may let in counts as let in.
    """
    allowed = gateway.spec.allowed_listeners
    match allowed.namespaces.from_ if allowed and allowed.namespaces else "None":
        case "All" | "Selector":
            return True
        case "Same":
            return listeners.namespace == gateway.namespace
        case _:
            return False


def _mode(listener: Listener) -> TlsMode | None:
    """Return the TLS mode of a listener; None for plain protocols or a missing tls section."""
    if listener.protocol.upper() not in ("HTTPS", "TLS") or listener.tls is None:
        return None
    if listener.tls.mode == "Passthrough":
        return TlsMode.PASSTHROUGH
    if listener.tls.frontend_validation:
        return TlsMode.MUTUAL
    return _TERMINATE_MODES.get(listener.tls.options.get(TERMINATE_MODE, ""), TlsMode.SIMPLE)
