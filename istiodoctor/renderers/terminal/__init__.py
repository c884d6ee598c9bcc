"""The report for the person at the terminal: most important first, readable at 80 columns."""

from collections.abc import Sequence

from istiodoctor.renderers.phrases import counted
from istiodoctor.renderers.terminal.answers import write_answers
from istiodoctor.renderers.terminal.coverage import write_checks, write_notes, write_unread
from istiodoctor.renderers.terminal.headline import write_headline
from istiodoctor.renderers.terminal.page import Page
from istiodoctor.renderers.terminal.problems import write_comparison, write_problems
from istiodoctor.renderers.terminal.served import (
    write_certificates,
    write_hosts,
    write_last_changes,
)
from istiodoctor.report import Report, Verdict

PARTS = (
    write_headline,
    write_answers,
    write_problems,
    write_comparison,
    write_hosts,
    write_last_changes,
    write_certificates,
    write_notes,
    write_unread,
    write_checks,
)
"""Each part of the page in its order; a part with nothing to say writes nothing."""


def render(report: Report, *, width: int, color: bool, unicode: bool = True) -> str:
    """Return the report as text of this many columns, ending in a line break.

    Commands are the exception: they are never wrapped, so that they can be pasted.
    """
    page = Page(width=width, color=color, unicode=unicode)
    if report.error:
        write_headline(page, report)
        return str(page)
    for write in PARTS:
        write(page, report)
    return str(page)


def render_all(reports: Sequence[Report], *, width: int, color: bool, unicode: bool = True) -> str:
    """Return the reports of several clusters one after the other, with a first line about all."""
    pages = [render(report, width=width, color=color, unicode=unicode) for report in reports]
    if len(pages) == 1:
        return pages[0]
    page = Page(width=width, color=color, unicode=unicode)
    verdicts = [report.verdict for report in reports]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
    page.paragraph((f"{counted(len(reports), 'cluster')}: {', '.join(counts)}", "bold"))
    return f"{page}\n" + "\n\n".join(pages)
