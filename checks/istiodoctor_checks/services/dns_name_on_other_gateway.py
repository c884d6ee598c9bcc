"""SVC013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import annotated_hosts, kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor_checks.services._health_checks import DNS_NAME, MisdirectedName, misdirected_names


@check("SVC013", severity=Severity.CRITICAL)
def dns_name_on_other_gateway(mesh: Mesh) -> Iterator[Finding]:
    """A host's DNS name leads to a gateway that does not serve it; another one does.

    Of several gateways, each with a load balancer of its own, only the pods that a Gateway's
    selector takes serve its hosts. external-dns makes records from an annotation of the Service;
    where it stands on the Service of another gateway, clients are sent to pods that know nothing
    of the host and reset the connection.

    Fix: move the annotation to the Service of the gateway that serves the host, or let the
    Gateway select the other pods.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: public, namespace: istio-system, labels: {istio: public}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: partners, namespace: istio-system, labels: {istio: partners}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: public
      namespace: istio-system
      annotations: {external-dns.alpha.kubernetes.io/hostname: "www.example.com,b2b.example.com"}
    spec:
      type: LoadBalancer
      selector: {istio: public}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: partners, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: partners}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: public, namespace: shop}
    spec:
      selector: {istio: public}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com]
        tls: {mode: SIMPLE, credentialName: www-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: partners, namespace: shop}
    spec:
      selector: {istio: partners}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [b2b.example.com]
        tls: {mode: SIMPLE, credentialName: b2b-cert}
    ```

    ```finding
    critical: Service istio-system/public
    metadata.annotations["external-dns.alpha.kubernetes.io/hostname"]
    hosts: b2b.example.com
    Service istio-system/public carries the DNS name b2b.example.com, but its pods (Pod
    istio-system/public) do not serve it: Pod istio-system/partners does, behind Service
    istio-system/partners. Clients are sent to the wrong gateway.
    ```

    A name for everything below a domain suits a gateway that serves some of it, and a name that
    no gateway serves is another matter:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: public, namespace: istio-system, labels: {istio: public}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: partners, namespace: istio-system, labels: {istio: partners}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: public
      namespace: istio-system
      annotations: {external-dns.alpha.kubernetes.io/hostname: "*.example.com,old.example.net"}
    spec:
      type: LoadBalancer
      selector: {istio: public}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: partners
      namespace: istio-system
      annotations: {external-dns.alpha.kubernetes.io/hostname: b2b.example.com}
    spec:
      type: LoadBalancer
      selector: {istio: partners}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: public, namespace: shop}
    spec:
      selector: {istio: public}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com]
        tls: {mode: SIMPLE, credentialName: www-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: partners, namespace: shop}
    spec:
      selector: {istio: partners}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [b2b.example.com]
        tls: {mode: SIMPLE, credentialName: b2b-cert}
    ```

    Sources: external-dns documentation, annotations; istio/istio issue 57270.
    """
    for each in misdirected_names(mesh):
        yield Finding(
            message=(
                f"{each.service.ref} carries the DNS name {each.host}, but its pods"
                f" ({each.workload}) do not serve it: {each.serving} does, behind"
                f" {each.right.ref}. Clients are sent to the wrong gateway."
            ),
            objects=(each.place, Place(each.right.ref), Place(each.serving.owner)),
            identity=Identity.of(each.service.ref, each.host),
            hosts=frozenset({each.host}),
            evidence=(
                Evidence(
                    text=f"{DNS_NAME}: {each.service.metadata.annotations[DNS_NAME]}",
                    ref=each.service.ref,
                ),
                Evidence(text=f"{each.serving} serves {each.host}"),
            ),
            fixes=(_move(each),),
        )


def _move(each: MisdirectedName) -> Fix:
    written = each.right.metadata.annotations.get(DNS_NAME, "")
    names = filter(None, (*map(str.strip, written.split(",")), each.host))
    right = each.right.ref
    return Fix(
        title=f"Put {each.host} on {right}",
        commands=(kubectl("annotate", "--overwrite", right, annotated_hosts(DNS_NAME, names)),),
        why=f"Take it off {each.service.ref} as well, and wait for the old record to expire.",
    )
