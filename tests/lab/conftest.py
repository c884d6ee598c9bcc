"""A lab for each scenario, and addresses that a load balancer or a node could have."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.gateway import Lab
from tests.lab.resources import loopback


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as running:
        yield running


@pytest.fixture
def node() -> str:
    """An address of its own."""
    return loopback()


@pytest.fixture
def address(node: str) -> str:
    """The same, for who may listen on ports 80 and 443 there."""
    try:
        socket.create_server((node, 443)).close()
    except PermissionError:
        pytest.skip("this user may not listen on port 443 of loopback")
    return node
