"""One measured scan, in a process of its own: prints seconds per stage and peak MiB as JSON."""

import gc
import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

STARTED = time.monotonic()


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
    facts = Facts()
    snapshot, _ = engine.collect(source, checks, kinds, facts)
    stages["read"], at = time.monotonic() - at, time.monotonic()
    mesh = Mesh(snapshot, facts)
    runs = run_checks(checks, mesh, snapshot)
    stages["judge"], at = time.monotonic() - at, time.monotonic()
    report = diagnose(Judgement(snapshot=snapshot, mesh=mesh, runs=runs, tool_version="bench"))
    for name in ("json", "terminal"):
        RENDERERS[name]([report], Display())
    stages["report"] = time.monotonic() - at
    stages["total"] = time.monotonic() - STARTED
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**stages, "megabytes": peak}))
    print(f"{report.verdict}: {len(report.problems)} problems", file=sys.stderr)


def _source(name: str, target: str):  # type: ignore[no-untyped-def]  # either source
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
