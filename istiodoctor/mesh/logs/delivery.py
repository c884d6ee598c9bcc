"""Log lines about the delivery of credentials from istiod to Envoy."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.mesh.credentials.client_cas import client_ca_uses
from istiodoctor.mesh.credentials.credentials import credential, uses_by_secret
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.logs.meaning import LogFact, Meaning, read_fact
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind

LOOSE = frozenset({Meaning.LEGACY_SECRET_NOT_FOUND, Meaning.LEGACY_SECRET_EMPTY})
"""Wordings so loose that other components' lines fit them: only names in use count."""
CREDENTIAL_TROUBLE = frozenset(
    {
        Meaning.CREDENTIAL_FETCH_FAILED,
        Meaning.CA_FETCH_FAILED,
        Meaning.UNAUTHORIZED_CREDENTIAL,
        Meaning.CROSS_NAMESPACE_CREDENTIAL,
        Meaning.ACCESS_REVIEW_FAILED,
        *LOOSE,
    }
)

CREDENTIAL_CHANGES = frozenset(
    {Meaning.SECRET_CHANGED, Meaning.LEGACY_SECRET_UPDATED, Meaning.LEGACY_PUSHED}
)


class Aftermath(StrEnum):
    """What happened after a failed delivery, as far as it is known."""

    OPEN = "open"
    """Nothing: it is taken to go on."""
    SETTLING = "settling"
    """The Secret was made less than SETTLING_TIME before the scan."""
    RECOVERED = "recovered"
    """The Secret was made or changed after the last line: istiod pushes it by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailure:
    """Log lines that say one credential did not reach a gateway."""

    namespace: str
    """Where istiod looked; empty when no line and no object tells."""
    name: str
    facts: tuple[LogFact, ...]
    """Oldest first."""

    @property
    def last(self) -> LogFact:
        """The newest of the lines."""
        return self.facts[-1]


@question(Kind.POD_LOG)
def _facts(mesh: Mesh) -> Mapping[Meaning, tuple[LogFact, ...]]:
    found: dict[Meaning, list[LogFact]] = defaultdict(list)
    for line in mesh.snapshot.logs:
        fact = read_fact(line)
        if fact:
            found[fact.meaning].append(fact)
    return {
        meaning: tuple(sorted(facts, key=lambda each: (each.line.at is not None, each.line.at)))
        for meaning, facts in found.items()
    }


@question
def log_facts(mesh: Mesh, *meanings: Meaning) -> tuple[LogFact, ...]:
    """Return what the logs say of these kinds, oldest first within each.

    A question that asks this declares the same meanings as its `logs`.
    """
    return tuple(fact for meaning in meanings for fact in _facts(mesh).get(meaning, ()))


@question
def _namespaces_by_name(mesh: Mesh) -> Mapping[str, tuple[str, ...]]:
    """Return where the users of a name look for it."""
    found: dict[str, set[str]] = defaultdict(set)
    for namespace, name in uses_by_secret(mesh):
        found[name].add(namespace)
    for use in client_ca_uses(mesh):
        for name in (use.dedicated_name, use.compound_name):
            found[name].add(use.namespace)
    return {name: tuple(sorted(namespaces)) for name, namespaces in found.items()}


@question(logs=CREDENTIAL_TROUBLE)
def _reported_failures(mesh: Mesh) -> tuple[DeliveryFailure, ...]:
    groups: dict[tuple[str, str], list[LogFact]] = defaultdict(list)
    for fact in log_facts(mesh, *sorted(CREDENTIAL_TROUBLE)):
        for name in fact.credentials:
            if fact.meaning in LOOSE and name not in _namespaces_by_name(mesh):
                continue
            for namespace in _namespaces(mesh, fact, name):
                groups[namespace, name].append(fact)
    return tuple(
        DeliveryFailure(
            namespace=namespace,
            name=name,
            facts=tuple(sorted(facts, key=lambda f: (f.line.at is not None, f.line.at))),
        )
        for (namespace, name), facts in sorted(groups.items())
    )


@question(logs=CREDENTIAL_CHANGES)
def _failures_by_aftermath(mesh: Mesh) -> Mapping[Aftermath, tuple[DeliveryFailure, ...]]:
    changes: dict[tuple[str, str], datetime] = {}
    for fact in log_facts(mesh, *sorted(CREDENTIAL_CHANGES)):
        for name in fact.credentials if fact.line.at else ():
            changes[fact.namespace, name] = fact.line.at or mesh.snapshot.taken_at
    found: dict[Aftermath, list[DeliveryFailure]] = defaultdict(list)
    for failure in _reported_failures(mesh):
        found[_aftermath(mesh, failure, changes)].append(failure)
    return {aftermath: tuple(failures) for aftermath, failures in found.items()}


@question
def delivery_failures(mesh: Mesh) -> tuple[DeliveryFailure, ...]:
    """Return the credentials that a log says were not delivered, and nothing says since were.

    See Aftermath.
    """
    return _failures_by_aftermath(mesh).get(Aftermath.OPEN, ())


@question
def settling_failures(mesh: Mesh) -> tuple[DeliveryFailure, ...]:
    """Return the failures whose Secret has just been made: they may clear by themselves."""
    return _failures_by_aftermath(mesh).get(Aftermath.SETTLING, ())


def _namespaces(mesh: Mesh, fact: LogFact, name: str) -> Iterator[str]:
    """Yield where istiod looked: from the line, the proxy it names, or who uses the name."""
    _, _, proxy_namespace = fact.proxy.rpartition(".")
    if fact.namespace or proxy_namespace:
        yield fact.namespace or proxy_namespace
        return
    yield from _namespaces_by_name(mesh).get(name, ("",))


def _aftermath(
    mesh: Mesh, failure: DeliveryFailure, changes: Mapping[tuple[str, str], datetime]
) -> Aftermath:
    key = (failure.namespace, failure.name)
    found = credential(mesh, *key)
    made = found.creation_timestamp if found else None
    if made and mesh.snapshot.taken_at - made < SETTLING_TIME:
        return Aftermath.SETTLING
    last = failure.last.line.at
    changed = changes.get(key) or changes.get(("", failure.name))
    if last and found and any(each and each > last for each in (made, changed)):
        return Aftermath.RECOVERED
    return Aftermath.OPEN
