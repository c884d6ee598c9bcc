"""Checks and findings made up for tests of what becomes of them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from istiodoctor.check import Check
from istiodoctor.config import Config
from istiodoctor.diagnosis import Judgement, diagnose
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.question import Question, question
from istiodoctor.model.kind import ISTIO_NETWORKING, Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot
from istiodoctor.renderers import RENDERERS, Display
from istiodoctor.report import Report

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def gateway(name: str, namespace: str = "shop") -> Ref:
    return Ref(ISTIO_NETWORKING, "Gateway", namespace, name)


def secret(name: str, namespace: str = "istio-system") -> Ref:
    return Ref("", "Secret", namespace, name)


def finding(
    ref: Ref | None = None,
    detail: str = "",
    *,
    objects: Iterable[Ref | Place] = (),
    hosts: Iterable[str] = (),
    servers: Iterable[str] = (),
    credentials: Iterable[tuple[str, str]] = (),
    message: str = "it is wrong",
    **rest: Any,
) -> Finding:
    subject = ref or gateway("web")
    return Finding(
        message=message,
        objects=tuple(
            each if isinstance(each, Place) else Place(each) for each in (objects or (subject,))
        ),
        identity=Identity.of(subject, detail),
        hosts=frozenset(hosts),
        servers=frozenset(servers),
        credentials=frozenset(credentials),
        **rest,
    )


def about(*kinds: Kind) -> Question[[], None]:
    """Return a question about some kinds."""

    @question(*kinds)
    def asked(mesh: Mesh) -> None:
        return None

    return asked


def rule(
    code: str,
    *findings: Finding,
    severity: Severity = Severity.MEDIUM,
    explains: Iterable[str] = (),
    needs: Iterable[Kind] = (),
    evidence: Iterable[Kind] = (),
) -> Check:
    """Return a check that finds just these, and asks about some kinds all the same."""
    asked, shown = about(*needs), about(*evidence)

    def judge(mesh: Mesh) -> Iterable[Finding]:
        asked(mesh)
        shown(mesh)
        return findings

    return Check(
        code=code,
        name=f"problem-{code.lower()}",
        severity=severity,
        explains=frozenset(explains),
        illustrated_by=(shown,),
        judge=judge,
    )


def everything_read(**rest: Any) -> Snapshot:
    """Return an empty cluster that was read completely."""
    listed = {kind: frozenset({EVERYWHERE}) for kind in Kind}
    return Snapshot(
        taken_at=NOW,
        source="test",
        readings=[Reading(listed=listed, **rest)],
        requested=frozenset(Kind),
    )


def judged(
    *checks: Check,
    snapshot: Snapshot | None = None,
    scope: Scope | None = None,
    config: Config | None = None,
) -> Report:
    snapshot = snapshot or everything_read()
    mesh = Mesh(snapshot)
    return diagnose(
        Judgement(
            snapshot=snapshot,
            mesh=mesh,
            runs=run_checks(checks, mesh, snapshot),
            tool_version="test",
            scope=scope or Scope(),
            config=config or Config(),
        )
    )


def outline(report: Report) -> list[tuple[str, ...]]:
    """Return each problem's code, followed by the codes of its symptoms."""
    return [
        (problem.cause.code, *(symptom.code for symptom in problem.symptoms))
        for problem in report.problems
    ]


def as_json(report: Report) -> str:
    return RENDERERS["json"]([report], Display())
