"""What findings about a served certificate have in common."""

import shlex
from collections.abc import Iterable

from istiodoctor.finding import Fix, Risk
from istiodoctor.mesh.credentials import CredentialUse
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.credential import Credential
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import get

OTHER_WRITERS = frozenset({"ExternalSecret", "SealedSecret", "VaultStaticSecret"})


def hosts_of(uses: Iterable[CredentialUse]) -> frozenset[str]:
    """Return every host of the servers that use a credential."""
    return frozenset(host for use in uses for host in use.hosts)


def servers_of(uses: Iterable[CredentialUse]) -> frozenset[str]:
    """Return the identities of the servers that use a credential."""
    return frozenset(use.server.id for use in uses)


def references(uses: Iterable[CredentialUse]) -> tuple[Place, ...]:
    """Return the Gateway fields that name a credential, each once."""
    found = (Place(use.server.gateway, use.reference.path) for use in uses)
    return tuple(dict.fromkeys(found))


def value_of(credential: Credential, key: str) -> Place:
    """Return one key of a Secret as a place."""
    escaped = key.replace("~", "~0").replace("/", "~1")
    return Place(credential.ref, f"/data/{escaped}")


def chain_of(credential: Credential) -> Place:
    """Return the value that holds the served chain."""
    pair = credential.pair
    return value_of(credential, pair.certificate_key if pair else "tls.crt")


def renew(certificate: Certificate, title: str, *, why: str = "") -> Fix:
    """Ask cert-manager to issue again, now."""
    return Fix(
        title=title,
        risk=Risk.NEEDS_ISSUANCE,
        commands=(("cmctl", "renew", certificate.name, "-n", certificate.namespace),),
        verify=get(certificate.ref),
        why=why or "cmctl is cert-manager's own command line tool.",
    )


def replace_secret(credential: Credential, title: str, *, why: str = "") -> Fix:
    """Replace certificate and key of a Secret, under the keys that it has, from files."""
    pair = credential.pair
    names = (pair.certificate_key, pair.private_key_key) if pair else ("tls.crt", "tls.key")
    kind = "tls" if names[0] == "tls.crt" else "generic"
    files = (
        ("--cert=fullchain.pem", "--key=privkey.pem")
        if kind == "tls"
        else (f"--from-file={names[0]}=fullchain.pem", f"--from-file={names[1]}=privkey.pem")
    )
    make = shlex.join(
        ("kubectl", "create", "secret", kind, credential.name, "-n", credential.namespace, *files)
    )
    return Fix(
        title=title,
        commands=(("sh", "-c", f"{make} --dry-run=client -o yaml | kubectl apply -f -"),),
        verify=("kubectl", "get", "secret", credential.name, "-n", credential.namespace),
        why=" ".join(filter(None, (why, _files_needed(credential)))),
    )


def mend(
    credential: Credential, writers: tuple[Certificate, ...], title: str, *, why: str = ""
) -> Fix:
    """Mend what a Secret holds: where cert-manager writes it, by issuing it again."""
    if writers:
        issue = f"Have cert-manager issue {writers[0].ref} again"
        return renew(writers[0], issue, why=f"{title}. {why}".rstrip(". ") + ".")
    return replace_secret(credential, title, why=why)


def _files_needed(credential: Credential) -> str:
    needed = "fullchain.pem is the certificate followed by its intermediates, without the root."
    writer = next((w for w in credential.owners if w.partition("/")[0] in OTHER_WRITERS), "")
    if writer:
        return f"{needed} {writer.replace('/', ' ')} writes this Secret: change it at its source."
    return needed
