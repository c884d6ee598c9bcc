"""Which DestinationRule is in force, and which subsets it has."""

import pytest

from istiodoctor.mesh.mesh import Mesh
from tests.support.behind_gateway import (
    WEB,
    asked,
    mesh_behind_gateway,
    mesh_config,
    state,
    web,
)
from tests.support.objects import INGRESS, Manifest, destination_rule, pod, service_entry


def subsets(mesh: Mesh, *names: str, host: str = WEB, port: int = 80) -> str:
    """Return which of some subsets have a cluster."""
    found = (asked(mesh, f"outbound|{port}|{name}|{host}") for name in names)
    return " ".join(
        name for name, each in zip(names, found, strict=True) if each.state.value != "no-cluster"
    )


def behind(*rules: Manifest, config: str = "") -> Mesh:
    return mesh_behind_gateway(*web(), *rules, *([mesh_config(config)] if config else []))


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (destination_rule("d", "app1", WEB, "v1"), "v1"),
        (destination_rule("d", "app1", "web", "v1"), "v1"),
        (destination_rule("d", "istio-system", WEB, "v1"), "v1"),
        (destination_rule("d", "istio-system", "web", "v1"), ""),
        (destination_rule("d", "app2", WEB, "v1"), ""),
        (destination_rule("d", "app1", WEB, "v1", exportTo=["."]), ""),
        (destination_rule("d", "app1", WEB, "v1", exportTo=["app1"]), ""),
        (destination_rule("d", "app1", WEB, "v1", exportTo=["app2"]), ""),
        (destination_rule("d", "app1", WEB, "v1", exportTo=["app2", "istio-system"]), "v1"),
        (destination_rule("d", "istio-system", WEB, "v1", exportTo=["."]), "v1"),
        (destination_rule("d", "istio-system", WEB, "v1", exportTo=["istio-system"]), "v1"),
        (destination_rule("d", "istio-system", WEB, "v1", exportTo=["app2"]), ""),
        (destination_rule("d", "app1", "*.app1.svc.cluster.local", "v1"), "v1"),
        (destination_rule("d", "app1", "*", "v1"), "v1"),
        (destination_rule("d", "app1", "*.local", "v1"), "v1"),
        (destination_rule("d", "app1", "*cluster.local", "v1"), "v1"),
        (destination_rule("d", "app1", "*.app2.svc.cluster.local", "v1"), ""),
        (destination_rule("d", "app1", WEB.upper(), "v1"), ""),
    ],
)
def test_a_rule_counts_from_the_namespaces_of_gateway_service_and_root(rule: Manifest, found: str):
    assert subsets(behind(rule), "v1") == found


def test_the_gateways_own_namespace_comes_before_the_services_unless_it_is_the_root():
    rules = [
        destination_rule("own", "istio-system", WEB, "own"),
        destination_rule("theirs", "app1", WEB, "theirs"),
        destination_rule("roots", "config", WEB, "roots"),
    ]

    assert subsets(behind(*rules), "own", "theirs", "roots") == "theirs"
    assert subsets(behind(*rules, config="rootNamespace: config"), "own", "theirs") == "own"
    elsewhere = behind(rules[2], config="rootNamespace: config")
    assert subsets(elsewhere, "own", "theirs", "roots") == "roots"


def test_a_private_rule_of_the_root_namespace_is_for_the_gateway_there_first():
    mesh = behind(
        destination_rule("own", "istio-system", WEB, "own", exportTo=["."]),
        destination_rule("theirs", "app1", WEB, "theirs"),
    )

    assert subsets(mesh, "own", "theirs") == "own"


def test_the_mesh_may_keep_rules_private():
    rule = destination_rule("d", "app1", WEB, "v1")

    assert subsets(behind(rule, config="defaultDestinationRuleExportTo: ['.']"), "v1") == ""


def test_of_one_namespace_the_most_specific_host_alone_counts():
    rules = [
        destination_rule("wide", "app1", "*.svc.cluster.local", "v1", "wide"),
        destination_rule("narrow", "app1", "*.app1.svc.cluster.local", "v1", "narrow"),
    ]
    exact = destination_rule("exact", "app1", WEB, "v1", "exact")

    assert subsets(behind(*rules), "v1", "wide", "narrow") == "v1 narrow"
    assert subsets(behind(*rules, exact), "v1", "wide", "narrow", "exact") == "v1 exact"


def test_rules_of_one_host_are_merged_and_the_older_one_has_a_name_first():
    older = destination_rule("z", "app1", WEB, "a", created="2026-01-01")
    newer = destination_rule("y", "app1", WEB, "b", created="2026-01-02")
    newer["spec"]["subsets"].append({"name": "a", "labels": {"version": "none"}})
    mesh = behind(newer, older)

    assert subsets(mesh, "a", "b") == "a b"
    assert state(mesh, f"outbound|80|a|{WEB}")[0] == "no-endpoint"
    assert str(asked(mesh, f"outbound|80|a|{WEB}").made_by) == "DestinationRule app1/z"


def test_rules_exported_to_others_are_not_merged():
    """Of those that are left apart, the last one counts."""
    mesh = behind(
        destination_rule("a", "app1", WEB, "a", exportTo=["istio-system"], created="2026-01-01"),
        destination_rule("b", "app1", WEB, "b", exportTo=["*"], created="2026-01-02"),
    )

    assert subsets(mesh, "a", "b") == "b"


def test_a_rule_exported_to_more_is_merged_into_one_exported_to_less():
    mesh = behind(
        destination_rule("a", "app1", WEB, "a", exportTo=["istio-system"], created="2026-01-01"),
        destination_rule(
            "b", "app1", WEB, "b", exportTo=["istio-system", "app2"], created="2026-01-02"
        ),
    )

    assert subsets(mesh, "a", "b") == "a b"


@pytest.mark.parametrize(
    ("labels", "namespace", "found"),
    [
        (INGRESS, "istio-system", "own"),
        ({"istio": "other"}, "istio-system", "all"),
        (INGRESS, "app1", "all"),
    ],
)
def test_a_workload_selector_takes_gateways_of_its_own_namespace(
    labels: dict[str, str], namespace: str, found: str
):
    mesh = behind(
        destination_rule("own", namespace, WEB, "own", workloadSelector={"matchLabels": labels}),
        destination_rule("all", "istio-system", WEB, "all"),
        config="rootNamespace: config",
    )

    assert subsets(mesh, "own", "all") == found


def test_in_the_root_namespace_a_workload_selector_hides_the_rules_of_all_others():
    """istiod looks at the private rules there, and at no other where one has the host."""
    other = {"matchLabels": {"istio": "other"}}
    mesh = behind(
        destination_rule("own", "istio-system", WEB, "own", workloadSelector=other),
        destination_rule("all", "istio-system", WEB, "all"),
        destination_rule("theirs", "app1", WEB, "theirs"),
    )

    assert subsets(mesh, "own", "all", "theirs") == ""
    assert state(mesh, f"outbound|80|all|{WEB}")[1] == (
        "DestinationRule istio-system/own has a workloadSelector that does not take the gateway,"
        " and still hides subset all of DestinationRule istio-system/all"
    )


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (
            [destination_rule("d", "app2", WEB, "v1")],
            "no DestinationRule that istio-system sees defines subset v1:"
            " DestinationRule app2/d does, and is not taken from its namespace",
        ),
        (
            [destination_rule("d", "app1", WEB, "v1", exportTo=["."])],
            "no DestinationRule that istio-system sees defines subset v1:"
            " DestinationRule app1/d is not exported to it",
        ),
        (
            [destination_rule("d", "app1", WEB, "v2", "v3")],
            "DestinationRule app1/d has no subset v1, only v2, v3",
        ),
        (
            [destination_rule("d", "app1", WEB), destination_rule("e", "app2", WEB, "v1")],
            "DestinationRule app1/d has no subset v1; DestinationRule app2/e has it and does not"
            " count beside it",
        ),
        (
            [
                destination_rule(
                    "d",
                    "istio-system",
                    WEB,
                    "v1",
                    workloadSelector={"matchLabels": {"a": "b"}},
                )
            ],
            "no DestinationRule that istio-system sees defines subset v1: DestinationRule"
            " istio-system/d has a workloadSelector that does not take the gateway",
        ),
        ([], f"no DestinationRule defines subset v1 of {WEB}"),
    ],
)
def test_a_missing_subset_is_explained_by_what_is_there(rules: list[Manifest], reason: str):
    assert state(behind(*rules), f"outbound|80|v1|{WEB}") == ("no-cluster", reason)


def test_a_rule_for_a_wildcard_host_is_taken_for_the_service_entry_of_that_host():
    mesh = mesh_behind_gateway(
        service_entry("x", "app1", "*.x.org", resolution="NONE"),
        destination_rule("d", "app1", "*.x.org", "v1"),
    )

    assert subsets(mesh, "v1", host="*.x.org", port=443) == "v1"


def test_a_gateway_elsewhere_takes_rules_of_its_namespace_first():
    mesh = mesh_behind_gateway(
        pod(namespace="edge"),
        *web(),
        destination_rule("own", "edge", WEB, "own", exportTo=["."]),
        destination_rule("theirs", "app1", WEB, "theirs"),
    )

    assert subsets(mesh, "own", "theirs") == "own"
