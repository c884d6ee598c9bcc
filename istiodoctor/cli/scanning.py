"""From arguments to a report and an exit status."""

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer

from istiodoctor import __version__
from istiodoctor.check import Check
from istiodoctor.cli.arguments import ScanArguments, duration, outputs
from istiodoctor.cli.exits import Exit, UsageError, complain
from istiodoctor.cli.facts import facts
from istiodoctor.cli.output import write
from istiodoctor.cli.progress import watching
from istiodoctor.cli.selection import chosen, registry
from istiodoctor.config import FAIL_ON, Config, ConfigError, find, load, threshold
from istiodoctor.diagnosis.report import could_not_look
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.engine import Options, scan
from istiodoctor.model.kind import Kind
from istiodoctor.renderers import RENDERERS
from istiodoctor.report import Report, ScanError, ScanInfo, ToolInfo, Verdict
from istiodoctor.sources.source import Progress, Source, SourceError, SourceErrorKind

WRONG_USAGE = frozenset(
    {SourceErrorKind.USAGE, SourceErrorKind.BAD_KUBECONFIG, SourceErrorKind.UNKNOWN_CONTEXT}
)
DEFAULT_FAIL_ON = "high"
Opener = Callable[[Progress], Source]


def run(arguments: ScanArguments) -> Exit:
    """Scan what the arguments name and write the outputs."""
    # What is read is large, acyclic and kept to the end: looking through it costs a third.
    gc.disable()
    _refuse_contradictions(arguments)
    targets = outputs(arguments.outputs, tuple(RENDERERS))
    config = _config(arguments.config)
    fail_on = arguments.fail_on or config.fail_on or DEFAULT_FAIL_ON
    if fail_on not in FAIL_ON:
        raise UsageError(f"--fail-on takes one of {', '.join(FAIL_ON)}, not {fail_on}")
    checks = chosen(
        registry(), arguments.select or config.select, (*arguments.ignore, *config.ignore)
    )
    options = Options(
        scope=_scope(arguments),
        config=config,
        facts=facts(config, arguments.trust_anchors),
        declined=frozenset({Kind.POD_LOG}) if arguments.no_logs else frozenset(),
    )
    reports = tuple(_scan(name, open_, checks, options) for name, open_ in _sources(arguments))
    write(reports, targets)
    return _status(reports, fail_on, arguments)


def _refuse_contradictions(arguments: ScanArguments) -> None:
    from_cluster = bool(arguments.contexts or arguments.all_contexts or arguments.kubeconfig)
    if sum((bool(arguments.files), arguments.demo, from_cluster)) > 1:
        raise UsageError("choose one source: --file, --demo, or a cluster by --context")
    if arguments.contexts and arguments.all_contexts:
        raise UsageError("--context and --all-contexts exclude each other")
    if arguments.whole_cluster and not arguments.files:
        raise UsageError("--whole-cluster says something about files: name them with -f")
    if arguments.only_namespaces and not arguments.namespaces:
        raise UsageError("--only-namespaces needs at least one -n NAMESPACE")


def _config(named: Path | None) -> Config:
    path = named or find(Path.cwd(), Path(typer.get_app_dir("istiodoctor")))
    if path is None:
        return Config()
    try:
        return load(path)
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _scope(arguments: ScanArguments) -> Scope:
    gateways = []
    for text in arguments.gateways:
        namespace, separator, name = text.partition("/")
        if not (separator and namespace and name):
            raise UsageError(f"--gateway takes NAMESPACE/NAME, not {text}")
        gateways.append((namespace, name))
    return Scope(
        namespaces=frozenset(arguments.namespaces),
        gateways=frozenset(gateways),
        hosts=tuple(host.lower() for host in arguments.hosts),
    )


def _sources(arguments: ScanArguments) -> Iterator[tuple[str, Opener]]:
    """Yield each source by name; opening it may fail and then concerns it alone."""
    now = datetime.now(UTC)
    since = duration(arguments.since, "--since")
    timeout = duration(arguments.timeout, "--timeout")
    if arguments.demo:
        from istiodoctor.sources.demo import open_demo

        yield "demo", lambda progress: open_demo(now=now)
    elif arguments.files:
        from istiodoctor.sources.files import open_files

        yield (
            ", ".join(arguments.files),
            lambda progress: open_files(
                arguments.files,
                whole_cluster=arguments.whole_cluster,
                stdin=sys.stdin.buffer,
                since=since,
                now=now,
            ),
        )
    else:
        from istiodoctor.sources.cluster import contexts, open_cluster

        names: Iterable[str | None] = arguments.contexts or (None,)
        if arguments.all_contexts:
            names = _all_contexts(contexts, arguments.kubeconfig)
        for name in names:

            def opener(progress: Progress, name: str | None = name) -> Source:
                return open_cluster(
                    kubeconfig=arguments.kubeconfig,
                    context=name,
                    namespaces=frozenset(arguments.namespaces),
                    only_namespaces=arguments.only_namespaces,
                    secret_inventory=arguments.secret_inventory,
                    since=since,
                    timeout=timeout,
                    progress=progress,
                )

            yield name or "the current context", opener


def _all_contexts(
    contexts: Callable[[Path | None], tuple[str, ...]], kubeconfig: Path | None
) -> tuple[str, ...]:
    try:
        found = contexts(kubeconfig)
    except SourceError as error:
        raise UsageError(error.message) from None
    if not found:
        raise UsageError("--all-contexts: there is no kubeconfig with contexts")
    return found


def _scan(name: str, open_: Opener, checks: tuple[Check, ...], options: Options) -> Report:
    try:
        with watching() as progress:
            return scan(open_(progress), checks, options)
    except SourceError as error:
        if error.kind in WRONG_USAGE:
            raise UsageError(error.message) from None
        complain(error.message)
        return _failed(name, error, len(checks))


def _failed(name: str, error: SourceError, checks: int) -> Report:
    """Return the report of a scan that could not begin: no dashboard stays green by silence."""
    return Report(
        tool=ToolInfo(name="istiodoctor", version=__version__, checks=checks),
        scan=ScanInfo(taken_at=datetime.now(UTC), duration_seconds=0.0, source=name),
        verdict=Verdict.INCOMPLETE,
        error=ScanError(kind=str(error.kind), message=error.message),
    )


def _status(reports: tuple[Report, ...], fail_on: str, arguments: ScanArguments) -> Exit:
    read = [report for report in reports if report.error is None]
    if not read:
        return Exit.NOTHING_SCANNED
    if arguments.exit_zero:
        return Exit.OK
    limit = threshold(fail_on)
    severities = (problem.severity for report in read for problem in report.problems)
    if limit and any(severity.rank <= limit.rank for severity in severities):
        return Exit.PROBLEMS
    outcomes = (run.outcome for report in read for run in report.checks)
    incomplete = len(read) < len(reports) or could_not_look(outcomes)
    return Exit.INCOMPLETE if arguments.strict and incomplete else Exit.OK
