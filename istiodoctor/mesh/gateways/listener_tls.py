"""How a listener of the Gateway API ends TLS, and the Secrets that it asks for.

Source: `buildTLS` (pilot/pkg/config/kube/gateway/conversion.go:2258-2375).
"""

from collections.abc import Iterator

from istiodoctor.mesh.gateways.credential_references import CredentialReference, Form, Purpose
from istiodoctor.mesh.gateways.listener_faults import FaultyListener, ListenerFault
from istiodoctor.mesh.gateways.servers import WITH_CLIENT_CA
from istiodoctor.mesh.labels import NETWORK_LABEL
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads.grants import is_granted
from istiodoctor.model.gatewayapi import (
    FrontendValidation,
    Gateway,
    Listener,
    ListenerSet,
    ListenerTls,
)
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref
from istiodoctor.model.routefilters import ObjectReference

TERMINATE_MODE = "gateway.istio.io/tls-terminate-mode"
OWN_CERTIFICATE = "ISTIO_SIMPLE"
"""The workload's own certificate, without asking clients for one."""
_TERMINATE_MODES = {
    "MUTUAL": TlsMode.MUTUAL,
    "OPTIONAL_MUTUAL": TlsMode.OPTIONAL_MUTUAL,
    "ISTIO_MUTUAL": TlsMode.ISTIO_MUTUAL,
    OWN_CERTIFICATE: TlsMode.SIMPLE,
}
_OVERRIDING = frozenset({"MUTUAL", "OPTIONAL_MUTUAL"})
LISTENER_MODE = "gateway.istio.io/listener-protocol"
AUTO_PASSTHROUGH = "auto-passthrough"
GATEWAY_PORT_LABEL = "networking.istio.io/gatewayPort"
EAST_WEST_PORT = "15443"
INSECURE_FALLBACK = "AllowInsecureFallback"
MOST_CERTIFICATES = 2


def client_validation(gateway: Gateway, listener: Listener) -> tuple[FrontendValidation, str]:
    """Return how client certificates are checked, and where that is written in its object.

    The Gateway says so for a port, else for all; a listener of its own could in experiments.
    """
    frontend = gateway.spec.tls.frontend if gateway.spec.tls else None
    if frontend:
        path = "/spec/tls/frontend/default"
        found = frontend.default
        for index, each in enumerate(frontend.per_port):
            if each.port == listener.port:
                path, found = f"/spec/tls/frontend/perPort/{index}/tls", each.tls
                break
        if found.validation:
            return found.validation, f"{path}/validation"
    own = listener.tls.frontend_validation if listener.tls else None
    return own or FrontendValidation(), ""


def tls_mode(
    listener: Listener, source: Gateway | ListenerSet, validation: FrontendValidation
) -> TlsMode | None:
    """Return the TLS mode of a listener; None for plain protocols or a missing tls section."""
    tls = listener.tls
    if listener.protocol.upper() not in ("HTTPS", "TLS") or tls is None:
        return None
    if tls.mode == "Passthrough":
        is_automatic = _passes_by_itself(listener, tls, source)
        return TlsMode.AUTO_PASSTHROUGH if is_automatic else TlsMode.PASSTHROUGH
    option = tls.options.get(TERMINATE_MODE, "")
    mode = _TERMINATE_MODES.get(option, TlsMode.SIMPLE)
    is_validated = bool(validation.ca_certificate_refs and tls.certificate_refs)
    if not is_validated or option == OWN_CERTIFICATE:
        return mode
    if mode is TlsMode.ISTIO_MUTUAL or option in _OVERRIDING:
        return mode
    is_optional = validation.mode == INSECURE_FALLBACK
    return TlsMode.OPTIONAL_MUTUAL if is_optional else TlsMode.MUTUAL


def _passes_by_itself(listener: Listener, tls: ListenerTls, source: Gateway | ListenerSet) -> bool:
    """Whether SNI names the cluster (`IsAutoPassthrough`, kube/conversion.go:199)."""
    if tls.options.get(LISTENER_MODE) == AUTO_PASSTHROUGH:
        return True
    labels = source.metadata.labels
    port = labels.get(GATEWAY_PORT_LABEL, EAST_WEST_PORT)
    return NETWORK_LABEL in labels and str(listener.port) == port


def uses_own_certificate(tls: ListenerTls, mode: TlsMode | None) -> bool:
    """Whether a listener asks for no Secret: it shows the workload's certificate, or none."""
    return (
        mode in (None, TlsMode.PASSTHROUGH, TlsMode.AUTO_PASSTHROUGH, TlsMode.ISTIO_MUTUAL)
        or tls.options.get(TERMINATE_MODE) == OWN_CERTIFICATE
    )


def credentials_of(
    mesh: Mesh,
    source: Gateway | ListenerSet,
    listener: Listener,
    mode: TlsMode | None,
    validation: tuple[FrontendValidation, str],
    path: str,
) -> Iterator[CredentialReference]:
    """Yield what a listener asks of SDS; `path` is that of its `tls` section."""
    tls = listener.tls
    if tls is None or uses_own_certificate(tls, mode):
        return
    for index, reference in enumerate(tls.certificate_refs):
        pointer = f"{path}/certificateRefs/{index}"
        yield _reference(mesh, source.ref, reference, pointer, Purpose.SERVER)
    ca_validation, written = validation
    where = written or f"{path}/frontendValidation"
    for index, reference in enumerate(ca_validation.ca_certificate_refs):
        pointer = f"{where}/caCertificateRefs/{index}"
        yield _reference(mesh, source.ref, reference, pointer, Purpose.CLIENT_CA)
    if not ca_validation.ca_certificate_refs and mode in WITH_CLIENT_CA and tls.certificate_refs:
        pointer = f"{path}/certificateRefs/0"
        first = tls.certificate_refs[0]
        yield _reference(mesh, source.ref, first, pointer, Purpose.CLIENT_CA)


def _reference(
    mesh: Mesh, origin: Ref, reference: ObjectReference, path: str, purpose: Purpose
) -> CredentialReference:
    kind = reference.kind or "Secret"
    namespace = reference.namespace or origin.namespace
    target = Ref(reference.group or CORE, kind, namespace, reference.name)
    form = Form.KUBERNETES_GATEWAY
    if kind == "ConfigMap" and purpose is Purpose.CLIENT_CA:
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


def tls_fault(
    listener: Listener, mode: TlsMode | None, credentials: tuple[CredentialReference, ...]
) -> FaultyListener | None:
    """Return what is wrong with a listener's references, whatever the Secrets hold."""
    if listener.tls is None or uses_own_certificate(listener.tls, mode):
        return None
    if len(listener.tls.certificate_refs) > MOST_CERTIFICATES:
        text = f"it names {len(listener.tls.certificate_refs)} certificates; istiod takes two"
        return FaultyListener(fault=ListenerFault.INVALID_CERTIFICATE, text=text)
    servers = [each for each in credentials if each.purpose is Purpose.SERVER]
    if servers and all(_is_refused(each) for each in servers):
        text = "none of its certificates is a Secret that it may refer to"
        return FaultyListener(fault=ListenerFault.INVALID_CERTIFICATE, text=text)
    return _client_ca_fault(listener, credentials) if servers else None


def _client_ca_fault(
    listener: Listener, credentials: tuple[CredentialReference, ...]
) -> FaultyListener | None:
    named = [each for each in credentials if "caCertificateRefs" in each.path]
    if len(named) > 1:
        text = f"it names {len(named)} client CAs; istiod takes one"
        return FaultyListener(fault=ListenerFault.INVALID_CLIENT_CA, text=text)
    if any(_is_refused(each) for each in named):
        text = "its client CA is no Secret or ConfigMap that it may refer to"
        return FaultyListener(fault=ListenerFault.INVALID_CLIENT_CA, text=text)
    return None


def _is_refused(reference: CredentialReference) -> bool:
    return reference.form is Form.INVALID or reference.granted is False
