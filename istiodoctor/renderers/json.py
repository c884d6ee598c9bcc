"""The report as JSON: the contract that other programs read (`docs/report.schema.json`).

Field names are written out here, apart from the report's own: renaming an attribute there must
not change what others rely on. Within one schema version fields are only added.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from istiodoctor.problem import (
    Diagnosis,
    Evidence,
    Patch,
    Place,
    Problem,
    ProvenFix,
    Ref,
    Severity,
    api_version,
)
from istiodoctor.renderers.phrases import in_utc
from istiodoctor.renderers.text import plain
from istiodoctor.report import (
    SCHEMA_VERSION,
    CertificateReport,
    CheckRun,
    Hop,
    HostReport,
    Ignored,
    LastChange,
    Report,
    ScanInfo,
    ToolInfo,
    UnreadReport,
)

_SURROGATE = "\\ud"
"""How escaped text begins that may be a lone surrogate (or half of an honest pair)."""
HOSTS_SHOWN = 100
"""How many hosts of one problem are named; `hostsTotal` says how many there are."""
SEEN_AT_SHOWN = 20
"""How many places where one certificate was seen are named; `seenAtTotal` counts them all."""


def render(report: Report) -> str:
    """Return one report as JSON, ending in a line break."""
    return written(document(report))


def render_all(reports: Sequence[Report]) -> str:
    """Return the reports of several contexts as one JSON object."""
    return written(
        {"schemaVersion": SCHEMA_VERSION, "reports": [document(report) for report in reports]}
    )


def document(report: Report) -> dict[str, Any]:
    """Return the report as the plain values that its JSON is made of."""
    error = report.error
    return {
        "schemaVersion": SCHEMA_VERSION,
        "tool": tool_document(report.tool),
        "scan": scan_document(report.scan),
        "verdict": report.verdict,
        "error": {"kind": error.kind, "message": error.message} if error else None,
        "summary": {severity: report.count(severity) for severity in Severity},
        "problems": [_problem(problem) for problem in report.problems],
        "hosts": [_host(host) for host in report.hosts],
        "certificates": [_certificate(certificate) for certificate in report.certificates],
        "resolved": [_finding(diagnosis) for diagnosis in report.resolved],
        "ignored": [_ignored(ignored) for ignored in report.ignored],
        "checks": [_check(run) for run in report.checks],
        "unread": [_unread(unread) for unread in report.unread],
        "outside": [_outside(each) for each in report.outside],
    }


def written(value: dict[str, Any]) -> str:
    """Return plain values as indented JSON, ending in a line break."""
    # ASCII only: valid in any encoding, and no character of the input reaches a terminal as it is.
    # The standard library escapes to ASCII, but only msgspec indents at speed.
    return msgspec.json.format(compact(value), indent=2) + "\n"


def compact(value: Any) -> str:
    """Return JSON in one line; what JSON cannot hold is replaced: rare, and slow to look for."""
    try:
        text = _dumped(value)
    except (TypeError, ValueError, RecursionError):
        return _dumped(plain(value))
    return _dumped(plain(value)) if _SURROGATE in text else text


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def tool_document(tool: ToolInfo) -> dict[str, Any]:
    """Return which tool made it."""
    return {"name": tool.name, "version": tool.version, "checks": tool.checks}


def scan_document(scan: ScanInfo) -> dict[str, Any]:
    """Return what was scanned, and when."""
    return {
        "takenAt": _time(scan.taken_at),
        "durationSeconds": round(scan.duration_seconds, 3),
        "source": scan.source,
        "cluster": {
            "context": scan.cluster.context,
            "server": scan.cluster.server,
            "uid": scan.cluster.uid,
        },
        "istioVersions": [
            {
                "revision": version.revision,
                "component": version.component,
                "version": version.version,
            }
            for version in scan.istio_versions
        ],
        "absentApis": scan.absent_apis,
        "notes": scan.notes,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    shared = _diagnosis(problem.cause)
    return {
        "rank": problem.rank,
        **shared,
        "severity": problem.severity,
        "confidence": problem.confidence,
        "deadline": _time(problem.deadline),
        **_hosts(problem.hosts),
        "symptoms": [_finding(symptom) for symptom in problem.symptoms],
    }


def _finding(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return a symptom, or a problem that is gone: without rank and symptoms of its own."""
    return {**_diagnosis(diagnosis), "causedBy": diagnosis.caused_by}


def _diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "code": diagnosis.code,
        "name": diagnosis.name,
        "title": diagnosis.title,
        "severity": diagnosis.own_severity,
        "ownSeverity": diagnosis.own_severity,
        "confidence": diagnosis.confidence,
        "corroboration": diagnosis.corroboration,
        "message": diagnosis.message,
        "subject": ref_document(diagnosis.subject),
        "deadline": _time(diagnosis.deadline),
        "objects": [_place(place) for place in diagnosis.objects],
        **_hosts(diagnosis.hosts),
        "evidence": [_evidence(evidence) for evidence in diagnosis.evidence],
        "fixes": [_fix(proven) for proven in diagnosis.fixes],
        "fingerprint": diagnosis.fingerprint,
        "baseline": diagnosis.baseline,
        "docs": diagnosis.docs,
    }


def _hosts(hosts: Sequence[str]) -> dict[str, Any]:
    return {"hosts": hosts[:HOSTS_SHOWN], "hostsTotal": len(hosts)}


def ref_document(ref: Ref | None) -> dict[str, Any] | None:
    """Return an object by its name."""
    if ref is None:
        return None
    return {
        "apiVersion": api_version(ref),
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        **(ref_document(place.ref) or {}),
        "path": place.path,
        "file": place.file,
        "line": place.line,
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.kind,
        "text": evidence.text,
        "ref": ref_document(evidence.ref),
        "at": _time(evidence.at),
    }


def _fix(proven: ProvenFix) -> dict[str, Any]:
    fix = proven.fix
    return {
        "title": fix.title,
        "risk": fix.risk,
        "patches": [_patch(patch) for patch in fix.patches],
        "commands": fix.commands,
        "verify": fix.verify,
        "undo": fix.undo,
        "proven": proven.proven,
        "why": " ".join(filter(None, (fix.why, proven.why))),
    }


def _patch(patch: Patch) -> dict[str, Any]:
    return {"ref": ref_document(patch.ref), "type": patch.type, "body": patch.body}


def _host(host: HostReport) -> dict[str, Any]:
    return {
        "host": host.host,
        "gateway": ref_document(host.gateway),
        "verdict": host.verdict,
        "path": [hop_document(hop) for hop in host.path],
        "lastChanges": [_last_change(change) for change in host.last_changes],
    }


def _last_change(change: LastChange) -> dict[str, Any]:
    return {
        "ref": ref_document(change.ref),
        "at": _time(change.at),
        "kind": change.kind,
        "by": change.by,
        "text": change.text,
    }


def hop_document(hop: Hop) -> dict[str, Any]:
    """Return one hop of the path of a host or a request."""
    return {"hop": hop.hop, "ref": ref_document(hop.ref), "state": hop.state, "text": hop.text}


def _certificate(certificate: CertificateReport) -> dict[str, Any]:
    return {
        "credential": ref_document(certificate.credential),
        "source": certificate.source,
        "subjectAlternativeNames": certificate.subject_alternative_names,
        "notBefore": _time(certificate.not_before),
        "notAfter": _time(certificate.not_after),
        "renewalTime": _time(certificate.renewal_time),
        "serial": certificate.serial,
        "fingerprintSha256": certificate.fingerprint_sha256 or None,
        "seenAt": certificate.seen_at[:SEEN_AT_SHOWN],
        "seenAtTotal": len(certificate.seen_at),
    }


def _ignored(ignored: Ignored) -> dict[str, Any]:
    return {
        "fingerprint": ignored.fingerprint,
        "code": ignored.code,
        "reason": ignored.reason,
        "until": _time(ignored.until),
        "by": ignored.by,
    }


def _check(run: CheckRun) -> dict[str, Any]:
    return {"code": run.code, "name": run.name, "outcome": run.outcome, "reason": run.reason}


def _outside(unread: UnreadReport) -> dict[str, Any]:
    return {
        "apiGroup": unread.api_group,
        "kind": unread.kind,
        "namespace": unread.namespace,
        "reason": unread.reason,
        "message": unread.message,
    }


def _unread(unread: UnreadReport) -> dict[str, Any]:
    return {
        "apiGroup": unread.api_group,
        "kind": unread.kind,
        "namespace": unread.namespace,
        "name": unread.name,
        "reason": unread.reason,
        "message": unread.message,
        "file": unread.file,
        "line": unread.line,
    }


def _time(moment: datetime | None) -> str | None:
    """Return `2026-01-15T09:00:00Z`."""
    if moment is None:
        return None
    return in_utc(moment).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
