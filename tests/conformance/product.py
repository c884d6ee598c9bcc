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
from istiodoctor.diagnosis.tracing import trace
from istiodoctor.engine import collect, wanted_kinds
from istiodoctor.mesh.facts import Facts
from istiodoctor.mesh.trace.requests import Request
from istiodoctor.renderers.trace_json import render_trace
from istiodoctor.sources.files import open_files
from tests.conformance import certificates
from tests.conformance.truth import Json, Scenario

HOUR = timedelta(hours=1)
Asked = str
"""A request as text: what a client sends, without the ways that it may take."""


def asked(entry: Json) -> Asked:
    """Return the request of an entry of the truth, to find its trace by."""
    return json.dumps({key: entry[key] for key in ("url", "method", "headers")})


def requests(scenario: Scenario) -> list[Asked]:
    """Return each request of a scenario once: an entry is one way of it."""
    return list(dict.fromkeys(map(asked, scenario.requests)))


def traces(scenario: Scenario, keep: Path | None = None) -> dict[Asked, Json]:
    """Return the JSON trace of each request; the objects are left in the folder `keep`."""
    if keep is not None:
        return _traces(scenario, keep / scenario.name)
    with TemporaryDirectory(prefix="conformance-") as folder:
        return _traces(scenario, Path(folder))


def _traces(scenario: Scenario, folder: Path) -> dict[Asked, Json]:
    folder.mkdir(parents=True, exist_ok=True)
    items = certificates.filled(scenario.objects)
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    (folder / "objects.json").write_text(objects, encoding="utf-8")
    judgement = _judgement(folder)
    return {each: _trace(judgement, json.loads(each)) for each in requests(scenario)}


def _judgement(folder: Path) -> Judgement:
    # No check runs: a trace is made from the objects, checks only name the problem behind a stop.
    now = datetime.now(UTC)
    source = open_files((str(folder),), whole_cluster=True, stdin=None, since=HOUR, now=now)
    checks = _checks()
    found = collect(source, checks, wanted_kinds(checks, frozenset()), Facts())
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


def _trace(judgement: Judgement, request: Json) -> Json:
    try:
        sent = Request.of_url(
            request["url"],
            method=request["method"],
            headers=tuple(request["headers"].items()),
        )
    except ValueError as error:
        return {"error": {"message": str(error)}, "legs": []}
    document: Json = json.loads(render_trace(trace(judgement, sent)))
    return document
