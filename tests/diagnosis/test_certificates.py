"""The certificates of a report: stored, in Envoys, on the wire; nothing that was not seen."""

from dataclasses import replace

from istiodoctor.diagnosis.certificates import certificates
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.mesh import Mesh
from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.report import CertificateReport, CertificateSource
from istiodoctor.testing.clusters import cluster
from istiodoctor.testing.envoys import envoy_state
from istiodoctor.testing.observations import handshakes
from istiodoctor.testing.words import NOW, pem

STORED, ENVOY, WIRE = CertificateSource
HOST = "shop.example.com"
NEW, OLD = f"certificate for {HOST}; renewed", f"certificate for {HOST}"
SHOP = Ref(CORE, "Secret", "istio-system", "shop-cert")
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
"""
SECRET = """
---
apiVersion: v1
kind: Secret
metadata: {name: shop-cert, namespace: istio-system}
stringData:
  tls.crt: certificate for shop.example.com; renewed
  tls.key: key of shop.example.com
"""


def snapshot(*pods: str, secret: str = SECRET) -> Snapshot:
    made = (
        f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: istio-system, labels: {{istio: ingressgateway}}}}
spec: {{containers: [{{name: istio-proxy, image: "istio/proxyv2:1.26.5"}}]}}
"""
        for name in pods
    )
    return cluster(GATEWAY + secret + "".join(made))


def envoy(pod: str, words: str, in_use: str = "") -> Reading:
    said = f"""
    secrets:
    - name: kubernetes://shop-cert
      certificate: {words}
      updated: "2026-01-01T08:00:00Z"
      {f"in_use: {in_use}" if in_use else ""}
    """
    return Reading(envoys=(envoy_state(f"istio-system/{pod}", said, taken_at=NOW, pem=pem),))


def listed(found: Snapshot, scope: Scope | None = None) -> tuple[CertificateReport, ...]:
    return certificates(Mesh(found), scope or Scope())


def report(
    words: str, source: CertificateSource, *seen_at: str, has_fingerprint: bool = True
) -> CertificateReport:
    leaf = read_bundle(pem(words).encode()).leaf
    assert leaf
    return CertificateReport(
        credential=SHOP,
        source=source,
        subject_alternative_names=(HOST,),
        not_before=leaf.not_before,
        not_after=leaf.not_after,
        renewal_time=None,
        serial=leaf.serial,
        fingerprint_sha256=leaf.fingerprint_sha256 if has_fingerprint else "",
        seen_at=seen_at,
    )


def test_what_nobody_looked_at_is_not_listed():
    assert listed(snapshot("a")) == (report(NEW, STORED),)


def test_what_pods_hold_is_listed_once_with_all_of_them():
    held = [envoy(name, NEW) for name in ("b", "a")]

    assert listed(snapshot("a", "b").plus(*held)) == (
        report(NEW, STORED),
        report(NEW, ENVOY, "Pod istio-system/a", "Pod istio-system/b"),
    )


def test_an_older_one_that_envoy_kept_is_known_by_its_serial_alone():
    found = listed(snapshot("a").plus(envoy("a", NEW, in_use=OLD)))

    assert set(found) == {
        report(NEW, STORED),
        report(OLD, ENVOY, "Pod istio-system/a", has_fingerprint=False),
    }


def test_the_pod_that_lists_it_whole_lends_its_fingerprint_to_the_others():
    held = [envoy("a", NEW, in_use=OLD), envoy("b", OLD)]

    found = listed(snapshot("a", "b").plus(*held))

    assert set(found) == {
        report(NEW, STORED),
        report(OLD, ENVOY, "Pod istio-system/a", "Pod istio-system/b"),
    }


def test_what_handshakes_show_is_listed_with_the_access_points_at_the_gateway():
    seen = handshakes(
        f"""
        - {{pod: istio-system/a, port: 8443, server: shop/web/0, sni: {HOST},
           gateway: istio-system/a, chain: {OLD}}}
        - {{address: 203.0.113.10, server: shop/web/0, sni: {HOST},
           gateway: istio-system/a, chain: {OLD}}}
        - {{dns: {HOST}, server: shop/web/0, sni: {HOST},
           gateway: istio-system/a, chain: {NEW}}}
        - {{pod: istio-system/a, port: 8443, server: shop/web/0, sni: {HOST},
           gateway: istio-system/a, outcome: reset}}
        """
    )

    found = listed(snapshot("a").plus(Reading(tls_observations=seen)))

    assert set(found) == {
        report(NEW, STORED),
        report(OLD, WIRE, "Pod istio-system/a port 8443", "203.0.113.10:443"),
    }


def test_a_secret_that_could_not_be_had_leaves_what_is_in_use():
    found = listed(snapshot("a", secret="").plus(envoy("a", OLD)))

    assert found == (report(OLD, ENVOY, "Pod istio-system/a"),)


def test_the_first_to_expire_is_the_first():
    soon = f"certificate for {HOST}; expires in 3 days"
    found = listed(snapshot("a").plus(envoy("a", soon)))

    assert [each.source for each in found] == [ENVOY, STORED]


def test_what_was_not_asked_about_is_left_out():
    seen = snapshot("a").plus(envoy("a", OLD))

    assert listed(seen, Scope(hosts=("other.example.com",))) == ()
    assert len(listed(seen, Scope(hosts=(HOST,)))) == 2


def test_what_envoy_waits_for_is_no_certificate():
    waiting = """
    secrets: [{name: "kubernetes://shop-cert", updated: "2026-01-01T08:00:00Z"}]
    """
    state = envoy_state("istio-system/a", waiting, taken_at=NOW, pem=pem)

    assert listed(snapshot("a").plus(Reading(envoys=(state,)))) == (report(NEW, STORED),)


def test_a_date_that_envoy_does_not_tell_comes_last():
    (state,) = envoy("a", NEW, in_use=OLD).envoys
    (loaded,) = state.certificates or ()
    undated = replace(state, certificates=(replace(loaded, not_before=None, not_after=None),))

    *_, last = listed(snapshot("a").plus(Reading(envoys=(undated,))))

    assert (last.source, last.not_before, last.not_after) == (ENVOY, None, None)
