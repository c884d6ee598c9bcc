"""Drive the rounds of collection, run the checks, hand everything to the diagnosis."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from istiodoctor import __version__
from istiodoctor.check import Check
from istiodoctor.config import Config
from istiodoctor.diagnosis import Judgement, diagnose
from istiodoctor.diagnosis.agreement import Case, agreed
from istiodoctor.diagnosis.runs import Run, run_checks, run_last
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.finding import Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.facts import Facts
from istiodoctor.mesh.requests.confirming import confirming_targets
from istiodoctor.mesh.targets.probing import probe_targets
from istiodoctor.mesh.targets.wanted import wanted
from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.model.observation import HttpTarget, TlsTarget
from istiodoctor.model.snapshot import Alternative, Reading, Snapshot, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.probes import Probing, look
from istiodoctor.report import Report
from istiodoctor.sources.source import Source, SourceError, SourceErrorKind

MOST_ROUNDS = 5
MOST_LOOKS = 24
"""How often the path of a request is looked at anew: twice for each redirect that is followed."""
MOST_CONFIRMED = 200
"""How many absences are read again: where so much is missing, it has not just come."""
EXISTS = frozenset({UnreadReason.REDACTED, UnreadReason.MALFORMED})
"""Reasons that are said of an object which is there."""
GATEWAY_APIS = frozenset({Kind.ISTIO_GATEWAY, Kind.GATEWAY})
PROBES = frozenset({Kind.TLS_PROBE, Kind.HTTP_PROBE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a scan is to look at, and how it is to be judged."""

    scope: Scope = field(default_factory=Scope)
    config: Config = field(default_factory=Config)
    facts: Facts = field(default_factory=Facts)
    declined: frozenset[Kind] = frozenset()
    """Observations the user does not want: logs, Envoy."""
    probing: Probing | None = None
    """How to look at the wire; None where the user did not ask for that."""
    kinds: frozenset[Kind] = frozenset()
    """Kinds that are read beside those of the checks: what a trace rests on."""
    request: Request | None = None
    """The one request whose path is to be looked at, instead of everything."""


def scan(source: Source, checks: tuple[Check, ...], options: Options) -> Report:
    """Read a source in rounds and judge it; raises SourceError when nothing can be scanned."""
    return diagnose(with_last(judged(source, checks, options), checks))


def with_last(judgement: Judgement, checks: Iterable[Check]) -> Judgement:
    """Return a judgement with what the checks of last resort say beside it."""
    last = tuple(each for each in checks if each.is_last_resort)
    if not judgement.cases:
        runs = run_last(last, judgement.runs, judgement.mesh, judgement.snapshot)
        return replace(judgement, runs=(*judgement.runs, *runs))
    cases = [
        replace(each, runs=run_last(last, each.runs, each.mesh, each.mesh.snapshot))
        for each in judgement.cases
    ]
    runs, notes = agreed(cases)
    snapshot = judgement.snapshot.plus(Reading(notes=notes))
    whole = tuple(
        replace(each, runs=(*each.runs, *other.runs))
        for each, other in zip(judgement.cases, cases, strict=True)
    )
    return replace(judgement, cases=whole, runs=(*judgement.runs, *runs), snapshot=snapshot)


def judged(source: Source, checks: tuple[Check, ...], options: Options) -> Judgement:
    """Read a source in rounds and run the checks: what a report, or a trace, is made from.

    Those of last resort are not run: a trace itself says that a request is not answered.
    Raises SourceError when nothing can be scanned.
    """
    started = time.monotonic()
    kinds = wanted_kinds(checks, options.declined) | (options.kinds - options.declined)
    collected = collect(source, checks, kinds, options.facts)
    if options.probing is not None and kinds & PROBES:
        collected = _probed(source, collected, kinds & PROBES, options.probing, options)
    first = tuple(each for each in checks if not each.is_last_resort)
    runs = run_checks(first, collected.mesh, collected.snapshot)
    if collected.alternatives:
        return _agreed(collected, first, runs, options, started)
    confirmed = _confirm(source, collected, runs)
    if confirmed is not collected:
        collected = confirmed
        runs = run_checks(first, collected.mesh, collected.snapshot)
    return Judgement(
        snapshot=collected.snapshot,
        mesh=collected.mesh,
        runs=runs,
        tool_version=__version__,
        scope=options.scope,
        config=options.config,
        duration_seconds=time.monotonic() - started,
    )


def _agreed(
    collected: "Collected",
    checks: tuple[Check, ...],
    runs: tuple[Run, ...],
    options: Options,
    started: float,
) -> Judgement:
    """Judge everything that files can mean, and keep what holds in all of it."""
    cases = [Case(mesh=collected.mesh, runs=runs)]
    for each in collected.alternatives:
        snapshot = collected.snapshot.instead(each.reading)
        mesh = Mesh(snapshot, options.facts)
        found = run_checks(checks, mesh, snapshot)
        cases.append(Case(mesh=mesh, runs=found, namespace=each.namespace, is_part=each.is_part))
    agreed_runs, notes = agreed(cases)
    return Judgement(
        snapshot=collected.snapshot.plus(Reading(notes=notes)),
        mesh=collected.mesh,
        cases=tuple(cases),
        runs=agreed_runs,
        tool_version=__version__,
        scope=options.scope,
        config=options.config,
        duration_seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was read so far, and what was asked for by name."""

    snapshot: Snapshot
    mesh: Mesh
    done: Wanted
    alternatives: tuple[Alternative, ...] = ()

    def plus(self, reading: Reading, wanted: Wanted) -> "Collected":
        """Return this with one more reading; answers that it does not touch are kept."""
        snapshot = self.snapshot.plus(reading)
        return Collected(
            snapshot=snapshot,
            mesh=self.mesh.after(snapshot, reading.kinds),
            done=self.done.plus(wanted),
            alternatives=self.alternatives,
        )

    def and_seen(self, reading: Reading, kinds: frozenset[Kind]) -> "Collected":
        """Return this with what the wire shows, or with the fact that nobody could look."""
        snapshot = self.snapshot.plus(reading, requested=kinds)
        mesh = self.mesh.after(snapshot, reading.kinds | kinds)
        return Collected(snapshot=snapshot, mesh=mesh, done=self.done)


def _probed(
    source: Source,
    collected: Collected,
    kinds: frozenset[Kind],
    probing: Probing,
    options: Options,
) -> Collected:
    """Add what the wire shows to what was read."""
    if options.request is not None:
        return _followed(source, collected, kinds, probing, options.request)
    targets = probe_targets(collected.mesh, options.scope.hosts)
    return collected.and_seen(look(targets, source, probing), kinds)


def _followed(
    source: Source,
    collected: Collected,
    kinds: frozenset[Kind],
    probing: Probing,
    request: Request,
) -> Collected:
    """Look at one request's path, then at that of the redirects which were seen, and so on."""
    until = time.monotonic() + probing.seconds
    done: set[TlsTarget | HttpTarget] = set()
    collected = collected.and_seen(Reading(), kinds)
    for _ in range(MOST_LOOKS):
        found = confirming_targets(collected.mesh, request)
        new = replace(
            found,
            tls=tuple(each for each in found.tls if each not in done),
            http=tuple(each for each in found.http if each not in done),
        )
        left = until - time.monotonic()
        if left <= 0 or not (new.tls or new.http):
            break
        done |= {*new.tls, *new.http}
        reading = look(new, source, replace(probing, seconds=left))
        collected = collected.and_seen(reading, kinds)
    return collected


def wanted_kinds(checks: Iterable[Check], declined: frozenset[Kind]) -> frozenset[Kind]:
    """Return every kind that a selected check reads: a scan asks the cluster for nothing else."""
    read = frozenset[Kind]().union(*(check.reads for check in checks))
    return read - declined


def collect(
    source: Source, checks: Iterable[Check], kinds: frozenset[Kind], facts: Facts
) -> Collected:
    """Read objects, then whatever the questions still want, until they want nothing new."""
    reading = source.collect(kinds)
    _refuse_nothing(source, reading)
    snapshot = Snapshot(
        taken_at=source.taken_at,
        source=source.name,
        readings=[reading],
        requested=kinds - (OPTIONAL_READS - source.offers),
        cluster=source.describe(),
    )
    if snapshot.absent_apis >= GATEWAY_APIS:
        raise SourceError(
            SourceErrorKind.NO_ISTIO,
            f"{source.name} has neither Istio's nor the Gateway API's kinds installed: there is"
            " no gateway to diagnose. Choose another cluster with --context.",
        )
    patterns = tuple(sorted({pattern for each in checks for pattern in each.log_patterns}))
    collected = Collected(
        snapshot=snapshot,
        mesh=Mesh(snapshot, facts),
        done=Wanted(),
        alternatives=reading.alternatives,
    )
    for _ in range(MOST_ROUNDS):
        more = wanted(collected.mesh, kinds, patterns).minus(collected.done)
        if not more:
            break
        collected = collected.plus(source.read(more), more)
    return collected


def _refuse_nothing(source: Source, reading: Reading) -> None:
    """Raise SourceError when every single read was forbidden: that is no scan."""
    refused = [each for each in reading.unread if each.reason is UnreadReason.FORBIDDEN]
    anything = reading.resources or reading.listed or reading.documents
    if refused and len(refused) == len(reading.unread) and not anything:
        raise SourceError(
            SourceErrorKind.UNAUTHORIZED,
            f"{source.name} permits nothing to be read: {refused[0].message or refused[0]}."
            " 'istiodoctor manifests' prints the rights that a scan needs.",
        )


def _confirm(source: Source, collected: Collected, runs: Iterable[Run]) -> Collected:
    """Read once more the few objects whose absence a critical finding rests on.

    Lists are not one instant: what was missing may have come while they were read.
    """
    absences = sorted(
        {
            absence
            for run in runs
            for finding in run.findings
            if (finding.severity or run.check.severity) is Severity.CRITICAL
            for absence in finding.absences
        },
        key=lambda each: (str(each[0]), *each[1:]),
    )
    wanted = Wanted(again=frozenset(absences[:MOST_CONFIRMED])).minus(collected.done)
    if not wanted:
        return collected
    reading = source.read(wanted)
    if not (reading.resources or reading.credentials or reading.secret_names):
        return collected
    # This reading is a courtesy: what it was refused or too late for was read before.
    known = tuple(each for each in reading.unread if each.reason in EXISTS)
    return collected.plus(replace(reading, unread=known), wanted)
