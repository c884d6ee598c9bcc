"""Symptoms stand under their causes, and only there."""

from typing import Any

import pytest

from istiodoctor.check import Check
from istiodoctor.finding import Severity
from tests.diagnosis.rules import finding, gateway, judged, outline, rule, secret

About = dict[str, Any]
CERT = ("istio-system", "cert")


def cause(**about: Any) -> Check:
    return rule("A001", finding(secret("cause"), **about), explains={"B001"})


def effect(**about: Any) -> Check:
    return rule("B001", finding(gateway("effect"), **about))


@pytest.mark.parametrize(
    "about",
    [
        {"credentials": [CERT]},
        {"servers": ["shop/web#0"]},
        {"hosts": ["shop.example.com"]},
        {"objects": [gateway("web")]},
    ],
    ids=lambda about: next(iter(about)),
)
def test_a_finding_is_a_symptom_of_what_explains_it_and_is_about_the_same(about):
    report = judged(effect(**about), cause(**about))

    (problem,) = report.problems
    assert outline(report) == [("A001", "B001")]
    assert problem.symptoms[0].caused_by == (problem.cause.fingerprint,)


def test_findings_that_share_everything_stay_apart_where_no_code_explains_the_other():
    about: About = {
        "credentials": [CERT],
        "servers": ["s"],
        "hosts": ["h"],
        "objects": [gateway("web")],
    }
    unrelated = rule("A001", finding(secret("cause"), **about), explains={"C001"})

    report = judged(effect(**about), unrelated)

    assert outline(report) == [("A001",), ("B001",)]


@pytest.mark.parametrize("field", ["credentials", "servers", "hosts"])
def test_an_object_that_both_name_does_not_make_up_for_a_difference(field):
    named = field == "credentials"
    one, two = (CERT, ("istio-system", "other")) if named else ("one", "two")

    report = judged(
        effect(objects=[gateway("web")], **{field: [one]}),
        cause(objects=[gateway("web")], **{field: [two]}),
    )

    assert outline(report) == [("A001",), ("B001",)]


def test_two_servers_of_one_gateway_do_not_meet():
    report = judged(
        cause(objects=[gateway("web")], servers=["shop/web#0"], credentials=[CERT]),
        effect(objects=[gateway("web")], servers=["shop/web#1"]),
    )

    assert outline(report) == [("A001",), ("B001",)]


def test_a_shared_object_counts_where_one_of_both_says_nothing_else():
    report = judged(
        cause(objects=[gateway("web")]),
        effect(objects=[gateway("web")], servers=["shop/web#1"], hosts=["shop.example.com"]),
    )

    assert outline(report) == [("A001", "B001")]


def test_symptoms_of_symptoms_stand_under_the_root_cause():
    report = judged(
        rule("C001", finding(gateway("c"), hosts=["h"]), severity=Severity.CRITICAL),
        rule("B001", finding(gateway("b"), credentials=[CERT], hosts=["h"]), explains={"C001"}),
        rule("A001", finding(secret("a"), credentials=[CERT]), explains={"B001"}),
    )

    (problem,) = report.problems
    assert outline(report) == [("A001", "C001", "B001")]
    assert {each.caused_by for each in problem.symptoms} == {(problem.cause.fingerprint,)}


def test_a_symptom_of_two_causes_stands_under_the_worse_and_names_both():
    about: About = {"hosts": ["h"]}
    report = judged(
        rule("A001", finding(secret("a"), **about), explains={"B001"}, severity=Severity.LOW),
        rule("A002", finding(secret("b"), **about), explains={"B001"}, severity=Severity.HIGH),
        effect(**about),
    )

    worse, other = report.problems
    assert outline(report) == [("A002", "B001"), ("A001",)]
    assert worse.symptoms[0].caused_by == (worse.cause.fingerprint, other.cause.fingerprint)


def test_the_worse_of_two_causes_is_the_one_whose_symptoms_are_worse():
    """By itself the cause that takes a host down is the milder of the two."""
    report = judged(
        rule("A001", finding(secret("a"), hosts=["h"]), explains={"B001"}),
        rule(
            "A002",
            finding(secret("b"), hosts=["h"], servers=["s"]),
            explains={"B001", "C001"},
            severity=Severity.LOW,
        ),
        effect(hosts=["h"]),
        rule("C001", finding(gateway("c"), servers=["s"]), severity=Severity.CRITICAL),
    )

    assert outline(report) == [("A002", "C001", "B001"), ("A001",)]


def test_codes_that_explain_each_other_in_a_circle_lose_nothing():
    about: About = {"hosts": ["h"]}

    report = judged(
        rule("A001", finding(secret("a"), **about), explains={"B001"}),
        rule("B001", finding(secret("b"), **about), explains={"A001", "C001"}),
        rule("C001", finding(secret("c"), **about)),
    )

    assert outline(report) == [("A001",), ("B001",), ("C001",)]


def test_a_finding_whose_evidence_names_an_object_is_explained_only_by_what_is_about_it():
    report = judged(
        rule("A001", finding(gateway("web"), servers=["s"]), explains={"B001"}),
        rule("A002", finding(secret("cert"), servers=["s"]), explains={"B001"}),
        effect(servers=["s"], culprits=frozenset({secret("cert")})),
    )

    assert outline(report) == [("A001",), ("A002", "B001")]
