"""BackendTLSPolicies: how a gateway speaks TLS to the backends that they name."""

from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster import Cluster
from istiodoctor.model.kind import GATEWAY_API, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Unread
from istiodoctor.registry import discover
from tests.support.behind_gateway import WEB, asked, mesh_behind_gateway, web, without
from tests.support.objects import GATEWAY_API as GATEWAY_API_V1
from tests.support.objects import (
    Manifest,
    destination_rule,
    gateway,
    https,
    istiod,
    made,
    route,
    server,
    service,
    service_entry,
    virtual_service,
)

CHECKS = discover().by_code()
NAME = f"outbound|80||{WEB}"
SYSTEM = {"hostname": "web.example.org", "wellKnownCACertificates": "System"}
UNREAD = Unread(kind=Kind.BACKEND_TLS_POLICY, namespace="app1")


def behind(*objects: Manifest) -> Mesh:
    """Return a gateway with the newest istiod, unless there is one."""
    has_own = any("istiod" in each["metadata"]["name"] for each in objects)
    return mesh_behind_gateway(*objects, *([] if has_own else [istiod("1.31.0")]))


def policy(
    name: str = "tls", *, to: str = "web", kind: str = "Service", **fields: Any
) -> Manifest:
    """Return a policy of app1; `section` is a port of its target, the rest its validation's."""
    group = "" if kind == "Service" else "networking.istio.io"
    target = {"group": group, "kind": kind, "name": to}
    if section := fields.pop("section", ""):
        target["sectionName"] = section
    created = fields.pop("created", "")
    annotations = fields.pop("annotations", {})
    return made(
        GATEWAY_API_V1,
        "BackendTLSPolicy",
        name,
        "app1",
        created=created,
        annotations=annotations,
        spec={"targetRefs": [target], "validation": {**SYSTEM, **fields}},
    )


def rule(mode: str, name: str = "web", **fields: object) -> Manifest:
    return destination_rule(
        name, "app1", WEB, created="2026-01-01", trafficPolicy={"tls": {"mode": mode}}, **fields
    )


def tls(mesh: Mesh, name: str = NAME) -> tuple[str, str, str]:
    """Return mode, SNI and place of the TLS settings of a cluster."""
    found = asked(mesh, name).tls
    if found is None:
        return ("", "", "")
    return (found.mode.value, found.settings.sni, str(found.place.ref))


def found_by(*objects: Manifest) -> Cluster:
    return asked(behind(*web(), *objects), NAME)


def test_a_policy_has_the_gateway_speak_tls_to_its_service() -> None:
    names = [
        {"type": "Hostname", "hostname": "a.example.org"},
        {"type": "URI", "uri": "spiffe://b"},
        {"type": "Other", "hostname": "c.example.org"},
    ]

    found = found_by(policy(subjectAltNames=names))

    assert found.made_by == Ref(GATEWAY_API, "BackendTLSPolicy", "app1", "tls")
    assert found.tls
    assert str(found.tls.place) == "BackendTLSPolicy app1/tls spec.validation"
    settings = found.tls.settings
    assert (settings.mode, settings.sni, settings.subject_alt_names, settings.credential_name) == (
        "SIMPLE",
        "web.example.org",
        ("a.example.org", "spiffe://b"),
        "",
    )


@pytest.mark.parametrize(
    ("validation", "credential"),
    [
        ({"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}, "ca"),
        (
            {
                "caCertificateRefs": [
                    {"group": "", "kind": "ConfigMap", "name": "first"},
                    {"group": "", "kind": "ConfigMap", "name": "second"},
                ]
            },
            "first",
        ),
    ],
)
def test_the_first_config_map_alone_is_the_authority(
    validation: Manifest, credential: str
) -> None:
    found = found_by(policy(wellKnownCACertificates=None, **validation)).tls

    assert found
    assert found.settings.credential_name == f"configmap://app1/{credential}"


def test_a_secret_is_no_authority_and_nothing_is_trusted() -> None:
    refs = [{"group": "", "kind": "Secret", "name": "ca"}]

    found = found_by(policy(wellKnownCACertificates=None, caCertificateRefs=refs)).tls

    assert found
    assert found.settings.credential_name == "invalid://"


def test_well_known_authorities_come_before_references() -> None:
    refs = [{"group": "", "kind": "Secret", "name": "ca"}]

    found = found_by(policy(caCertificateRefs=refs)).tls

    assert found
    assert found.settings.credential_name == ""


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        ({"to": "other"}, ""),
        ({"section": "http"}, "SIMPLE"),
        ({"section": "gone"}, ""),
        ({"annotations": {"istio.io/ignore-policy-attachment": "True"}}, ""),
    ],
)
def test_a_policy_is_for_the_ports_that_it_names(change: Manifest, mode: str) -> None:
    assert tls(behind(*web(), policy(**change)))[0] == mode


def test_a_section_comes_before_the_whole_and_leaves_other_ports_alone() -> None:
    both = service("web", "app1", {"name": "http", "port": 80}, {"name": "https", "port": 443})
    mesh = behind(
        both,
        policy("whole", hostname="whole.example.org", created="2026-01-01"),
        policy("part", hostname="part.example.org", section="https", created="2026-02-01"),
    )

    assert [tls(mesh, f"outbound|{port}||{WEB}") for port in (80, 443)] == [
        ("SIMPLE", "whole.example.org", "BackendTLSPolicy app1/whole"),
        ("SIMPLE", "part.example.org", "BackendTLSPolicy app1/part"),
    ]


def test_of_policies_for_one_target_the_oldest_counts() -> None:
    young = policy("a", hostname="young.example.org", created="2026-02-01")
    old = policy("b", hostname="old.example.org", created="2026-01-01")

    assert tls(behind(*web(), young, old))[1] == "old.example.org"


def test_a_policy_may_be_for_a_service_entry() -> None:
    entry = service_entry("api", "app1", "api.example.org")
    number = entry["spec"]["ports"][0]["number"]
    mesh = behind(entry, policy(to="api", kind="ServiceEntry"))

    assert tls(mesh, f"outbound|{number}||api.example.org")[0] == "SIMPLE"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.31.0", ("DISABLE", "", "DestinationRule app1/web")),
        ("1.30.0", ("SIMPLE", "web.example.org", "BackendTLSPolicy app1/tls")),
        ("1.27.0", ("DISABLE", "", "DestinationRule app1/web")),
    ],
)
def test_whether_a_destination_rule_comes_before_a_policy_depends_on_the_release(
    version: str, expected: tuple[str, str, str]
) -> None:
    mesh = behind(*web(), istiod(version), rule("DISABLE"), policy())

    assert tls(mesh) == expected


def test_a_policy_sets_the_tls_that_a_destination_rule_leaves_open() -> None:
    silent = destination_rule(
        "web", "app1", WEB, trafficPolicy={"loadBalancer": {"simple": "RANDOM"}}
    )

    assert tls(behind(*web(), silent, policy())) == (
        "SIMPLE",
        "web.example.org",
        "BackendTLSPolicy app1/tls",
    )


@pytest.mark.parametrize(
    ("section", "expected"),
    [("", ("", "", "")), ("http", ("SIMPLE", "web.example.org", "BackendTLSPolicy app1/tls"))],
)
def test_settings_of_a_port_leave_tls_open_to_a_policy_of_that_port_alone(
    section: str, expected: tuple[str, str, str]
) -> None:
    settings = {"portLevelSettings": [{"port": {"number": 80}}]}
    of_port = destination_rule("web", "app1", WEB, trafficPolicy=settings)

    assert tls(behind(*web(), of_port, policy(section=section))) == expected


def test_a_policy_comes_before_a_rule_of_the_root_namespace() -> None:
    of_the_mesh = destination_rule(
        "mesh", "istio-system", WEB, trafficPolicy={"tls": {"mode": "DISABLE"}}
    )

    assert tls(behind(*web(), of_the_mesh, policy()))[0] == "SIMPLE"


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([], "not every BackendTLSPolicy in app1 was read"),
        ([rule("SIMPLE")], ""),
        ([rule("SIMPLE"), istiod("1.30.0")], "not every BackendTLSPolicy in app1 was read"),
        ([istiod("1.27.0")], ""),
    ],
)
def test_what_a_policy_that_was_not_read_could_set_is_unknown(
    objects: list[Manifest], reason: str
) -> None:
    mesh = without(behind(*web(), *objects), UNREAD)

    assert asked(mesh, NAME).tls_unknown_because == reason


def test_policies_elsewhere_are_of_no_account() -> None:
    mesh = without(behind(*web()), Unread(kind=Kind.BACKEND_TLS_POLICY, namespace="app2"))

    assert asked(mesh, NAME).tls_unknown_because == ""


def https_backend(*more: Manifest) -> Mesh:
    """Return a route to a port that speaks TLS."""
    port = {"name": "https", "port": 443, "targetPort": 8443}
    return behind(
        service("web", "app1", port),
        gateway("web", "app1", https("a.com")),
        virtual_service("web", "app1", "a.com", gateways=["web"], http=[route("web")]),
        *more,
    )


def test_a_policy_answers_for_a_port_that_speaks_tls() -> None:
    check = CHECKS["DR001"]

    assert len(list(check.run(https_backend()))) == 1
    assert list(check.run(https_backend(policy()))) == []
    assert list(check.run(without(https_backend(), UNREAD))) == []
    assert Kind.BACKEND_TLS_POLICY in check.needs


def test_tls_inside_tls_by_a_policy_names_the_policy() -> None:
    tls_server = server(443, "TLS", "a.com", tls={"mode": "PASSTHROUGH"})
    rules = [{"match": [{"sniHosts": ["a.com"]}], **route("web")}]
    mesh = behind(
        service("web", "app1", 443),
        gateway("web", "app1", tls_server),
        virtual_service("web", "app1", "a.com", gateways=["web"], tls=rules),
        policy(),
    )

    (finding,) = CHECKS["DR007"].run(mesh)

    assert finding.message == (
        f"TLS for a.com passes through to {WEB}, and BackendTLSPolicy app1/tls encrypts it once"
        " more (SIMPLE): the backend finds TLS inside TLS and closes the connection."
    )
    (fix,) = finding.fixes
    assert (fix.patches, fix.title) == (
        (),
        "Forward what the client encrypted: take the backend out of targetRefs of"
        " BackendTLSPolicy app1/tls",
    )
