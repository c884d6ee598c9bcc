"""Whose certificates pods ask clients for, beside the authority that is stored."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.credentials.client_cas import ClientCaState, ClientCaUse, client_ca_uses
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import handshakes
from istiodoctor.mesh.question import question
from istiodoctor.model.observation import TlsObservation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OtherClientCas:
    """A server whose pods name other CAs to clients than the Secret holds."""

    use: ClientCaUse
    stored: tuple[str, ...]
    """The subjects of what the Secret holds."""
    asked: tuple[str, ...]
    """Those that clients are told."""
    seen: tuple[TlsObservation, ...]


@question
def _client_cas_by_server(mesh: Mesh) -> Mapping[Server, tuple[ClientCaUse, ...]]:
    found: dict[Server, list[ClientCaUse]] = defaultdict(list)
    for use in client_ca_uses(mesh):
        found[use.server].append(use)
    return {server: tuple(uses) for server, uses in found.items()}


@question
def other_client_cas(mesh: Mesh) -> tuple[OtherClientCas, ...]:
    """Return the servers whose pods ask for certificates of other CAs than stored.

    Authorities are told by their names: one made anew under the same name is not seen.
    """
    return tuple(
        other
        for server, seen in handshakes(mesh).items()
        for use in _client_cas_by_server(mesh).get(server, ())
        if (other := _other(mesh, use, seen))
    )


def _other(
    mesh: Mesh, use: ClientCaUse, seen: tuple[TlsObservation, ...]
) -> OtherClientCas | None:
    source = use.source
    if source is None or use.state is not ClientCaState.FOUND:
        return None
    stored = frozenset(each.subject for each in source.ca_bundle.certificates)
    written = [each for each in (source.creation_timestamp, source.updated_at) if each]
    is_new = bool(written) and mesh.snapshot.taken_at - max(written) < SETTLING_TIME
    if not stored or source.ca_bundle.is_malformed or is_new:
        return None
    other = tuple(
        each
        for each in seen
        if each.target.access_point.pod and each.target.access_point.gateway == use.workload.owner
        if each.acceptable_client_cas and stored != frozenset(each.acceptable_client_cas)
    )
    if not other:
        return None
    asked = dict.fromkeys(name for each in other for name in each.acceptable_client_cas)
    return OtherClientCas(use=use, stored=tuple(sorted(stored)), asked=tuple(asked), seen=other)
