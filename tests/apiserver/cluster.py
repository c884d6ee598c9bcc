"""The state behind the server: everything a request is answered from and a test may change."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.apiserver.authentication import Authentication
from tests.apiserver.authorization import Authorization, Prohibition
from tests.apiserver.faults import Fault, Faults
from tests.apiserver.files import load
from tests.apiserver.kinds import Catalog
from tests.apiserver.logs import Logs
from tests.apiserver.objects import Store
from tests.apiserver.portforward import PortForwards


class Cluster:
    """One cluster. Its public methods are the commands a test gives through the process handle."""

    def __init__(
        self,
        *,
        versions: Mapping[str, Sequence[str]],
        absent: Iterable[str],
        rbac: bool,
        partial_metadata: bool,
        kubernetes_version: str,
        now: str | None,
        created: str,
    ) -> None:
        self.catalog = Catalog(versions, absent)
        self.store = Store(self.catalog, created=created)
        self.authentication = Authentication()
        self.authorization = Authorization(self.store.every, by_rbac=rbac)
        self.faults = Faults()
        self.logs = Logs(now=datetime.fromisoformat(now) if now else None)
        self.port_forwards = PortForwards()
        self.kubernetes_version = kubernetes_version
        self.knows_partial_metadata = partial_metadata
        self.recorded: list[dict[str, Any]] = []
        self._changes: list[tuple[Fault, list[dict[str, Any]], list[dict[str, Any]]]] = []
        for namespace in ("default", "kube-system"):
            self.store.ensure_namespace(namespace)

    def command(self, line: bytes) -> object:
        """Carry out one line from the process handle."""
        message = json.loads(line)
        return getattr(self, "do_" + message.pop("do"))(**message)

    def do_load(self, path: str) -> None:
        self.store.apply(load(Path(path)))

    def do_apply(self, objects: list[dict[str, Any]]) -> None:
        self.store.apply(objects)

    def do_delete(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace}}
        served = self.catalog.kind_of(body)
        scope = (namespace or "default") if served.namespaced else ""
        return self.store.delete(served, scope, name)

    def do_after(
        self, path: str, skip: int, apply: list[dict[str, Any]], delete: list[dict[str, Any]]
    ) -> None:
        self._changes.append((Fault(action="", path=path, skip=skip, times=1), apply, delete))

    def do_versions(self, group: str, versions: list[str]) -> None:
        self.catalog.set_versions(group, versions)

    def do_accept(self, token: str, name: str, groups: list[str]) -> None:
        self.authentication.accept(token, name, groups)

    def do_reject(self, name: str) -> None:
        self.authentication.reject(name)

    def do_forbid(self, **terms: Any) -> None:
        self.authorization.forbid(Prohibition(**terms))

    def do_permit_all(self) -> None:
        self.authorization.permit_all()

    def do_fault(self, **terms: Any) -> None:
        self.faults.add(Fault(**terms))

    def do_recover(self) -> None:
        self.faults.clear()

    def do_compact(self) -> None:
        self.store.compact()

    def do_log(
        self,
        namespace: str,
        pod: str,
        container: str,
        lines: list[str | list[str]],
        previous: bool,
    ) -> None:
        self.logs.append((namespace, pod, container, previous), lines)

    def do_port_forward(
        self, namespace: str, pod: str, port: int, address: tuple[str, int]
    ) -> None:
        self.port_forwards.connect(namespace, pod, port, address)

    def do_requests(self) -> list[dict[str, Any]]:
        return self.recorded

    def do_forget_requests(self) -> None:
        self.recorded = []

    def changes_after(self, request: Any) -> None:
        """Make the changes that were to follow this request."""
        for trigger, apply, delete in self._changes:
            if trigger.strikes(request):
                self.store.apply(apply)
                for target in delete:
                    self.do_delete(**target)
