"""Print time per stage and peak memory of scans at n = 100, 1,000, 10,000, and their growth."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.apiserver import ApiServer
from tests.benchmarks.generator import write_json, write_yaml

BUDGETS = {"files": 8.0, "cluster": 10.0}
"""Seconds in all at n = 10,000 on two cores."""
JUDGING_BUDGET = 1.5
"""Seconds for mesh and all checks, from nothing; measured apart, after the scan."""
REQUESTS_BUDGET = 5.0
"""Seconds to trace 10,000 requests once everything is read and judged."""
MEMORY_BUDGET = 400
GROWTH_BUDGET = 11.0


def main() -> int:
    """Measure; fail when a budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--source", choices=["files", "cluster"], action="append")
    arguments = parser.parse_args()
    exceeded: list[str] = []
    for source in arguments.source or ["files", "cluster"]:
        before: dict[str, float] = {}
        for size in arguments.sizes:
            with (
                tempfile.TemporaryDirectory() as folder,
                _target(source, size, folder) as to,
            ):
                stages = _measure(source, to)
            print(_row(source, size, stages, before), flush=True)
            exceeded += _exceeded(source, size, stages, before)
            before = stages
    for line in exceeded:
        print(f"over budget: {line}")
    return 1 if exceeded else 0


@contextmanager
def _target(source: str, size: int, where: str) -> Iterator[Path]:
    """Lend a YAML file, or the kubeconfig of an API server in a process of its own."""
    folder = Path(where)
    if source == "files":
        path = folder / "cluster.yaml"
        write_yaml(size, path)
        yield path
        return
    path = folder / "cluster.json"
    write_json(size, path)
    with ApiServer(path) as server:
        yield Path(server.kubeconfig(folder / "kubeconfig"))


def _measure(source: str, target: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.scan", source, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _row(source: str, size: int, stages: dict[str, float], before: dict[str, float]) -> str:
    times = "  ".join(
        f"{name} {seconds:6.2f}s" for name, seconds in stages.items() if name != "megabytes"
    )
    grown = f"  x{stages['total'] / before['total']:.1f}" if before else ""
    return f"{source:<8} n={size:<6} {times}  {stages['megabytes']:.0f} MiB{grown}"


def _exceeded(
    source: str, size: int, stages: dict[str, float], before: dict[str, float]
) -> Iterator[str]:
    if before and stages["total"] > before["total"] * GROWTH_BUDGET:
        yield f"{source} n={size}: time grew by {stages['total'] / before['total']:.1f}"
    if size < 10_000:
        return
    if stages["total"] > BUDGETS[source]:
        yield f"{source} n={size}: {stages['total']:.1f} s in all"
    if stages["judge"] > JUDGING_BUDGET:
        yield f"{source} n={size}: {stages['judge']:.2f} s for mesh and checks"
    if stages["requests"] > REQUESTS_BUDGET:
        yield f"{source} n={size}: {stages['requests']:.2f} s for 10,000 requests"
    if stages["megabytes"] > MEMORY_BUDGET:
        yield f"{source} n={size}: {stages['megabytes']:.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
