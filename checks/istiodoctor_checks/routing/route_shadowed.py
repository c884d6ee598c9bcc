"""VS008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch, remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.match_translation import EVERYTHING
from istiodoctor.mesh.configuration.precedence import Precedence
from istiodoctor.mesh.requests.route_text import conditions
from istiodoctor.model.kind import GATEWAY_API
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.routing._shadowed_rules import Shadow, shadowed_rules


@check("VS008", severity=Severity.HIGH)
def route_shadowed(mesh: Mesh) -> Iterator[Finding]:
    """A routing rule never applies because another rule takes the same requests before it.

    Within one VirtualService the first rule that matches wins, so nothing after a rule without
    `match` (or with the prefix `/`) is ever used, nor a rule whose matches earlier ones take: the
    same match once more, `/api/v2` after the prefix `/api`, a header asked for after a rule that
    asks for none. Several VirtualServices for one host on one
    Gateway are put together: their rules are appended in the order of age, those that take
    everything are moved to the end, and of two equal matches the older VirtualService wins. A
    VirtualService that `exportTo` shows to the gateway's namespace alone goes before one that all
    namespaces see, and the routes of an older Gateway on a port before those of a younger one.

    The rules of HTTPRoutes for one hostname on one listener are put together too, narrower matches
    first whatever object they are in; of two equal matches the older HTTPRoute wins.

    Fix: put specific rules first and one catch-all rule last; keep one VirtualService per host,
    or delegate parts of it. Of two HTTPRoutes, give one another match or another hostname.

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
      - route: [{destination: {host: shop}}]
      - match: [{uri: {prefix: /api}}]
        route: [{destination: {host: api}}]
    ```

    ```finding
    high: VirtualService shop/shop spec.http[1]
    hosts: shop.example.com
    VirtualService shop/shop: the rule /spec/http/0 takes every request, so those after it (http/1)
    never apply to shop.example.com.
    ```

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
    metadata: {name: old, namespace: shop, creationTimestamp: "2024-05-01T08:00:00Z"}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop-old}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: new, namespace: shop, creationTimestamp: "2026-02-01T08:00:00Z"}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop-new}}]}]
    ```

    ```finding
    high: VirtualService shop/new spec.http[0]
    hosts: shop.example.com
    VirtualService shop/old and VirtualService shop/new both answer for shop.example.com on Gateway
    shop/web server 443 (https) with rules for the same requests; the older one wins, and
    VirtualService shop/new spec.http[0] never applies.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop-old, namespace: shop}
    spec: {selector: {app: old}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop-new, namespace: shop}
    spec: {selector: {app: new}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: old, namespace: shop, creationTimestamp: "2024-05-01T08:00:00Z"}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop-old, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: new, namespace: shop, creationTimestamp: "2026-02-01T08:00:00Z"}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop-new, port: 80}]}]
    ```

    ```finding
    high: HTTPRoute shop/new spec.rules[0]
    hosts: shop.example.com
    HTTPRoute shop/old and HTTPRoute shop/new both answer for shop.example.com on Gateway API
    Gateway shop/web listener 80 (http) with rules for the same requests; the older one wins, and
    HTTPRoute shop/new spec.rules[0] never applies.
    ```

    A narrower match has to stand first:

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
      - match: [{uri: {prefix: /api}}]
        route: [{destination: {host: api}}]
      - match: [{uri: {prefix: /api/v2}, method: {exact: POST}}]
        route: [{destination: {host: api-v2}}]
      - route: [{destination: {host: shop}}]
    ```

    ```finding
    medium: VirtualService shop/shop spec.http[1]
    hosts: shop.example.com
    VirtualService shop/shop spec.http[1] (uri prefix /api/v2, method exact POST) never applies to
    shop.example.com: spec.http[0] (uri prefix /api) stands before it and takes the same requests.
    ```

    An older VirtualService's catch-all does not stand before a younger one's specific rules, and
    a rule for another port is no catch-all:

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop, creationTimestamp: "2024-05-01T08:00:00Z"}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - match: [{port: 80}]
        redirect: {scheme: https}
      - route: [{destination: {host: shop}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: api, namespace: shop, creationTimestamp: "2026-02-01T08:00:00Z"}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - match: [{uri: {prefix: /api}}]
        route: [{destination: {host: api}}]
    ```

    Nor does an older HTTPRoute's catch-all stand before a younger one's narrower match:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop-old, namespace: shop}
    spec: {selector: {app: old}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop-new, namespace: shop}
    spec: {selector: {app: new}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: old, namespace: shop, creationTimestamp: "2024-05-01T08:00:00Z"}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop-old, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: new, namespace: shop, creationTimestamp: "2026-02-01T08:00:00Z"}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules:
      - matches: [{path: {type: PathPrefix, value: /api}}]
        backendRefs: [{name: shop-new, port: 80}]
    ```

    Sources: istio.io, Traffic Management Best Practices (Split large virtual services),
    VirtualServiceUnreachableRule (IST0130); gateway-api.sigs.k8s.io, HTTPRouteRule (precedence).
    """
    for shadow in shadowed_rules(mesh):
        loser = shadow.losing
        yield Finding(
            message=_across(shadow) if shadow.server else _within(shadow),
            objects=(*(each.place for each in shadow.losers), shadow.winner.place),
            identity=Identity.of(loser, shadow.hosts[0] if shadow.server else ""),
            hosts=frozenset(shadow.hosts),
            evidence=tuple(_evidence(shadow)),
            fixes=tuple(_merged(shadow) if shadow.server else _reordered(shadow)),
            severity=_severity(shadow),
            confidence=Confidence.CERTAIN if shadow.order_is_known else Confidence.SUSPECTED,
        )


def _severity(shadow: Shadow) -> Severity:
    """Say how grave it is: what takes every request, or two objects of which one is in vain."""
    if shadow.taken is None or (shadow.server and shadow.is_equal):
        return Severity.HIGH
    return Severity.MEDIUM if shadow.leads_elsewhere else Severity.LOW


def _conditions(shadow: Shadow) -> tuple[str, str]:
    """Return what the winner takes, and what the first of the losers asks for."""
    winner, loser = (
        conditions(match or EVERYTHING, is_api=ref.group == GATEWAY_API)
        for match, ref in ((shadow.taken, shadow.winning), (shadow.asked, shadow.losing))
    )
    return winner, loser


def _evidence(shadow: Shadow) -> Iterator[Evidence]:
    if shadow.taken is not None:
        taken, asked = _conditions(shadow)
        loser = shadow.losers[0].place
        yield Evidence(text=f"{shadow.winner.place} takes {taken}", ref=shadow.winner.place.ref)
        yield Evidence(text=f"{loser} asks for {asked}", ref=loser.ref)


def _within(shadow: Shadow) -> str:
    hosts = host_listing(shadow.hosts)
    if shadow.taken is None:
        numbers = listing(each.place.path.rpartition("/")[2] for each in shadow.losers)
        return (
            f"{shadow.winning}: the rule {shadow.winner.place.path} takes every"
            f" request, so those after it (http/{numbers}) never apply to {hosts}."
        )
    taken, asked = _conditions(shadow)
    winner, loser = shadow.winner.place, shadow.losers[0].place
    first = winner.field if winner.ref == loser.ref else str(winner)
    effect = "never applies" if shadow.is_whole else "applies to other requests only"
    return (
        f"{loser} ({asked}) {effect} to {hosts}: {first} ({taken}) stands before it and takes the"
        " same requests."
    )


def _across(shadow: Shadow) -> str:
    effect = "never applies" if shadow.is_whole else "applies to other requests only"
    requests = "rules for the same requests"
    if not shadow.is_equal:
        taken, asked = _conditions(shadow)
        requests = f"rules of which one ({taken}) takes what the other ({asked}) asks for"
    return (
        f"{shadow.winning} and {shadow.losing} both answer for"
        f" {host_listing(shadow.hosts)} on {shadow.server} with {requests};"
        f" {_order(shadow)}, and {shadow.losers[0].place} {effect}."
    )


def _order(shadow: Shadow) -> str:
    wins = "wins" if shadow.order_is_known else "would win"
    match shadow.precedence:
        case Precedence.VISIBILITY:
            return f"the one that exportTo shows to fewer namespaces {wins}"
        case Precedence.GATEWAY_AGE:
            return f"the one of the older Gateway {wins}"
        case _:
            return f"the older one {wins}"


def _reordered(shadow: Shadow) -> Iterator[Fix]:
    winner, loser = shadow.winner.place, shadow.losers[-1].place
    if shadow.taken is None:
        yield json_patch(
            winner.ref,
            [{"op": "move", "from": winner.path, "path": loser.path}],
            "Move the rule that takes everything to the end",
            why="The rules after it come into force: see that their destinations are ready.",
        )
    elif shadow.is_equal or winner.ref != loser.ref:
        yield Fix(
            title=f"Decide which of {winner} and {loser} is meant",
            why="The other one has to go, or to match something narrower.",
        )
        if shadow.is_whole and shadow.keeps_others:
            yield remove_field(loser, "Remove the rule that never applies")
    elif shadow.losing.kind == "VirtualService":
        yield json_patch(
            winner.ref,
            [{"op": "move", "from": loser.path, "path": winner.path}],
            "Move the narrower rule before the wider one",
            why="It comes into force: see that its destinations are ready.",
        )


def _merged(shadow: Shadow) -> Iterator[Fix]:
    winner, loser = shadow.winner, shadow.losers[0]
    kinds = {shadow.winning.kind, shadow.losing.kind}
    title = f"Put the rules for {host_listing(shadow.hosts)} into one VirtualService"
    if kinds != {"VirtualService"}:
        title = f"Leave these requests for {host_listing(shadow.hosts)} to one of the two"
    yield Fix(
        title=title,
        why=(
            f"Decide which of {winner.place} and {loser.place} is meant; the other one has to go"
            " or to match something narrower."
        ),
    )
    if shadow.is_whole and shadow.keeps_others:
        yield remove_field(loser.place, "Remove the rule that never applies")
