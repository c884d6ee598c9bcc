"""Where istiod's SDS looks up a credential, whether it may be read, and what it finds."""

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum

from istiodoctor.mesh.gateways.credential_references import (
    CredentialReference,
    Form,
    Purpose,
)
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of
from istiodoctor.mesh.workloads.grants import gateway_ref, has_grant, is_granted
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.rights import Permission, may_read_credentials
from istiodoctor.mesh.workloads.secrets import credential as credential
from istiodoctor.mesh.workloads.secrets import secret_exists as secret_exists
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.value import Value


class CredentialState(StrEnum):
    """What SDS would answer a gateway."""

    FOUND = "found"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """The Secret could not be read, only stands for another, or the pods' namespace is not
    known."""
    ELSEWHERE = "elsewhere"
    """It is named with a namespace that is not the pods' own: istiod refuses."""
    NOT_GRANTED = "not-granted"
    """A reference across namespaces without a ReferenceGrant, or from a Gateway outside the
    pods' namespace."""
    OUTSIDE = "outside"
    """Not served from a Secret: files, builtin, another SDS server. Nothing to look up."""
    UNPARSABLE = "unparsable"


class CredentialUse(Value, frozen=True, kw_only=True, eq=False):
    """One server on one workload asking for one credential."""

    server: Server
    workload: Workload
    reference: CredentialReference
    namespace: str
    """Where istiod looks; empty when that is not known."""
    name: str
    state: CredentialState
    credential: Credential | None = None
    permission: Permission
    """The right of the gateway's ServiceAccount; always allowed for forms that need none."""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the Secret: what findings meet on."""
        return (self.namespace, self.name)

    @property
    def secret(self) -> Ref:
        """The Secret's name in messages."""
        return Ref(CORE, "Secret", self.namespace, self.name)

    @property
    def absence(self) -> tuple[Kind, str, str]:
        """The Secret as something that is not there, to be looked for once more."""
        return (Kind.SECRET, self.namespace, self.name)

    @property
    def is_missing(self) -> bool:
        """Whether the Secret is known not to exist where istiod looks."""
        return self.state is CredentialState.MISSING

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that depend on it."""
        return frozenset(self.server.names)


@question(Kind.SECRET, searches=True)
def _secret_namespaces(mesh: Mesh) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for namespace, name in sorted(mesh.snapshot.secret_names):
        found[name].append(namespace)
    return {name: tuple(namespaces) for name, namespaces in found.items()}


@question
def secrets_named(mesh: Mesh, name: str) -> tuple[Ref, ...]:
    """Return every known Secret of this name, in any namespace."""
    return tuple(
        Ref(CORE, "Secret", namespace, name)
        for namespace in _secret_namespaces(mesh).get(name, ())
    )


@question
def credential_uses(mesh: Mesh) -> tuple[CredentialUse, ...]:
    """Return every server certificate that live servers ask SDS for, per workload."""
    return tuple(
        _use(mesh, server, listener.workload, reference)
        for listener in listeners(mesh)
        for server in listener.with_credentials
        for reference in server.credentials
        if reference.purpose is Purpose.SERVER
    )


def _use(
    mesh: Mesh, server: Server, workload: Workload, reference: CredentialReference
) -> CredentialUse:
    namespace, state = _lookup(mesh, server, workload, reference)
    found = credential(mesh, namespace, reference.name) if namespace else None
    if state is None:
        exists = secret_exists(mesh, namespace, reference.name) if namespace else None
        state = CredentialState.UNKNOWN
        if exists is False:
            state = CredentialState.MISSING
        elif found:
            state = CredentialState.FOUND
    needs_right = reference.form is Form.KUBERNETES
    return CredentialUse(
        server=server,
        workload=workload,
        reference=reference,
        namespace=namespace,
        name=reference.name,
        state=state,
        credential=found,
        permission=may_read_credentials(mesh, workload)
        if needs_right
        else Permission(allowed=True),
    )


def _lookup(
    mesh: Mesh, server: Server, workload: Workload, reference: CredentialReference
) -> tuple[str, CredentialState | None]:
    """Return where istiod looks, and the answer where the form alone decides it."""
    match reference.form:
        case Form.KUBERNETES:
            if not workload.is_known:
                return reference.namespace, CredentialState.UNKNOWN
            if reference.namespace and reference.namespace != workload.namespace:
                return reference.namespace, CredentialState.ELSEWHERE
            return workload.namespace, None
        case Form.KUBERNETES_GATEWAY:
            return reference.namespace, _verified(mesh, server, workload, reference)
        case Form.UNPARSABLE:
            return "", CredentialState.UNPARSABLE
        case _:
            return "", CredentialState.OUTSIDE


def _verified(
    mesh: Mesh, server: Server, workload: Workload, reference: CredentialReference
) -> CredentialState | None:
    """Judge the form whose references istiod verifies.

    (MergedGateway.VerifiedCertificateReferences).
    """
    if server.api is GatewayApi.GATEWAY_API:
        granted = reference.granted
    else:
        if not workload.is_known:
            return CredentialState.UNKNOWN
        beside_pods = server.namespace == workload.namespace
        plane = control_plane_of(mesh, workload)
        if not beside_pods and has(plane, Change.REFERENCES_OF_OWN_NAMESPACE):
            return CredentialState.NOT_GRANTED
        granted = _is_granted_to_pods(mesh, workload, reference, beside_pods=beside_pods)
    if granted is None:
        return CredentialState.UNKNOWN
    return None if granted else CredentialState.NOT_GRANTED


def _is_granted_to_pods(
    mesh: Mesh, workload: Workload, reference: CredentialReference, *, beside_pods: bool
) -> bool | None:
    origin = gateway_ref(workload.namespace, "")
    target = Ref(CORE, "Secret", reference.namespace, reference.name)
    return is_granted(mesh, origin, target) if beside_pods else has_grant(mesh, origin, target)


def is_served_by_older_releases(mesh: Mesh, use: CredentialUse) -> bool:
    """Whether a reference that istiod refuses may be served: an older one, of unknown version."""
    plane = control_plane_of(mesh, use.workload)
    return (
        use.server.namespace != use.workload.namespace
        and (plane is None or plane.version is None)
        and _is_granted_to_pods(mesh, use.workload, use.reference, beside_pods=False) is not False
    )


@question
def _uses_by_server(mesh: Mesh) -> Mapping[Server, tuple[CredentialUse, ...]]:
    found: dict[Server, list[CredentialUse]] = defaultdict(list)
    for use in credential_uses(mesh):
        found[use.server].append(use)
    return {server: tuple(uses) for server, uses in found.items()}


def uses_of_server(mesh: Mesh, server: Server) -> tuple[CredentialUse, ...]:
    """Return the server certificates that a server asks for, per workload."""
    return _uses_by_server(mesh).get(server, ())


def uses_on(mesh: Mesh, server: Server, workload: Workload) -> tuple[CredentialUse, ...]:
    """Return the credentials that a workload asks for on behalf of a server."""
    return tuple(each for each in uses_of_server(mesh, server) if each.workload is workload)


@question
def uses_by_secret(mesh: Mesh) -> Mapping[tuple[str, str], tuple[CredentialUse, ...]]:
    """Return the uses of each Secret that istiod looks up."""
    found: dict[tuple[str, str], list[CredentialUse]] = defaultdict(list)
    for use in credential_uses(mesh):
        if use.namespace and use.state is not CredentialState.OUTSIDE:
            found[use.key].append(use)
    return {key: tuple(uses) for key, uses in found.items()}


@question
def served_credentials(mesh: Mesh) -> tuple[tuple[Credential, tuple[CredentialUse, ...]], ...]:
    """Return every Secret that was found and is served, with its uses.

    What CERT checks look at.
    """
    return tuple(
        (uses[0].credential, uses)
        for uses in uses_by_secret(mesh).values()
        if uses[0].credential and uses[0].state is CredentialState.FOUND
    )
