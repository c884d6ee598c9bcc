"""What the Gateway API does not permit."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.api_backends import SERVICE, backend_kind
from istiodoctor.mesh.configuration.held_routes import backends_of_route
from istiodoctor.mesh.gateways.api_gateways import api_gateways
from istiodoctor.mesh.gateways.attachments import (
    Attachment,
    AttachmentState,
    attachments,
    attachments_of,
)
from istiodoctor.mesh.gateways.conditions import current, listener_condition, route_condition
from istiodoctor.mesh.gateways.credential_references import CredentialReference, Form
from istiodoctor.mesh.gateways.listener_faults import ListenerFault
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.gatewayapi import Gateway
from istiodoctor.model.kind import CORE
from istiodoctor.model.metadata import Condition, condition
from istiodoctor.model.ref import Place, Ref

NOT_PERMITTED = "RefNotPermitted"
NOT_VALID = "InvalidCertificateRef"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedReference:
    """A listener's reference to a Secret or ConfigMap in a namespace that does not permit it."""

    server: Server
    reference: CredentialReference
    hosts: tuple[str, ...]
    """The listener's hostname, or those of its routes where it takes every host."""
    condition: Condition | None
    """What istiod says of the listener's references."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedRoute:
    """A route that is not attached to a parent it names."""

    attachment: Attachment
    is_by_namespace: bool
    """Whether its namespace is kept out."""
    is_by_kind: bool = False
    """Whether routes of its kind are kept out; with neither, no hostname fits."""
    has_other: bool
    """Whether the route is attached elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedBackend:
    """A backend in a namespace that does not permit it."""

    attachment: Attachment
    service: Ref
    place: Place
    is_whole: bool
    """Whether the route has no other backend."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unprogrammed:
    """A Gateway that istiod says it could not accept or program."""

    gateway: Gateway
    condition: Condition


@question
def refused_references(mesh: Mesh) -> tuple[RefusedReference, ...]:
    """Return the references to Secrets and ConfigMaps that no ReferenceGrant permits.

    Where grants were not read, istiod's own condition decides.
    """
    return tuple(
        RefusedReference(
            server=server,
            reference=reference,
            hosts=_listener_hosts(mesh, server),
            condition=found,
        )
        for server in servers(mesh)
        if server.api is GatewayApi.GATEWAY_API
        for reference in server.credentials
        if reference.form in (Form.KUBERNETES_GATEWAY, Form.CONFIG_MAP)
        and reference.namespace != server.namespace
        for found in (listener_condition(mesh, server, "ResolvedRefs"),)
        if reference.granted is False
        or (reference.granted is None and found and found.reason == NOT_PERMITTED)
    )


@question
def useless_references(mesh: Mesh) -> tuple[RefusedReference, ...]:
    """Return the references of listeners that are no Secrets, or that istiod cannot use."""
    return tuple(
        RefusedReference(
            server=server,
            reference=reference,
            hosts=_listener_hosts(mesh, server),
            condition=said,
        )
        for server in servers(mesh)
        if server.api is GatewayApi.GATEWAY_API
        for said in (listener_condition(mesh, server, "ResolvedRefs"),)
        for reference in server.credentials
        if reference.form is Form.INVALID
        or (
            said
            and said.status == "False"
            and said.reason == NOT_VALID
            and reference.granted is not False
        )
    )


@question
def unprogrammed_gateways(mesh: Mesh) -> tuple[Unprogrammed, ...]:
    """Return the Gateways of Istio's classes that are not accepted, else not programmed."""
    return tuple(
        Unprogrammed(gateway=gateway, condition=said)
        for gateway in api_gateways(mesh)
        for said in _refusals(gateway)[:1]
    )


def _listener_hosts(mesh: Mesh, server: Server) -> tuple[str, ...]:
    if server.names != ("*",):
        return server.names
    routed = (host for each in attachments_of(mesh, server) for host in each.hosts)
    return tuple(dict.fromkeys(routed)) or server.names


@question
def refused_routes(mesh: Mesh) -> tuple[RefusedRoute, ...]:
    """Return the routes that listeners do not take, by namespace, kind or hostname."""
    every = attachments(mesh)
    attached = {each.route.ref for each in every if each.state is AttachmentState.ATTACHED}
    return tuple(
        RefusedRoute(
            attachment=each,
            is_by_namespace=state is AttachmentState.NOT_ALLOWED,
            is_by_kind=state is AttachmentState.KIND_NOT_ALLOWED,
            has_other=each.route.ref in attached,
        )
        for each in every
        if (state := _attachment_state(mesh, each))
        in (
            AttachmentState.NOT_ALLOWED,
            AttachmentState.KIND_NOT_ALLOWED,
            AttachmentState.NO_HOSTNAME,
        )
        and not (state is AttachmentState.KIND_NOT_ALLOWED and _are_unserved(each))
    )


def _are_unserved(attachment: Attachment) -> bool:
    """Whether no listener that fits is of a protocol that istiod serves: they take nothing."""
    return all(
        each.faulty is not None and each.faulty.fault is ListenerFault.UNSUPPORTED_PROTOCOL
        for each in attachment.candidates
    )


def _attachment_state(mesh: Mesh, attachment: Attachment) -> AttachmentState:
    """Return what becomes of an attachment; where namespaces were not read, as istiod says."""
    if attachment.state is AttachmentState.UNKNOWN and attachment.candidates:
        said = route_condition(mesh, attachment, "Accepted")
        if said and said.reason == "NotAllowedByListeners":
            return AttachmentState.NOT_ALLOWED
    return attachment.state


@question
def refused_backends(mesh: Mesh) -> tuple[RefusedBackend, ...]:
    """Return the backends of attached routes that no ReferenceGrant permits."""
    return tuple(
        refused
        for attachment in attachments(mesh)
        if attachment.state is AttachmentState.ATTACHED
        for refused in _refused_backends(mesh, attachment)
    )


def _refused_backends(mesh: Mesh, attachment: Attachment) -> Iterator[RefusedBackend]:
    route = attachment.route
    used = backends_of_route(mesh, route)
    for backend in used:
        reference = backend.reference
        if backend.is_nowhere and backend_kind(reference) == SERVICE:
            yield RefusedBackend(
                attachment=attachment,
                service=Ref(CORE, "Service", reference.namespace, reference.name),
                place=route.at(backend.path),
                is_whole=len(used) == 1,
            )


def _refusals(gateway: Gateway) -> list[Condition]:
    said = tuple(current(gateway.metadata, gateway.status.conditions))
    found = (condition(said, kind) for kind in ("Accepted", "Programmed"))
    return [each for each in found if each and each.status == "False"]
