"""A trace for the person at the terminal: the way of a request as a tree."""

from collections.abc import Iterable, Iterator

from istiodoctor.renderers.commands import shell_line
from istiodoctor.renderers.phrases import timestamp
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.text import visible
from istiodoctor.report import AnswerKind, Hop, HopState, Trace, TraceLeg, TraceVerdict

_TEXT = 600
_NAME = 120
_HOP = len("virtual-host")
_MARKS: dict[HopState, Span] = {
    HopState.OK: ("✓", "green"),
    HopState.BROKEN: ("✗", "bold red"),
    HopState.WARNING: ("!", "yellow"),
    HopState.UNKNOWN: ("?", "yellow"),
}
_VERDICTS: dict[TraceVerdict, Span] = {
    TraceVerdict.ANSWERED: ("✓ ANSWERED", "bold green"),
    TraceVerdict.STOPPED: ("✗ STOPPED", "bold red"),
    TraceVerdict.UNKNOWN: ("? UNKNOWN", "bold yellow"),
}
_ENDS: dict[AnswerKind, Span] = {
    AnswerKind.BACKEND: ("✓", "green"),
    AnswerKind.DIRECT_RESPONSE: ("✓", "green"),
    AnswerKind.REDIRECT: ("✓", "green"),
    AnswerKind.UNKNOWN: ("?", "yellow"),
}


def render(trace: Trace, *, width: int, color: bool, unicode: bool = True) -> str:
    """Return the trace as text of this many columns, ending in a line break."""
    page = Page(width=width, color=color, unicode=unicode)
    source = visible(trace.scan.source, _NAME)
    page.paragraph(
        f"  {trace.method} {visible(trace.url, _TEXT)}  ·  {source}"
        f"  ·  {timestamp(trace.scan.taken_at)}",
        lead=(_VERDICTS[trace.verdict],),
    )
    if trace.error:
        page.blank()
        page.paragraph(visible(trace.error.message, _TEXT), lead=("  ",))
        return str(page)
    for leg in trace.legs:
        _write_leg(page, leg, trace.legs)
    _write_end(page, trace)
    return str(page)


def _write_leg(page: Page, leg: TraceLeg, legs: tuple[TraceLeg, ...]) -> None:
    by = f"  at {visible(str(leg.gateway), _NAME)}" if leg.gateway else ""
    then = f"then, by {legs[leg.follows].answer.status}, " if leg.follows is not None else ""
    page.blank()
    page.paragraph(then, (visible(leg.url, _TEXT), "bold"), by)
    stations = tuple(_stations(leg.hops))
    for number, (hop, children) in enumerate(stations):
        is_last = number == len(stations) - 1 and leg.answer.kind not in _ENDS
        _write_hop(page, hop, "", is_last=is_last)
        for index, child in enumerate(children):
            stem = " " * 3 if is_last else "│  "
            _write_hop(page, child, stem, is_last=index == len(children) - 1)
    end = _ENDS.get(leg.answer.kind)
    if end:
        lead: tuple[Span, ...] = (("└─ ", "dim"), end, " ".ljust(_HOP + 3))
        page.paragraph((visible(leg.answer.text, _TEXT), "bold"), lead=lead)


def _stations(hops: Iterable[Hop]) -> Iterator[tuple[Hop, tuple[Hop, ...]]]:
    """Yield the hops of the trunk, endpoints under the backend that has them."""
    waiting: Hop | None = None
    children: list[Hop] = []
    for hop in hops:
        if hop.hop == "endpoints" and waiting and waiting.hop == "backend":
            children.append(hop)
            continue
        if waiting:
            yield waiting, tuple(children)
        waiting, children = hop, []
    if waiting:
        yield waiting, tuple(children)


def _write_hop(page: Page, hop: Hop, stem: str, *, is_last: bool) -> None:
    branch = "└─ " if is_last else "├─ "
    name = hop.hop.ljust(_HOP - len(stem))
    text = visible(hop.text, _TEXT)
    ref = visible(str(hop.ref), _NAME) if hop.ref else ""
    # A server's text begins with its Gateway already.
    subject = f"{ref}: " if ref and not text.startswith(ref) else ""
    code: tuple[Span, ...] = ((f"  {hop.code}", "bold"),) if hop.code else ()
    page.paragraph(
        f"{subject}{text}",
        *code,
        lead=((f"{stem}{branch}", "dim"), _MARKS[hop.state], f" {name}  "),
        rest=((stem + ("   " if is_last else "│  "), "dim"),),
    )


def _write_end(page: Page, trace: Trace) -> None:
    """Say in one sentence where it stops and why, and what explains it."""
    page.blank()
    stop = trace.stopped_at
    if stop:
        ref = f"{visible(str(stop.hop.ref), _NAME)}: " if stop.hop.ref else ""
        text = visible(stop.hop.text, _TEXT)
        subject = "" if ref and text.startswith(ref[:-2]) else ref
        page.paragraph(f"It stops at the {stop.hop.hop}: {subject}{text}.")
        if stop.command:
            page.command(shell_line(stop.command, ascii_only=not page.unicode))
    elif trace.verdict is TraceVerdict.UNKNOWN:
        page.paragraph("It stops nowhere that was read; what is marked ? was not.")
