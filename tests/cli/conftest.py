"""A shell for each test, and clusters as files for all of them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.process import Shell
from tests.support.clusters import MODE_MISSING, anchors, broken, healthy, written


@pytest.fixture
def run(tmp_path: Path) -> Shell:
    """The command, in an empty home."""
    return Shell(folder=tmp_path)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `healthy.yaml`, `broken.yaml`, `torn.yaml` and the `roots.pem` of clients."""
    folder = tmp_path_factory.mktemp("clusters")
    now = datetime.now(UTC)
    written(healthy(now), folder / "healthy.yaml")
    written(broken(now), folder / "broken.yaml")
    (folder / "torn.yaml").write_text(f"{MODE_MISSING}---\na: [\n")
    anchors(folder / "roots.pem")
    return folder
