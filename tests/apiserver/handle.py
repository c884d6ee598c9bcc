"""The handle by which a test starts the server and gets credentials for it."""

import json
import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from tests.apiserver import kubeconfigs
from tests.apiserver.certificates import Authority
from tests.apiserver.controls import Controls, Object
from tests.apiserver.process import ServerProcess


class ApiServer(Controls):
    """A running Kubernetes API server, as a context manager.

    `objects` are those of the cluster, or a JSON or YAML file of them; the namespaces they live
    in exist. `versions` replaces the versions of whole groups (none: the group is not installed),
    `absent` names groups or resources (`tlsroutes.gateway.networking.k8s.io`) to leave out. With
    `rbac`, users have the rights that the RBAC objects among `objects` give them; else all of
    them. `now` fixes the clock of the logs, `created` the age of objects without one.
    """

    def __init__(
        self,
        objects: Iterable[Object] | Path = (),
        *,
        versions: Mapping[str, Sequence[str]] | None = None,
        absent: Iterable[str] = (),
        rbac: bool = False,
        partial_metadata: bool = True,
        kubernetes_version: str = "v1.34.1",
        now: str | None = None,
        created: str = "2025-01-01T00:00:00Z",
    ) -> None:
        self._objects = objects if isinstance(objects, Path) else list(objects)
        self._options = {
            "versions": dict(versions or {}),
            "absent": list(absent),
            "rbac": rbac,
            "partial_metadata": partial_metadata,
            "kubernetes_version": kubernetes_version,
            "now": now,
            "created": created,
        }

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="apiserver-")
        self.folder = Path(self._temporary.name)
        try:
            self._start()
        except BaseException:
            self._temporary.cleanup()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            complaints = self._process.stop()
        finally:
            self._temporary.cleanup()
        if complaints and kind is None:
            raise RuntimeError(f"the API server itself has failed:\n{complaints}")

    def _start(self) -> None:
        self._authority = Authority()
        certificate, key = self._authority.server()
        (self.folder / "ca.crt").write_bytes(self._authority.certificate)
        (self.folder / "server.crt").write_bytes(certificate)
        (self.folder / "server.key").write_bytes(key)
        objects = self._objects
        if not isinstance(objects, Path):
            path = self.folder / "objects.json"
            path.write_text(json.dumps(objects))
            objects = path
        options = self.folder / "options.json"
        options.write_text(json.dumps({**self._options, "objects": str(objects.absolute())}))
        self._process = ServerProcess(options)
        self.process_identifier = self._process.identifier
        self.port = self._process.port
        self.url = f"https://127.0.0.1:{self.port}"

    # Clients

    def token(self, name: str = "tester", *, groups: Iterable[str] = ()) -> str:
        """A new token for a user; a service account's groups follow from its name."""
        token = secrets.token_hex(16)
        self._process.ask("accept", token=token, name=name, groups=list(groups))
        return token

    def reject(self, name: str) -> None:
        """Answer a user with 401 from now on, as if the credentials had expired."""
        self._process.ask("reject", name=name)

    def kubeconfig(
        self,
        path: Path,
        *,
        user: Literal["token", "client-certificate", "exec", "none"] = "token",
        name: str = "tester",
        groups: Iterable[str] = (),
        token: str | None = None,
        plugin: Literal["works", "fails", "garbage", "hangs"] = "works",
        context: str = "test",
        namespace: str | None = None,
        url: str | None = None,
        trusted: bool = True,
    ) -> Path:
        """Write a kubeconfig, or add a context to one.

        A given `token` is used as it is (unknown: 401). Not `trusted` names another authority
        than the one that signed the server's certificate.
        """
        authority = self._authority if trusted else Authority()
        cluster = {
            "server": url or self.url,
            "certificate-authority-data": kubeconfigs.encoded(authority.certificate),
        }
        credentials: dict[str, Any] = {}
        if user == "client-certificate":
            certificate, key = self._authority.client(name, groups)
            credentials["client-certificate-data"] = kubeconfigs.encoded(certificate)
            credentials["client-key-data"] = kubeconfigs.encoded(key)
        elif user != "none":
            token = token or self.token(name, groups=groups)
            plugged = user == "exec"
            credentials = (
                kubeconfigs.plugin(self.folder, token, plugin) if plugged else {"token": token}
            )
        kubeconfigs.add_context(
            path, context, cluster=cluster, user=credentials, namespace=namespace
        )
        return path

    def in_cluster(self, folder: Path, *, service_account: str) -> dict[str, str]:
        """Write what a pod of a service account (`namespace/name`) finds mounted.

        Returns the environment that leads to the server.
        """
        namespace, _, name = service_account.partition("/")
        token = self.token(f"system:serviceaccount:{namespace}:{name}")
        authority = self._authority.certificate
        kubeconfigs.pod_files(folder, token=token, authority=authority, namespace=namespace)
        host, port = "127.0.0.1", str(self.port)
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
