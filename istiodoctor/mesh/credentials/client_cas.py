"""Where the CA comes from that checks client certificates, and whether it is there."""

from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.gateways.credential_references import (
    CA_SUFFIX,
    CredentialReference,
    Form,
    Purpose,
)
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.config_maps import config_map_fault
from istiodoctor.mesh.workloads.secrets import credential as credential
from istiodoctor.mesh.workloads.secrets import secret_exists as secret_exists
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref


class ClientCaState(StrEnum):
    """Whether a server that wants client certificates has a CA to check them with."""

    FOUND = "found"
    MISSING = "missing"
    UNKNOWN = "unknown"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClientCaUse:
    """Where a server's client CA comes from: `<name>-cacert`, else the server's own Secret."""

    server: Server
    workload: Workload
    reference: CredentialReference
    namespace: str
    dedicated_name: str
    """The Secret looked for first; empty when the reference names the CA itself."""
    compound_name: str
    """The Secret looked for when that one does not exist."""
    source: Credential | None
    """The Secret that istiod takes, whether or not it has CA keys."""
    state: ClientCaState

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name under which SDS asks first."""
        return (self.namespace, self.dedicated_name or self.compound_name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfigMapUse:
    """A server whose client CA is in a ConfigMap."""

    server: Server
    workload: Workload
    reference: CredentialReference

    @property
    def config_map(self) -> Ref:
        """The ConfigMap."""
        return Ref(CORE, "ConfigMap", self.reference.namespace, self.reference.name)


@question
def config_map_uses(mesh: Mesh) -> tuple[ConfigMapUse, ...]:
    """Return the servers that take their client CA from a ConfigMap."""
    return tuple(
        ConfigMapUse(server=server, workload=listener.workload, reference=reference)
        for listener in listeners(mesh)
        for server in listener.with_credentials
        for reference in server.credentials
        if reference.purpose is Purpose.CLIENT_CA and reference.form is Form.CONFIG_MAP
    )


@question(evidence=[config_map_fault])
def unusable_config_maps(mesh: Mesh) -> tuple[tuple[ConfigMapUse, str], ...]:
    """Return the client CAs that istiod cannot take from their ConfigMaps, and why not.

    Not those that may not be referred to: that is said before anything is read.
    """
    return tuple(
        (use, fault)
        for use in config_map_uses(mesh)
        if use.reference.granted is not False
        and (fault := config_map_fault(mesh, use.reference.namespace, use.reference.name))
    )


@question
def client_ca_uses(mesh: Mesh) -> tuple[ClientCaUse, ...]:
    """Return where each server that wants client certificates takes its CA from."""
    return tuple(
        _client_ca_use(mesh, server, listener.workload, reference)
        for listener in listeners(mesh)
        for server in listener.with_credentials
        for reference in server.credentials
        if reference.purpose is Purpose.CLIENT_CA
    )


def _client_ca_use(
    mesh: Mesh, server: Server, workload: Workload, reference: CredentialReference
) -> ClientCaUse:
    outside = reference.form not in (Form.KUBERNETES, Form.KUBERNETES_GATEWAY)
    namespace = reference.namespace or (workload.namespace if workload.is_known else "")
    dedicated, compound = _client_ca_names(reference)
    source, state = None, ClientCaState.OUTSIDE if outside else ClientCaState.UNKNOWN
    if namespace and not outside:
        source, state = _authority(mesh, namespace, dedicated, compound)
    return ClientCaUse(
        server=server,
        workload=workload,
        reference=reference,
        namespace=namespace,
        dedicated_name=dedicated,
        compound_name=compound,
        source=source,
        state=state,
    )


def _authority(
    mesh: Mesh, namespace: str, dedicated: str, compound: str
) -> tuple[Credential | None, ClientCaState]:
    for name in filter(None, (dedicated, compound)):
        exists = secret_exists(mesh, namespace, name)
        found = credential(mesh, namespace, name)
        if exists is None or (exists and found is None):
            return None, ClientCaState.UNKNOWN
        if found:
            key = found.ca_key
            has_ca = bool(key) and key not in found.empty_keys
            return found, ClientCaState.FOUND if has_ca else ClientCaState.MISSING
    return None, ClientCaState.MISSING


def _client_ca_names(reference: CredentialReference) -> tuple[str, str]:
    """Return the Secret asked for first and the one taken when it does not exist (`GetCaCert`)."""
    if "caCertificateRefs" in reference.path or reference.name.endswith(CA_SUFFIX):
        return "", reference.name
    return reference.name + CA_SUFFIX, reference.name
