"""CRED012."""

from collections.abc import Iterator, Mapping

from istiodoctor.check import check
from istiodoctor.command import istioctl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place


@check(
    "CRED012",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS011", "SDS014", "SNI011"},
)
def gateway_of_unknown_cluster(mesh: Mesh) -> Iterator[Finding]:
    """A gateway belongs to a cluster whose Secrets istiod cannot read.

    With several clusters istiod reads the Secret of a gateway in the gateway's own cluster. It
    needs a remote secret for that cluster, and the gateway must call the cluster by the same
    name. If not, istiod sends the gateway no certificate at all, and every HTTPS connection to it
    is reset.

    Fix: register the cluster with `istioctl create-remote-secret`, under the name that the
    gateway's `ISTIO_META_CLUSTER_ID` has. A gateway whose identity istiod could not verify has
    another fault (SDS005).

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
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	proxy gateway.istio-system is from an unknown cluster, cannot retrieve certificates: client for cluster east not found
    ```

    ```finding
    critical, observed: Pod istio-system/gateway
    hosts: shop.example.com
    istiod does not know the cluster of Pod istio-system/gateway, so it reads no Secrets for it:
    client for cluster east not found. HTTPS connections to the gateway are reset.
    ```

    ```yaml good
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
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	info	ads	ADS: new delta connection for node:gateway.istio-system-7
    ```

    Sources: istio.io, Install Multi-Primary; pilot/pkg/xds/sds.go of Istio.
    """  # noqa: E501 - lines of logs are shown whole
    servers = servers_by_workload(mesh)
    for workload, fact in _newest(mesh).items():
        concerned = [server for server in servers.get(workload, ()) if server.terminates_tls]
        yield Finding(
            message=(
                f"istiod does not know the cluster of {workload}, so it reads no Secrets for it:"
                f" {fact.reason}. HTTPS connections to the gateway are reset."
            ),
            objects=(Place(workload.owner), *(server.place for server in concerned)),
            identity=Identity.of(workload.owner),
            hosts=frozenset(name for server in concerned for name in server.names),
            evidence=(Evidence.of_line(fact.line),),
            fixes=(
                Fix(
                    title="Register the gateway's cluster with istiod",
                    commands=(istioctl("create-remote-secret", "--name=CLUSTER"),),
                    why=(
                        "CLUSTER is the gateway's ISTIO_META_CLUSTER_ID. Run it against the"
                        " gateway's cluster, and apply what it prints to the cluster of istiod."
                    ),
                ),
            ),
            confidence=Confidence.OBSERVED,
            credentials=frozenset(
                (workload.namespace, each.name) for s in concerned for each in s.credentials
            ),
            servers=frozenset(server.id for server in concerned),
        )


@question(logs={Meaning.UNKNOWN_CLUSTER})
def _newest(mesh: Mesh) -> Mapping[Workload, LogFact]:
    """Return the last such line about each workload that is still there."""
    found: dict[Workload, LogFact] = {}
    for fact in log_facts(mesh, Meaning.UNKNOWN_CLUSTER):
        if fact.proxy and (workload := workload_of(mesh, fact)):
            found[workload] = fact
    return found
