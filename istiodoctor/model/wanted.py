"""Targeted reads that questions need once objects are known: Secrets, logs, Envoys, Events."""

from dataclasses import dataclass

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LogTarget:
    """A container whose log is wanted."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Targeted reads, as plain names; `minus` tells what is new."""

    secrets: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name of Secrets to get."""
    secret_names: frozenset[tuple[str, str]] = frozenset()
    """Those of which only the existence matters: names that look like one that is missing."""
    secrets_anywhere: frozenset[str] = frozenset()
    """Names missing where they are needed: look for them in every namespace, by metadata alone."""
    fallback_namespaces: frozenset[str] = frozenset()
    """Where to get those names instead, when looking everywhere is not allowed."""
    logs: frozenset[LogTarget] = frozenset()
    log_patterns: tuple[str, ...] = ()
    """Regular expressions; only lines that match one are kept."""
    envoys: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name of the pods whose Envoy is to be asked for its state."""
    envoy_configurations: frozenset[tuple[str, str]] = frozenset()
    """Those whose Envoy is to be asked for its routes, clusters and endpoints."""
    events: frozenset[tuple[str, str, str]] = frozenset()
    """Namespace of the Events, kind and name of the object they are about."""
    again: frozenset[tuple[Kind, str, str]] = frozenset()
    """Objects whose absence a critical finding rests on, to be read once more by name."""
    unasked: frozenset[Unread] = frozenset()
    """What would be wanted too and is too much, with a sentence why: it stays unread. Of no
    meaning to a source that has read everything anyway."""

    def minus(self, done: "Wanted") -> "Wanted":
        """Return what is wanted here and was not part of `done`."""
        return Wanted(
            secrets=self.secrets - done.secrets,
            secret_names=self.secret_names - done.secret_names - done.secrets,
            secrets_anywhere=self.secrets_anywhere - done.secrets_anywhere,
            fallback_namespaces=self.fallback_namespaces,
            logs=self.logs - done.logs,
            log_patterns=self.log_patterns,
            envoys=self.envoys - done.envoys,
            envoy_configurations=self.envoy_configurations - done.envoy_configurations,
            events=self.events - done.events,
            again=self.again - done.again,
            unasked=self.unasked - done.unasked,
        )

    def plus(self, more: "Wanted") -> "Wanted":
        """Return the union of two lists."""
        return Wanted(
            secrets=self.secrets | more.secrets,
            secret_names=self.secret_names | more.secret_names,
            secrets_anywhere=self.secrets_anywhere | more.secrets_anywhere,
            fallback_namespaces=self.fallback_namespaces | more.fallback_namespaces,
            logs=self.logs | more.logs,
            log_patterns=more.log_patterns or self.log_patterns,
            envoys=self.envoys | more.envoys,
            envoy_configurations=self.envoy_configurations | more.envoy_configurations,
            events=self.events | more.events,
            again=self.again | more.again,
            unasked=self.unasked | more.unasked,
        )

    def __bool__(self) -> bool:
        """Whether anything is left to read."""
        return bool(
            self.secrets
            or self.secret_names
            or self.secrets_anywhere
            or self.logs
            or self.envoys
            or self.envoy_configurations
            or self.events
            or self.again
            or self.unasked
        )
