"""The patches of EnvoyFilters that a gateway workload gets, and what of it each is for.

Source: pilot/pkg/model/envoyfilter.go:110-240, push_context.go:2323-2396,
pilot/pkg/networking/core/envoyfilter/{listener,rc,cluster}_patch.go.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from istiodoctor.mesh.configuration.envoy_filter_values import changes_an_answer
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.regular_expressions import found_in
from istiodoctor.mesh.workloads.policy_attachment import attaches, read_targets
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.envoy_filter import ConfigPatch, FilterMatch, decoded_patch
from istiodoctor.model.istio import EnvoyFilter
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place

CONTEXTS = frozenset({"", "ANY", "GATEWAY"})
LONGEST_VERSION_PATTERN = 1024
"""istiod takes a longer one for one that no proxy has (model/envoyfilter.go:74)."""
NEEDING_A_NAME = frozenset({"MERGE", "REMOVE", "REPLACE"})
"""What is done to a filter only where the match names one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AppliedPatch:
    """One patch that istiod applies to a workload, wherever it fits."""

    place: Place
    written: ConfigPatch
    is_readable: bool = True
    """Whether it is a patch as the API has it; else it may be for anything."""

    @property
    def apply_to(self) -> str:
        """The kind of part that it is for."""
        return self.written.apply_to

    @property
    def operation(self) -> str:
        """What it does; what cannot be inserted is added (model/envoyfilter.go:205)."""
        operation = self.written.patch.operation if self.written.patch else ""
        insertable = ("HTTP_FILTER", "NETWORK_FILTER", "HTTP_ROUTE", "LISTENER_FILTER")
        is_inserted = operation.startswith("INSERT_") and self.apply_to not in insertable
        return "ADD" if is_inserted else operation

    @property
    def is_merge(self) -> bool:
        """Whether it changes some fields of a part."""
        return self.operation in ("MERGE", "MERGE_AND_REPLACE_LIST")

    @property
    def value(self) -> Any:
        """What it puts in."""
        return self.written.patch.value if self.written.patch else None

    @property
    def filter_match(self) -> FilterMatch | None:
        """The network filter that it asks for."""
        listener = self.written.match.listener
        return listener.filter_chain.filter if listener and listener.filter_chain else None

    def says(self, what: str) -> str:
        """Return in words what it does: `EnvoyFilter shop/x changes the routes of …`."""
        return f"{self.place.ref} changes {what}"


@question
def applied_patches(mesh: Mesh, workload: Workload) -> tuple[AppliedPatch, ...]:
    """Return the patches that a workload gets and that could change an answer."""
    return tuple(
        each
        for each in received_patches(mesh, workload)
        if not each.is_readable or changes_an_answer(each.written)
    )


@question(Kind.ENVOY_FILTER)
def received_patches(mesh: Mesh, workload: Workload) -> tuple[AppliedPatch, ...]:
    """Return every patch that a workload gets, harmless ones too."""
    namespaces = root_and_own_namespace(mesh, workload)
    return tuple(
        patch
        for each in mesh.all(EnvoyFilter)
        if each.namespace in namespaces and _is_for(each, workload)
        for patch in _patches(each, workload)
    )


def root_and_own_namespace(mesh: Mesh, workload: Workload) -> frozenset[str]:
    """Return the namespaces whose EnvoyFilters and extensions a workload gets."""
    return frozenset({workload.namespace, scope_of(mesh, workload).root_namespace})


def _is_for(source: EnvoyFilter, workload: Workload) -> bool:
    selector = source.spec.workload_selector
    labels = selector.get("labels") if isinstance(selector, dict) else None
    wanted = labels if isinstance(labels, dict) else {}
    targets = read_targets(source.spec.target_refs)
    return attaches(workload, source.namespace, wanted, targets)


def _patches(source: EnvoyFilter, workload: Workload) -> Iterator[AppliedPatch]:
    for index, raw in enumerate(source.spec.config_patches):
        place = source.at(f"/spec/configPatches/{index}")
        written = decoded_patch(raw)
        if written is None:
            yield AppliedPatch(place=place, written=ConfigPatch(), is_readable=False)
        elif written.match.context in CONTEXTS and _is_of_version(written, workload):
            yield AppliedPatch(place=place, written=written)


def _is_of_version(written: ConfigPatch, workload: Workload) -> bool:
    """Whether a patch is for the version of the pods; where that is not known, it may be."""
    pattern = written.match.proxy.proxy_version if written.match.proxy else ""
    if len(pattern) > LONGEST_VERSION_PATTERN:
        return False
    if not pattern or workload.version is None:
        return True
    return found_in(pattern, str(workload.version)) is not False
