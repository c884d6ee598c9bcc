"""The hosts with where each breaks, and the certificates that expire first."""

from datetime import datetime

from istiodoctor.renderers.phrases import listed, relative, timestamp
from istiodoctor.renderers.terminal.headline import verdict_span
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.text import visible
from istiodoctor.report import (
    CertificateReport,
    Hop,
    HopState,
    HostReport,
    Report,
    Verdict,
)

_ROWS = 12
_FINE = 6
_CERTIFICATES = 5
_NAME = 60
_VERDICT = len("degraded")
_TEXT = 200
_ORDER = tuple(Verdict)
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
    page.heading("Hosts", f"{len(unwell):,} of {len(report.hosts):,} not well")
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


def where_it_breaks(host: HostReport) -> str:
    """Return the worst hop on a host's way in words; empty when all are well."""
    hop = _worst_hop(host.path)
    return f"{visible(hop.hop, _NAME)}: {visible(hop.text, _TEXT)}" if hop else ""


def _worst_hop(path: tuple[Hop, ...]) -> Hop | None:
    for state in _WORST_FIRST:
        for hop in path:
            if hop.state is state:
                return hop
    return None


def write_certificates(page: Page, report: Report) -> None:
    """Write the certificates that expire first; one line when the report is a healthy one."""
    certificates = _expiring_first(report.certificates)
    if not certificates:
        return
    now = report.scan.taken_at
    if report.verdict is Verdict.HEALTHY:
        first, _ = certificates[0]
        page.heading(
            "Certificates",
            f"{len(certificates):,}; the first expires {relative(first.not_after, now)} "
            f"({timestamp(first.not_after)}): {visible(str(first.credential), _NAME)}",
        )
        return
    page.heading("Certificates", f"{len(certificates):,}, soonest expiry first")
    page.rows(
        _certificate_row(certificate, sources, now)
        for certificate, sources in certificates[:_CERTIFICATES]
    )


def _expiring_first(
    certificates: tuple[CertificateReport, ...],
) -> list[tuple[CertificateReport, list[str]]]:
    """Return each certificate once, with all the places where it was seen."""
    seen: dict[tuple[str, str], tuple[CertificateReport, list[str]]] = {}
    for certificate in sorted(certificates, key=lambda one: (one.not_after, one.credential)):
        key = (str(certificate.credential), certificate.fingerprint_sha256)
        seen.setdefault(key, (certificate, []))[1].append(certificate.source)
    return list(seen.values())


def _certificate_row(
    certificate: CertificateReport, sources: list[str], now: datetime
) -> tuple[Span, ...]:
    expired = certificate.not_after <= now
    when = relative(certificate.not_after, now)
    renewal = certificate.renewal_time
    late = f"; renewal was due {relative(renewal, now)}" if renewal and renewal < now else ""
    names = listed(certificate.subject_alternative_names, 2)
    return (
        (f"expired {when}", "bold red") if expired else when,
        f"{visible(str(certificate.credential), _NAME)}",
        f"{names or 'no names'} ({', '.join(sources)}){late}",
    )
