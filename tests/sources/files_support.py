"""Read files as the command line does, with a fixed clock."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.files import FilesSource, open_files

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ALL = frozenset(Kind)


def opened(
    *paths: Path | str,
    whole_cluster: bool = False,
    stdin: bytes = b"",
    assumed_namespace: str = "",
    is_rendering: bool = False,
) -> FilesSource:
    return open_files(
        [str(path) for path in paths],
        whole_cluster=whole_cluster,
        assumed_namespace=assumed_namespace,
        is_rendering=is_rendering,
        stdin=BytesIO(stdin),
        since=timedelta(hours=1),
        now=NOW,
    )


def read(*paths: Path | str, whole_cluster: bool = False, stdin: bytes = b"") -> Reading:
    return opened(*paths, whole_cluster=whole_cluster, stdin=stdin).collect(ALL)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def service(name: str, namespace: str = "shop") -> str:
    place = f"\n  namespace: {namespace}" if namespace else ""
    return f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}{place}\n"


def places(reading: Reading) -> dict[str, str]:
    """Return where each object was found: `Service shop/web` → `file:line`, without the folder."""
    return {
        str(ref): f"{Path(location.file).name}:{location.line}"
        for ref, location in reading.locations.items()
    }


def unread(reading: Reading) -> list[tuple[str, str, int | None]]:
    """Return kind and reason, message and line of what was not read."""
    return [(f"{each.kind}: {each.reason}", each.message, each.line) for each in reading.unread]
