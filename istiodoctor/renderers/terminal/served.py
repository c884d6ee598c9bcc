"""The hosts with where each breaks, and the certificates that expire first."""

from dataclasses import dataclass
from datetime import UTC, datetime

from istiodoctor.problem import Ref
from istiodoctor.renderers.phrases import listed, relative, timestamp
from istiodoctor.renderers.terminal.headline import verdict_span
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.text import visible
from istiodoctor.report import (
    CertificateReport,
    CertificateSource,
    Hop,
    HopState,
    HostReport,
    LastChange,
    LastChangeKind,
    Report,
    Verdict,
)

NEVER = datetime.max.replace(tzinfo=UTC)
_ROWS = 12
_FINE = 6
_CERTIFICATES = 5
_CHANGES = 5
_EVENT = 120
_PLACES = 2
"""How many of the pods or endpoints are named where a certificate was seen."""
_NAME = 60
_VERDICT = len("degraded")
_TEXT = 200
_ORDER = tuple(Verdict)
_SOURCES = tuple(CertificateSource)
_WORST_FIRST = (HopState.BROKEN, HopState.WARNING, HopState.UNKNOWN)


def write_hosts(page: Page, report: Report) -> None:
    """Write the hosts that are not well, each with where it breaks, and count the others."""
    if not report.hosts:
        return
    fine = [host.host for host in report.hosts if host.verdict is Verdict.HEALTHY]
    unwell = sorted(
        (host for host in report.hosts if host.verdict is not Verdict.HEALTHY),
        key=lambda host: (_ORDER.index(host.verdict), host.host),
    )
    if not unwell:
        page.heading("Hosts", f"{len(fine):,}, all fine: {listed(fine, _FINE)}")
        return
    is_unknown = all(host.verdict is Verdict.INCOMPLETE for host in unwell)
    words = "not known to be well" if is_unknown else "not well"
    page.heading("Hosts", f"{len(unwell):,} of {len(report.hosts):,} {words}")
    page.rows(_row(host) for host in unwell[:_ROWS])
    if len(unwell) > _ROWS:
        page.paragraph((f"+{len(unwell) - _ROWS:,} more like these", "dim"), lead=("  ",))
    if fine:
        page.paragraph(
            f"{listed(fine, _FINE)}",
            lead=("  ", verdict_span(Verdict.HEALTHY, "fine".ljust(_VERDICT)), "  "),
        )


def _row(host: HostReport) -> tuple[Span, ...]:
    word = "unknown" if host.verdict is Verdict.INCOMPLETE else str(host.verdict)
    return (
        verdict_span(host.verdict, word.ljust(_VERDICT)),
        visible(host.host, _NAME),
        where_it_breaks(host),
    )


def write_last_changes(page: Page, report: Report) -> None:
    """Write what changed last on the way to hosts that are not well, the newest first."""
    hosts: dict[LastChange, dict[str, None]] = {}
    for host in report.hosts:
        for change in host.last_changes:
            hosts.setdefault(change, {})[host.host] = None
    newest = sorted(hosts, key=lambda each: (each.at, each.ref), reverse=True)
    if not newest:
        return
    now = report.scan.taken_at
    page.heading("Changed last", "on the way to hosts that are not well")
    page.rows(
        (
            relative(each.at, now),
            visible(str(each.ref), _NAME),
            f"{_change(each)} ({listed(tuple(hosts[each]), _PLACES)})",
        )
        for each in newest[:_CHANGES]
    )
    if len(newest) > _CHANGES:
        page.paragraph(
            (f"+{len(newest) - _CHANGES:,} more: --output json has them by host", "dim"),
            lead=("  ",),
        )


def _change(change: LastChange) -> str:
    by = visible(change.by, _NAME)
    if change.kind is LastChangeKind.EVENT:
        return ": ".join(filter(None, (by, visible(change.text, _EVENT))))
    return f"{change.kind} by {by}" if by else str(change.kind)


def where_it_breaks(host: HostReport) -> str:
    """Return the worst hop of a host's path in words; empty when all are well."""
    hop = _worst_hop(host.path)
    return f"{visible(hop.hop, _NAME)}: {visible(hop.text, _TEXT)}" if hop else ""


def _worst_hop(path: tuple[Hop, ...]) -> Hop | None:
    for state in _WORST_FIRST:
        for hop in path:
            if hop.state is state:
                return hop
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One certificate of one Secret, with all sources that show it."""

    found: tuple[CertificateReport, ...]
    differs: bool
    """It is in use, and the Secret holds another one."""

    @property
    def first(self) -> CertificateReport:
        """The best source for what it says."""
        return self.found[0]


def write_certificates(page: Page, report: Report) -> None:
    """Write the certificates that differ from what is stored, then those that expire first.

    One line when the report is a healthy one and none differs.
    """
    shown = _distinct(report.certificates)
    if not shown:
        return
    now = report.scan.taken_at
    different = sum(each.differs for each in shown)
    if report.verdict is Verdict.HEALTHY and not different:
        first = shown[0].first
        on = f" ({timestamp(first.not_after)})" if first.not_after else ""
        page.heading(
            "Certificates",
            f"{len(shown):,}; the first {_expires(first.not_after, now)}{on}:"
            f" {visible(str(first.credential), _NAME)}",
        )
        return
    order = "soonest expiry first"
    if different:
        order = f"{different:,} in use in place of what is stored"
    page.heading("Certificates", f"{len(shown):,}, {order}")
    worst_first = sorted(shown, key=lambda each: not each.differs)
    page.rows(_certificate_row(each, now) for each in worst_first[:_CERTIFICATES])


def _distinct(certificates: tuple[CertificateReport, ...]) -> list[_Shown]:
    """Return each certificate of each Secret once, soonest expiry first."""
    groups: dict[tuple[Ref, object], list[CertificateReport]] = {}
    for each in sorted(certificates, key=lambda one: (one.not_after or NEVER, one.credential)):
        groups.setdefault((each.credential, each.identity), []).append(each)
    stored = {each.credential for each in certificates if _is_stored(each)}
    return [
        _Shown(
            found=tuple(sorted(found, key=lambda each: _SOURCES.index(each.source))),
            differs=credential in stored and not any(map(_is_stored, found)),
        )
        for (credential, _), found in groups.items()
    ]


def _is_stored(certificate: CertificateReport) -> bool:
    return certificate.source is CertificateSource.STORED


def _expires(moment: datetime | None, now: datetime) -> str:
    return f"expires {relative(moment, now)}" if moment else "expires at a time not known"


def _certificate_row(shown: _Shown, now: datetime) -> tuple[Span, ...]:
    certificate = shown.first
    when: Span = relative(certificate.not_after, now) if certificate.not_after else "not known"
    if certificate.not_after and certificate.not_after <= now:
        when = (f"expired {when}", "bold red")
    elif shown.differs:
        when = (str(when), "yellow")
    renewal = certificate.renewal_time
    late = f"; renewal was due {relative(renewal, now)}" if renewal and renewal < now else ""
    names = listed(certificate.subject_alternative_names, 2) or "no names"
    where = f" ({', '.join(each.source for each in shown.found)}){late}"
    if shown.differs:
        where = f": not what is stored ({'; '.join(map(_seen_at, shown.found))})"
    return (when, visible(str(certificate.credential), _NAME), f"{names}{where}")


def _seen_at(certificate: CertificateReport) -> str:
    """Return `envoy: Pod istio-system/ingress-1, +2 more`."""
    return f"{certificate.source}: {listed(certificate.seen_at, _PLACES)}"
