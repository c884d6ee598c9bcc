"""Routes, SNI, Gateway API and DestinationRules: what the examples of their checks cannot show."""

import pytest
import yaml

from istiodoctor.diagnosis.merging import merge
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import PatchType
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.facts import Facts, FrontProxy
from istiodoctor.model.decode import decode_object
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, materialized, mesh
from istiodoctor.testing.words import NOW

CHECKS = discover().by_code()

POD = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
---
"""


def gateway(name: str, *hosts: str, namespace: str = "shop", secret: str = "shop-cert") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: 443, name: https, protocol: HTTPS}}
    hosts: {list(hosts)}
    tls: {{mode: SIMPLE, credentialName: {secret}}}
---
"""


def route(name: str, host: str, *gateways: str, to: str = "shop", created: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop{f', creationTimestamp: "{created}"' if created else ""}}}
spec:
  hosts: ["{host}"]
  gateways: {list(gateways)}
  http: [{{route: [{{destination: {{host: {to}}}}}]}}]
---
"""


def secret(name: str, *names: str) -> str:
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: istio-system}}
stringData: {{tls.crt: "certificate for {", ".join(names)}", tls.key: "key of {names[0]}"}}
---
"""


def find(code: str, text: str) -> list[Finding]:
    return list(CHECKS[code].run(mesh(text)))


def find_in_manifests(code: str, text: str) -> list[Finding]:
    """Judge objects as files show them, where no absence is a fact."""
    decoded = [decode_object(materialized(each)) for each in yaml.safe_load_all(text) if each]
    reading = Reading(resources=tuple(e.resource for e in decoded if e and e.resource))
    return list(CHECKS[code].run(Mesh(Snapshot(taken_at=NOW, source="f", readings=[reading]))))


def test_in_plain_manifests_a_gateway_of_another_namespace_is_suspected():
    text = gateway("web", "shop.example.com", namespace="edge") + route(
        "shop", "shop.example.com", "web"
    )

    assert [each.confidence for each in find_in_manifests("VS001", text)] == [Confidence.SUSPECTED]


def test_in_plain_manifests_nothing_is_missing():
    text = gateway("web", "shop.example.com") + route("shop", "shop.example.com", "gone")

    found = [find_in_manifests(code, text) for code in ("VS002", "VS009", "VS010", "VS017")]

    assert found == [[], [], [], []]


def test_a_gateway_elsewhere_without_the_host_is_not_the_one_that_was_meant():
    text = POD + gateway("web", "other.example.com", namespace="edge")
    text += route("shop", "shop.example.com", "web")

    assert (len(find("VS001", text)), len(find("VS002", text))) == (0, 1)


def test_a_lost_reference_does_little_harm_where_other_routes_answer():
    text = POD + gateway("web", "shop.example.com")
    text += route("shop", "shop.example.com", "web") + route("old", "shop.example.com", "gone")

    assert [each.severity for each in find("VS002", text)] == [Severity.MEDIUM]


def test_a_host_that_the_gateway_keeps_for_another_namespace_is_not_called_missing():
    text = POD + gateway("web", "other/shop.example.com")
    text += route("shop", "shop.example.com", "web")

    assert find("VS003", text) == []


def test_a_service_that_is_gone_is_one_problem_for_all_its_routes():
    text = POD + gateway("web", "*.example.com")
    text += route("a", "a.example.com", "web", to="gone") + route(
        "b", "b.example.com", "web", to="gone"
    )

    findings = find("VS009", text)

    assert {each.identity for each in findings} == {Identity("Service", "shop", "gone")}
    assert frozenset().union(*(e.hosts for e in findings)) == {"a.example.com", "b.example.com"}


def test_without_creation_times_it_is_not_known_which_virtual_service_wins():
    text = POD + gateway("web", "shop.example.com")
    old, new = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
    one = route("a", "shop.example.com", "web", to="a", created=old)
    two = route("b", "shop.example.com", "web", to="b", created=new)
    untimed = route("a", "shop.example.com", "web", to="a") + route(
        "b", "shop.example.com", "web", to="b"
    )

    assert [e.confidence for e in find("VS008", text + one + two)] == [Confidence.CERTAIN]
    assert [e.confidence for e in find("VS008", text + untimed)] == [Confidence.SUSPECTED]


def many_hosts(count: int) -> str:
    return secret("shop-cert", "*.example.com") + "".join(
        gateway(f"g{i}", f"h{i}.example.com") + route(f"r{i}", f"h{i}.example.com", f"g{i}")
        for i in range(count)
    )


def test_servers_that_share_a_certificate_are_one_problem_however_many():
    runs = run_checks([CHECKS["SNI003"]], Mesh(cluster(POD + many_hosts(5))), cluster(POD))

    merged = merge(runs)

    assert [len(each.hosts) for each in merged] == [5]
    assert merged[0].identity == Identity("Secret", "istio-system", "shop-cert")


def test_two_copies_of_a_wildcard_certificate_are_one_problem_too():
    text = POD + secret("one", "*.example.com") + secret("two", "*.example.com")
    text += gateway("a", "a.example.com", secret="one") + route("a", "a.example.com", "a")
    text += gateway("b", "b.example.com", secret="two") + route("b", "b.example.com", "b")

    assert [each.credentials for each in find("SNI003", text)] == [
        frozenset({("istio-system", "one"), ("istio-system", "two")})
    ]


def test_servers_with_certificates_of_their_own_are_no_problem():
    text = POD + secret("one", "a.example.com") + secret("two", "b.example.com")
    text += gateway("a", "a.example.com", secret="one") + route("a", "a.example.com", "a")
    text += gateway("b", "b.example.com", secret="two") + route("b", "b.example.com", "b")

    assert find("SNI003", text) == []


def test_merging_servers_of_one_gateway_is_a_single_patch():
    text = POD + secret("shop-cert", "*.example.com")
    text += """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: a, protocol: HTTPS}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
  - port: {number: 443, name: b, protocol: HTTPS}
    hosts: [b.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
"""
    # A VirtualService of the same Gateway is bound to both servers, each for its own host.
    text += route("a", "a.example.com", "web") + route("b", "b.example.com", "web")

    (finding,) = find("SNI003", text)

    assert [(each.type, each.body) for each in finding.fixes[0].patches] == [
        (
            PatchType.JSON,
            [
                {
                    "op": "add",
                    "path": "/spec/servers/0/hosts",
                    "value": ["a.example.com", "b.example.com"],
                },
                {"op": "remove", "path": "/spec/servers/1"},
            ],
        )
    ]


def test_a_front_proxy_without_server_name_breaks_only_hosts_that_need_one():
    facts = Facts(front_proxies=(FrontProxy(hosts=("*.example.com",), sends_sni=False),))
    named = cluster(POD + gateway("web", "shop.example.com"))
    every = cluster(POD + gateway("web", "*"))

    found = [list(CHECKS["SNI002"].run(Mesh(each, facts))) for each in (named, every)]

    assert [[each.hosts for each in findings] for findings in found] == [
        [frozenset({"shop.example.com"})],
        [],
    ]


def listener(conditions: str, generation: int = 2, grants: str = "") -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web, namespace: shop, generation: {generation}}}
spec:
  gatewayClassName: istio
  listeners:
  - name: https
    hostname: shop.example.com
    port: 443
    protocol: HTTPS
    tls: {{certificateRefs: [{{name: shop-cert, namespace: certs}}]}}
status: {{listeners: [{{name: https, conditions: [{conditions}]}}]}}
---
{grants}
"""


def test_where_grants_were_not_read_istiods_own_word_counts_while_it_is_current():
    said = '{type: ResolvedRefs, status: "False", reason: RefNotPermitted, observedGeneration: 2}'

    assert len(find_in_manifests("GWAPI001", listener(said))) == 1
    assert find_in_manifests("GWAPI001", listener(said, generation=3)) == []
    assert find_in_manifests("GWAPI001", listener("")) == []


def test_a_subset_s_tls_settings_come_before_those_of_the_host():
    text = POD + gateway("web", "shop.example.com")
    text += """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop, subset: v1}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop, namespace: shop}
spec:
  host: shop
  trafficPolicy: {tls: {mode: SIMPLE}}
  subsets: [{name: v1, trafficPolicy: {tls: {mode: DISABLE}}}, {name: v2}]
"""
    other = text.replace("subset: v1", "subset: v2")

    assert (len(find("DR002", text)), len(find("DR002", other))) == (0, 1)


def test_a_wrong_gateway_name_is_replaced_not_joined_by_the_right_one():
    text = POD + gateway("web", "shop.example.com", namespace="edge")
    text += route("shop", "shop.example.com", "web")

    (finding,) = find("VS001", text)

    assert finding.fixes[0].patches[0].body == [
        {"op": "replace", "path": "/spec/gateways/0", "value": "edge/web"}
    ]


def test_one_rule_that_envoy_refuses_takes_the_routes_of_all_hosts_beside_it_along():
    wrong = route("wrong", "a.example.com", "web").replace(
        "http: [{", "http: [{fault: {abort: {httpStatus: 1000, percentage: {value: 1}}}, "
    )
    text = POD + gateway("web", "a.example.com", "b.example.com") + wrong

    (found,) = find("VS018", text + route("right", "b.example.com", "web"))

    assert str(found.objects[0]) == "VirtualService shop/wrong spec.http[0]"
    assert found.hosts == {"a.example.com", "b.example.com"}
    assert (found.severity, found.confidence) == (Severity.CRITICAL, Confidence.CERTAIN)
    assert not find("VS018", text.replace("1000", "500"))


PASSED_ON = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: passed, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: tls, protocol: TLS}
    hosts: [a.example.com]
    tls: {mode: PASSTHROUGH}
---
"""


@pytest.mark.parametrize(
    ("beside", "severity", "ending"),
    [
        ("", Severity.CRITICAL, "the handshake for a.example.com is reset."),
        (
            gateway("web", "*.example.com"),
            Severity.MEDIUM,
            "TLS for a.example.com ends at Gateway shop/web server 443 (https) instead.",
        ),
    ],
)
def test_tls_that_no_rule_passes_on_ends_at_a_wider_server_where_there_is_one(
    beside: str, severity: Severity, ending: str
):
    (found,) = find("VS006", POD + PASSED_ON + route("a", "a.example.com", "passed") + beside)

    assert found.severity is severity
    assert found.message.endswith(ending)


def test_names_that_are_skipped_with_one_that_others_have_are_not_passed_on():
    rules = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: passed, namespace: shop}
spec:
  hosts: [a.example.com, b.example.com]
  gateways: [passed]
  tls:
  - match: [{sniHosts: [a.example.com]}]
    route: [{destination: {host: shop}}]
  - match: [{sniHosts: [a.example.com, b.example.com]}]
    route: [{destination: {host: other}}]
---
"""
    text = POD + PASSED_ON.replace("hosts: [", "hosts: [b.example.com, ") + rules

    assert [each.hosts for each in find("SNI006", text)] == [{"a.example.com"}]
    assert [each.hosts for each in find("SNI005", text)] == [{"b.example.com"}]


def test_a_header_with_a_command_that_envoy_does_not_know_takes_every_host_of_the_port_along():
    wrong = route("wrong", "a.example.com", "web").replace(
        "http: [{", 'http: [{headers: {response: {set: {x-by: "%HOST%"}}}, '
    )
    text = POD + gateway("web", "a.example.com", "b.example.com") + wrong

    (found,) = find("VS018", text)

    assert found.message.endswith(
        "for one rule, VirtualService shop/wrong spec.http[0]: the header x-by cannot be"
        " '%HOST%': Envoy has no command HOST. It keeps the last that it had, and a new pod"
        " does not open the port."
    )
    assert found.hosts == {"a.example.com", "b.example.com"}
    assert (found.severity, found.confidence) == (Severity.CRITICAL, Confidence.CERTAIN)
    assert not find("VS018", text.replace("%HOST%", "%HOSTNAME%"))
