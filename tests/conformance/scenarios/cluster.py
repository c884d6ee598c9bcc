"""The cluster that scenarios share: istiod and the workloads of gateways."""

from collections.abc import Iterable

from tests.conformance import certificates
from tests.conformance.scenarios.draft import NAMESPACES, Draft
from tests.conformance.truth import Json

ISTIO_VERSION = "1.31.0"
MESH_CONFIG = "defaultConfig:\n  discoveryAddress: istiod.istio-system.svc:15012\n"
GATEWAY_MARK = "oracle/gateway"
"""The annotation of the pods whose configuration is recorded."""


def namespace(name: str) -> Json:
    """Return a Namespace with the label that the API server adds."""
    labels = {"kubernetes.io/metadata.name": name}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }


def control_plane(mesh_config: str = MESH_CONFIG) -> list[Json]:
    """Return istiod and the ConfigMap it reads."""
    labels = {"app": "istiod", "istio.io/rev": "default"}
    image = f"docker.io/istio/pilot:{ISTIO_VERSION}"
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "istiod", "namespace": "istio-system", "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "istiod"}},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "discovery", "image": image}]},
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"},
            "data": {"mesh": mesh_config},
        },
    ]


def add_cluster(draft: Draft, mesh_config: str = MESH_CONFIG) -> None:
    """Add namespaces, istiod and the gateways' workloads."""
    for name in NAMESPACES:
        draft.add(namespace(name))
    draft.objects += control_plane(mesh_config)
    is_named = draft.chance(0.2)
    labels = {"istio": "ingressgateway", "app": "istio-ingressgateway"}
    add_gateway_workload(
        draft, "istio-ingressgateway", "istio-system", labels, "10.1.0.1", is_named
    )
    if draft.chance(0.12):
        labels = {"istio": "edge", "app": "edge-gateway"}
        add_gateway_workload(draft, "edge-gateway", "edge", labels, "10.1.0.2", is_named=False)


def gateway_pod(name: str, namespace: str, labels: Json, address: str) -> list[Json]:
    """Return the pod of a gateway, with the rights that Istio's charts give it."""
    where = {"name": name, "namespace": namespace}
    role = "rbac.authorization.k8s.io"
    rights = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}
    account = {"kind": "ServiceAccount", **where}
    container = {
        "name": "istio-proxy",
        "image": f"docker.io/istio/proxyv2:{ISTIO_VERSION}",
        "args": ["proxy", "router"],
        "ports": [
            {"name": "http2", "containerPort": 8080, "protocol": "TCP"},
            {"name": "https", "containerPort": 8443, "protocol": "TCP"},
        ],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where},
        {"apiVersion": f"{role}/v1", "kind": "Role", "metadata": where, "rules": [rights]},
        {
            "apiVersion": f"{role}/v1",
            "kind": "RoleBinding",
            "metadata": where,
            "roleRef": {"apiGroup": role, "kind": "Role", "name": name},
            "subjects": [account],
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**where, "labels": labels, "annotations": {GATEWAY_MARK: "1"}},
            "spec": {
                "serviceAccountName": name,
                "nodeName": "n1",
                "containers": [container],
            },
            "status": ready(address),
        },
    ]


def ready(address: str) -> Json:
    """Return the status of a pod that serves."""
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }


def add_gateway_workload(
    draft: Draft, name: str, namespace: str, labels: Json, address: str, is_named: bool
) -> None:
    """Add a gateway's pod and its Service; sometimes one more Service that leads there."""
    draft.objects += gateway_pod(name, namespace, labels, address)
    ports = _gateway_ports(draft, is_named)
    selector = {key: value for key, value in labels.items() if key == "istio"}
    draft.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": draft.metadata(name, namespace),
            "spec": {
                "type": "LoadBalancer",
                "clusterIP": "10.96.0." + address[-1],
                "selector": selector,
                "ports": ports,
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113." + address[-1]}]}},
        }
    )
    numbers = {"http2": 8080, "https": 8443}
    targets = [(each["name"], _number(each["targetPort"], numbers)) for each in ports]
    add_slice(draft, name, namespace, targets, [address])
    if draft.chance(0.1):
        _add_other_service(draft, namespace, selector, address)


def _number(target: int | str, named: dict[str, int]) -> int:
    return named[target] if isinstance(target, str) else target


def _gateway_ports(draft: Draft, is_named: bool) -> list[Json]:
    ports = [
        port("http2", 80, "http2" if is_named else 8080),
        port("https", 443, "https" if is_named else 8443),
        port("tcp", 31400, 31400),
        port("tls", 15443, 15443),
    ]
    if draft.chance(0.15):  # straight through
        ports[0]["targetPort"] = 80
        ports[1]["targetPort"] = 443
    if draft.chance(0.1):
        ports[2]["targetPort"] = ports[0]["targetPort"]  # two Service ports on one pod port
    return ports


def port(name: str, number: int, target: int | str, protocol: str = "TCP") -> Json:
    """Return a port of a Service."""
    return {"name": name, "port": number, "targetPort": target, "protocol": protocol}


def _add_other_service(draft: Draft, namespace: str, selector: Json, address: str) -> None:
    ports = [
        port("http2", 80, draft.one(80, 8081)),
        port("https", 443, draft.one(443, 8444)),
    ]
    name = draft.one("a-other", "zz-other")
    draft.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": draft.metadata(name, namespace),
            "spec": {
                "type": draft.one("ClusterIP", "NodePort"),
                "clusterIP": "10.96.1." + address[-1],
                "selector": selector,
                "ports": ports,
            },
        }
    )
    add_slice(
        draft, name, namespace, [(each["name"], each["targetPort"]) for each in ports], [address]
    )


def add_slice(
    draft: Draft,
    service: str,
    namespace: str,
    ports: Iterable[tuple[str, int | str]],
    addresses: Iterable[str],
) -> None:
    """Add the EndpointSlice of a Service: every address ready."""
    labels = {
        "kubernetes.io/service-name": service,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    draft.add(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": service + "-x1", "namespace": namespace, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": name, "port": number, "protocol": "TCP"} for name, number in ports],
            "endpoints": [_endpoint(draft, each, namespace) for each in addresses],
        }
    )


def _endpoint(draft: Draft, address: str, namespace: str) -> Json:
    endpoint: Json = {
        "addresses": [address],
        "conditions": {"ready": True},
        "nodeName": "n1",
    }
    if address in draft.pods:
        name = draft.pods[address]
        endpoint["targetRef"] = {"kind": "Pod", "namespace": namespace, "name": name}
    return endpoint


def add_secrets(draft: Draft) -> None:
    """Add the certificates that servers name; now and then one is missing."""
    for where in ("istio-system", "edge"):
        for name in ("cert-a", "cert-b", "cert-c", "cert-d"):
            if draft.chance(0.95):
                draft.add(certificates.secret(where, name))
