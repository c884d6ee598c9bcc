"""Ask istiodoctor, in this process: one load of the objects, then every request of a scenario."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from istiodoctor import __version__
from istiodoctor.check import Check
from istiodoctor.cli.selection import registry
from istiodoctor.config import Config
from istiodoctor.diagnosis import Judgement
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.diagnosis.tracing import traces as follow
from istiodoctor.engine import collect, wanted_kinds
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.facts import Facts
from istiodoctor.mesh.requests.request_paths import request_paths
from istiodoctor.renderers.trace_json import render_traces
from istiodoctor.sources.files import open_files
from tests.conformance import certificates
from tests.conformance.truth import Json, Scenario

HOUR = timedelta(hours=1)
Asked = str
"""A request as text: what a client sends, without the ways that it may take."""


def asked(entry: Json) -> Asked:
    """Return the request of an entry of the truth, to find its trace by."""
    fields = ("url", "method", "headers", "serverName")
    return json.dumps({name: entry[name] for name in fields if name in entry})


def requests(scenario: Scenario) -> list[Asked]:
    """Return each request of a scenario once: an entry is one way of it."""
    return list(dict.fromkeys(map(asked, scenario.requests)))


def traces(scenario: Scenario, keep: Path | None = None) -> dict[Asked, Json]:
    """Return the JSON trace of each request; the objects are left in the folder `keep`."""
    if keep is not None:
        return _traces(scenario, keep / scenario.name)
    with TemporaryDirectory(prefix="conformance-") as folder:
        return _traces(scenario, Path(folder))


def judgement(scenario: Scenario) -> Judgement:
    """Return what is known of a scenario, before any check has run."""
    with TemporaryDirectory(prefix="conformance-") as folder:
        _write(scenario, Path(folder))
        return _judgement(Path(folder) / "objects")


def _traces(scenario: Scenario, folder: Path) -> dict[Asked, Json]:
    _write(scenario, folder)
    sent: dict[Asked, Request] = {}
    refused: dict[Asked, Json] = {}
    for each in requests(scenario):
        try:
            sent[each] = _request(json.loads(each))
        except ValueError as error:
            refused[each] = {"error": {"message": str(error)}, "legs": []}
    if not sent:
        return refused
    found = json.loads(render_traces(follow(_judgement(folder / "objects"), sent.items())))
    return refused | {each["id"]: each for each in found["traces"]}


def _write(scenario: Scenario, folder: Path) -> None:
    """Write objects and requests as `trace --requests requests.jsonl -f objects` takes them."""
    (folder / "objects").mkdir(parents=True, exist_ok=True)
    items = certificates.filled(scenario.objects)
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1)
    (folder / "objects" / "objects.json").write_text(objects, encoding="utf-8")
    lines = "".join(each + "\n" for each in requests(scenario))
    (folder / "requests.jsonl").write_text(lines, encoding="utf-8")


def _request(asked: Json) -> Request:
    return Request.of_url(
        asked["url"],
        method=asked["method"],
        headers=asked["headers"].items(),
        server_name=asked.get("serverName"),
    )


def _judgement(objects: Path) -> Judgement:
    # No check runs: a trace is made from the objects, checks only name the problem behind a stop.
    now = datetime.now(UTC)
    source = open_files((str(objects),), whole_cluster=True, stdin=None, since=HOUR, now=now)
    checks = _checks()
    found = collect(
        source, checks, wanted_kinds(checks, frozenset()) | request_paths.reads, Facts()
    )
    return Judgement(
        snapshot=found.snapshot,
        mesh=found.mesh,
        runs=(),
        tool_version=__version__,
        scope=Scope(),
        config=Config(),
        duration_seconds=0.0,
    )


@cache
def _checks() -> tuple[Check, ...]:
    return registry().checks
