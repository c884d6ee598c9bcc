"""The report: everything a scan found, judged."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from istiodoctor.config import Config
from istiodoctor.diagnosis.agreed_hosts import agreed_hosts
from istiodoctor.diagnosis.agreement import Case, Names, withheld_hosts
from istiodoctor.diagnosis.certificates import certificates
from istiodoctor.diagnosis.corroboration import corroborate
from istiodoctor.diagnosis.folding import fold
from istiodoctor.diagnosis.hosts import hosts
from istiodoctor.diagnosis.merging import Merged, merge
from istiodoctor.diagnosis.runs import Run, not_looked_at, unread_order
from istiodoctor.diagnosis.scope import Scope, in_scope, unmatched
from istiodoctor.finding import Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers, servers_by_workload
from istiodoctor.mesh.workloads.control_planes import control_planes
from istiodoctor.model.ref import Place
from istiodoctor.model.snapshot import Snapshot, Unread
from istiodoctor.problem import Problem
from istiodoctor.report import (
    CheckRun,
    ClusterSummary,
    ComponentVersion,
    HostReport,
    Ignored,
    Outcome,
    Report,
    ScanInfo,
    ToolInfo,
    UnreadReport,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a report is made from."""

    snapshot: Snapshot
    mesh: Mesh
    cases: tuple[Case, ...] = ()
    """Everything that the files can mean, this first; none where that is one thing."""
    runs: tuple[Run, ...]
    tool_version: str
    scope: Scope = field(default_factory=Scope)
    config: Config = field(default_factory=Config)
    duration_seconds: float = 0.0

    @property
    def others(self) -> tuple[Case, ...]:
        """What else the files can mean, as a whole: what differs there is not known."""
        return tuple(each for each in self.cases[1:] if not each.is_part)


def diagnose(judgement: Judgement) -> Report:
    """Merge, link, fold and rank what the checks found."""
    mesh, snapshot = judgement.mesh, judgement.snapshot
    found = corroborate(merge(judgement.runs), mesh)
    kept, ignored = _without_ignored(in_scope(found, judgement.scope, mesh), judgement)
    problems = fold(kept, lambda place: _located(place, snapshot))
    checks = tuple(run.report for run in judgement.runs)
    unread = not_looked_at(judgement.runs)
    served = hosts(mesh, problems, judgement.scope, unread)
    if judgement.cases:
        others = judgement.others
        every = (hosts(each.mesh, problems, judgement.scope, unread) for each in others)
        names = Names(judgement.cases)
        doubted = withheld_hosts(judgement.cases, judgement.runs)
        served = agreed_hosts(served, tuple(zip(others, every, strict=True)), names, doubted)
    nowhere = tuple(unmatched(judgement.scope, mesh, snapshot.documents))
    return Report(
        tool=ToolInfo(name="istiodoctor", version=judgement.tool_version, checks=len(checks)),
        scan=_scan(judgement, nowhere),
        verdict=verdict(problems, checks, served, is_found=not nowhere and not _hides(snapshot)),
        problems=problems,
        hosts=served,
        certificates=certificates(mesh, judgement.scope),
        ignored=ignored,
        checks=checks,
        unread=tuple(unread_report(each) for each in sorted(snapshot.unread, key=unread_order)),
        outside=tuple(unread_report(each) for each in sorted(snapshot.outside, key=unread_order)),
        scope_hosts=judgement.scope.hosts,
    )


def verdict(
    problems: Iterable[Problem],
    checks: Iterable[CheckRun],
    served: Iterable[HostReport] = (),
    *,
    is_found: bool = True,
) -> Verdict:
    """Say in one word how things stand.

    Healthy is only what was looked at: every check, each host's whole path, all that was chosen.
    It is never better than the worst host.
    """
    verdicts = {each.verdict for each in served}
    severities = {problem.severity for problem in problems}
    if Severity.CRITICAL in severities or Verdict.BROKEN in verdicts:
        return Verdict.BROKEN
    if severities & {Severity.HIGH, Severity.MEDIUM} or Verdict.DEGRADED in verdicts:
        return Verdict.DEGRADED
    if Verdict.INCOMPLETE in verdicts or not is_found or could_not_look(checks):
        return Verdict.INCOMPLETE
    return Verdict.HEALTHY


def _hides(snapshot: Snapshot) -> bool:
    """Whether something was not read that would have shown more hosts."""
    return any(
        each.kind is None or each.kind in servers.kinds
        for each in (*snapshot.unread, *snapshot.outside)
    )


def could_not_look(checks: Iterable[CheckRun]) -> bool:
    """Whether something selected could not be judged."""
    return any(run.outcome in (Outcome.SKIPPED, Outcome.ERRORED) for run in checks)


def unread_report(unread: Unread) -> UnreadReport:
    """Return something unread as the report words it."""
    api = unread.kind.value if unread.kind else None
    return UnreadReport(
        api_group=api.group if api else "",
        kind=api.kind if api else "",
        namespace=unread.namespace,
        name=unread.name,
        reason=str(unread.reason),
        message=unread.message,
        file=unread.file,
        line=unread.line,
    )


def _without_ignored(
    findings: Iterable[Merged], judgement: Judgement
) -> tuple[tuple[Merged, ...], tuple[Ignored, ...]]:
    kept: list[Merged] = []
    ignored: list[Ignored] = []
    for finding in findings:
        rule = judgement.config.ignores(
            finding.code, finding.fingerprint, judgement.snapshot.taken_at
        )
        if rule is None:
            kept.append(finding)
            continue
        ignored.append(
            Ignored(
                fingerprint=finding.fingerprint,
                code=finding.code,
                reason=rule.reason,
                until=rule.until_time,
                by=judgement.config.origin,
            )
        )
    return tuple(kept), tuple(ignored)


def _located(place: Place, snapshot: Snapshot) -> Place:
    location = snapshot.locations.get(place.ref)
    return replace(place, file=location.file, line=location.line) if location else place


def _scan(judgement: Judgement, nowhere: tuple[str, ...]) -> ScanInfo:
    snapshot = judgement.snapshot
    return ScanInfo(
        taken_at=snapshot.taken_at,
        duration_seconds=round(judgement.duration_seconds, 3),
        source=snapshot.source,
        cluster=ClusterSummary(
            context=snapshot.cluster.context,
            server=snapshot.cluster.server,
            uid=snapshot.cluster.uid,
        ),
        istio_versions=tuple(_versions(judgement.mesh)),
        absent_apis=tuple(sorted(str(kind) for kind in snapshot.absent_apis)),
        notes=(*nowhere, *snapshot.notes),
    )


def _versions(mesh: Mesh) -> list[ComponentVersion]:
    found = {
        ComponentVersion(
            revision=plane.revision,
            component="istiod",
            version=str(plane.version) if plane.version else "",
        )
        for plane in control_planes(mesh)
    } | {
        ComponentVersion(
            revision=workload.revision,
            component="gateway",
            version=str(workload.version) if workload.version else "",
        )
        for workload in servers_by_workload(mesh)
        if workload.is_known
    }
    return sorted(found, key=lambda each: (each.component, each.revision, each.version))
