"""An index of objects by their labels, so that joins over selectors stay linear."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server sets it on every namespace."""
NETWORK_LABEL = "topology.istio.io/network"


class Labelled(Protocol):
    """An object in a namespace that a label selector can select."""

    @property
    def namespace(self) -> str:
        """Where it is."""

    @property
    def labels(self) -> Mapping[str, str]:
        """What selectors look at."""


L = TypeVar("L", bound=Labelled)


class LabelIndex(Generic[L]):
    """Items by each of their labels, within one namespace and over all."""

    def __init__(self, items: Iterable[L]) -> None:
        """Index items."""
        self._all: dict[str, list[L]] = defaultdict(list)
        self._labelled: dict[tuple[str, str, str], list[L]] = defaultdict(list)
        for item in items:
            for namespace in ("", item.namespace):
                self._all[namespace].append(item)
                for key, value in item.labels.items():
                    self._labelled[namespace, key, value].append(item)

    def having(self, labels: Iterable[tuple[str, str]], namespace: str) -> Iterator[L]:
        """Yield the items with all these labels; in every namespace when that is empty."""
        wanted = dict(labels).items()
        candidates = min(
            (self._labelled.get((namespace, key, value), []) for key, value in wanted),
            key=len,
            default=self._all.get(namespace, []),
        )
        return (each for each in candidates if wanted <= each.labels.items())
