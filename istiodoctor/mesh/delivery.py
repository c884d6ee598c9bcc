"""What the logs say of credentials on their way from istiod to Envoy."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.attachments import AttachmentQuestions
from istiodoctor.mesh.log_meaning import LogFact, Meaning, read_fact
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind

CREDENTIAL_TROUBLE = frozenset(
    {
        Meaning.CREDENTIAL_FETCH_FAILED,
        Meaning.CA_FETCH_FAILED,
        Meaning.UNAUTHORIZED_CREDENTIAL,
        Meaning.CROSS_NAMESPACE_CREDENTIAL,
        Meaning.ACCESS_REVIEW_FAILED,
        Meaning.LEGACY_SECRET_NOT_FOUND,
        Meaning.LEGACY_SECRET_EMPTY,
    }
)


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


class DeliveryQuestions(AttachmentQuestions):
    """Logs, as meanings."""

    @question(Kind.POD_LOG)
    def _facts(self) -> Mapping[Meaning, tuple[LogFact, ...]]:
        found: dict[Meaning, list[LogFact]] = defaultdict(list)
        for line in self._snapshot.logs:
            fact = read_fact(line)
            if fact:
                found[fact.meaning].append(fact)
        return {
            meaning: tuple(
                sorted(facts, key=lambda each: (each.line.at is not None, each.line.at))
            )
            for meaning, facts in found.items()
        }

    @question(rests_on=[_facts])
    def log_facts(self, *meanings: Meaning) -> tuple[LogFact, ...]:
        """Return what the logs say of these kinds, oldest first within each."""
        return tuple(fact for meaning in meanings for fact in self._facts().get(meaning, ()))

    @question(
        rests_on=[
            log_facts,
            AttachmentQuestions.uses_by_secret,
            AttachmentQuestions.authority_uses,
            AttachmentQuestions.workloads,
        ]
    )
    def delivery_failures(self) -> tuple[DeliveryFailure, ...]:
        """Return the credentials that a log says were not delivered.

        And are not known to have been since.

        A Secret that was made after the last such line has recovered: istiod pushes it by itself.
        """
        groups: dict[tuple[str, str], list[LogFact]] = defaultdict(list)
        for fact in self.log_facts(*sorted(CREDENTIAL_TROUBLE)):
            for name in fact.credentials:
                for namespace in self._namespaces(fact, name):
                    groups[namespace, name].append(fact)
        failures = (
            DeliveryFailure(
                namespace=namespace,
                name=name,
                facts=tuple(sorted(facts, key=lambda f: (f.line.at is not None, f.line.at))),
            )
            for (namespace, name), facts in sorted(groups.items())
        )
        return tuple(each for each in failures if not self._recovered(each))

    def _namespaces(self, fact: LogFact, name: str) -> Iterator[str]:
        """Yield where istiod looked for a credential: from the line, the proxy it names.

        Or who uses the name.
        """
        if fact.namespace:
            yield fact.namespace
            return
        _, _, proxy_namespace = fact.proxy.rpartition(".")
        if proxy_namespace:
            yield proxy_namespace
            return
        users = sorted(
            {namespace for namespace, used in self.uses_by_secret() if used == name}
            | {
                use.namespace
                for use in self.authority_uses()
                if name in (use.dedicated_name, use.compound_name)
            }
        )
        yield from users or [""]

    def _recovered(self, failure: DeliveryFailure) -> bool:
        found = self.credential(failure.namespace, failure.name)
        last = failure.last.line.at
        if found is None or found.creation_timestamp is None or last is None:
            return False
        return found.creation_timestamp > last
