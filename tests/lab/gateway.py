"""The lab: a cluster whose gateway pods are real Envoys, and the command that looks at it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.apiserver import ApiServer
from tests.cli.process import Done, Shell
from tests.lab.clusters import POD, SECRET, Cluster
from tests.lab.envoy import Envoy
from tests.lab.listeners import (
    PLAIN_PORT,
    TLS_PORT,
    plain_listener,
    terminated,
    tls_listener,
    virtual_host,
)
from tests.lab.nginx import Behaviour, Nginx
from tests.lab.resources import Address, Resource
from tests.lab.sds import Secrets, sds_secret
from tests.probes.servers import Answer, serving
from tests.support.certificates import Issued
from tests.support.clusters import HOST, Manifest, anchors

ADMIN = 15000
RESOLVER = {"RES_OPTIONS": "timeout:1 attempts:1"}
"""What the hosts' names resolve to is nothing; to learn that must not take long."""
Also = tuple[Sequence[Address], Sequence[Address]]
"""Further addresses of the plain and of the TLS listener."""
Told = tuple[str, str, AbstractSet[str]]
"""A problem's code, its confidence, and the codes of its symptoms."""

SHOP_CLUSTER = "outbound|8080||shop.shop.svc.cluster.local"
SHOP_ROUTES = "https.443.https.web.shop"
"""The cluster of the healthy cluster's route and the configuration of routes, as istiod has it."""


class Lab:
    """What one scenario starts, as a context manager; everything ends with it."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in a folder."""
        self.folder = folder
        self._stack = ExitStack()
        self._run = Shell(folder=folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def envoy(self, *clusters: Resource, secrets: Secrets | None = None) -> Envoy:
        """Start the Envoy of a pod."""
        folder = self.folder / f"envoy-{len(list(self.folder.glob('envoy-*')))}"
        return self._stack.enter_context(Envoy(folder, clusters, secrets=secrets))

    def upstream(self, answer: Answer) -> int:
        """Start a backend, and return its port."""
        return self._stack.enter_context(serving(answer))

    def nginx(
        self, address: str, envoy: Envoy, presented: Issued, behaviour: Behaviour | None = None
    ) -> None:
        """Start a proxy at the load balancer's address, before the gateway's pod."""
        ports = access_points(envoy)
        gateway = (ports[PLAIN_PORT], ports[TLS_PORT])
        self._stack.enter_context(
            Nginx(self.folder / "nginx", address, presented, gateway, behaviour or Behaviour())
        )

    def scan(self, cluster: Cluster, pods: Mapping[str, Envoy] | Envoy, *options: str) -> Done:
        """Scan a cluster with probes."""
        return self._look(cluster, pods, "scan", "--probe", *options)

    def trace(
        self, cluster: Cluster, pods: Mapping[str, Envoy] | Envoy, url: str, *options: str
    ) -> Done:
        """Trace a request through a cluster."""
        return self._look(cluster, pods, "trace", url, *options)

    def _look(self, cluster: Cluster, pods: Mapping[str, Envoy] | Envoy, *command: str) -> Done:
        named = {POD: pods} if isinstance(pods, Envoy) else pods
        with ApiServer(addressed(cluster.objects, named)) as server:
            for pod, envoy in named.items():
                for inside, outside in access_points(envoy).items():
                    server.port_forward(pod, inside, to=outside)
                server.add_log(pod, "istio-proxy", envoy.log())
            server.kubeconfig(self.folder / "kubeconfig")
            anchors(self.folder / "roots.pem")
            return self._run(
                *command, "--kubeconfig", self.folder / "kubeconfig",
                "--trust-anchors", self.folder / "roots.pem", "-o", "json", env=RESOLVER,
            )  # fmt: skip


def addressed(objects: Sequence[Manifest], pods: Mapping[str, Envoy]) -> list[Manifest]:
    """Return objects in which pods have the addresses of their Envoys, as in a cluster."""
    return [_at(each, pods) if each["kind"] == "Pod" else each for each in objects]


def _at(pod: Manifest, pods: Mapping[str, Envoy]) -> Manifest:
    envoy = pods.get("{namespace}/{name}".format(**pod["metadata"]))
    address = {"podIP": envoy.address} if envoy else {}
    return pod | {"status": pod.get("status", {}) | address}


def access_points(envoy: Envoy) -> dict[int, Address]:
    """Return where the ports of a pod are, once it listens there."""
    return {place[1]: place for place in envoy.listening().values()} | {ADMIN: envoy.admin}


def serve_shop(
    envoy: Envoy,
    served: Issued | None,
    *,
    cluster: str = "",
    trusted_hops: int = 0,
    also_at: Also = ((), ()),
) -> None:
    """Configure an Envoy as istiod would for the healthy cluster."""
    envoy.secrets.send(SECRET, *([sds_secret(SECRET, served)] if served else []))
    plain, secured = also_at
    own = virtual_host(HOST, cluster=cluster)
    redirecting = virtual_host(HOST, redirects=True)
    envoy.listen(
        tls_listener(
            envoy,
            terminated(envoy, HOST, SECRET, [own], trusted_hops=trusted_hops, routes=SHOP_ROUTES),
            also_at=secured,
        ),
        plain_listener(envoy, [redirecting], trusted_hops=trusted_hops, also_at=plain),
    )


def told(done: Done) -> list[Told]:
    """Return what a scan says is wrong, in its order."""
    return [
        (
            each["code"],
            each["confidence"],
            frozenset(symptom["code"] for symptom in each["symptoms"]),
        )
        for each in done.report["problems"]
    ]


def causes(done: Done) -> list[tuple[str, str]]:
    """Return codes and confidences of the problems in their order, whatever their symptoms."""
    return [(code, confidence) for code, confidence, _ in told(done)]


def codes(done: Done) -> set[str]:
    """Return the codes of everything that was found, symptoms too."""
    problems = done.report["problems"]
    return {each["code"] for problem in problems for each in (problem, *problem["symptoms"])}


def evidence(done: Done) -> list[str]:
    """Return the words of all evidence, that of symptoms too."""
    problems = done.report["problems"]
    found = (each for problem in problems for each in (problem, *problem["symptoms"]))
    return [each["text"] for one in found for each in one["evidence"]]
