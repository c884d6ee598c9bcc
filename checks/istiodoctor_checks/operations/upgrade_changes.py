"""OPS002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks.operations._upgrade_changes import Effect, Release, upgrade_effects

TEXTS = {
    Release.EXPIRED_NOT_SERVED: (
        "istiod {version} keeps back expired certificates, so {hosts} get no certificate at all"
        " where other releases would serve {ref}",
        "Renew the certificate; 1.18.5 and 1.19.1 serve expired ones again",
    ),
    Release.PLAIN_KEPT_OVER_TLS: (
        "istiod {version} leaves this plain server of {ref} out because an older one of its port"
        " speaks TLS; 1.27.4 and 1.28.1 let it in and leave out the TLS servers after it: {hosts}",
        "Put the plain server on another port before the upgrade",
    ),
    Release.OWN_NAMESPACE_ONLY: (
        "istiod {version} serves {hosts} by the kubernetes-gateway:// reference of {ref}, which is"
        " not in the namespace of the gateway pods; 1.26.5, 1.27.2 and 1.28.0 refuse it there",
        "Move the Gateway to the namespace of its pods before the upgrade",
    ),
    Release.BACKENDS_VERIFIED: (
        "istiod {version} has any certificate accepted from the backend that {ref} speaks TLS to;"
        " 1.21 verifies it with the CAs of the operating system, on which {hosts} then depend",
        "Name the CA (caCertificates or credentialName) before the upgrade",
    ),
}
"""What a release changes, and what to do about it."""


@check("OPS002", severity=Severity.INFO)
def upgrade_changes(mesh: Mesh) -> Iterator[Finding]:
    """An object depends on behaviour that other releases of Istio do not have.

    Reported is what this cluster would feel, with the version of istiod read from its image:

    * 1.18.0 to 1.18.3 and 1.19.0 do not serve expired certificates; all others do.
    * 1.21 verifies the certificates of backends with the CAs of the operating system where a
      DestinationRule with `tls.mode` SIMPLE or MUTUAL names no CA.
    * 1.26.5, 1.27.2 and 1.28.0 refuse `kubernetes-gateway://` references from a Gateway that is
      not in the namespace of its pods.
    * 1.27.4 and 1.28.1 let a plain server onto a port that speaks TLS and leave out the TLS
      servers after it; before, the plain one was left out.

    Fix: change the objects named before the upgrade.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: "kubernetes-gateway://istio-system/shop-cert"}
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: shop, namespace: istio-system}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-system}]
      to: [{group: "", kind: Secret}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    info: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    istiod 1.27.1 serves shop.example.com by the kubernetes-gateway:// reference of Gateway
    shop/web, which is not in the namespace of the gateway pods; 1.26.5, 1.27.2 and 1.28.0 refuse
    it there.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: first, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: plain, namespace: shop, creationTimestamp: "2025-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers: [{port: {number: 443, name: http, protocol: HTTP}, hosts: [old.example.com]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: second, namespace: shop, creationTimestamp: "2025-03-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [api.example.com]
        tls: {mode: SIMPLE, credentialName: api-cert}
    ```

    ```finding
    info: Gateway shop/plain spec.servers[0]
    hosts: api.example.com
    istiod 1.27.1 leaves this plain server of Gateway shop/plain out because an older one of its
    port speaks TLS; 1.27.4 and 1.28.1 let it in and leave out the TLS servers after it:
    api.example.com.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.19.0"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
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
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com; expired
      tls.key: key of shop.example.com
    ```

    ```finding
    info: Secret istio-system/shop-cert
    hosts: shop.example.com
    istiod 1.19.0 keeps back expired certificates, so shop.example.com get no certificate at all
    where other releases would serve Secret istio-system/shop-cert.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.20.4"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    ```finding
    info, suspected: DestinationRule shop/shop spec.trafficPolicy.tls
    hosts: shop.example.com
    istiod 1.20.4 has any certificate accepted from the backend that DestinationRule shop/shop
    speaks TLS to; 1.21 verifies it with the CAs of the operating system, on which shop.example.com
    then depend.
    ```

    What every release does alike is not reported:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.20.4"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: system}}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com; expired
      tls.key: key of shop.example.com
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.4"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: first, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: plain, namespace: shop, creationTimestamp: "2025-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers: [{port: {number: 443, name: http, protocol: HTTP}, hosts: [old.example.com]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: second, namespace: shop, creationTimestamp: "2025-03-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [api.example.com]
        tls: {mode: SIMPLE, credentialName: api-cert}
    ```

    Sources: istio.io, Istio 1.21 Upgrade Notes; istio/istio issues 46868, 47104, pull requests
    57716, 57707.
    """
    for effect in upgrade_effects(mesh):
        text, advice = TEXTS[effect.release]
        yield Finding(
            message=text.format(
                version=effect.version, hosts=host_listing(effect.hosts), ref=effect.place.ref
            )
            + ".",
            objects=(effect.place, Place(effect.workload.owner)),
            identity=Identity.of(effect.place.ref, effect.release),
            hosts=frozenset(effect.hosts),
            evidence=(
                Evidence(
                    text=f"istiod of {effect.workload} is {effect.version}",
                    ref=effect.workload.owner,
                ),
            ),
            fixes=(_fix(effect, advice),),
            confidence=Confidence.CERTAIN
            if effect.release is not Release.BACKENDS_VERIFIED
            else Confidence.SUSPECTED,
        )


def _fix(effect: Effect, advice: str) -> Fix:
    return Fix(
        title=advice,
        verify=kubectl("get", effect.place.ref, "-o", "yaml"),
    )
