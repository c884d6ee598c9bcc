"""Why an issuance is not complete, by the status of each cert-manager object."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.cert_manager.issuance import Issuance
from istiodoctor.model.metadata import Condition, condition
from istiodoctor.model.ref import Ref

LONGEST_REASON = 300
NO_NAMES = (
    "it asks for no name at all: commonName, dnsNames, uris, ipAddresses or emailAddresses is"
    " missing"
)
_PATH = re.compile(r"(/\.well-known/acme-challenge/)[^\s'\"<>]+")
_EXPECTED = re.compile(r"(expected )(\"|')(?!\d{3}\2).*?\2")
_KEY = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{22,}\.[A-Za-z0-9_-]{43}(?![\w-])")
_TOKEN = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one cert-manager object says that an issuance is not complete."""

    ref: Ref
    text: str
    """In cert-manager's words, without challenge tokens and keys."""


def reasons(issuance: Issuance) -> tuple[Reason, ...]:
    """Return why each cert-manager object of an issuance is not complete, the deepest first."""
    return tuple(
        Reason(ref=ref, text=text)
        for ref, written in _layers(issuance)
        if (text := without_tokens(written).strip())
    )


def _layers(issuance: Issuance) -> Iterator[tuple[Ref, str]]:
    for challenge in issuance.challenges:
        if challenge.status.state != "valid":
            yield challenge.ref, challenge.status.reason
    issuer = issuance.issuer
    if issuer.exists is False:
        yield issuer.ref, f"{issuer.ref} does not exist"
    elif issuer.ready and issuer.ready.status == "False":
        yield issuer.ref, issuer.ready.message or issuer.ready.reason
    order = issuance.order
    if order and order.status.state != "valid":
        yield order.ref, order.status.reason or f"the order is {order.status.state or 'new'}"
    if is_unanswered(issuance) and issuance.request:
        group = issuer.reference.group
        yield issuance.request.ref, f"approved, and no controller of {group} has answered"
    if issuance.request:
        yield from _unmet(issuance.request.ref, issuance.request.status.conditions)
    certificate = issuance.certificate
    if not certificate.spec.has_names:
        yield certificate.ref, NO_NAMES
    for kind in ("Issuing", "Ready"):
        found = condition(certificate.status.conditions, kind)
        if found and (found.status == "False" or kind == "Issuing"):
            yield certificate.ref, found.message or found.reason


def is_unanswered(issuance: Issuance) -> bool:
    """Whether a request waits for an issuer that is not cert-manager's, and nobody answers.

    cert-manager approves it, and leaves the rest to the controller of the group.
    """
    if issuance.request is None or issuance.issuer.reference.is_cert_manager:
        return False
    told = {(each.type, each.status) for each in issuance.request.status.conditions}
    decided = {"Ready", "Denied", "InvalidRequest"}
    return ("Approved", "True") in told and decided.isdisjoint(kind for kind, _ in told)


def _unmet(ref: Ref, conditions: tuple[Condition, ...]) -> Iterator[tuple[Ref, str]]:
    unmet = {("Denied", "True"), ("InvalidRequest", "True"), ("Ready", "False")}
    for each in conditions:
        if (each.type, each.status) in unmet:
            yield ref, each.message or each.reason


def without_tokens(text: str) -> str:
    """Return a status text without challenge tokens and keys, bounded in length."""
    text = _PATH.sub(r"\1…", text[: LONGEST_REASON * 10])
    text = _EXPECTED.sub(r"\1…", text)
    text = _TOKEN.sub("…", _KEY.sub("…", text))
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
