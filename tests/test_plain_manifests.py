"""What manifests that are not everything do not show, no check makes up."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from istiodoctor.engine import Options, scan
from istiodoctor.mesh.facts import Facts
from istiodoctor.mesh.version import Version
from istiodoctor.report import Report, Verdict
from istiodoctor.sources.files import open_files
from istiodoctor.testing.words import NOW
from tests.support.objects import (
    GATEWAY_API,
    ISTIO,
    Manifest,
    gateway,
    https,
    made,
    pod,
    route,
    server,
    service,
    virtual_service,
)
from tests.support.scans import CHECKS, scanned

UNPRIVILEGED = {"ISTIO_META_UNPRIVILEGED_POD": "true"}


def codes(report: Report) -> set[str]:
    return {
        each.code for problem in report.problems for each in (problem.cause, *problem.symptoms)
    }


def plain(folder: Path, *objects: Manifest) -> Report:
    return scanned(folder, *objects, whole_cluster=False)


def whole(folder: Path, *objects: Manifest) -> Report:
    return scanned(folder, *objects, whole_cluster=True)


def test_a_port_that_a_service_may_translate_is_not_taken_for_itself(tmp_path):
    objects = (pod(env=UNPRIVILEGED), gateway("web", "shop", https("a.example.com")))
    elsewhere = service("gateway", "istio-system", {"name": "x", "port": 443, "targetPort": 443})

    assert "GW013" not in codes(plain(tmp_path / "plain", *objects))
    assert "GW013" in codes(whole(tmp_path / "whole", *objects))
    assert "GW013" in codes(plain(tmp_path / "seen", *objects, elsewhere))


def test_a_service_that_was_not_read_may_translate_a_port(tmp_path):
    objects = (pod(env=UNPRIVILEGED), gateway("web", "shop", https("a.example.com")))
    torn = service("gateway", "istio-system", spec={"ports": "none"})

    assert "GW013" not in codes(whole(tmp_path, *objects, torn))


def test_who_ends_tls_before_http_on_443_says_the_service(tmp_path):
    redirect = server(80, "HTTP", "a.example.com", tls={"httpsRedirect": True})
    objects = (pod(), gateway("web", "shop", redirect, server(443, "HTTP", "a.example.com")))
    balancer = service("gateway", "istio-system", 80, 443, spec={"type": "LoadBalancer"})

    assert "GW005" not in codes(plain(tmp_path / "plain", *objects))
    assert "GW005" in codes(plain(tmp_path / "seen", *objects, balancer))


@pytest.mark.parametrize(("host", "expected"), [("*.local", False), ("*", False), ("shop", True)])
def test_a_rule_for_a_wildcard_says_nothing_of_one_for_the_host(tmp_path, host, expected):
    rule = made(ISTIO, "DestinationRule", "rule", "shop", spec={"host": host})
    objects = (
        gateway("web", "shop", server(80, "HTTP", "a.example.com")),
        virtual_service(
            "shop", "shop", "a.example.com", gateways=["web"], http=[route("shop", subset="v1")]
        ),
        service("shop", "shop", 80),
    )

    found = codes(plain(tmp_path / "plain", *objects, rule))

    assert ("VS011" in found) is expected
    assert "VS011" in codes(whole(tmp_path / "whole", *objects, rule))


@pytest.mark.parametrize("servers", [(), (server(443, "HTTPS", tls={"mode": "SIMPLE"}),)])
def test_a_gateway_without_servers_or_hosts_is_what_is_wrong(tmp_path, servers):
    routes = virtual_service(
        "shop", "shop", "a.example.com", gateways=["web"], http=[route("shop")]
    )

    report = plain(tmp_path, gateway("web", "shop", *servers), routes)

    assert [each.cause.code for each in report.problems] == ["OPS008"]
    assert report.verdict is not Verdict.BROKEN


def test_a_template_that_was_passed_over_makes_a_scan_incomplete(tmp_path):
    written = made("v1", "Namespace", "shop", "")
    template = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{ .Values.m }}\n"
    other = "apiVersion: example.com/v1\nkind: Other\nmetadata: {{ .Values.m }}\n"

    unread = {}
    for name, text in (
        ("gateway", template),
        ("any", "{{ range .Values.gateways }}\n"),
        ("other", other),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "template.yaml").write_text(text)
        report = plain(folder, written)
        assert report.verdict is Verdict.INCOMPLETE
        unread[name] = [each.kind for each in report.unread if each.reason == "uncertain"]

    assert unread == {"gateway": ["Gateway"], "any": [""], "other": []}


def test_the_version_that_a_user_gives_counts_where_none_is_seen(tmp_path):
    (tmp_path / "objects.json").write_text(json.dumps({"kind": "List", "items": NODE_PORT}))
    found = {
        version: codes(
            scan(
                open_files(
                    [str(tmp_path)],
                    whole_cluster=False,
                    stdin=None,
                    since=timedelta(hours=1),
                    now=NOW,
                ),
                CHECKS,
                Options(facts=Facts(istio_version=version)),
            )
        )
        for version in (None, Version(1, 14, 3), Version(1, 15, 0))
    }

    assert {version: "VS013" in each for version, each in found.items()} == {
        None: False,
        Version(1, 14, 3): True,
        Version(1, 15, 0): False,
    }


NODE_PORT = [
    pod(image="auto"),
    service("gateway", "istio-system", 443, spec={"type": "NodePort"}),
    gateway("web", "shop", https("*.example.com")),
]


def test_a_namespace_without_its_own_name_as_a_label_has_it(tmp_path):
    """The API server gives it to every namespace (KEP 2161)."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
    listener = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": selector}},
    }
    objects = (
        made("v1", "Namespace", "shop", ""),
        made(
            GATEWAY_API,
            "Gateway",
            "web",
            "edge",
            spec={"gatewayClassName": "istio", "listeners": [listener]},
        ),
        made(
            GATEWAY_API,
            "HTTPRoute",
            "shop",
            "shop",
            spec={
                "parentRefs": [{"name": "web", "namespace": "edge"}],
                "hostnames": ["a.example.com"],
                "rules": [{"backendRefs": [{"name": "shop", "port": 80}]}],
            },
        ),
    )

    assert "GWAPI003" not in codes(whole(tmp_path, *objects))
