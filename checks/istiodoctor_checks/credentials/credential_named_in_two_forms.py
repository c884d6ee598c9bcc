"""CRED006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import CredentialUse, uses_by_secret
from istiodoctor.mesh.gateways.credential_references import Form
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.model.ref import Place


@check(
    "CRED006",
    severity=Severity.HIGH,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS011", "SDS014", "SNI011"},
)
def credential_named_in_two_forms(mesh: Mesh) -> Iterator[Finding]:
    """One gateway names the same Secret with its namespace and without.

    `shop-cert` and `istio-system/shop-cert` are the same Secret for a gateway in istio-system,
    but Istio before 1.29 mixes them up when one gateway uses both: Envoy goes on waiting for one
    of them, and the hosts that depend on it are reset.

    It happens while Gateways are changed from one form to the other.

    Fix: use one form everywhere.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.28.1"}]}
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
    kind: Gateway
    metadata: {name: api, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [api.example.com]
        tls: {mode: SIMPLE, credentialName: istio-system/shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, api.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Gateway shop/api spec.servers[0].tls.credentialName
    hosts: api.example.com, shop.example.com
    Gateway shop/web server 443 (https) names shop-cert and Gateway shop/api server 443 (https)
    names istio-system/shop-cert: both are Secret istio-system/shop-cert, and Istio before 1.29
    leaves Pod istio-system/gateway waiting for one of them.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.29.0"}]}
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
    kind: Gateway
    metadata: {name: api, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [api.example.com]
        tls: {mode: SIMPLE, credentialName: istio-system/shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, api.example.com
      tls.key: key of shop.example.com
    ```

    Two gateways that have the Secret each in a form of its own do not meet:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.28.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge, namespace: istio-system, labels: {istio: edge}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
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
    kind: Gateway
    metadata: {name: api, namespace: shop}
    spec:
      selector: {istio: edge}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [api.example.com]
        tls: {mode: SIMPLE, credentialName: istio-system/shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, api.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio/istio issue 58146.
    """
    for uses in uses_by_secret(mesh).values():
        for short, long in _mixed(uses):
            version = istiod_version(mesh, short.workload)
            if version is None or not is_in(version, Change.ONE_SECRET_BY_TWO_NAMES):
                yield Finding(
                    message=(
                        f"{short.server} names {short.reference.text} and {long.server} names"
                        f" {long.reference.text}: both are {short.secret}, and Istio before 1.29"
                        f" leaves {short.workload} waiting for one of them."
                    ),
                    objects=(
                        Place(long.server.gateway, long.reference.path),
                        Place(short.server.gateway, short.reference.path),
                        Place(short.workload.owner),
                    ),
                    identity=Identity.of(short.workload.owner, short.secret.path),
                    hosts=short.hosts | long.hosts,
                    evidence=(Evidence(text=f"istiod's version is {version or 'not known'}"),),
                    fixes=(_fix(long),),
                    confidence=Confidence.CERTAIN if version else Confidence.SUSPECTED,
                    credentials=frozenset({short.key}),
                    servers=frozenset({short.server.id, long.server.id}),
                )


def _mixed(uses: tuple[CredentialUse, ...]) -> Iterator[tuple[CredentialUse, CredentialUse]]:
    """Yield, for each workload, every use with a namespace beside one without."""
    plain = [use for use in uses if use.reference.form is Form.KUBERNETES]
    shorts = {use.workload: use for use in plain if not use.reference.namespace}
    for use in plain:
        if use.reference.namespace and use.workload in shorts:
            yield shorts[use.workload], use


def _fix(use: CredentialUse) -> Fix:
    return set_field(
        Place(use.server.gateway, use.reference.path),
        use.name,
        f"Name {use.secret} without its namespace",
    )
