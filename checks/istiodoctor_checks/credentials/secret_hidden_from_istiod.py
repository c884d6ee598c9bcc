"""CRED010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Patch, PatchType, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import CredentialUse, served_credentials
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.control_planes import (
    control_plane_of,
    mesh_config,
    namespace_labels,
)
from istiodoctor.mesh.workloads.grants import selects
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks._secret_fixes import replace_tls_secret

UNWATCHED = frozenset({"helm.sh/release.v1", "kubernetes.io/service-account-token"})


@check(
    "CRED010",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS011", "SDS014", "SNI011"},
)
def secret_hidden_from_istiod(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Secret exists, but istiod does not watch Secrets like it.

    istiod never sees Secrets of the types `helm.sh/release.v1` and
    `kubernetes.io/service-account-token`, and, where the mesh configuration has
    `discoverySelectors`, no Secrets of namespaces whose labels match none of them. It logs that
    the Secret is not found, though it is there, and Envoy resets every connection.

    Fix: make the Secret with the type `kubernetes.io/tls`; give its namespace the label that the
    selectors ask for.

    ```yaml bad
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
    type: helm.sh/release.v1
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert type
    hosts: shop.example.com
    Secret istio-system/shop-cert exists, but istiod does not see it: its type is
    helm.sh/release.v1. Pod istio-system/gateway gets no certificate from it and resets every
    connection.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        discoverySelectors: [{matchLabels: {istio-discovery: enabled}}]
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: edge}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: edge, labels: {istio: ingressgateway}}
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: edge}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Namespace edge metadata.labels
    hosts: shop.example.com
    Secret edge/shop-cert exists, but istiod does not see it: no discoverySelector takes the labels
    of namespace edge. Pod edge/gateway gets no certificate from it and resets every connection.
    ```

    Every other type will do, and a namespace with the label is watched:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        discoverySelectors: [{matchLabels: {istio-discovery: enabled}}]
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: edge, labels: {istio-discovery: enabled}}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: edge, labels: {istio: ingressgateway}}
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: edge}
    type: example.com/tls
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, MeshConfig, discoverySelectors; pilot/pkg/credentials/kube/secrets.go of
    Istio.
    """
    for credential, uses in served_credentials(mesh):
        unwatched = credential.type in UNWATCHED
        unselected = _is_unselected(mesh, uses[0])
        if unwatched or unselected:
            reason = (
                f"its type is {credential.type}"
                if unwatched
                else f"no discoverySelector takes the labels of namespace {credential.namespace}"
            )
            yield Finding(
                message=(
                    f"{credential.ref} exists, but istiod does not see it: {reason}."
                    f" {uses[0].workload} gets no certificate from it and resets every connection."
                ),
                objects=(
                    Place(credential.ref, "/type")
                    if unwatched
                    else Place(
                        Ref(CORE, "Namespace", "", credential.namespace), "/metadata/labels"
                    ),
                    Place(credential.ref),
                    *(Place(use.server.gateway, use.reference.path) for use in uses),
                ),
                identity=Identity.of(credential.ref),
                hosts=frozenset().union(*(use.hosts for use in uses)),
                evidence=(Evidence(text=reason, ref=credential.ref),),
                fixes=(
                    replace_tls_secret(
                        credential, "Make the Secret again, of type kubernetes.io/tls"
                    ),
                )
                if unwatched
                else tuple(_labelled(mesh, uses[0])),
                confidence=_confidence(mesh, uses[0], unwatched=unwatched),
                credentials=frozenset({uses[0].key}),
                servers=frozenset(use.server.id for use in uses),
            )


def _is_unselected(mesh: Mesh, use: CredentialUse) -> bool:
    config = mesh_config(mesh, use.workload)
    labels = namespace_labels(mesh, use.namespace)
    if config is None or labels is None or not config.discovery_selectors:
        return False
    # The API server gives every namespace this label; manifests do not show it.
    every = {"kubernetes.io/metadata.name": use.namespace, **labels}
    return not any(selects(each, every) for each in config.discovery_selectors)


def _confidence(mesh: Mesh, use: CredentialUse, *, unwatched: bool) -> Confidence:
    """Judge istiod's own namespace with care: some releases may watch it in any case."""
    plane = control_plane_of(mesh, use.workload)
    own = plane is None or plane.namespace == use.namespace
    return Confidence.SUSPECTED if own and not unwatched else Confidence.CERTAIN


def _labelled(mesh: Mesh, use: CredentialUse) -> Iterator[Fix]:
    config = mesh_config(mesh, use.workload)
    namespace = Ref(CORE, "Namespace", "", use.namespace)
    for selector in config.discovery_selectors[:1] if config else ():
        if selector.match_labels and not selector.match_expressions:
            labels = dict(selector.match_labels)
            yield Fix(
                title=f"Give {namespace} the labels that istiod selects",
                patches=(
                    Patch(
                        ref=namespace,
                        type=PatchType.MERGE,
                        body={"metadata": {"labels": labels}},
                    ),
                ),
                verify=get(namespace),
                why="istiod then reads everything in that namespace, not this Secret alone.",
            )
