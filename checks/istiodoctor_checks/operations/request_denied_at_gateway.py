"""OPS010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks.operations._denials import Denial, denials

PREFLIGHTS = (
    " They are OPTIONS requests, with which browsers ask before one of another origin: such a CORS"
    " preflight carries no token."
)


@check("OPS010", severity=Severity.LOW, explains={"HTTP015"})
def request_denied_at_gateway(mesh: Mesh) -> Iterator[Finding]:
    """An AuthorizationPolicy denies requests at the gateway (403).

    The access log has `403` with `rbac_access_denied_matched_policy`: either a DENY policy
    matched, or ALLOW policies apply to the gateway and none of them matched. That may be what
    the policy is for, so this is a hint for whoever looks for the reason of a 403.

    It is more where an ALLOW policy lists public addresses in `ipBlocks`. These are compared with
    the nearest peer, behind a load balancer a node or the load balancer itself;
    `remoteIpBlocks` are compared with the client's address (from X-Forwarded-For as
    `numTrustedProxies` says, or from the PROXY protocol).

    Where all of them are OPTIONS they are CORS preflights, which carry no token.

    Fix: allow the requests by a rule, or compare `remoteIpBlocks`.

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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: office, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      rules: [{from: [{source: {ipBlocks: [8.8.8.0/24]}}]}]
    ```

    ```log bad istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 403 - rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-" outbound|80||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    ```finding
    medium, observed: AuthorizationPolicy istio-system/office spec.rules[0].from[0].source.ipBlocks
    hosts: shop.example.com
    Pod istio-system/gateway denied requests for shop.example.com (403): no rule of
    AuthorizationPolicy istio-system/office matched them, and AuthorizationPolicy
    istio-system/office spec.rules[0].from[0].source.ipBlocks compares public addresses with the
    nearest peer, which behind a load balancer is not the client.
    ```

    A 403 from the application is its own answer:

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
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: office, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      rules: [{from: [{source: {remoteIpBlocks: [8.8.8.0/24]}}]}]
    ```

    ```log good istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 403 - via_upstream - "-" 0 19 0 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-" outbound|80||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    Sources: istio.io, Authorization Policy, Ingress Access Control; istio/istio issues 35626,
    51896.
    """  # noqa: E501 - lines of logs are shown whole
    for denial in denials(mesh):
        last = denial.facts[-1]
        policies = (
            (Place(denial.policy),)
            if denial.policy
            else tuple(each.at("/spec/rules") for each in denial.allowing)
        )
        owner = Place(denial.workload.owner)
        objects = (*denial.peers, *policies, owner)
        yield Finding(
            message=_message(denial),
            objects=objects,
            identity=Identity.of(objects[0].ref, str(owner.ref.path)),
            hosts=frozenset(denial.hosts),
            evidence=(Evidence.of_line(last.line),),
            fixes=(_fix(denial, objects[0]),),
            severity=Severity.MEDIUM if denial.peers else None,
            confidence=Confidence.OBSERVED,
        )


def _message(denial: Denial) -> str:
    return f"{_denied_message(denial)}{PREFLIGHTS if denial.are_preflights else ''}"


def _denied_message(denial: Denial) -> str:
    where = f"{denial.workload} denied requests for {listing(denial.hosts) or 'its hosts'} (403)"
    if denial.policy:
        return f"{where}: {denial.policy} matched them."
    names = listing(each.ref for each in denial.allowing)
    if not denial.peers:
        return f"{where}: no rule of {names or 'an ALLOW policy'} matched them."
    return (
        f"{where}: no rule of {names} matched them, and {denial.peers[0]} compares public"
        f" addresses with the nearest peer, which behind a load balancer is not the client."
    )


def _fix(denial: Denial, place: Place) -> Fix:
    if denial.peers:
        title = f"Compare remoteIpBlocks instead of ipBlocks in {place.ref}"
    elif denial.policy:
        title = f"Look whether {denial.policy} is meant to deny this"
    else:
        title = "Allow the requests by a rule of an ALLOW policy"
    return Fix(
        title=title,
        commands=(kubectl("get", "authorizationpolicies.security.istio.io", "-A"),),
        verify=get(place.ref),
        why=(
            "The client's address is known to the gateway only with externalTrafficPolicy: Local,"
            " the PROXY protocol, or numTrustedProxies and X-Forwarded-For."
        )
        if denial.peers
        else "",
    )
