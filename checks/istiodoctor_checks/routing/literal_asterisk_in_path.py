"""VS007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.workloads.names import MESH
from istiodoctor.model.istio import StringMatch, VirtualService
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("VS007", severity=Severity.HIGH)
def literal_asterisk_in_path(mesh: Mesh) -> Iterator[Finding]:
    """A path match has an asterisk, which stands for itself and for nothing else.

    `prefix` and `exact` compare the path as it is written: `prefix: /api/*` takes `/api/*` and
    never `/api/orders`. The requests go to the next rule, or get 404.

    Fix: `prefix: /api/`, or `regex: /api/.*` where a pattern is meant.

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - match: [{uri: {prefix: "/api/*"}}]
        route: [{destination: {host: api}}]
    ```

    ```finding
    high: VirtualService shop/shop spec.http[0].match[0].uri.prefix
    hosts: shop.example.com
    VirtualService shop/shop matches the prefix /api/*, in which the asterisk stands for itself:
    requests for shop.example.com that are meant by it miss the rule and get another one, or 404.
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
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: ["*.example.com"]
      gateways: [web]
      http:
      - match: [{uri: {prefix: /api/}}, {uri: {regex: "/v[0-9]+/.*"}}]
        route: [{destination: {host: api}}]
    ```

    Sources: istio.io, VirtualService (StringMatch); istio/istio issues 7018, 33020.
    """
    for source in virtual_services(mesh):
        if all(gateway == MESH for gateway in source.spec.gateways):
            continue
        for place, kind, match in _asterisks(source):
            text = getattr(match, kind)
            yield Finding(
                message=(
                    f"{source.ref} matches the {kind} {text}, in which the asterisk stands for"
                    f" itself: requests for {host_listing(source.spec.hosts)} that are meant by it"
                    f" miss the rule and get another one, or 404."
                ),
                objects=(place,),
                identity=Identity.of(source.ref, text),
                hosts=frozenset(source.spec.hosts),
                evidence=(Evidence(text=f"{place} is {text}", ref=source.ref),),
                fixes=(_fix(place, text),),
            )


def _asterisks(source: VirtualService) -> Iterator[tuple[Place, str, StringMatch]]:
    for i, rule in enumerate(source.spec.http):
        for j, match in enumerate(rule.match):
            for kind in ("prefix", "exact"):
                if match.uri and "*" in (getattr(match.uri, kind) or ""):
                    yield source.at(f"/spec/http/{i}/match/{j}/uri/{kind}"), kind, match.uri


def _fix(place: Place, text: str) -> Fix:
    uri = Place(place.ref, place.path.rpartition("/")[0])
    if text.endswith("*") and "*" not in text[:-1]:
        prefix = text[:-1] or "/"
        return set_field(uri, {"prefix": prefix}, f"Match the prefix {prefix}")
    pattern = text.replace(".", "\\.").replace("*", ".*")
    return set_field(uri, {"regex": pattern}, f"Match the pattern {pattern}")
