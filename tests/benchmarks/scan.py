"""One measured scan, in a process of its own: prints seconds per stage and peak MiB as JSON.

Measured apart from it: the checks once more from nothing, and 10,000 requests traced.
"""

import gc
import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

from istiodoctor.sources.source import Source

STARTED = time.monotonic()
REQUESTS = 10_000


def main() -> None:
    """Scan the file or cluster that the arguments name."""
    from istiodoctor import engine
    from istiodoctor.diagnosis import Judgement, diagnose
    from istiodoctor.diagnosis.runs import run_checks
    from istiodoctor.mesh import Mesh
    from istiodoctor.mesh.facts import Facts
    from istiodoctor.registry import discover
    from istiodoctor.renderers import RENDERERS, Display

    gc.disable()  # as the command line does
    source_name, target = sys.argv[1:]
    checks = discover().checks
    stages = {"start": time.monotonic() - STARTED}
    at = time.monotonic()
    source = _source(source_name, target)
    kinds = engine.wanted_kinds(checks, frozenset())
    collected = engine.collect(source, checks, kinds, Facts())
    stages["read"], at = time.monotonic() - at, time.monotonic()
    first = tuple(each for each in checks if not each.is_last_resort)
    runs = run_checks(first, collected.mesh, collected.snapshot)
    stages["checks"], at = time.monotonic() - at, time.monotonic()
    judgement = Judgement(
        snapshot=collected.snapshot, mesh=collected.mesh, runs=runs, tool_version="bench"
    )
    judgement = engine.with_last(judgement, checks)
    stages["last"], at = time.monotonic() - at, time.monotonic()
    report = diagnose(judgement)
    RENDERERS["json"]([report], Display())
    stages["report"] = time.monotonic() - at
    stages["total"] = time.monotonic() - STARTED
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    at = time.monotonic()
    run_checks(first, Mesh(collected.snapshot), collected.snapshot)
    stages["judge"], at = time.monotonic() - at, time.monotonic()
    _trace_many(judgement)
    stages["requests"] = time.monotonic() - at
    print(json.dumps({**stages, "megabytes": peak}))
    print(f"{report.verdict}: {len(report.problems)} problems", file=sys.stderr)


def _trace_many(judgement: Any) -> None:
    """Follow requests to every host in turn, half of them plain, and write what comes of them."""
    from istiodoctor.diagnosis.tracing import traces
    from istiodoctor.mesh.configuration.request import Request
    from istiodoctor.mesh.gateways.listeners import servers
    from istiodoctor.renderers import TRACES_RENDERERS, Display

    hosts = sorted({host for each in servers(judgement.mesh) for host in each.names})
    asked = (
        (str(number), Request.of_url(f"{'https' if number % 2 else 'http'}://{host}/api/"))
        for number, host in zip(range(REQUESTS), cycle(hosts))
    )
    found = traces(judgement, asked)
    for render in TRACES_RENDERERS.values():
        render(found, Display())


def _source(name: str, target: str) -> Source:
    if name == "files":
        from istiodoctor.sources.files import open_files

        return open_files(
            [target],
            whole_cluster=True,
            stdin=None,
            since=timedelta(hours=1),
            now=datetime.now(UTC),
        )
    from istiodoctor.sources.cluster import open_cluster

    return open_cluster(kubeconfig=Path(target))


if __name__ == "__main__":
    main()
