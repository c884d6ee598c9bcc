"""SDS007."""

from collections.abc import Iterator, Mapping

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place


@check("SDS007", severity=Severity.CRITICAL, claims=Claim.NO_HANDSHAKE, explains={"SNI011"})
def identity_refused_by_spire(mesh: Mesh) -> Iterator[Finding]:
    """A gateway asks SPIRE for a certificate that SPIRE does not give out.

    Where SPIRE issues the mesh's identities, its agent answers what Envoy asks of the local SDS
    socket. A Gateway with file paths (`serverCertificate`) makes Envoy ask that socket for
    `file-cert:…`, which SPIRE does not know: `workload is not authorized for the requested
    identities`. Envoy has no certificate for those hosts and resets every connection.

    Fix: use `credentialName`, which istiod serves, or register that identity with SPIRE.

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
        tls: {mode: SIMPLE, serverCertificate: /etc/tls/tls.crt, privateKey: /etc/tls/tls.key}
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_stream.h:188	StreamSecrets gRPC config stream to sds-grpc closed: 7, workload is not authorized for the requested identities ["file-cert:/etc/tls/tls.crt~/etc/tls/tls.key"]
    ```

    ```finding
    critical, observed: Gateway shop/web spec.servers[0].tls.serverCertificate
    hosts: shop.example.com
    SPIRE refuses file-cert:/etc/tls/tls.crt~/etc/tls/tls.key to Pod istio-system/gateway: Envoy
    gets no certificate from there, and resets the connections that need it.
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
        tls: {mode: SIMPLE, serverCertificate: /etc/tls/tls.crt, privateKey: /etc/tls/tls.key}
    ```

    ```log good istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	info	cache	read certificate from file	resource=file-cert:/etc/tls/tls.crt~/etc/tls/tls.key
    ```

    Sources: istio/istio issues 40364, 54220; istio.io, SPIRE.
    """  # noqa: E501 - lines of logs are shown whole
    for (workload, resource), fact in _newest(mesh).items():
        servers = [
            each
            for each in servers_by_workload(mesh).get(workload, ())
            if _names_file(each, resource)
        ]
        yield Finding(
            message=(
                f"SPIRE refuses {resource} to {workload}: Envoy gets no certificate from there,"
                f" and resets the connections that need it."
            ),
            objects=(
                *(each.field("/tls/serverCertificate") for each in servers),
                Place(workload.owner),
            ),
            identity=Identity.of(workload.owner, resource),
            hosts=frozenset(name for each in servers for name in each.names),
            evidence=(Evidence.of_line(fact.line),),
            fixes=(
                Fix(
                    title="Use credentialName instead of file paths",
                    why="istiod serves it from a Secret beside the gateway pods, past SPIRE.",
                ),
            ),
            confidence=Confidence.OBSERVED,
            servers=frozenset(each.id for each in servers),
        )


@question(logs={Meaning.SPIRE_UNAUTHORIZED})
def _newest(mesh: Mesh) -> Mapping[tuple[Workload, str], LogFact]:
    found: dict[tuple[Workload, str], LogFact] = {}
    for fact in log_facts(mesh, Meaning.SPIRE_UNAUTHORIZED):
        if workload := workload_of(mesh, fact):
            found[workload, fact.resource] = fact
    return found


def _names_file(server: Server, resource: str) -> bool:
    path = server.tls.server_certificate if server.tls else ""
    return bool(path) and path in resource
