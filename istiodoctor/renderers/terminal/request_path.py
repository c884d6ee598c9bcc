"""A trace for people at a terminal: the path of a request as a tree."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from istiodoctor.renderers.commands import shell_line
from istiodoctor.renderers.phrases import timestamp
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.text import visible
from istiodoctor.report import Confirmation, Hop, HopState, said
from istiodoctor.trace_report import AnswerKind, Trace, TracedPath, TraceVerdict

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
_SEEN: dict[Confirmation, Span] = {
    Confirmation.CONFIRMED: ("seen: ", "green"),
    Confirmation.CONTRADICTED: ("but seen: ", "bold yellow"),
    Confirmation.NOT_LOOKED_AT: ("not looked at: ", "dim"),
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
    write_request_path(page, trace)
    return str(page)


def write_request_path(page: Page, trace: Trace) -> None:
    """Write every leg of a trace as a tree, and where it stops."""
    for leg in trace.legs:
        _write_path(page, leg, trace.legs)
    _write_end(page, trace)


def _write_path(page: Page, leg: TracedPath, legs: tuple[TracedPath, ...]) -> None:
    by = f"  at {visible(str(leg.gateway), _NAME)}" if leg.gateway else ""
    then = f"then, by {legs[leg.follows].answer.status}, " if leg.follows is not None else ""
    page.blank()
    page.paragraph(then, (visible(leg.url, _TEXT), "bold"), by)
    stations = tuple(_stations(_without_repetition(leg.hops)))
    for number, (hop, children) in enumerate(stations):
        is_last = number == len(stations) - 1 and leg.answer.kind not in _ENDS
        _write_hop(page, hop, "", is_last=is_last)
        for index, child in enumerate(children):
            stem = " " * 3 if is_last else "│  "
            _write_hop(page, child, stem, is_last=index == len(children) - 1)
    end = _ENDS[AnswerKind.UNKNOWN] if leg.is_unseen else _ENDS.get(leg.answer.kind)
    if end:
        lead: tuple[Span, ...] = (("└─ ", "dim"), end, " ".ljust(_HOP + 3))
        page.paragraph((visible(leg.answer.text, _TEXT), "bold"), lead=lead)


def _without_repetition(hops: Iterable[Hop]) -> Iterator[Hop]:
    """Yield the hops; why something was not looked at is said once."""
    said_already = set()
    for hop in hops:
        is_known = hop.confirmation is Confirmation.NOT_LOOKED_AT and hop.seen in said_already
        said_already.add(hop.seen)
        yield replace(hop, seen="") if is_known else hop


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
    below: Span = (stem + ("   " if is_last else "│  "), "dim")
    page.paragraph(
        f"{subject}{text}",
        *code,
        lead=((f"{stem}{branch}", "dim"), _MARKS[hop.state], f" {name}  "),
        rest=(below,),
    )
    if hop.seen:
        indent = " " * (len(f"{stem}{branch}") + len(name) + 4 - len(below[0]))
        words = visible(hop.seen, _TEXT)
        page.paragraph(_SEEN[hop.confirmation], words, lead=(below, indent), rest=(below,))


def _write_end(page: Page, trace: Trace) -> None:
    """Say in one sentence where it stops and why, and what explains it."""
    page.blank()
    stop = trace.stopped_at
    if stop:
        ref = f"{visible(str(stop.hop.ref), _NAME)}: " if stop.hop.ref else ""
        text = visible(said(stop.hop), _TEXT)
        subject = "" if ref and text.startswith(ref[:-2]) else ref
        page.paragraph(f"It stops at the {stop.hop.hop}: {subject}{text.rstrip('.')}.")
        if stop.command:
            page.command(shell_line(stop.command, ascii_only=not page.unicode))
    elif trace.verdict is TraceVerdict.UNKNOWN:
        is_unseen = any(leg.is_unseen for leg in trace.legs)
        unseen = " How it ends was not seen on the wire." if is_unseen else ""
        has_unknown = any(hop.state is HopState.UNKNOWN for leg in trace.legs for hop in leg.hops)
        marked = "; what is marked ? is not known" if has_unknown else ""
        page.paragraph(f"It stops nowhere that could be seen{marked}.{unseen}")
    for note in trace.notes:
        page.paragraph(visible(note, _TEXT))
