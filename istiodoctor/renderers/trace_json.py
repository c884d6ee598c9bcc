"""Traces as JSON: the contract that other programs read (`docs/trace.schema.json`)."""

from typing import Any

from istiodoctor.renderers.json import (
    compact,
    hop_document,
    ref_document,
    scan_document,
    tool_document,
    written,
)
from istiodoctor.report import SCHEMA_VERSION, Hop
from istiodoctor.trace_report import (
    Answer,
    RouteCluster,
    ServedCertificate,
    Stop,
    Trace,
    TracedPath,
    Traces,
)


def render_trace(trace: Trace) -> str:
    """Return a trace as JSON, ending in a line break."""
    return written({**_head(trace), **_trace(trace)})


def render_traces(found: Traces) -> str:
    """Return many traces as one JSON object, ending in a line break.

    Each has a line of its own: indented, they would be twice as long.
    """
    head = compact(_head(found)).removesuffix("}")
    traces = ",\n".join(compact({"id": each.id, **_trace(each)}) for each in found.traces)
    return f'{head},"traces":[\n{traces}\n]}}\n'


def _head(found: Trace | Traces) -> dict[str, Any]:
    return {
        "schemaVersion": SCHEMA_VERSION,
        "tool": tool_document(found.tool),
        "scan": scan_document(found.scan),
    }


def _trace(trace: Trace) -> dict[str, Any]:
    error = trace.error
    return {
        "url": trace.url,
        "method": trace.method,
        "verdict": trace.verdict,
        "error": {"kind": error.kind, "message": error.message} if error else None,
        "legs": [_traced_path(leg) for leg in trace.legs],
        "stoppedAt": _stop(trace.stopped_at),
        "probed": trace.is_probed,
        "notes": trace.notes,
    }


def _traced_path(leg: TracedPath) -> dict[str, Any]:
    return {
        "url": leg.url,
        "gateway": ref_document(leg.gateway),
        "follows": leg.follows,
        "hops": [_hop(hop) for hop in leg.hops],
        "answer": _answer(leg.answer),
        "unseen": leg.is_unseen,
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "kind": answer.kind,
        "outcome": answer.outcome,
        "status": answer.status or None,
        "location": answer.location or None,
        "text": answer.text,
        "clusters": [_cluster(each) for each in answer.clusters],
        "certificate": _certificate(answer.certificate),
    }


def _cluster(cluster: RouteCluster) -> dict[str, Any]:
    return {"name": cluster.name, "weight": cluster.weight, "state": cluster.state}


def _certificate(served: ServedCertificate | None) -> dict[str, Any] | None:
    return {"namespace": served.namespace, "name": served.name} if served else None


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        **hop_document(hop),
        "code": hop.code or None,
        "confirmation": hop.confirmation,
        "seen": hop.seen or None,
    }


def _stop(stop: Stop | None) -> dict[str, Any] | None:
    if stop is None:
        return None
    return {"leg": stop.leg, **_hop(stop.hop), "command": stop.command}
