"""A running API server for each file of tests, and a source that reads it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from istiodoctor.sources.cluster import ClusterSource, open_cluster
from tests.apiserver import ApiServer

Open = Callable[..., ClusterSource]


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    """A server with the `OBJECTS` of the module, for all of its tests."""
    with ApiServer(request.module.OBJECTS) as server:
        yield server


@pytest.fixture
def server(running: ApiServer) -> ApiServer:
    """The same server, as if it had just been started."""
    running.recover()
    running.permit_all()
    running.forget_requests()
    return running


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Where a test may write a kubeconfig."""
    return tmp_path / "kubeconfig"


@pytest.fixture
def connect(kubeconfig: Path) -> Open:
    """Open a server as a source; requests made on the way are forgotten."""

    def connected(server: ApiServer, *, seconds: float = 20, **options: Any) -> ClusterSource:
        path = server.kubeconfig(kubeconfig)
        source = open_cluster(kubeconfig=path, timeout=timedelta(seconds=seconds), **options)
        server.forget_requests()
        return source

    return connected
