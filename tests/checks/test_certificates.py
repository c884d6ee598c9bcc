"""What the examples of CERT checks and OPS009 cannot show: whose hosts count, who speaks."""

import json
from datetime import UTC, datetime, timedelta

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.mesh.facts import Facts
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason
from istiodoctor.registry import discover
from istiodoctor.testing.certificates import Authority
from istiodoctor.testing.clusters import cluster, mesh
from istiodoctor.testing.words import NOW

CHECKS = discover().by_code()
CERTIFICATE_CHECKS = sorted(code for code in CHECKS if code.startswith("CERT"))

POD = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
"""


def gateway(hosts: str, credential: str = "credentialName: shop-cert", name: str = "web") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: 443, name: https, protocol: HTTPS}}
    hosts: [{hosts}]
    tls: {{mode: SIMPLE, {credential}}}
"""


def routes(hosts: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec: {{hosts: [{hosts}], gateways: [web], http: [{{route: [{{destination: {{host: web}}}}]}}]}}
"""


def secret(certificate: str, key: str, name: str = "shop-cert", authority: str = "") -> str:
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: istio-system}}
stringData: {{tls.crt: "{certificate}", tls.key: "key of {key}"{authority}}}
"""


SHOP = secret("certificate for shop.example.com", "shop.example.com")


def whole(*documents: str) -> str:
    return "---".join((POD, *documents))


def found(code: str, judged: Mesh) -> list[Finding]:
    return list(CHECKS[code].run(judged))


def speaking(judged: Mesh) -> list[str]:
    return [code for code in CERTIFICATE_CHECKS if found(code, judged)]


def test_hosts_of_routes_behind_a_wildcard_server_are_judged_one_by_one():
    text = whole(gateway('"*.example.com"'), routes("shop.example.com, pay.example.com"), SHOP)

    (finding,) = found("CERT003", mesh(text))

    assert (set(finding.hosts), finding.confidence) == ({"pay.example.com"}, Confidence.CERTAIN)


def test_a_wildcard_server_without_routes_wants_the_wildcard_itself():
    text = whole(gateway('"*.example.com"'), SHOP)

    (finding,) = found("CERT003", mesh(text))

    assert (set(finding.hosts), finding.confidence) == ({"*.example.com"}, Confidence.SUSPECTED)


def test_a_server_for_any_host_is_judged_by_its_routes_and_only_suspected():
    text = whole(gateway('"*"'), routes("shop.example.com, pay.example.com"), SHOP)

    (finding,) = found("CERT003", mesh(text))

    assert (set(finding.hosts), finding.confidence) == ({"pay.example.com"}, Confidence.SUSPECTED)


def test_a_server_for_any_host_without_routes_asks_for_no_name():
    assert speaking(mesh(whole(gateway('"*"'), SHOP))) == []


def test_a_host_that_a_more_specific_server_takes_does_not_count_for_the_wildcard():
    other = secret("certificate for pay.example.com", "pay.example.com", "pay-cert")
    text = whole(
        gateway('"*.example.com"'),
        routes("shop.example.com, pay.example.com"),
        gateway("pay.example.com", "credentialName: pay-cert", "pay"),
        SHOP,
        other,
    )

    assert speaking(mesh(text)) == []


def test_internal_names_without_dots_count():
    (finding,) = found("CERT003", mesh(whole(gateway("intranet"), SHOP)))

    assert finding.hosts == {"intranet"}


def test_hosts_that_are_missed_by_depth_and_by_name_are_told_of_together():
    text = whole(
        gateway("example.com, a.b.example.com, www.example.org"),
        secret("certificate for *.example.com", "*.example.com"),
    )

    (finding,) = found("CERT003", mesh(text))

    assert finding.hosts == {"www.example.org", "example.com", "a.b.example.com"}
    assert finding.subject == Ref("", "Secret", "istio-system", "shop-cert")
    assert (finding.severity or CHECKS["CERT003"].severity) is Severity.CRITICAL
    assert finding.message == (
        "The certificate in Secret istio-system/shop-cert does not name example.com,"
        " a.b.example.com and www.example.org, for which Gateway shop/web server 443 (https)"
        " serves it. Clients refuse it there. *.example.com stands for exactly one label."
    )


def test_a_server_with_two_certificates_is_covered_by_either():
    text = whole(
        gateway("shop.example.com, pay.example.com", "credentialNames: [shop-cert, pay-cert]"),
        SHOP,
        secret("certificate for pay.example.com", "pay.example.com", "pay-cert"),
    )

    assert speaking(mesh(text)) == []


def test_two_gateways_with_one_expired_secret_make_one_finding_with_all_hosts():
    text = whole(
        gateway("shop.example.com"),
        gateway("www.example.com", name="www"),
        secret("certificate for shop.example.com, www.example.com; expired", "shop.example.com"),
    )

    (finding,) = found("CERT001", mesh(text))

    assert (set(finding.hosts), finding.deadline, set(finding.credentials)) == (
        {"shop.example.com", "www.example.com"},
        datetime(2026, 2, 27, 12, tzinfo=UTC),
        {("istio-system", "shop-cert")},
    )


def test_an_expired_secret_that_no_live_server_serves_is_nobodys_fault():
    text = whole(
        gateway("shop.example.com"),
        SHOP,
        secret("certificate for old.example.com; expired", "old.example.com", "old-cert"),
    )

    assert speaking(mesh(text)) == []


def test_an_expired_intermediate_counts_like_an_expired_certificate():
    ended = NOW - timedelta(days=1)
    intermediate = Authority("Old Intermediate", Authority("Old Root"), not_after=ended)
    made = intermediate.issue("shop.example.com").secret("istio-system", "shop-cert")

    (finding,) = found(
        "CERT001", mesh(whole(gateway("shop.example.com"), f"\n{json.dumps(made)}"))
    )

    assert (finding.message.partition(" in ")[0], finding.deadline) == (
        "The intermediate CN=Old Intermediate",
        ended,
    )


def test_a_chain_in_the_wrong_order_is_one_fault_and_its_leaf_is_still_read():
    text = whole(
        gateway("shop.example.com"),
        secret("certificate for shop.example.com; intermediate first", "shop.example.com"),
    )

    assert speaking(mesh(text)) == ["CERT007"]


def test_a_private_authority_that_may_sign_directly_is_not_said_to_lack_an_intermediate():
    text = whole(
        gateway("shop.example.com"),
        secret("certificate for shop.example.com; issued by Shop Root", "shop.example.com"),
    )

    assert speaking(mesh(text)) == []


def test_an_issuer_outside_the_roots_that_the_user_named_is_suspected():
    text = whole(
        gateway("shop.example.com"),
        secret("certificate for shop.example.com; issued by Shop Root", "shop.example.com"),
    )
    facts = Facts(trust_anchors=frozenset({"ab"}), trusted_subjects=frozenset({"CN=Other Root"}))

    (finding,) = found("CERT006", Mesh(cluster(text), facts))

    assert finding.confidence is Confidence.SUSPECTED


def test_a_root_that_the_user_trusts_needs_no_intermediate():
    text = whole(
        gateway("shop.example.com"),
        secret("certificate for shop.example.com; issued by Shop Root", "shop.example.com"),
    )
    facts = Facts(trust_anchors=frozenset({"ab"}), trusted_subjects=frozenset({"CN=Shop Root"}))

    assert speaking(Mesh(cluster(text), facts)) == []


def test_an_intermediate_that_another_chain_holds_is_known_to_be_missing():
    text = whole(
        gateway("shop.example.com"),
        gateway("pay.example.com", "credentialName: pay-cert", "pay"),
        secret("certificate for shop.example.com; leaf only", "shop.example.com"),
        secret("certificate for pay.example.com", "pay.example.com", "pay-cert"),
    )

    (finding,) = found("CERT006", mesh(text))

    assert (finding.identity.name, finding.confidence) == ("shop-cert", Confidence.CERTAIN)


def test_a_curve_is_only_suspected_and_low_where_the_version_is_unknown():
    text = whole(
        gateway("shop.example.com"),
        secret("certificate for shop.example.com; key ec384", "shop.example.com; key ec384"),
    )

    (finding,) = found("CERT012", mesh(text.replace("proxyv2:1.22.3", "proxyv2:latest")))

    assert (finding.severity, finding.confidence) == (Severity.LOW, Confidence.SUSPECTED)


def test_only_the_last_tenth_of_a_lifetime_and_at_most_a_week_is_near_the_end():
    days = timedelta(days=1)
    short = secret("certificate for shop.example.com; expires in 1 days", "shop.example.com")

    def near(text: str, *left: timedelta) -> list[bool]:
        snapshot = cluster(whole(gateway("shop.example.com"), text))
        ((served, _),) = served_credentials(Mesh(snapshot))
        ends = served.leaf.not_after if served.leaf else NOW
        return [bool(found("OPS009", Mesh(snapshot.at(ends - each)))) for each in left]

    assert (near(SHOP, 7.1 * days, 6.9 * days), near(short, 6.1 * days, 5.9 * days)) == (
        [False, True],
        [False, True],
    )


def test_whether_a_certificate_is_being_renewed_is_unknown_while_certificates_are_unread():
    text = whole(
        gateway("shop.example.com"),
        secret("certificate for shop.example.com; expires in 2 days", "shop.example.com"),
    )
    unread = Unread(kind=Kind.CERTIFICATE, reason=UnreadReason.FORBIDDEN)

    (known,) = found("OPS009", mesh(text))
    (unknown,) = found("OPS009", Mesh(cluster(text).plus(Reading(unread=(unread,)))))

    assert "and no renewal is under way." in known.message
    assert known.confidence is Confidence.CERTAIN
    assert (
        "and whether a renewal is under way is unknown, since Certificates were not read."
        in unknown.message
    )
    assert unknown.confidence is Confidence.SUSPECTED


def test_a_secret_beside_it_that_names_the_hosts_is_offered_first():
    text = whole(
        gateway("shop.example.com", "credentialName: pay-cert"),
        gateway("pay.example.com", "credentialName: pay-cert", "pay"),
        secret("certificate for pay.example.com", "pay.example.com", "pay-cert"),
        secret("certificate for shop.example.com; expired", "shop.example.com", "old-cert"),
        SHOP,
    )

    (finding,) = found("CERT003", mesh(text))

    (patch,) = finding.fixes[0].patches
    path = "/spec/servers/0/tls/credentialName"
    assert (patch.ref.name, patch.body) == (
        "web",
        [{"op": "add", "path": path, "value": "shop-cert"}],
    )
