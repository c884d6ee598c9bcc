"""GW028."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.held_ingresses import ingresses_left_out
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.text import host_listing

TOLD = frozenset({Omission.INGRESS_PORT_UNKNOWN, Omission.INGRESS_WITHOUT_SECRET})


@check("GW028", severity=Severity.CRITICAL, explains={"HTTP017"})
def ingress_part_left_out(mesh: Mesh) -> Iterator[Finding]:
    """A path or a `tls` entry of an Ingress is left out by istiod.

    Of a path whose Service has no port of the name that the Ingress gives, istiod makes no route:
    its requests get 404. A `tls` entry without `secretName` opens no HTTPS server: istiod has no
    default certificate, as other Ingress controllers have.

    Fix: name a port that the Service has, or the Secret of the certificate.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: IngressClass
    metadata: {name: istio}
    spec: {controller: istio.io/ingress-controller}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: shop, namespace: shop}
    spec:
      ingressClassName: istio
      tls: [{hosts: [shop.example.com]}]
      rules:
      - host: shop.example.com
        http:
          paths:
          - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {name: web}}}}
    ```

    ```finding
    critical: Ingress shop/shop spec.rules[0].http.paths[0].backend
    hosts: shop.example.com
    istiod makes nothing of Ingress shop/shop spec.rules[0].http.paths[0].backend: its Service has
    no port of that name. The requests that the path takes get 404 for shop.example.com.

    medium: Ingress shop/shop spec.tls[0]
    hosts: shop.example.com
    istiod makes nothing of Ingress shop/shop spec.tls[0]: it names no Secret. It opens no HTTPS
    for shop.example.com.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: IngressClass
    metadata: {name: istio}
    spec: {controller: istio.io/ingress-controller}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: shop, namespace: shop}
    spec:
      ingressClassName: istio
      tls: [{hosts: [shop.example.com], secretName: shop-cert}]
      rules:
      - host: shop.example.com
        http:
          paths:
          - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {name: http}}}}
    ```

    Sources: istio/istio, pilot/pkg/config/kube/ingress/ingress.go:166, gateways.go:55.
    """
    for left_out in ingresses_left_out(mesh):
        if left_out.omission not in TOLD:
            continue
        place, hosts = left_out.place, left_out.hosts or ("*",)
        yield Finding(
            message=(
                f"istiod makes nothing of {place}: {left_out.because}."
                f" {_effect(left_out)} {host_listing(hosts)}."
            ),
            objects=(place,),
            identity=Identity.of(place.ref, left_out.omission.value),
            hosts=frozenset(hosts),
            evidence=(Evidence(text=f"{place}: {left_out.because}", ref=place.ref),),
            fixes=(
                Fix(
                    title=_title(left_out),
                    commands=(get(place.ref),),
                    why="Which one is meant is not known.",
                ),
            ),
            # Something before the gateway may end TLS for the hosts.
            severity=Severity.MEDIUM if _lacks_secret(left_out) else None,
        )


def _lacks_secret(left_out: LeftOut) -> bool:
    return left_out.omission is Omission.INGRESS_WITHOUT_SECRET


def _effect(left_out: LeftOut) -> str:
    if _lacks_secret(left_out):
        return "It opens no HTTPS for"
    return "The requests that the path takes get 404 for"


def _title(left_out: LeftOut) -> str:
    if _lacks_secret(left_out):
        return "Name the Secret of the certificate"
    return "Name a port that the Service has"
