"""Certificates that write a Secret beside the one a gateway asks for."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.cert_manager.issuance import (
    CERTIFICATE_NAME,
    certificates_covering,
    certificates_for,
    certificates_naming,
    is_ready,
)
from istiodoctor.mesh.credentials.credentials import (
    CredentialState,
    CredentialUse,
    credential,
    credential_uses,
    secret_exists,
    served_credentials,
)
from istiodoctor.mesh.hosts import certificate_covers, is_wildcard, meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import Kind

REPLICATORS = ("reflector.v1.k8s.emberstack.com/", "replicator.v1.mittwald.de/")
"""Prefixes of annotations by which a controller copies a Secret to other namespaces."""
COPIERS = (*REPLICATORS, "kubed.appscode.com/")
"""Prefixes of annotations that such controllers leave on the copies, too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CopiedSecret:
    """A served Secret that cert-manager wrote elsewhere and somebody copied here."""

    credential: Credential
    uses: tuple[CredentialUse, ...]
    written_for: str
    """The name of the Certificate it was written for."""
    source: Certificate | None
    """A Certificate elsewhere that writes a Secret of this name."""
    original: Credential | None
    """The Secret it writes, where that was read."""

    @property
    def is_stale(self) -> bool:
        """Whether the original holds a newer certificate by now."""
        mine, theirs = self.credential.leaf, self.original.leaf if self.original else None
        return bool(mine and theirs and mine.not_after < theirs.not_after)


@question
def certificates_in_other_namespaces(mesh: Mesh) -> tuple[tuple[CredentialUse, Certificate], ...]:
    """Return the uses without a Secret whose Certificate is in another namespace.

    Where Secrets were not read it is a guess; one that a controller copies is left out then.
    """
    return tuple(
        (use, certificate)
        for use in credential_uses(mesh)
        if (use.is_missing or _is_unseen(mesh, use)) and not certificates_for(mesh, *use.key)
        for certificate in certificates_naming(mesh, use.name)
        if _serves(certificate, use) and (use.is_missing or not is_replicated(certificate))
    )


def _is_unseen(mesh: Mesh, use: CredentialUse) -> bool:
    return (
        use.state is CredentialState.UNKNOWN
        and use.workload.is_known
        and bool(use.namespace)
        and secret_exists(mesh, use.namespace, use.name) is None
    )


@question
def misnamed_certificates(mesh: Mesh) -> tuple[tuple[CredentialUse, Certificate], ...]:
    """Return the missing Secrets beside which a Ready Certificate writes another name.

    It is in the right namespace and names every host of the server.
    """
    return tuple(
        (use, certificate)
        for use in credential_uses(mesh)
        if use.is_missing and not certificates_for(mesh, *use.key)
        for certificate in certificates_covering(mesh, min(use.server.names, default=""))
        if certificate.namespace == use.namespace
        and is_ready(certificate)
        and all(_names(certificate, host) for host in use.server.names)
    )


@question(Kind.SECRET)
def _credentials_by_name(mesh: Mesh) -> Mapping[tuple[str, str], tuple[Credential, ...]]:
    found: dict[tuple[str, str], list[Credential]] = defaultdict(list)
    for _, each in sorted(mesh.snapshot.credentials.items()):
        for name in each.leaf.dns_names if each.leaf else ():
            found[each.namespace, name.lower()].append(each)
    return {key: tuple(each) for key, each in found.items()}


@question
def credentials_for(mesh: Mesh, namespace: str, hosts: tuple[str, ...]) -> tuple[Credential, ...]:
    """Return the Secrets that were read in a namespace and could be served for these hosts.

    Their certificate names all of them, is in force and belongs to their key.
    """
    host = hosts[0].lower() if hosts else ""
    index, parent = _credentials_by_name(mesh), host.partition(".")[2]
    candidates = (
        *index.get((namespace, host), ()),
        *index.get((namespace, f"*.{parent}"), ()),
    )
    return tuple(
        each
        for each in dict.fromkeys(candidates)
        if (pair := each.pair) and (leaf := pair.chain.leaf) and pair.key_matches_leaf
        if leaf.not_before <= mesh.taken_at < leaf.not_after
        if all(any(certificate_covers(n, h) for n in leaf.dns_names) for h in hosts)
    )


@question(Kind.CERTIFICATE)
def copied_secrets(mesh: Mesh) -> tuple[CopiedSecret, ...]:
    """Return the served Secrets written for a Certificate that their namespace does not have.

    Those that a controller keeps in step are left out.
    """
    return tuple(
        _copied(mesh, credential, uses, name)
        for credential, uses in served_credentials(mesh)
        if (name := credential.annotations.get(CERTIFICATE_NAME, ""))
        and not certificates_for(mesh, credential.namespace, credential.name)
        and mesh.is_complete(Kind.CERTIFICATE, credential.namespace, name)
        and not any(key.startswith(COPIERS) for key in credential.annotations)
    )


def _copied(
    mesh: Mesh, copied: Credential, uses: tuple[CredentialUse, ...], name: str
) -> CopiedSecret:
    source = next(
        (each for each in certificates_naming(mesh, copied.name) if each.name == name), None
    )
    return CopiedSecret(
        credential=copied,
        uses=uses,
        written_for=name,
        source=source,
        original=credential(mesh, source.namespace, copied.name) if source else None,
    )


def is_replicated(certificate: Certificate) -> bool:
    """Whether the Certificate asks a controller to copy its Secret elsewhere."""
    template = certificate.spec.secret_template
    annotations = template.get("annotations") if isinstance(template, dict) else None
    keys = annotations if isinstance(annotations, dict) else {}
    return any(str(key).startswith(REPLICATORS) for key in keys)


def _names(certificate: Certificate, host: str) -> bool:
    return any(certificate_covers(name, host) for name in certificate.spec.dns_names)


def _serves(certificate: Certificate, use: CredentialUse) -> bool:
    """Whether a Certificate is for a host of the server; a server for any host takes any."""
    names = certificate.spec.dns_names
    return not names or any(
        _names(certificate, host)
        or (is_wildcard(host) and any(meet(name, host) is not None for name in names))
        for host in use.server.names
    )
