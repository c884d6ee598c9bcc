"""A laboratory for each scenario, and an address that a load balancer could have."""

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.gateway import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def may_listen() -> bool:
    """Whether this user may listen on the ports of the web."""
    try:
        socket.create_server(("127.0.0.2", 443)).close()
    except PermissionError:
        return False
    return True


@pytest.fixture
def address(may_listen: bool) -> str:
    """An address of loopback at whose ports 80 and 443 nobody else listens."""
    if not may_listen:
        pytest.skip("this user may not listen on port 443 of loopback")
    first, *rest = (1 + secrets.randbelow(254) for _ in range(3))
    return ".".join(map(str, (127, first, *rest)))
