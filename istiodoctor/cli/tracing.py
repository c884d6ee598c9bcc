"""From URLs, or a file of requests, to traces and an exit status."""

import gc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from istiodoctor import __version__
from istiodoctor.check import Check
from istiodoctor.cli.arguments import TraceArguments, outputs, refuse_contradictions
from istiodoctor.cli.exits import Exit, UsageError, complain, ended
from istiodoctor.cli.facts import facts
from istiodoctor.cli.output import Targets, refuse_unwritable, write_each
from istiodoctor.cli.progress import watching
from istiodoctor.cli.requests import STANDARD_INPUT, Asked, read_requests, typed_requests
from istiodoctor.cli.scanning import WRONG_USAGE, configuration, probing, say_rejected
from istiodoctor.cli.selection import declined, registry
from istiodoctor.cli.sources import Opener, sources
from istiodoctor.diagnosis import Judgement
from istiodoctor.diagnosis.tracing import trace, traces
from istiodoctor.engine import Options, judged
from istiodoctor.mesh.requests.request_paths import request_paths
from istiodoctor.model.redaction import redact_query
from istiodoctor.renderers import TRACE_RENDERERS, TRACES_RENDERERS
from istiodoctor.report import ScanError, ScanInfo, ToolInfo
from istiodoctor.sources.source import SourceError
from istiodoctor.trace_report import Trace, Traces, TraceVerdict

Result = TypeVar("Result")

_EXITS = {
    TraceVerdict.ANSWERED: Exit.OK,
    TraceVerdict.STOPPED: Exit.PROBLEMS,
    TraceVerdict.UNKNOWN: Exit.INCOMPLETE,
}


def run(arguments: TraceArguments) -> Exit:
    """Trace the requests on what the arguments name and write the outputs."""
    gc.disable()  # as a scan does
    _refuse_contradictions(arguments)
    asked = _asked(arguments)
    targets = outputs(arguments.outputs, tuple(TRACE_RENDERERS))
    refuse_unwritable(targets)
    if arguments.requests or len(asked) > 1:
        return _many(arguments, asked, targets)
    return _one(arguments, asked[0], targets)


def _one(arguments: TraceArguments, asked: Asked, targets: Targets) -> Exit:
    _, request = asked
    found = _followed(
        arguments,
        asked,
        lambda judgement: trace(judgement, request),
        lambda tool, scan, error: _unread(("", request), tool, scan, error),
    )
    written = write_each(targets, lambda output, display: TRACE_RENDERERS[output](found, display))
    return ended(Exit.NOTHING_SCANNED if found.error else _EXITS[found.verdict], written)


def _many(arguments: TraceArguments, asked: tuple[Asked, ...], targets: Targets) -> Exit:
    found = _followed(
        arguments,
        None,
        lambda judgement: traces(judgement, asked),
        lambda tool, scan, error: Traces(
            tool=tool,
            scan=scan,
            traces=tuple(_unread(each, tool, scan, error) for each in asked),
        ),
    )
    written = write_each(targets, lambda output, display: TRACES_RENDERERS[output](found, display))
    return ended(_status_of_many(found, is_strict=arguments.strict), written)


def _status_of_many(found: Traces, *, is_strict: bool) -> Exit:
    if found.traces[0].error:
        return Exit.NOTHING_SCANNED
    if found.count(TraceVerdict.STOPPED):
        return Exit.PROBLEMS
    is_unknown = is_strict and found.count(TraceVerdict.UNKNOWN)
    return Exit.INCOMPLETE if is_unknown else Exit.OK


def _refuse_contradictions(arguments: TraceArguments) -> None:
    """Raise UsageError for options that exclude each other."""
    refuse_contradictions(arguments)
    if len(arguments.contexts) > 1:
        raise UsageError("trace follows a request through one cluster: name one --context")
    if arguments.namespaces and not arguments.only_namespaces:
        raise UsageError("-n goes with --only-namespaces here: a request has no namespace")
    if bool(arguments.urls) is bool(arguments.requests):
        raise UsageError("name a URL, several, or a file of requests with --requests")
    if arguments.probe and (arguments.requests or len(arguments.urls) > 1):
        raise UsageError("--probe sends one request along its way: name one URL")
    own = (arguments.headers, arguments.server_name is not None, arguments.upgrade)
    if arguments.requests and (any(own) or arguments.method != "GET"):
        raise UsageError("each line of --requests says its own method, headers and SNI")
    if arguments.requests == STANDARD_INPUT and STANDARD_INPUT in arguments.files:
        raise UsageError("standard input is either the requests or the manifests")


def _asked(arguments: TraceArguments) -> tuple[Asked, ...]:
    if arguments.requests:
        return read_requests(arguments.requests)
    return typed_requests(arguments)


def _followed(
    arguments: TraceArguments,
    asked: Asked | None,
    follow: Callable[[Judgement], Result],
    give_up: Callable[[ToolInfo, ScanInfo, ScanError], Result],
) -> Result:
    """Follow requests on one source; what cannot be read is a result too.

    `asked` is the one request that is looked at on the wire, if any is.
    """
    # All checks run, whatever a scan leaves out: any of them may say why the request stops.
    checks = registry().checks
    config = configuration(arguments)
    options = Options(
        config=config,
        facts=facts(config, arguments.trust_anchors, arguments.istio_version),
        declined=declined(logs=arguments.no_logs, envoy=arguments.no_envoy),
        probing=probing(arguments),
        kinds=request_paths.reads,
        request=asked[1] if asked else None,
    )
    name, open_ = next(iter(sources(arguments)))
    try:
        judgement = _judged(open_, checks, options)
        say_rejected(each.message for each in judgement.mesh.snapshot.unread)
        return follow(judgement)
    except SourceError as error:
        if error.kind in WRONG_USAGE:
            raise UsageError(error.message) from None
        complain(error.message)
        return give_up(
            ToolInfo(name="istiodoctor", version=__version__, checks=len(checks)),
            ScanInfo(taken_at=datetime.now(UTC), duration_seconds=0.0, source=name),
            ScanError(kind=str(error.kind), message=error.message),
        )


def _judged(open_: Opener, checks: tuple[Check, ...], options: Options) -> Judgement:
    with watching() as progress:
        return judged(open_(progress), checks, options)


def _unread(asked: Asked, tool: ToolInfo, scan: ScanInfo, error: ScanError) -> Trace:
    name, request = asked
    return Trace(
        id=name,
        url=redact_query(request.url),
        method=request.method,
        tool=tool,
        scan=scan,
        verdict=TraceVerdict.UNKNOWN,
        error=error,
    )
