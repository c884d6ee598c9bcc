"""SDS009."""

from collections.abc import Iterator, Mapping

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import secret_exists
from istiodoctor.mesh.credentials.secret_lookup import servers_using
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.question import question
from istiodoctor.mesh.targets.wanted import LEGACY_FALLBACK
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks._secret_fixes import SECRET_WHY, make_tls_secret


@check("SDS009", severity=Severity.MEDIUM)
def fallback_certificate_served(mesh: Mesh) -> Iterator[Finding]:
    """An old gateway serves a fallback certificate because the right Secret is missing.

    Up to Istio 1.8 the agent in the gateway pod takes the Secret `gateway-fallback` when the one
    that a Gateway names is missing. Clients are shown a certificate that is not for their host.

    Fix: create the Secret that the Gateway names; remove `gateway-fallback`, which hides such
    mistakes.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.6.14"}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: gateway-fallback, namespace: istio-system}
    stringData:
      tls.crt: certificate for fallback.example.com
      tls.key: key of fallback.example.com
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	info	secretfetcher	Cannot find secret shop-cert, searching for fallback secret gateway-fallback
    ```

    ```finding
    medium, observed: Secret istio-system/shop-cert
    hosts: shop.example.com
    Secret istio-system/shop-cert was not found, so Pod istio-system/gateway serves the certificate
    of Secret istio-system/gateway-fallback in its place: clients get one for another host.
    ```

    Without that Secret nothing is served in its place:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.6.14"}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```log good istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	info	secretfetcher	Cannot find secret shop-cert, searching for fallback secret gateway-fallback
    ```

    Sources: istio/istio issues 18061, 17123.
    """  # noqa: E501 - lines of logs are shown whole
    for (namespace, name), fact in _newest(mesh).items():
        if secret_exists(mesh, namespace, LEGACY_FALLBACK) is not False:
            secret = Ref(CORE, "Secret", namespace, name)
            fallback = Ref(CORE, "Secret", namespace, LEGACY_FALLBACK)
            servers = servers_using(mesh, namespace, name)
            yield Finding(
                message=(
                    f"{secret} was not found, so {fact.line.pod} serves the certificate of"
                    f" {fallback} in its place: clients get one for another host."
                ),
                objects=(
                    Place(secret),
                    Place(fallback),
                    *(server.place for server in servers),
                ),
                identity=Identity.of(secret),
                hosts=frozenset(each for server in servers for each in server.names),
                evidence=(Evidence.of_line(fact.line),),
                fixes=(
                    Fix(
                        title=f"Create {secret}, then remove {fallback}",
                        commands=(
                            make_tls_secret(secret),
                            kubectl("delete", fallback),
                        ),
                        why=SECRET_WHY,
                    ),
                ),
                confidence=Confidence.OBSERVED,
                credentials=frozenset({(namespace, name)}),
                servers=frozenset(server.id for server in servers),
            )


@question(logs={Meaning.LEGACY_SECRET_NOT_FOUND})
def _newest(mesh: Mesh) -> Mapping[tuple[str, str], LogFact]:
    """Return the last line about each Secret for which a fallback was looked for."""
    found: dict[tuple[str, str], LogFact] = {}
    for fact in log_facts(mesh, Meaning.LEGACY_SECRET_NOT_FOUND):
        if "searching for fallback secret" in fact.reason:
            for name in fact.credentials:
                found[fact.namespace or fact.line.pod.namespace, name] = fact
    return found
