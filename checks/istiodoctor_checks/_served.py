"""What findings about a served certificate have in common."""

from collections.abc import Iterable

from istiodoctor.command import (
    Command,
    Fixed,
    cmctl,
    from_file,
    kubectl,
    name_after_options,
    name_of,
    piped,
)
from istiodoctor.fix import Fix, Risk, get
from istiodoctor.mesh.credentials.credentials import CredentialUse
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.credential import Credential
from istiodoctor.model.ref import Place, Ref

SHOWN: tuple[Fixed, ...] = ("--dry-run=client", "-o", "yaml")
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
        commands=(cmctl("renew", name_after_options(certificate.ref)),),
        verify=get(certificate.ref),
        why=why or "cmctl is cert-manager's own command line tool.",
    )


def replace_secret(credential: Credential, title: str, *, why: str = "") -> Fix:
    """Replace certificate and key of a Secret, under the keys that it has, from files."""
    pair = credential.pair
    names = (pair.certificate_key, pair.private_key_key) if pair else ("tls.crt", "tls.key")
    return Fix(
        title=title,
        commands=(piped(_made_again(credential.ref, names), kubectl("apply", "-f", "-")),),
        verify=kubectl("get", credential.ref),
        why=" ".join(filter(None, (why, _files_needed(credential)))),
    )


def _made_again(secret: Ref, keys: tuple[str, str]) -> Command:
    """Print a Secret with certificate and key from files under these keys."""
    name = name_of(secret)
    if keys[0] == "tls.crt":
        files: tuple[Fixed, ...] = ("--cert=fullchain.pem", "--key=privkey.pem")
        return kubectl("create", "secret", "tls", name, *files, *SHOWN)
    certificate, key = from_file(keys[0], "fullchain.pem"), from_file(keys[1], "privkey.pem")
    return kubectl("create", "secret", "generic", name, certificate, key, *SHOWN)


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
