"""MTLS002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, name_of
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import (
    ClientCaState,
    ClientCaUse,
    ConfigMapUse,
    client_ca_uses,
    unusable_config_maps,
)
from istiodoctor.mesh.credentials.secret_lookup import misnamed_client_cas
from istiodoctor.mesh.gateways.credential_references import Form, Purpose
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.config_maps import similar_config_maps
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.kubernetes import ConfigMap
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing


@check(
    "MTLS002",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GWAPI011", "GWAPI017", "MTLS015", "SDS011", "SNI011", "SNI012"},
)
def client_ca_missing(mesh: Mesh) -> Iterator[Finding]:
    """A server asks for client certificates, but has no client CA to verify them.

    With `mode: MUTUAL` or `OPTIONAL_MUTUAL` istiod looks for the clients' CA in a Secret called
    `<credentialName>-cacert`; only when that does not exist, in the server's own Secret. Either
    must have the key `cacert` or `ca.crt`. Without it Envoy waits for the CA and resets **every**
    connection, with a client certificate or without.

    Secrets that `kubectl create secret tls` or an ACME issuer makes hold no CA.

    A listener of the Gateway API names the CA: a ConfigMap (or Secret) in `frontendValidation`, or
    for all listeners and for each port in `spec.tls.frontend` of its Gateway. Without a
    certificate in `cacert` or `ca.crt` there, istiod leaves the listener out and says
    `InvalidCACertificateRef`: nothing listens.

    Fix: create the Secret `<credentialName>-cacert` with the key `cacert`, beside the gateway
    pods.

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway shop/web server 443 (https) asks clients for a certificate, but Secret
    istio-system/shop-cert-cacert does not exist, and Secret istio-system/shop-cert has no cacert
    and no ca.crt: there is no CA to check it with, and every connection to shop.example.com is
    reset.
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
        tls: {mode: OPTIONAL_MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      ca.pem: authority Clients
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway shop/web server 443 (https) asks clients for a certificate, but Secret
    istio-system/shop-cert-cacert has no cacert and no ca.crt with a value: there is no CA to check
    it with, and every connection to shop.example.com is reset.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      tls:
        frontend:
          default:
            validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: client-ca}]}
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: clients-ca, namespace: shop}
    data: {other: text}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway API Gateway shop/web
    spec.tls.frontend.default.validation.caCertificateRefs[0]
    hosts: shop.example.com
    Gateway API Gateway shop/web listener 443 (https) asks clients for a certificate, but ConfigMap
    shop/client-ca does not exist: istiod leaves the listener out, and nothing listens for
    shop.example.com.
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
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
    ```

    The CA in the same Secret is as good:

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
      ca.crt: authority Clients
    ```

    Sources: istio.io, Secure Gateways, Key formats; istio/istio issues 47315, 18912, 12132.
    """
    for use in client_ca_uses(mesh):
        if use.state is ClientCaState.MISSING and not misnamed_client_cas(mesh, use):
            yield Finding(
                message=_message(use),
                objects=(
                    use.server.written_at(use.reference.path),
                    *(Place(name) for name in _candidates(use)),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(_candidates(use)[0]),
                hosts=frozenset(use.server.names),
                evidence=(
                    Evidence(text=f"{use.server} has mode {use.server.mode}"),
                    *(
                        Evidence(text=f"its keys are: {listing(each.keys)}", ref=each.ref)
                        for each in filter(None, (use.source,))
                    ),
                ),
                fixes=(_fix(use),),
                credentials=frozenset((use.namespace, each.name) for each in _candidates(use)),
                servers=frozenset({use.server.id}),
                absences=frozenset(
                    (Kind.SECRET, use.namespace, each.name)
                    for each in _candidates(use)
                    if use.source is None or use.source.name == use.compound_name != each.name
                ),
            )
    for config_map_use, fault in unusable_config_maps(mesh):
        yield _without_config_map(mesh, config_map_use, fault)


def _without_config_map(mesh: Mesh, use: ConfigMapUse, fault: str) -> Finding:
    server, wanted = use.server, use.config_map
    is_listener = server.api is GatewayApi.GATEWAY_API
    effect = "istiod leaves the listener out" if is_listener else "there is no CA to check it with"
    hosts = listing(server.names)
    end = (
        f"nothing listens for {hosts}" if is_listener else f"every connection to {hosts} is reset"
    )
    found = mesh.get(ConfigMap, wanted.namespace, wanted.name)
    near = () if found else similar_config_maps(mesh, wanted.namespace, wanted.name)
    return Finding(
        message=(
            f"{server} asks clients for a certificate, but {wanted} {fault}: {effect}, and {end}."
        ),
        objects=(
            server.written_at(use.reference.path),
            Place(wanted),
            *(Place(Ref(CORE, "Secret", *key)) for key in _certificates(use)),
            Place(use.workload.owner),
        ),
        identity=Identity.of(wanted),
        hosts=frozenset(server.names),
        evidence=(
            Evidence(text=f"{server} has mode {server.mode}"),
            *(
                Evidence(text=f"its keys are: {listing(sorted(each.data)) or 'none'}", ref=wanted)
                for each in (found,)
                if each
            ),
            *(Evidence(text=f"there is {each}", ref=each) for each in near),
        ),
        fixes=(_config_map_fix(wanted, exists=found is not None),),
        servers=frozenset({server.id}),
        absences=frozenset({(Kind.CONFIG_MAP, wanted.namespace, wanted.name)})
        if found is None
        else frozenset(),
    )


def _certificates(use: ConfigMapUse) -> Iterator[tuple[str, str]]:
    """Yield the Secrets of the certificates that no client gets to see."""
    for each in use.server.credentials:
        if each.purpose is Purpose.SERVER and each.form in (
            Form.KUBERNETES,
            Form.KUBERNETES_GATEWAY,
        ):
            yield each.namespace or use.workload.namespace, each.name


def _config_map_fix(wanted: Ref, *, exists: bool) -> Fix:
    create = kubectl("create", "configmap", name_of(wanted), "--from-file=ca.crt=ca.pem")
    delete = kubectl("delete", wanted)
    return Fix(
        title=f"Give {wanted} the CA of the clients",
        commands=(delete, create) if exists else (create,),
        verify=kubectl("get", wanted),
        undo=delete,
        why="Needs the CA certificates that sign the clients' certificates, as one PEM file.",
    )


def _candidates(use: ClientCaUse) -> tuple[Ref, ...]:
    """Return the Secrets that istiod looks at, in its order."""
    names = filter(None, (use.dedicated_name, use.compound_name))
    return tuple(Ref(CORE, "Secret", use.namespace, name) for name in names)


def _message(use: ClientCaUse) -> str:
    first, *others = _candidates(use)
    if use.source is None:
        lacking = f"neither {first} nor {others[0]} exists" if others else f"{first} is missing"
    elif use.source.name == first.name:
        lacking = f"{first} has no cacert and no ca.crt with a value"
    else:
        lacking = f"{first} does not exist, and {use.source.ref} has no cacert and no ca.crt"
    return (
        f"{use.server} asks clients for a certificate, but {lacking}: there is no CA to check it"
        f" with, and every connection to {host_listing(use.server.names)} is reset."
    )


def _fix(use: ClientCaUse) -> Fix:
    secret = _candidates(use)[0]
    create = kubectl(
        "create", "secret", "generic", name_of(secret), "--from-file=cacert=client-ca.pem"
    )
    delete = kubectl("delete", secret)
    exists = use.source is not None and use.source.name == secret.name
    return Fix(
        title=f"Give {secret} the CA of the clients",
        commands=(delete, create) if exists else (create,),
        verify=kubectl("get", secret),
        undo=delete,
        why="Needs the CA certificates that sign the clients' certificates, as one PEM file.",
    )
