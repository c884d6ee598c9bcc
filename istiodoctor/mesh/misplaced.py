"""Certificates that write a Secret beside the one a gateway asks for."""

from istiodoctor.mesh.credentials import CredentialState, CredentialUse
from istiodoctor.mesh.hosts import certificate_covers, is_wildcard, meet
from istiodoctor.mesh.issuance import is_ready
from istiodoctor.mesh.question import question
from istiodoctor.mesh.stalls import StallQuestions
from istiodoctor.model.certmanager import Certificate

REPLICATORS = ("reflector.v1.k8s.emberstack.com/", "replicator.v1.mittwald.de/")
"""Prefixes of annotations by which a controller copies a Secret to other namespaces."""


class MisplacedQuestions(StallQuestions):
    """Right certificates in the wrong place or under the wrong name."""

    @question(
        rests_on=[
            StallQuestions.credential_uses,
            StallQuestions.secret_exists,
            StallQuestions.certificates_for,
            StallQuestions.certificates_naming,
        ]
    )
    def misplaced_certificates(self) -> tuple[tuple[CredentialUse, Certificate], ...]:
        """Return the uses without a Secret whose Certificate is in another namespace.

        Where Secrets were not read it is a guess; one that a controller copies is left out then.
        """
        return tuple(
            (use, certificate)
            for use in self.credential_uses()
            if (use.is_missing or self._is_unseen(use)) and not self.certificates_for(*use.key)
            for certificate in self.certificates_naming(use.name)
            if _serves(certificate, use) and (use.is_missing or not is_replicated(certificate))
        )

    def _is_unseen(self, use: CredentialUse) -> bool:
        return (
            use.state is CredentialState.UNKNOWN
            and use.workload.is_known
            and bool(use.namespace)
            and self.secret_exists(use.namespace, use.name) is None
        )

    @question(
        rests_on=[
            StallQuestions.credential_uses,
            StallQuestions.certificates_for,
            StallQuestions.certificates_covering,
        ]
    )
    def misnamed_certificates(self) -> tuple[tuple[CredentialUse, Certificate], ...]:
        """Return the missing Secrets beside which a Ready Certificate writes another name.

        It is in the right namespace and names every host of the server.
        """
        return tuple(
            (use, certificate)
            for use in self.credential_uses()
            if use.is_missing and not self.certificates_for(*use.key)
            for certificate in self.certificates_covering(min(use.server.names, default=""))
            if certificate.namespace == use.namespace
            and is_ready(certificate)
            and all(_names(certificate, host) for host in use.server.names)
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
