"""What findings about the names in a certificate have in common."""

from collections.abc import Iterable

from istiodoctor.fix import Fix, Risk, get, json_patch, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.secrets_elsewhere import credentials_for
from istiodoctor.mesh.certificates.coverage import ServedCertificate, UncoveredHost
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._served import replace_secret


def names_of(served: ServedCertificate) -> str:
    """List the names in a certificate."""
    return listing(served.names, shown=6)


def named_servers(missed: Iterable[UncoveredHost]) -> tuple[Place, ...]:
    """Return the host lists of the servers concerned, each once."""
    return tuple(dict.fromkeys(each.server.place for each in missed))


def add_names(
    served: ServedCertificate, missed: Iterable[UncoveredHost], writers: tuple[Certificate, ...]
) -> tuple[Fix, ...]:
    """Add hosts to a certificate: in its Certificate, else by a new one from files."""
    hosts = tuple(dict.fromkeys(each.host for each in missed if each.host != "*"))
    if writers:
        return (add_dns_names(writers[0], hosts),)
    title = f"Replace the certificate by one that also names {host_listing(hosts)}"
    return (replace_secret(served.credential, title),)


def serve_another(
    mesh: Mesh, served: ServedCertificate, missed: Iterable[UncoveredHost]
) -> tuple[Fix, ...]:
    """Point the servers to Secrets beside this one that name all their hosts, if there are."""
    servers = dict.fromkeys(each.server for each in missed)
    uses = {use.server: use for use in served.uses if use.reference.text == use.name}
    better = {
        server: credentials_for(mesh, use.namespace, server.names)[:1]
        for server in servers
        if (use := uses.get(server))
    }
    changes = [
        set_field(Place(server.gateway, uses[server].reference.path), found.name, "").patches[0]
        for server, each in better.items()
        for found in each
    ]
    if len(changes) < len(servers):
        return ()
    names = listing(found.name for each in better.values() for found in each)
    return (
        Fix(
            title=f"Serve {names} instead, which names these hosts",
            patches=tuple(changes),
            verify=get(changes[0].ref),
        ),
    )


def add_dns_names(certificate: Certificate, hosts: Iterable[str]) -> Fix:
    """Add hosts to the `dnsNames` of a Certificate; cert-manager then issues anew."""
    new = [host for host in hosts if host not in certificate.spec.dns_names]
    names = [*certificate.spec.dns_names, *new]
    return json_patch(
        certificate.ref,
        [{"op": "add", "path": "/spec/dnsNames", "value": names}],
        f"Add {listing(new)} to {certificate.ref}" if new else f"Issue {certificate.ref} again",
        risk=Risk.NEEDS_ISSUANCE,
        why="cert-manager issues a new certificate. A wildcard name needs a DNS-01 solver.",
    )
