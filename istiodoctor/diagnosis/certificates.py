"""The certificates that gateways use, for the report."""

from istiodoctor.diagnosis.scope import Scope
from istiodoctor.mesh import Mesh
from istiodoctor.report import CertificateReport, CertificateSource


def certificates(mesh: Mesh, scope: Scope) -> tuple[CertificateReport, ...]:
    """Return every stored certificate that live servers in scope serve, first to expire first."""
    found = []
    for credential, uses in mesh.served_credentials():
        leaf = credential.leaf
        if leaf is None or not any(scope.takes_server(use.server) for use in uses):
            continue
        owners = mesh.certificates_for(credential.namespace, credential.name)
        renewals = [each.status.renewal_time for each in owners if each.status.renewal_time]
        found.append(
            CertificateReport(
                credential=credential.ref,
                source=CertificateSource.STORED,
                subject_alternative_names=(*leaf.dns_names, *leaf.ip_addresses),
                not_before=leaf.not_before,
                not_after=leaf.not_after,
                renewal_time=min(renewals, default=None),
                serial=leaf.serial,
                fingerprint_sha256=leaf.fingerprint_sha256,
            )
        )
    return tuple(sorted(found, key=lambda each: (each.not_after, each.credential)))
