"""WasmPlugins and TrafficExtensions in a gateway's Envoy, whose effect on answers is unknown.

Source: pilot/pkg/model/extensions.go:56-110 and 181-240, push_context.go:2224.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.envoy_filter_patches import root_and_own_namespace
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.policy_attachment import attaches, read_targets
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import (
    TrafficExtension,
    TrafficSelector,
    WasmPlugin,
    WorkloadSelector,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

NETWORK = "NETWORK"
SERVER = "SERVER"
"""The traffic that an extension asks for and a gateway has none of: its own counts as that of a
client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """Code that a workload's Envoy runs."""

    ref: Ref
    is_of_connections: bool
    """Whether it sees bytes, and no requests."""
    match: tuple[TrafficSelector, ...]

    def runs_on(self, port: int) -> bool:
        """Whether it runs on a listener of the pods."""
        return not self.match or any(
            each.mode != SERVER and (not each.ports or port in {one.number for one in each.ports})
            for each in self.match
        )


@question(Kind.WASM_PLUGIN, Kind.TRAFFIC_EXTENSION)
def extensions(mesh: Mesh, workload: Workload) -> tuple[Extension, ...]:
    """Return the WasmPlugins and TrafficExtensions that a workload gets."""
    return tuple(_extensions(mesh, workload))


def _extensions(mesh: Mesh, workload: Workload) -> Iterator[Extension]:
    namespaces = root_and_own_namespace(mesh, workload)
    for plugin in mesh.all(WasmPlugin):
        targets = read_targets((*plugin.spec.target_refs, plugin.spec.target_ref))
        if plugin.namespace in namespaces and attaches(
            workload, plugin.namespace, _labels(plugin.spec.selector), targets
        ):
            yield Extension(
                ref=plugin.ref,
                is_of_connections=plugin.spec.type == NETWORK,
                match=plugin.spec.match,
            )
    for each in mesh.all(TrafficExtension):
        wasm = each.spec.wasm
        if each.namespace in namespaces and attaches(
            workload,
            each.namespace,
            _labels(each.spec.selector),
            read_targets(each.spec.target_refs),
        ):
            yield Extension(
                ref=each.ref,
                is_of_connections=each.spec.lua is None
                and wasm is not None
                and (wasm.type == NETWORK),
                match=each.spec.match,
            )


def _labels(selector: WorkloadSelector | None) -> Mapping[str, str]:
    return selector.match_labels if selector else {}


@question
def run_on_connections(mesh: Mesh, workload: Workload, port: int) -> str:
    """Say which code sees the bytes of connections to a port."""
    return _said(mesh, workload, port, of_connections=True)


@question
def run_on_requests(mesh: Mesh, workload: Workload, port: int) -> str:
    """Say which code sees the requests to a port, and may answer them."""
    return _said(mesh, workload, port, of_connections=False)


def _said(mesh: Mesh, workload: Workload, port: int, *, of_connections: bool) -> str:
    for each in extensions(mesh, workload):
        if each.is_of_connections is of_connections and each.runs_on(port):
            return f"{each.ref} runs on port {port}"
    return ""
