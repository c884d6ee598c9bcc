"""The fixes of a problem, as lines to paste."""

from istiodoctor.problem import Diagnosis, ProvenFix, Risk
from istiodoctor.renderers.commands import blocks, is_command, shell_line
from istiodoctor.renderers.terminal.page import Page
from istiodoctor.renderers.text import visible

RISKS = {
    Risk.SAFE: "",
    Risk.RESTARTS_TRAFFIC: "restarts traffic",
    Risk.NEEDS_ISSUANCE: "needs a certificate to be issued",
    Risk.OUTSIDE_CLUSTER: "outside the cluster",
}
_PROOFS = {True: "proven on a copy", False: "failed when tried on a copy", None: ""}
_FIXES = 3
_TEXT = 400
_TITLE = 160


def write_fixes(page: Page, diagnosis: Diagnosis) -> None:
    """Write the first fixes, the best one first, and say how many there are besides."""
    for number, fix in enumerate(diagnosis.fixes[:_FIXES]):
        page.blank()
        _write_fix(page, fix, "or" if number else "fix")
    if len(diagnosis.fixes) > _FIXES:
        rest = len(diagnosis.fixes) - _FIXES
        page.field("", f"+{rest:,} more: --output json has them all")


def _write_fix(page: Page, proven: ProvenFix, label: str) -> None:
    fix = proven.fix
    ascii_only = not page.unicode
    tags = filter(None, (RISKS[fix.risk], _PROOFS[proven.proven]))
    tag = "".join(f"  [{tag}]" for tag in tags)
    page.field(label, (visible(fix.title, _TITLE), "bold"), tag)
    for why in filter(None, (fix.why, "" if proven.proven else proven.why)):
        page.field("", visible(why, _TEXT))
    for block in blocks(fix, ascii_only=ascii_only):
        page.command(block)
    if fix.verify:
        page.field("verify")
        page.command(shell_line(fix.verify, ascii_only=ascii_only))
    if is_command(fix.undo):
        page.field("undo")
        page.command(shell_line(fix.undo, ascii_only=ascii_only))
    elif fix.undo:
        page.field("undo", visible(fix.undo[0], _TEXT))
