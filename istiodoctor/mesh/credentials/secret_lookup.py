"""Where a Secret is that a gateway asks for and does not find: another namespace, or nowhere."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum

from istiodoctor.mesh.credentials.client_cas import ClientCaState, ClientCaUse, client_ca_uses
from istiodoctor.mesh.credentials.credentials import (
    CredentialUse,
    credential,
    credential_uses,
    secret_exists,
    secrets_named,
    uses_by_secret,
)
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX, Form
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE

ALIKE = 0.8
"""How alike two names must be (difflib's ratio) to be taken for one with a slip in it."""
NEIGHBOURS = 12
"""How many names before and after one are compared with it: a slip leaves the beginning or the
end of a name as it was."""
MISSPELT_CA_SUFFIXES = ("-cacerts", "-ca", "-ca-cert", "-cert-ca", "-cacrt")
"""Names people give a client CA instead of `<name>-cacert`."""


class SecretLookup(StrEnum):
    """Where a Secret was found that SDS does not find; each missing use has exactly one answer."""

    BESIDE_OTHER_PODS = "beside-other-pods"
    """The gateway's pods run in several namespaces: it is in one of those, but not in this."""
    OUT_OF_REACH = "out-of-reach"
    """In a namespace in which none of the gateway's pods is."""
    NOT_FOUND = "not-found"
    """Not in the namespace that the reference names, or in none that was looked into."""


@question
def _uses_by_reference(mesh: Mesh) -> Mapping[tuple[str, str], tuple[CredentialUse, ...]]:
    found: dict[tuple[str, str], list[CredentialUse]] = defaultdict(list)
    for use in credential_uses(mesh):
        found[use.server.id, use.reference.path].append(use)
    return {key: tuple(uses) for key, uses in found.items()}


@question
def secrets_beside_other_pods(mesh: Mesh, use: CredentialUse) -> tuple[Ref, ...]:
    """Return the Secrets that the same reference finds in other namespaces of its pods."""
    if use.reference.form is not Form.KUBERNETES:
        return ()
    others = _uses_by_reference(mesh).get((use.server.id, use.reference.path), ())
    found = {
        other.secret
        for other in others
        if other.namespace != use.namespace
        and secret_exists(mesh, other.namespace, other.name) is True
    }
    return tuple(sorted(found))


@question
def secret_lookup(mesh: Mesh, use: CredentialUse) -> SecretLookup | None:
    """Return where a missing Secret is; None when it is not known to be missing."""
    if not use.is_missing:
        return None
    if secrets_beside_other_pods(mesh, use):
        return SecretLookup.BESIDE_OTHER_PODS
    if use.reference.form is Form.KUBERNETES and secrets_named(mesh, use.name):
        return SecretLookup.OUT_OF_REACH
    return SecretLookup.NOT_FOUND


@question(Kind.SECRET)
def was_looked_for_everywhere(mesh: Mesh, name: str) -> bool:
    """Whether every namespace was searched for a Secret of this name."""
    return mesh.is_complete(Kind.SECRET, EVERYWHERE, name)


@question(Kind.SECRET)
def _spellings(mesh: Mesh) -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the names of each namespace in order, read forwards and backwards."""
    found: dict[str, list[str]] = defaultdict(list)
    for namespace, name in mesh.snapshot.secret_names:
        found[namespace].append(name)
    return {
        namespace: (tuple(sorted(names)), tuple(sorted(name[::-1] for name in names)))
        for namespace, names in found.items()
    }


@question
def similar_secrets(mesh: Mesh, use: CredentialUse) -> tuple[Ref, ...]:
    """Return Secrets in the namespace of a missing one whose name may have been meant.

    The most alike first. One that was read and holds no certificate for a host of the server
    is not among them.
    """
    forwards, backwards = _spellings(mesh).get(use.namespace, ((), ()))
    near = {
        *_neighbours(use.name, forwards),
        *(name[::-1] for name in _neighbours(use.name[::-1], backwards)),
    } - {use.name}
    return tuple(
        Ref(CORE, "Secret", use.namespace, name)
        for name in get_close_matches(use.name, sorted(near), cutoff=ALIKE)
        if _may_serve(credential(mesh, use.namespace, name), use.server.names)
    )


@question
def _servers_by_secret(mesh: Mesh) -> Mapping[tuple[str, str], tuple[Server, ...]]:
    found: dict[tuple[str, str], dict[Server, None]] = defaultdict(dict)
    for key, uses in uses_by_secret(mesh).items():
        found[key] |= dict.fromkeys(use.server for use in uses)
    for client_ca in client_ca_uses(mesh):
        for name in filter(None, (client_ca.dedicated_name, client_ca.compound_name)):
            found[client_ca.namespace, name][client_ca.server] = None
    return {key: tuple(servers) for key, servers in found.items()}


@question
def servers_using(mesh: Mesh, namespace: str, name: str) -> tuple[Server, ...]:
    """Return the live servers that ask for a Secret, for its certificate or its client CA."""
    return _servers_by_secret(mesh).get((namespace, name), ())


@question
def misnamed_client_cas(mesh: Mesh, use: ClientCaUse) -> tuple[Ref, ...]:
    """Return Secrets that look like the client CA which a server lacks.

    One with a slip in its name beside the pods, else one of the right name elsewhere.
    """
    if use.state is not ClientCaState.MISSING or not use.dedicated_name:
        return ()
    if use.source and use.source.name == use.dedicated_name:
        return ()
    stem = use.dedicated_name.removesuffix(CA_SUFFIX)
    beside = tuple(
        Ref(CORE, "Secret", use.namespace, stem + suffix)
        for suffix in MISSPELT_CA_SUFFIXES
        if secret_exists(mesh, use.namespace, stem + suffix)
        and _may_check_clients(credential(mesh, use.namespace, stem + suffix))
    )
    return beside or secrets_named(mesh, use.dedicated_name)


def _neighbours(name: str, ordered: tuple[str, ...]) -> Iterator[str]:
    at = bisect_left(ordered, name)
    yield from ordered[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]


def _may_serve(credential: Credential | None, hosts: tuple[str, ...]) -> bool:
    """Whether a Secret that may not have been read can be the one that a server means."""
    if credential is None:
        return True
    leaf = credential.leaf
    return leaf is not None and any(
        meet(name, host) is not None for name in leaf.dns_names for host in hosts
    )


def _may_check_clients(credential: Credential | None) -> bool:
    return credential is None or bool(credential.ca_bundle.certificates)
