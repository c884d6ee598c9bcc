"""The healthy cluster with its gateway reached on one way or another, and with other servers."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from istiodoctor.testing.certificates import Issued
from tests.support.clusters import HOST, ISSUER, Manifest, healthy

POD = "istio-system/ingress-7c9d8f6b5d-x2x4q"
OTHER_POD = "istio-system/ingress-7c9d8f6b5d-z9z9z"
SECRET = "kubernetes://shop-cert"
"""The SDS name of the Secret that the Gateway names."""


def issued(*names: str, since: int = 10, days: int = 80) -> Issued:
    """Return a certificate issued so many days ago that ends in so many."""
    now = datetime.now(UTC)
    return ISSUER.issue(
        *(names or (HOST,)),
        not_before=now - timedelta(days=since),
        not_after=now + timedelta(days=days),
    )


class Cluster:
    """The objects of a cluster, to be changed before it is looked at.

    Its gateway is reached from inside only: for others, names would be looked up in DNS.
    """

    def __init__(self, secret: Issued | Manifest | None = None) -> None:
        """Begin with the healthy cluster, with another certificate, or a whole Secret."""
        self.objects = deepcopy(healthy(datetime.now(UTC)))
        service = self.find("Service", "ingress")
        service["spec"]["type"] = "ClusterIP"
        del service["status"]
        if isinstance(secret, Issued):
            secret = secret.secret("istio-system", "shop-cert")
        if secret:
            self.objects.remove(self.find("Secret", "shop-cert"))
            self.objects.append(secret)

    def find(self, kind: str, name: str) -> Manifest:
        """Return an object."""
        (found,) = [
            each
            for each in self.objects
            if (each["kind"], each["metadata"]["name"]) == (kind, name)
        ]
        return found

    def change(self, kind: str, name: str, change: Callable[[Any], object]) -> "Cluster":
        """Change an object's spec in place."""
        change(self.find(kind, name)["spec"])
        return self

    def behind(self, address: str) -> "Cluster":
        """Let the gateway's Service have a load balancer with this address."""
        service = self.find("Service", "ingress")
        service["spec"]["type"] = "LoadBalancer"
        service["status"] = {"loadBalancer": {"ingress": [{"ip": address}]}}
        return self

    def at_node(self, address: str, plain: int, secured: int) -> "Cluster":
        """Let the gateway's Service have ports at a node with this address."""
        service = self.find("Service", "ingress")
        service["spec"]["type"] = "NodePort"
        for port, number in zip(service["spec"]["ports"], (plain, secured), strict=True):
            port["nodePort"] = number
        self.find("Pod", POD.partition("/")[2])["status"]["hostIP"] = address
        return self

    def with_two_pods(self) -> "Cluster":
        """Let the gateway have a second pod."""
        twin = deepcopy(self.find("Pod", POD.partition("/")[2]))
        twin["metadata"]["name"] = OTHER_POD.partition("/")[2]
        self.find("Deployment", "ingress")["spec"]["replicas"] = 2
        self.find("EndpointSlice", "ingress-1")["endpoints"].append(
            {"addresses": ["10.0.0.6"], "conditions": {"ready": True}}
        )
        self.objects.append(twin)
        return self

    def trusting_hops(self, hops: int) -> "Cluster":
        """Let the mesh's gateways trust so many proxies before them."""
        mesh = f"defaultConfig: {{gatewayTopology: {{numTrustedProxies: {hops}}}}}\n"
        self.find("ConfigMap", "istio")["data"]["mesh"] += mesh
        return self
