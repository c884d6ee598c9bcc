"""SDS005."""

from collections.abc import Iterator, Mapping

from istiodoctor.check import check
from istiodoctor.command import kubectl, within
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
    "SDS005",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"MTLS015", "SDS011", "SDS014", "SDS015", "SNI011"},
)
def gateway_without_verified_identity(mesh: Mesh) -> Iterator[Finding]:
    """A gateway whose identity istiod cannot verify gets no Secrets at all.

    istiod sends Secrets only to a proxy whose identity it has verified by its certificate or its
    token. A gateway that talks to the plaintext port 15010, or presents no token, gets listeners
    and routes but no certificate: every HTTPS connection to it is reset.

    Fix: let the gateway connect to port 15012 of istiod, and give its pod the `istio-token`
    volume that the injection template has. A gateway that istiod knows, but whose cluster it cannot
    read, has another fault (CRED012).

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
    2026-03-01T11:40:00.000000Z	warn	ads	proxy gateway.istio-system is not authorized to receive credscontroller. Ensure you are connecting over TLS port and are authenticated.
    ```

    ```finding
    critical, observed: Pod istio-system/gateway
    hosts: shop.example.com
    istiod could not verify the identity of Pod istio-system/gateway, so it sends it no Secrets:
    every HTTPS connection to it is reset.
    ```

    Other things that istiod says of a gateway are no such trouble:

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

    Sources: istio.io, Security Model; pilot/pkg/xds/sds.go of Istio.
    """  # noqa: E501 - lines of logs are shown whole
    servers = servers_by_workload(mesh)
    for workload, fact in _newest(mesh).items():
        concerned = [server for server in servers.get(workload, ()) if server.terminates_tls]
        yield Finding(
            message=(
                f"istiod could not verify the identity of {workload}, so it sends it no Secrets:"
                f" every HTTPS connection to it is reset."
            ),
            objects=(Place(workload.owner), *(server.place for server in concerned)),
            identity=Identity.of(workload.owner),
            hosts=frozenset(name for server in concerned for name in server.names),
            evidence=(Evidence.of_line(fact.line),),
            fixes=(
                Fix(
                    title="Connect the gateway to port 15012 of istiod, with its token",
                    verify=kubectl("get", "pods", within(workload.namespace), "-o", "yaml"),
                    why=(
                        "Look for discoveryAddress (its port must be 15012) and for the volume"
                        " istio-token: pods that Istio's injection template makes have both."
                    ),
                ),
            ),
            confidence=Confidence.OBSERVED,
            credentials=frozenset(
                (workload.namespace, each.name) for s in concerned for each in s.credentials
            ),
            servers=frozenset(server.id for server in concerned),
        )


@question(logs={Meaning.NO_VERIFIED_IDENTITY})
def _newest(mesh: Mesh) -> Mapping[Workload, LogFact]:
    """Return the last such line about each workload that is still there."""
    found: dict[Workload, LogFact] = {}
    for fact in log_facts(mesh, Meaning.NO_VERIFIED_IDENTITY):
        if workload := workload_of(mesh, fact):
            found[workload] = fact
    return found
