"""From a URL to a trace and an exit status."""

import gc
from datetime import UTC, datetime

from istiodoctor import __version__
from istiodoctor.check import Check
from istiodoctor.cli.arguments import TraceArguments, header, namespace, outputs
from istiodoctor.cli.exits import Exit, UsageError, complain
from istiodoctor.cli.facts import facts
from istiodoctor.cli.opening import Opener, sources
from istiodoctor.cli.output import refuse_unwritable, write_each
from istiodoctor.cli.progress import watching
from istiodoctor.cli.scanning import WRONG_USAGE, configuration, probing
from istiodoctor.cli.selection import declined, registry
from istiodoctor.cli.sources import refuse_contradictions
from istiodoctor.diagnosis.tracing import trace
from istiodoctor.engine import Options, judged
from istiodoctor.mesh.trace.requests import Request
from istiodoctor.renderers import TRACE_RENDERERS
from istiodoctor.report import ScanError, ScanInfo, ToolInfo, Trace, TraceVerdict
from istiodoctor.sources.source import SourceError

_EXITS = {
    TraceVerdict.ANSWERED: Exit.OK,
    TraceVerdict.STOPPED: Exit.PROBLEMS,
    TraceVerdict.UNKNOWN: Exit.INCOMPLETE,
}


def run(arguments: TraceArguments) -> Exit:
    """Trace the request on what the arguments name and write the outputs."""
    gc.disable()  # as a scan does
    refuse_contradictions(arguments)
    if len(arguments.contexts) > 1:
        raise UsageError("trace follows a request through one cluster: name one --context")
    if arguments.namespaces and not arguments.only_namespaces:
        raise UsageError("-n goes with --only-namespaces here: a request has no namespace")
    request = _request(arguments)
    targets = outputs(arguments.outputs, tuple(TRACE_RENDERERS))
    refuse_unwritable(targets)
    # All checks run, whatever a scan leaves out: any of them may say why the request stops.
    checks = registry().checks
    config = configuration(arguments)
    options = Options(
        config=config,
        facts=facts(config, arguments.trust_anchors),
        declined=declined(logs=arguments.no_logs, envoy=arguments.no_envoy),
        probing=probing(arguments),
        request=request,
    )
    name, open_ = next(iter(sources(arguments)))
    found = _traced(name, open_, checks, options, request)
    write_each(targets, lambda output, display: TRACE_RENDERERS[output](found, display))
    return Exit.NOTHING_SCANNED if found.error else _EXITS[found.verdict]


def _request(arguments: TraceArguments) -> Request:
    source_namespace = arguments.source_namespace
    try:
        return Request.of_url(
            arguments.url,
            method=arguments.method,
            headers=tuple(map(header, arguments.headers)),
            source_namespace=namespace(source_namespace) if source_namespace else "",
        )
    except ValueError as error:
        raise UsageError(f"{arguments.url!r} cannot be traced: {error}") from None


def _traced(
    name: str, open_: Opener, checks: tuple[Check, ...], options: Options, request: Request
) -> Trace:
    """Trace on one source; what cannot be read is a result too, unless it was named wrongly."""
    try:
        with watching() as progress:
            return trace(judged(open_(progress), checks, options), request)
    except SourceError as error:
        if error.kind in WRONG_USAGE:
            raise UsageError(error.message) from None
        complain(error.message)
        return Trace(
            url=request.url,
            method=request.method,
            tool=ToolInfo(name="istiodoctor", version=__version__, checks=len(checks)),
            scan=ScanInfo(taken_at=datetime.now(UTC), duration_seconds=0.0, source=name),
            verdict=TraceVerdict.UNKNOWN,
            error=ScanError(kind=str(error.kind), message=error.message),
        )
