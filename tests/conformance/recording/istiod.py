"""Run istiod on scenarios: what it would send to each gateway, and what its validation refuses."""

import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conformance import certificates
from tests.conformance.truth import Json

PANIC = re.compile(r"^(?:panic|fatal error): (.*)$", re.MULTILINE)


def sent(binary: Path, scenarios: dict[str, list[Json]], jobs: int) -> dict[str, Json]:
    """Return istiod's output for the objects of each scenario, by name."""
    with tempfile.TemporaryDirectory(prefix="conformance-istiod-") as folder:
        parts = [Path(folder) / str(index) for index in range(jobs)]
        out = Path(folder) / "out"
        for each in (*parts, out):
            each.mkdir()
        for index, (name, objects) in enumerate(scenarios.items()):
            text = json.dumps({"objects": certificates.filled(objects)})
            (parts[index % jobs] / f"{name}.json").write_text(text, encoding="utf-8")
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda part: _run(binary, part, out), parts))
        return {name: json.loads((out / f"{name}.json").read_text()) for name in scenarios}


def _run(binary: Path, part: Path, out: Path) -> None:
    """Run until every scenario has an output: a panic in a goroutine ends the whole process."""
    while left := [path for path in sorted(part.glob("*.json")) if not (out / path.name).exists()]:
        ended = subprocess.run(
            [binary, "-test.run", "TestRecord", "-test.timeout", "120m"],
            env=os.environ | {"CONFORMANCE_IN": str(part), "CONFORMANCE_OUT": str(out)},
            cwd=part,
            capture_output=True,
            text=True,
            check=False,
        )
        still = [path for path in left if not (out / path.name).exists()]
        if not still:
            return
        said = PANIC.search(ended.stdout + ended.stderr)
        if still == left and not said:
            raise SystemExit(f"{binary}: {(ended.stdout + ended.stderr)[-2000:]}")
        panic = {"rejected": None, "gateways": None, "panic": said[1] if said else "died"}
        (out / still[0].name).write_text(json.dumps(panic), encoding="utf-8")


def accepted(objects: list[Json], rejected: list[str] | None) -> list[Json]:
    """Return the objects that istiod's validation lets in."""
    refused = {each.split(": ")[0] for each in rejected or []}
    return [each for each in objects if _name(each) not in refused]


def _name(document: Json) -> str:
    metadata = document["metadata"]
    return f"{document['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"
