"""CRED013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import secret_exists
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import WITH_CREDENTIAL, Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import ServerTls
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing
from istiodoctor_checks._secret_fixes import create_tls_secret

OF_THE_IMAGE = ("/etc/ssl/", "/etc/pki/", "/usr/")
"""Where an image may bring certificates of its own."""


@check(
    "CRED013",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS010", "SDS012", "SDS013", "SNI011"},
)
def certificate_file_not_mounted(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway names certificate files that its pods do not have.

    `serverCertificate` and `privateKey` are paths inside the gateway pods. The classic path
    `/etc/istio/ingressgateway-certs` is a volume of the Secret `istio-ingressgateway-certs` in
    the namespace of the pods; the volume is optional, so the pod starts without the Secret too.
    Envoy then refuses the listener or has no certificate for it.

    Fix: use `credentialName`, which needs no volume and no restart, or create the Secret that the
    volume names.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers:
      - name: istio-proxy
        image: "istio/proxyv2:1.22.3"
        volumeMounts: []
      volumes: []
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          serverCertificate: /etc/istio/ingressgateway-certs/tls.crt
          privateKey: /etc/istio/ingressgateway-certs/tls.key
    ```

    ```finding
    high, suspected: Gateway shop/web spec.servers[0].tls.privateKey
    hosts: shop.example.com
    Gateway shop/web server 443 (https) takes its certificate from
    /etc/istio/ingressgateway-certs/tls.key, but no volume is there in the pods of Pod
    istio-system/gateway: HTTPS for shop.example.com does not work.

    high, suspected: Gateway shop/web spec.servers[0].tls.serverCertificate
    hosts: shop.example.com
    Gateway shop/web server 443 (https) takes its certificate from
    /etc/istio/ingressgateway-certs/tls.crt, but no volume is there in the pods of Pod
    istio-system/gateway: HTTPS for shop.example.com does not work.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers:
      - name: istio-proxy
        image: "istio/proxyv2:1.22.3"
        volumeMounts: [{name: certs, mountPath: /etc/istio/ingressgateway-certs}]
      volumes: [{name: certs, secret: {secretName: istio-ingressgateway-certs, optional: true}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          serverCertificate: /etc/istio/ingressgateway-certs/tls.crt
          privateKey: /etc/istio/ingressgateway-certs/tls.key
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.privateKey
    hosts: shop.example.com
    Gateway shop/web server 443 (https) takes its certificate from
    /etc/istio/ingressgateway-certs/tls.key, but Secret istio-system/istio-ingressgateway-certs of
    that volume does not exist in the pods of Pod istio-system/gateway: HTTPS for shop.example.com
    does not work.

    critical: Gateway shop/web spec.servers[0].tls.serverCertificate
    hosts: shop.example.com
    Gateway shop/web server 443 (https) takes its certificate from
    /etc/istio/ingressgateway-certs/tls.crt, but Secret istio-system/istio-ingressgateway-certs of
    that volume does not exist in the pods of Pod istio-system/gateway: HTTPS for shop.example.com
    does not work.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers:
      - name: istio-proxy
        image: "istio/proxyv2:1.22.3"
        volumeMounts: [{name: certs, mountPath: /etc/istio/ingressgateway-certs}]
      volumes: [{name: certs, secret: {secretName: istio-ingressgateway-certs, optional: true}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          serverCertificate: /etc/istio/ingressgateway-certs/tls.crt
          privateKey: /etc/istio/ingressgateway-certs/tls.key
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: istio-ingressgateway-certs, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Old manifests give `sds` as a path beside a `credentialName`, which is what counts:

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
        tls: {mode: SIMPLE, credentialName: shop-cert, serverCertificate: sds, privateKey: sds}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, Secure Gateways (file mount); istio/istio issues 7479, 17123, 7284, 38152.
    """
    for listener in listeners(mesh):
        for server in listener.servers:
            for field, path in _files(server, listener.workload):
                secret = _secret_behind(listener.workload, path)
                if secret and secret_exists(mesh, secret.namespace, secret.name) is not False:
                    continue
                why = f"{secret} of that volume does not exist" if secret else "no volume is there"
                yield Finding(
                    message=(
                        f"{server} takes its certificate from {path}, but {why} in the pods of"
                        f" {listener.workload}: HTTPS for {host_listing(server.names)} does not"
                        " work."
                    ),
                    objects=(
                        server.field(f"/tls/{field}"),
                        *((Place(secret),) if secret else ()),
                        Place(listener.workload.owner),
                    ),
                    identity=Identity.of(server.gateway, secret.path if secret else ""),
                    hosts=frozenset(server.names),
                    evidence=(Evidence(text=f"{server} names {path}", ref=server.gateway),),
                    fixes=_fixes(secret),
                    severity=Severity.CRITICAL if secret else Severity.HIGH,
                    confidence=Confidence.CERTAIN if secret else Confidence.SUSPECTED,
                    credentials=frozenset({(secret.namespace, secret.name)} if secret else ()),
                    servers=frozenset({server.id}),
                    absences=frozenset(
                        {(Kind.SECRET, secret.namespace, secret.name)} if secret else ()
                    ),
                )


def _files(server: Server, workload: Workload) -> Iterator[tuple[str, str]]:
    """Yield the server's files that its pods should have, and that a volume would bring.

    A path without a volume that covers it, or one in a volume of a Secret.
    """
    tls = server.tls or ServerTls()
    # Injection adds volumes to pods: a template says too little.
    if not workload.pods or server.mode not in WITH_CREDENTIAL or tls.credential_name:
        return
    files = {"serverCertificate": tls.server_certificate, "privateKey": tls.private_key}
    for field, path in files.items():
        if not path.startswith("/") or path.startswith(OF_THE_IMAGE):
            continue
        if _volume(workload, path) is None or _secret_behind(workload, path):
            yield field, path


def _volume(workload: Workload, path: str) -> str | None:
    """Return the name of the volume that holds a path."""
    mounts = workload.proxy.volume_mounts if workload.proxy else ()
    covering = (
        each
        for each in mounts
        if path == each.mount_path or path.startswith(each.mount_path.rstrip("/") + "/")
    )
    best = max(covering, key=lambda each: len(each.mount_path), default=None)
    return best.name if best else None


def _secret_behind(workload: Workload, path: str) -> Ref | None:
    name = _volume(workload, path)
    secrets = (each.secret for each in workload.spec.volumes if each.name == name)
    found = next(secrets, None)
    if found is None or not found.secret_name:
        return None
    return Ref(CORE, "Secret", workload.namespace, found.secret_name)


def _fixes(secret: Ref | None) -> tuple[Fix, ...]:
    if secret is None:
        return (
            Fix(
                title="Use credentialName instead of file paths",
                why="It names a Secret beside the gateway pods: no volume, no restart.",
            ),
        )
    return (create_tls_secret(secret.namespace, secret.name, f"Create {secret}"),)
