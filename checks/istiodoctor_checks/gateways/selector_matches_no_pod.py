"""GW001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.services import speaks_tls_somewhere
from istiodoctor.mesh.gateways.selection import Unselected, unselected_gateways
from istiodoctor.mesh.gateways.servers import WITH_CREDENTIAL, istio_servers
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import get, set_field
from istiodoctor_checks.text import listing

FOR_CLIENTS = WITH_CREDENTIAL | {TlsMode.PASSTHROUGH}


@check("GW001", severity=Severity.CRITICAL, explains={"SVC012"})
def selector_matches_no_pod(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway's selector matches no running pod, so nothing listens for its hosts.

    istiod configures a Gateway on every pod, in any namespace, that carries all labels of
    `spec.selector`. When there is none, the object is accepted and nothing happens: no listener,
    no log line, and clients get "connection refused" although the gateway pods run.

    The usual cause is a copied `istio: ingressgateway`: the gateway Helm chart labels its pods
    `istio: <release name without "istio-">`, so a release named `istio-ingress` makes
    `istio: ingress`. The other cause is a gateway Deployment scaled to zero.

    Fix: write the labels that the gateway pods carry into `spec.selector`.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-ingress, labels: {istio: ingress}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
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

    ```yaml bad
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: gateway, namespace: istio-ingress}
    spec:
      replicas: 0
      selector: {matchLabels: {istio: ingress}}
      template:
        metadata: {labels: {istio: ingress}}
        spec: {containers: [{name: istio-proxy, image: auto}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingress}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    A selector need not name the namespace of the Gateway, and a Deployment whose pods are not up
    yet is no matter of the selector:

    ```yaml good
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: gateway, namespace: istio-ingress}
    spec:
      replicas: 2
      selector: {matchLabels: {istio: ingress}}
      template:
        metadata: {labels: {istio: ingress, app: istio-ingress}}
        spec: {containers: [{name: istio-proxy, image: auto}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingress}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: istio.io, Installing Gateways and the analysis message IST0101; istio/istio issues
    29680, 42911, 36760, 44972, 47933, 8231.
    """
    for each in unselected_gateways(mesh):
        servers = tuple(istio_servers(each.gateway))
        hosts = frozenset(name for server in servers for name in server.names)
        exclusive = frozenset(
            name
            for server in servers
            if server.mode in FOR_CLIENTS and server.is_tls
            for name in server.names
            if not speaks_tls_somewhere(mesh, name)
        )
        yield Finding(
            message=_message(each),
            objects=(each.gateway.at("/spec/selector"), *_workloads(each)),
            identity=Identity.of(each.gateway.ref),
            hosts=hosts,
            evidence=(Evidence(text=_evidence(each)),),
            fixes=tuple(_fixes(each)),
            severity=Severity.CRITICAL if exclusive else Severity.MEDIUM,
            confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
            servers=frozenset(server.id for server in servers),
        )


def _selector(each: Unselected) -> str:
    return listing(f"{key}: {value}" for key, value in sorted(each.gateway.spec.selector.items()))


def _message(each: Unselected) -> str:
    gateway = each.gateway.ref
    if each.scaled_down:
        names = listing(each.scaled_down)
        return f"{gateway} selects {names} only, which is scaled to 0: no pod serves its hosts."
    if not each.gateway.spec.selector:
        return f"{gateway} is for every gateway pod, and no gateway pod runs: nothing listens."
    found = f"No pod in any namespace has the labels that {gateway} selects ({_selector(each)})"
    if each.near is None:
        return f"{found}: nothing listens for its hosts."
    nearest = listing(f"{key}: {value}" for key, value in each.near.selector.items())
    return f"{found}: nothing listens for its hosts. {each.near.workload} has {nearest}."


def _evidence(each: Unselected) -> str:
    if each.scaled_down:
        return f"replicas is 0 in {listing(each.scaled_down)}"
    return f"pods with {_selector(each)}: none"


def _workloads(each: Unselected) -> Iterator[Place]:
    for workload in each.scaled_down:
        yield Place(workload.owner, "/spec/replicas")
    if each.near:
        yield Place(each.near.workload.owner)


def _fixes(each: Unselected) -> Iterator[Fix]:
    for workload in each.scaled_down:
        owner = workload.owner
        yield Fix(
            title=f"Scale {owner} up",
            risk=Risk.SAFE,
            commands=(kubectl("scale", owner, "--replicas=1"),),
            verify=get(owner),
            undo=kubectl("scale", owner, "--replicas=0"),
        )
    if each.near and each.near.selector:
        yield set_field(
            each.gateway.at("/spec/selector"),
            dict(each.near.selector),
            f"Select the pods of {each.near.workload}",
            why="Make sure that these are the pods behind the address of the hosts.",
        )
