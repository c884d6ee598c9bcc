"""One laboratory: a cluster whose gateway pods are real Envoys, and the command that looks at it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.apiserver import ApiServer
from tests.cli.process import Done, Shell
from tests.lab.clusters import POD, SECRET, Cluster
from tests.lab.envoy import Envoy
from tests.lab.listeners import plain_listener, terminated, tls_listener, virtual_host
from tests.lab.nginx import Behaviour, Nginx
from tests.lab.resources import Address, Resource
from tests.lab.sds import Secrets, sds_secret
from tests.probes.servers import Answer, serving
from tests.support.certificates import Issued
from tests.support.clusters import HOST, anchors

ADMIN, PLAIN_PORT, TLS_PORT = 15000, 8080, 8443
RESOLVER = {"RES_OPTIONS": "timeout:1 attempts:1"}
"""What the hosts' names resolve to is nothing; to learn that must not take long."""
Told = tuple[str, str, frozenset[str]]
"""A problem's code, its confidence, and the codes of its symptoms."""


class Lab:
    """What one scenario starts, as a context manager; everything ends with it."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in a folder."""
        self._folder = folder
        self._stack = ExitStack()
        self._run = Shell(folder=folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def envoy(self, *clusters: Resource, secrets: Secrets | None = None) -> Envoy:
        """Start the Envoy of a pod."""
        folder = self._folder / f"envoy-{len(list(self._folder.glob('envoy-*')))}"
        return self._stack.enter_context(Envoy(folder, clusters, secrets=secrets))

    def upstream(self, answer: Answer) -> int:
        """Start a backend, and return its port."""
        return self._stack.enter_context(serving(answer))

    def nginx(self, address: str, issued: Issued, behaviour: Behaviour) -> Nginx:
        """Start a proxy at the load balancer's address."""
        return self._stack.enter_context(
            Nginx(self._folder / "nginx", address, issued, behaviour)
        )

    def scan(self, cluster: Cluster, pods: Mapping[str, Envoy] | Envoy, *options: str) -> Done:
        """Scan a cluster with probes."""
        return self._look(cluster, pods, "scan", "--probe", *options)

    def trace(
        self, cluster: Cluster, pods: Mapping[str, Envoy] | Envoy, url: str, *options: str
    ) -> Done:
        """Trace a request through a cluster."""
        return self._look(cluster, pods, "trace", url, *options)

    def _look(
        self, cluster: Cluster, pods: Mapping[str, Envoy] | Envoy, *command: str
    ) -> Done:
        with ApiServer(cluster.objects) as server:
            named = {POD: pods} if isinstance(pods, Envoy) else pods
            for pod, envoy in named.items():
                for inside, outside in doors(envoy).items():
                    server.port_forward(pod, inside, to=outside)
                server.add_log(pod, "istio-proxy", envoy.log())
            server.kubeconfig(self._folder / "kubeconfig")
            anchors(self._folder / "roots.pem")
            return self._run(
                *command, "--kubeconfig", self._folder / "kubeconfig",
                "--trust-anchors", self._folder / "roots.pem", "-o", "json", env=RESOLVER,
            )  # fmt: skip


def doors(envoy: Envoy) -> dict[int, Address]:
    """Return where the ports of a pod are; `0.0.0.0_8443` is the listener of its port 8443."""
    found = {int(name.rpartition("_")[2]): place for name, place in envoy.listening().items()}
    return {**found, ADMIN: envoy.admin}


def serve_shop(
    envoy: Envoy,
    served: Issued | None,
    *,
    cluster: str = "",
    trusted_hops: int = 0,
    redirects: bool = True,
    also_at: Sequence[Address] = ((), ()),
) -> None:
    """Configure an Envoy as istiod would for the healthy cluster.

    `also_at` gives further addresses of the plain and of the TLS listener.
    """
    envoy.secrets.send(SECRET, *([sds_secret(SECRET, served)] if served else []))
    plain, secured = also_at
    own = virtual_host(HOST, cluster=cluster)
    envoy.listen(
        tls_listener(
            terminated(envoy, HOST, SECRET, [own], trusted_hops=trusted_hops), also_at=secured
        ),
        plain_listener(
            [virtual_host(HOST, cluster=cluster, redirects=redirects)],
            trusted_hops=trusted_hops,
            also_at=plain,
        ),
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
