"""From which namespaces routes and ListenerSets may attach, as selectors choose them.

Source: `namespacesFromSelector` (pilot/pkg/config/kube/gateway/conversion.go:2618),
`NamespaceAcceptedByAllowListeners` (gatewaycommon/gateway_utils.go:84).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from istiodoctor.mesh.labels import NAME_LABEL
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.grants import selects
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import LabelRequirement, LabelSelector, Namespace

"""What the API server labels each namespace with."""
WITH_VALUES = frozenset({"In", "NotIn"})
WITHOUT_VALUES = frozenset({"Exists", "DoesNotExist"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedNamespaces:
    """The namespaces that a selector takes."""

    names: frozenset[str]
    is_complete: bool
    """False where others may be taken too: their labels were not read."""


@question(Kind.NAMESPACE)
def labels_of_namespace(mesh: Mesh, name: str) -> Mapping[str, str] | None:
    """Return a namespace's labels, that of its name among them; None when it was not read."""
    found = mesh.get(Namespace, "", name)
    return None if found is None else {**found.metadata.labels, NAME_LABEL: name}


@question(Kind.NAMESPACE)
def _namespaces_by_label(mesh: Mesh) -> Mapping[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in mesh.all(Namespace):
        for label in {**each.metadata.labels, NAME_LABEL: each.name}.items():
            found[label].append(each.name)
    return {label: tuple(names) for label, names in found.items()}


def selected_namespaces(mesh: Mesh, selector: LabelSelector) -> SelectedNamespaces:
    """Return the namespaces that a selector takes."""
    return namespaces_taken(mesh, msgspec.json.encode(selector, order="deterministic"))


@question(Kind.NAMESPACE)
def namespaces_taken(mesh: Mesh, encoded: bytes) -> SelectedNamespaces:
    """Return the namespaces that a selector takes; selectors repeat, so answers are kept."""
    selector = msgspec.json.decode(encoded, type=LabelSelector)
    if not is_valid(selector):
        return SelectedNamespaces(names=frozenset(), is_complete=True)
    named = _named(selector)
    known = _candidates(mesh, selector) if named is None else named
    taken = {each: takes_namespace(mesh, selector, each) for each in known}
    # A cluster has namespaces: one that shows none was not shown whole.
    every = named is not None or (mesh.is_complete(Kind.NAMESPACE) and bool(mesh.all(Namespace)))
    return SelectedNamespaces(
        names=frozenset(name for name, is_taken in taken.items() if is_taken),
        is_complete=every and None not in taken.values(),
    )


def takes_namespace(mesh: Mesh, selector: LabelSelector, name: str) -> bool | None:
    """Whether a selector takes a namespace in which something is; None where labels are unread."""
    if not is_valid(selector):
        return False
    labels = labels_of_namespace(mesh, name)
    return _takes_unread(selector, name) if labels is None else selects(selector, labels)


def is_valid(selector: LabelSelector) -> bool:
    """Whether Kubernetes can make sense of a selector; istiod takes nothing by any other."""
    return all(_is_valid(each) for each in selector.match_expressions)


def _is_valid(requirement: LabelRequirement) -> bool:
    if requirement.operator in WITH_VALUES:
        return bool(requirement.values)
    return requirement.operator in WITHOUT_VALUES and not requirement.values


def _requirements(selector: LabelSelector) -> Iterator[LabelRequirement]:
    for key, value in selector.match_labels.items():
        yield LabelRequirement(key=key, operator="In", values=(value,))
    yield from selector.match_expressions


def _named(selector: LabelSelector) -> frozenset[str] | None:
    """Return the namespaces that a selector names; None where it goes by other labels."""
    named = [
        frozenset(each.values)
        for each in _requirements(selector)
        if each.key == NAME_LABEL and each.operator == "In"
    ]
    return frozenset.intersection(*named) if named else None


def _candidates(mesh: Mesh, selector: LabelSelector) -> tuple[str, ...]:
    """Return the known namespaces that have one of the labels asked for, the rarest one."""
    if not selector.match_labels:
        return tuple(each.name for each in mesh.all(Namespace))
    index = _namespaces_by_label(mesh)
    return min((index.get(label, ()) for label in selector.match_labels.items()), key=len)


def _takes_unread(selector: LabelSelector, name: str) -> bool | None:
    """Whether a selector takes a namespace of which only the name is known."""
    labels = {NAME_LABEL: name}
    is_decided = True
    for each in _requirements(selector):
        if each.key != NAME_LABEL:
            is_decided = False
        elif not selects(LabelSelector(match_expressions=(each,)), labels):
            return False
    return True if is_decided else None
