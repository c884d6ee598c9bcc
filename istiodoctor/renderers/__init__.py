"""Outputs: each makes one text of what a scan found, and knows the report only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from istiodoctor.report import Report
from istiodoctor.trace_report import Trace, Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """What the place that an output is written to can show; files of data ignore it."""

    width: int = 80
    color: bool = False
    unicode: bool = True


class Renderer(Protocol):
    """One output: the reports of a run, one for each cluster, as one text."""

    def __call__(self, reports: Sequence[Report], display: Display) -> str:
        """Return the text, ending in a line break."""


def _terminal(reports: Sequence[Report], display: Display) -> str:
    from istiodoctor.renderers import terminal  # Rich is worth its time only here

    return terminal.render_all(
        reports, width=display.width, color=display.color, unicode=display.unicode
    )


def _json(reports: Sequence[Report], display: Display) -> str:
    from istiodoctor.renderers import json

    return json.render(reports[0]) if len(reports) == 1 else json.render_all(reports)


RENDERERS: Mapping[str, Renderer] = MappingProxyType({"terminal": _terminal, "json": _json})
"""Each output by the name that `--output` takes; a renderer is imported when it is used."""


class TraceRenderer(Protocol):
    """One output of a trace."""

    def __call__(self, trace: Trace, display: Display) -> str:
        """Return the text, ending in a line break."""


def _trace_terminal(trace: Trace, display: Display) -> str:
    from istiodoctor.renderers.terminal.request_path import render

    return render(trace, width=display.width, color=display.color, unicode=display.unicode)


def _trace_json(trace: Trace, display: Display) -> str:
    from istiodoctor.renderers.trace_json import render_trace

    return render_trace(trace)


TRACE_RENDERERS: Mapping[str, TraceRenderer] = MappingProxyType(
    {"terminal": _trace_terminal, "json": _trace_json}
)
"""The outputs of a trace, likewise."""


class TracesRenderer(Protocol):
    """One output of many traces."""

    def __call__(self, found: Traces, display: Display) -> str:
        """Return the text, ending in a line break."""


def _traces_terminal(found: Traces, display: Display) -> str:
    from istiodoctor.renderers.terminal.request_paths import render

    return render(found, width=display.width, color=display.color, unicode=display.unicode)


def _traces_json(found: Traces, display: Display) -> str:
    from istiodoctor.renderers.trace_json import render_traces

    return render_traces(found)


TRACES_RENDERERS: Mapping[str, TracesRenderer] = MappingProxyType(
    {"terminal": _traces_terminal, "json": _traces_json}
)
"""The outputs of many traces, by the same names as those of one."""
