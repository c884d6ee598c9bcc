"""Whether istiod can use the Secrets of a listener of the Gateway API: else it makes no server.

Of an Istio Gateway it makes the server all the same. Source: `buildTLS`, `buildSecretReference`,
`buildCaCertificateReference` (pilot/pkg/config/kube/gateway/conversion.go:2258-2490).
"""

from istiodoctor.mesh.gateways.credential_references import CredentialReference, Form, Purpose
from istiodoctor.mesh.gateways.listener_faults import FaultyListener, ListenerFault
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.config_maps import config_map_fault
from istiodoctor.mesh.workloads.secrets import credential, secret_exists
from istiodoctor.model.credential import Credential, KeyState, PemDefect

UNUSABLE_KEYS = frozenset(
    {KeyState.ABSENT, KeyState.ENCRYPTED, KeyState.NOT_PEM, KeyState.UNPARSABLE}
)
UNREAD = frozenset({PemDefect.UNREADABLE, PemDefect.TOO_MANY, PemDefect.TOO_LARGE})
"""Why a certificate may be there that was not seen."""


@question(evidence=[config_map_fault])
def faulty_listener(mesh: Mesh, server: Server) -> FaultyListener | None:
    """Return what keeps istiod from making a listener's server; None too where that is unknown."""
    if server.api is not GatewayApi.GATEWAY_API or server.faulty:
        return server.faulty
    certificates = [each for each in server.credentials if each.purpose is Purpose.SERVER]
    if certificates and all(_is_usable(mesh, each) is False for each in certificates):
        names = ", ".join(f"{each.namespace}/{each.name}" for each in certificates)
        text = f"istiod cannot use its certificate: {names}"
        return FaultyListener(fault=ListenerFault.INVALID_CERTIFICATE, text=text)
    for each in server.credentials:
        # Without references of its own the CA is looked for later, when Envoy asks.
        if "caCertificateRefs" in each.path and _holds_ca(mesh, each) is False:
            kind = "ConfigMap" if each.form is Form.CONFIG_MAP else "Secret"
            text = f"istiod cannot use its client CA, {kind} {each.namespace}/{each.name}"
            return FaultyListener(fault=ListenerFault.INVALID_CLIENT_CA, text=text)
    return None


def _is_usable(mesh: Mesh, reference: CredentialReference) -> bool | None:
    """Whether a certificate reference leads to a key pair; None where that is not known."""
    if reference.form is Form.INVALID or reference.granted is False:
        return False
    found = credential(mesh, reference.namespace, reference.name)
    if found is None:
        is_there = secret_exists(mesh, reference.namespace, reference.name)
        return False if is_there is False else None
    usable = _is_key_pair(found)
    return None if usable and reference.granted is None else usable


def _is_key_pair(found: Credential) -> bool | None:
    """Whether Go's `tls.X509KeyPair` takes what istiod would serve; None where it may."""
    pair = found.pair
    if pair is None or pair.private_key.state in UNUSABLE_KEYS or pair.key_matches_leaf is False:
        return False
    if not pair.chain.certificates:
        return None if UNREAD.intersection(pair.chain.defects) else False
    return pair.key_matches_leaf


def _holds_ca(mesh: Mesh, reference: CredentialReference) -> bool | None:
    if reference.form is Form.CONFIG_MAP and reference.granted is not None:
        fault = config_map_fault(mesh, reference.namespace, reference.name)
        return None if fault is None else not fault
    if reference.form is not Form.KUBERNETES_GATEWAY or reference.granted is None:
        return None
    found = credential(mesh, reference.namespace, reference.name)
    if found is None:
        is_there = secret_exists(mesh, reference.namespace, reference.name)
        return False if is_there is False else None
    key = found.ca_key
    return bool(key) and key not in found.empty_keys
