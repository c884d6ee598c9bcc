"""Objects from a file."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml


def load(path: Path) -> Iterable[dict[str, Any]]:
    """The objects of a JSON or YAML file: a document each, a List, or a JSON array."""
    if path.suffix == ".json":
        with path.open("rb") as file:
            content = json.load(file)
        return content if isinstance(content, list) else [content]
    with path.open("rb") as file:
        return [document for document in yaml.load_all(file, Loader=_Loader) if document]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Kubernetes reads it: a time stays the text it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
