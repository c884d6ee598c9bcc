"""The golden files: whole outputs as they were last looked at and found good."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from istiodoctor.renderers import (
    TRACE_RENDERERS,
    TRACES_RENDERERS,
    Display,
    json,
    terminal,
)
from istiodoctor.report import Report
from istiodoctor.trace_report import Trace, Traces
from tests.support import reports, traces

FOLDER = Path(__file__).parent.parent / "golden"


def _terminal(make: Callable[[], Report], display: Display) -> str:
    return terminal.render(
        make(), width=display.width, color=display.color, unicode=display.unicode
    )


def _json(make: Callable[[], Report]) -> str:
    return json.render(make())


def _both() -> str:
    return terminal.render_all(
        (reports.healthy_report(), reports.error_report()), width=80, color=False
    )


def _trace(make: Callable[[], Trace]) -> str:
    return TRACE_RENDERERS["terminal"](make(), Display(width=80))


def _traces(make: Callable[[], Traces]) -> str:
    return TRACES_RENDERERS["terminal"](make(), Display(width=80))


_REPORTS: Mapping[str, Callable[[], Report]] = {
    "broken": reports.broken_report,
    "healthy": reports.healthy_report,
    "incomplete": reports.incomplete_report,
    "error": reports.error_report,
    "hostile": reports.hostile_report,
    "many": reports.many_problems_report,
}

GOLDENS: Mapping[str, Callable[[], str]] = {
    **{
        f"terminal_{name}_{width}.txt": partial(_terminal, make, Display(width=width))
        for name, make in _REPORTS.items()
        for width in (80, 160)
    },
    "terminal_broken_color.txt": partial(
        _terminal, reports.broken_report, Display(width=80, color=True)
    ),
    "terminal_broken_ascii.txt": partial(
        _terminal, reports.broken_report, Display(width=80, unicode=False)
    ),
    "terminal_contexts_80.txt": _both,
    "trace_stopped_80.txt": partial(_trace, traces.stopped_trace),
    "trace_probed_80.txt": partial(_trace, traces.probed_trace),
    "traces_80.txt": partial(_traces, traces.many_traces),
    "traces_error_80.txt": partial(_traces, traces.unread_traces),
    **{f"json_{name}.txt": partial(_json, _REPORTS[name]) for name in ("broken", "error")},
}
"""The name of each golden file and what renders it."""
