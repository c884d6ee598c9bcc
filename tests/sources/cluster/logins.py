"""Opening clusters, and what it says when that fails."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from istiodoctor.model.kind import Kind
from istiodoctor.sources.cluster import ClusterSource, open_cluster
from istiodoctor.sources.source import SourceError, SourceErrorKind
from tests.sources.cluster.objects import names


def opened(path: Path | None = None, *, seconds: float = 20, **options: Any) -> ClusterSource:
    return open_cluster(kubeconfig=path, timeout=timedelta(seconds=seconds), **options)


def what_is_read(source: ClusterSource) -> list[str]:
    return names(source.collect(frozenset({Kind.ISTIO_GATEWAY})))


def failure(opening: Callable[[], object]) -> tuple[SourceErrorKind, str]:
    with pytest.raises(SourceError) as caught:
        opening()
    return caught.value.kind, caught.value.message


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))
    return path
