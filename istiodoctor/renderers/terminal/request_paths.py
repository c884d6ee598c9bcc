"""Many traces for people at a terminal: a line each, and the paths of requests that stop."""

from collections.abc import Iterator
from itertools import islice

from istiodoctor.renderers.phrases import counted, timestamp
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.terminal.request_path import write_request_path
from istiodoctor.renderers.text import visible
from istiodoctor.report import Hop, HopState, said
from istiodoctor.trace_report import Trace, Traces, TraceVerdict

MOST_LINES = 100
"""How many requests get a line; of more, those that are not answered come first."""
MOST_PATHS = 10
"""Of how many requests that are not answered the hops are shown."""
_URL = 200
_TEXT = 300
_ID = 24
_NAME = 120
_MARKS: dict[TraceVerdict, Span] = {
    TraceVerdict.ANSWERED: ("✓", "green"),
    TraceVerdict.STOPPED: ("✗", "bold red"),
    TraceVerdict.UNKNOWN: ("?", "yellow"),
}
_NOT_ANSWERED = (TraceVerdict.STOPPED, TraceVerdict.UNKNOWN)
_WORST_FIRST = (*_NOT_ANSWERED, TraceVerdict.ANSWERED)


def render(found: Traces, *, width: int, color: bool, unicode: bool = True) -> str:
    """Return the traces as text of this many columns, ending in a line break."""
    page = Page(width=width, color=color, unicode=unicode)
    _write_headline(page, found)
    error = next((each.error for each in found.traces if each.error), None)
    page.blank()
    if error:
        page.paragraph(visible(error.message, _TEXT), lead=("  ",))
        return str(page)
    _write_lines(page, found.traces)
    _write_request_paths(page, found.traces)
    return str(page)


def _write_headline(page: Page, found: Traces) -> None:
    worst = next(each for each in _WORST_FIRST if found.count(each))
    counts = [f"{found.count(each):,} {each}" for each in _WORST_FIRST if found.count(each)]
    page.paragraph(
        (counted(len(found.traces), "request"), "bold"),
        f": {', '.join(counts)}  ·  {visible(found.scan.source, _NAME)}"
        f"  ·  {timestamp(found.scan.taken_at)}",
        lead=(_MARKS[worst], " "),
    )


def _write_lines(page: Page, traces: tuple[Trace, ...]) -> None:
    shown = traces
    if len(traces) > MOST_LINES:
        shown = tuple(islice(_worst_first(traces), MOST_LINES))
    width = max(len(visible(each.id, _ID)) for each in shown)
    for each in shown:
        _write_line(page, each, width)
    rest = len(traces) - len(shown)
    if rest:
        page.paragraph(f"and {rest:,} more: --output json has them all", lead=("  ",))


def _worst_first(traces: tuple[Trace, ...]) -> Iterator[Trace]:
    for verdict in _WORST_FIRST:
        yield from (each for each in traces if each.verdict is verdict)


def _write_line(page: Page, trace: Trace, width: int) -> None:
    """Write what is asked for and, in short, what comes of it."""
    request = f"{trace.method} {visible(trace.url, _URL)}"
    page.paragraph((request, "bold"), *_end(trace), lead=_lead(trace, width))


def _lead(trace: Trace, width: int = 0) -> tuple[Span, ...]:
    return _MARKS[trace.verdict], f" {visible(trace.id, _ID).ljust(width)}  "


def _end(trace: Trace) -> Iterator[Span]:
    """Yield what a request comes to: where it stops and what explains that, or who answers."""
    if trace.stopped_at:
        hop = trace.stopped_at.hop
        yield f"  stops at the {_named(hop)}"
        yield (f"  {hop.code}" if hop.code else "", "bold")
        return
    if trace.verdict is TraceVerdict.UNKNOWN:
        unknown = next((hop for hop in _hops(trace) if hop.state is HopState.UNKNOWN), None)
        yield f"  not known at the {_named(unknown)}" if unknown else "  how it ends was not seen"
        return
    followed = {leg.follows for leg in trace.legs}
    last = (leg.answer.text for number, leg in enumerate(trace.legs) if number not in followed)
    yield f"  {visible(', '.join(dict.fromkeys(last)), _TEXT)}"


def _hops(trace: Trace) -> Iterator[Hop]:
    return (hop for leg in trace.legs for hop in leg.hops)


def _named(hop: Hop) -> str:
    return f"{hop.hop}: {visible(said(hop), _TEXT)}"


def _write_request_paths(page: Page, traces: tuple[Trace, ...]) -> None:
    """Write the hops of the first requests that are not answered."""
    unanswered = [each for each in _worst_first(traces) if each.verdict in _NOT_ANSWERED]
    for each in unanswered[:MOST_PATHS]:
        page.rule()
        page.paragraph(
            (f"request {visible(each.id, _ID)}", "bold"), lead=(_MARKS[each.verdict], " ")
        )
        write_request_path(page, each)
    rest = len(unanswered) - MOST_PATHS
    if rest > 0:
        page.rule()
        page.paragraph(f"The hops of {rest:,} more that are not answered are in --output json.")
