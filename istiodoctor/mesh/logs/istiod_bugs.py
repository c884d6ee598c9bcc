"""Bugs of istiod: Secrets that its log says it refused though the objects permit them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.gateways.credential_references import (
    CA_SUFFIX,
    CredentialReference,
    Form,
    Purpose,
)
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.logs.delivery import DeliveryFailure, delivery_failures
from istiodoctor.mesh.logs.meaning import Meaning
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MistakenRefusal:
    """A Secret that a listener of the Gateway API may have and does not get."""

    failure: DeliveryFailure
    server: Server
    reference: CredentialReference

    @property
    def secret(self) -> Ref:
        """The Secret that was asked for."""
        return Ref(CORE, "Secret", self.reference.namespace, self.failure.name)


@question
def _permitted_references(
    mesh: Mesh,
) -> Mapping[tuple[str, str], tuple[tuple[Server, CredentialReference], ...]]:
    """Return what listeners may ask for, by the pods' namespace and the name they ask by."""
    found: dict[tuple[str, str], dict[tuple[Server, CredentialReference], None]]
    found = defaultdict(dict)
    for listener in listeners(mesh):
        for server in listener.servers:
            for reference in server.credentials if server.api is GatewayApi.GATEWAY_API else ():
                if reference.form is Form.KUBERNETES_GATEWAY and reference.granted:
                    key = (listener.workload.namespace, _asked_name(reference))
                    found[key][server, reference] = None
    return {key: tuple(each) for key, each in found.items()}


@question
def mistaken_refusals(mesh: Mesh) -> tuple[MistakenRefusal, ...]:
    """Return the references that istiod refuses though they have a grant or need none."""
    return tuple(_mistaken_refusals(mesh))


def _mistaken_refusals(mesh: Mesh) -> Iterator[MistakenRefusal]:
    permitted = _permitted_references(mesh)
    for failure in delivery_failures(mesh):
        if failure.last.meaning is Meaning.CROSS_NAMESPACE_CREDENTIAL:
            for server, reference in permitted.get((failure.namespace, failure.name), ()):
                yield MistakenRefusal(failure=failure, server=server, reference=reference)


def _asked_name(reference: CredentialReference) -> str:
    dedicated = (
        reference.purpose is Purpose.CLIENT_CA and "caCertificateRefs" not in reference.path
    )
    return reference.name + CA_SUFFIX if dedicated else reference.name
