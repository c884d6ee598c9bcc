"""The terminal output: what it says when, and what it never lets through."""

import re
import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from istiodoctor.problem import Severity
from istiodoctor.renderers import terminal
from istiodoctor.report import CertificateSource, Report, Verdict
from tests.support.reports import (
    TAKEN_AT,
    broken_report,
    error_report,
    healthy_report,
    hostile_report,
    incomplete_report,
)
from tests.support.texts import with_text

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
COLOR = re.compile(r"\x1b\[[0-9;]*m")
REPORTS = [broken_report, healthy_report, incomplete_report, error_report, hostile_report]


def shown(report: Report, *, width: int = 80, color: bool = False, unicode: bool = True) -> str:
    return terminal.render(report, width=width, color=color, unicode=unicode)


def hidden_characters(text: str) -> set[str]:
    return {one for one in text if unicodedata.category(one)[0] == "C"} - {"\n"}


@settings(max_examples=30, deadline=None)
@given(ANY_TEXT)
def test_no_text_puts_an_escape_or_a_control_character_into_plain_output(text):
    output = shown(with_text(broken_report(), text))

    assert hidden_characters(output) == set()


@settings(max_examples=30, deadline=None)
@given(ANY_TEXT)
def test_colour_is_the_only_escape_in_coloured_output(text):
    output = shown(with_text(broken_report(), text), color=True)

    assert hidden_characters(COLOR.sub("", output)) == set()


@settings(max_examples=30, deadline=None)
@given(ANY_TEXT)
def test_output_for_a_terminal_without_unicode_is_ascii(text):
    assert shown(with_text(broken_report(), text), unicode=False).isascii()


@pytest.mark.parametrize("make", REPORTS)
def test_colour_says_nothing_that_the_words_do_not(make):
    assert COLOR.sub("", shown(make(), color=True)) == shown(make())


def without_commands(report: Report) -> Report:
    problems = tuple(
        replace(problem, cause=replace(problem.cause, fixes=())) for problem in report.problems
    )
    return replace(report, problems=problems)


@settings(max_examples=30, deadline=None)
@given(ANY_TEXT, st.integers(min_value=80, max_value=200))
def test_only_commands_are_wider_than_the_terminal(text, width):
    output = shown(with_text(without_commands(broken_report()), text), width=width)

    assert [line for line in output.split("\n") if cell_len(line) > width] == []


@pytest.mark.parametrize("make", REPORTS)
@pytest.mark.parametrize("width", [80, 160])
def test_no_line_ends_in_spaces(make, width):
    assert [line for line in shown(make(), width=width).split("\n") if line != line.rstrip()] == []


def test_a_command_is_one_line_however_narrow_the_terminal_is():
    assert (
        "\n    istioctl proxy-config secret deploy/istio-ingressgateway.istio-system\n"
        in shown(broken_report(), width=40)
    )


def test_a_here_document_starts_at_the_margin():
    output = shown(broken_report())

    assert "\nkubectl apply -f - <<'EOF'\napiVersion: networking.istio.io/v1\n" in output
    assert "\nEOF\n" in output


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(days=3, hours=5), "in 3 days"),
        (timedelta(hours=47), "in 47 hours"),
        (timedelta(minutes=119), "in 119 minutes"),
        (timedelta(seconds=59), "now"),
        (-timedelta(days=1), "24 hours ago"),
        (-timedelta(minutes=1), "1 minute ago"),
        (timedelta(days=3650), "in 10 years"),
    ],
)
def test_a_deadline_is_told_relative_to_the_scan(distance, words):
    report = broken_report()
    problem = replace(report.problems[1], deadline=TAKEN_AT + distance)

    output = shown(replace(report, problems=(problem,)))

    assert f"\n  deadline  {words} (" in output


def answers(report: Report) -> list[str]:
    """Return the lines between the headline and the first problem."""
    output = shown(report, width=160)
    return [line.strip() for line in output.split("\n\n")[1].splitlines()]


def test_a_host_that_was_asked_about_gets_an_answer_when_nothing_is_wrong():
    report = replace(healthy_report(), scope_hosts=("shop.example.com",))

    assert answers(report) == [
        "✓ shop.example.com  nothing wrong that I can see",
        "Not looked at: TLS probes (--probe)",
    ]


def test_a_host_under_a_wildcard_gets_the_answer_for_the_longest_one():
    broken = broken_report().hosts[0]
    fine = healthy_report().hosts[0]
    report = replace(
        healthy_report(),
        checks=(),
        hosts=(replace(broken, host="*.shop.example.com"), replace(fine, host="*.example.com")),
        scope_hosts=("A.shop.example.com", "b.example.com", "example.com"),
    )

    assert answers(report) == [
        "✗ A.shop.example.com  broken at the certificate: Secret shop-cert is not in istio-system",
        "✓ b.example.com       nothing wrong that I can see",
        "? example.com         no gateway that I can see serves it",
    ]


def test_a_host_that_nothing_serves_is_as_broken_as_its_worst_problem():
    first = broken_report().problems[0]
    problem = replace(first, hosts=("gone.example.com",), severity=Severity.MEDIUM)
    report = replace(
        healthy_report(), checks=(), problems=(problem,), scope_hosts=("gone.example.com",)
    )

    assert answers(report) == ["! gone.example.com  degraded; see problem 1"]


def test_several_clusters_begin_with_a_count_of_their_verdicts():
    output = terminal.render_all((healthy_report(), error_report()), width=80, color=False)

    assert output.startswith("2 clusters: 1 incomplete, 1 healthy\n\n✓ HEALTHY")


def test_an_unproven_fix_says_so():
    report = broken_report()
    first = report.problems[0]
    fix = replace(first.cause.fixes[1], proven=False, why="GW004 would be new.")
    problem = replace(first, cause=replace(first.cause, fixes=(fix,)))

    output = shown(replace(report, problems=(problem,)), width=100)

    assert (
        "  fix       Use the Secret that is there already  [failed when tried on a copy]\n"
        "            GW004 would be new.\n" in output
    )


def test_a_report_without_anything_in_it_is_still_a_report():
    empty = Report(tool=healthy_report().tool, scan=healthy_report().scan, verdict=Verdict.HEALTHY)

    assert shown(empty) == (
        "✓ HEALTHY  nothing wrong found  ·  cluster prod  ·  2026-01-15 09:00 UTC\n"
        "           Istio 1.24.1  ·  118 checks\n"
    )


def test_a_certificate_that_differs_from_the_stored_one_is_shown_although_nothing_is_wrong():
    report = healthy_report()
    stored = report.certificates[0]
    old = replace(
        stored,
        source=CertificateSource.ENVOY,
        not_after=None,
        serial="01",
        fingerprint_sha256="",
        seen_at=tuple(f"Pod istio-system/ingress-{number}" for number in range(40)),
    )

    output = shown(replace(report, certificates=(*report.certificates, old)), width=160)

    assert (
        "Certificates  3, 1 in use in place of what is stored\n"
        "  not known   Secret shop/shop-cert             shop.example.com, www.example.com, +4"
        " more: not what is stored (envoy: Pod istio-system/ingress-0, Pod\n"
        "                                                istio-system/ingress-1, +38 more)\n"
        "  in 41 days" in output
    )


def test_a_certificate_whose_secret_was_not_read_differs_from_nothing():
    report = broken_report()
    held = tuple(each for each in report.certificates if each.source is CertificateSource.ENVOY)

    output = shown(replace(report, certificates=held))

    assert "Certificates  2, soonest expiry first\n" in output
    assert "not what is stored" not in output
