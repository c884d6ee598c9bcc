"""From arguments to a report and an exit status."""

import gc
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import typer

from istiodoctor import __version__
from istiodoctor.check import Check
from istiodoctor.cli.arguments import (
    ScanArguments,
    SourceArguments,
    TraceArguments,
    duration,
    gateway,
    host,
    namespace,
    outputs,
    refuse_contradictions,
)
from istiodoctor.cli.exits import Exit, UsageError, complain, ended
from istiodoctor.cli.facts import facts, roots
from istiodoctor.cli.output import refuse_unwritable, write
from istiodoctor.cli.progress import SILENT, watching
from istiodoctor.cli.selection import check_config, chosen, declined, registry
from istiodoctor.cli.sources import Opener, sources
from istiodoctor.config import FAIL_ON, Config, ConfigError, find, load, threshold
from istiodoctor.diagnosis.report import could_not_look
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.engine import Options, scan
from istiodoctor.probes import Probing
from istiodoctor.problem import Severity
from istiodoctor.renderers import RENDERERS
from istiodoctor.report import (
    HostReport,
    Outcome,
    Report,
    ScanError,
    ScanInfo,
    ToolInfo,
    Verdict,
)
from istiodoctor.sources.input_files import STANDARD_INPUT
from istiodoctor.sources.source import SourceError, SourceErrorKind

WRONG_USAGE = frozenset(
    {SourceErrorKind.USAGE, SourceErrorKind.BAD_KUBECONFIG, SourceErrorKind.UNKNOWN_CONTEXT}
)
DEFAULT_FAIL_ON = "high"
REJECTED = "401 "
"""How what is unread begins where the server no longer knew the credentials: with its status."""
ANSWERS = frozenset({Outcome.PASSED, Outcome.FAILED})
"""Outcomes of checks that looked."""


def run(arguments: ScanArguments) -> Exit:
    """Scan what the arguments name and write the outputs."""
    # What is read is large, acyclic and kept to the end: looking through it costs a third.
    gc.disable()
    refuse_contradictions(arguments)
    targets = outputs(arguments.outputs, tuple(RENDERERS))
    refuse_unwritable(targets)
    config = configuration(arguments)
    fail_on = _fail_on(arguments, config)
    seconds = _seconds_to_wait(arguments, fail_on)
    found = registry()
    check_config(found, config)
    checks = chosen(found, arguments.select or config.select, (*arguments.ignore, *config.ignore))
    options = Options(
        scope=_scope(arguments),
        config=config,
        facts=facts(config, arguments.trust_anchors, arguments.istio_version),
        declined=declined(logs=arguments.no_logs, envoy=arguments.no_envoy),
        probing=probing(arguments),
    )
    reports, is_interrupted = _reports(arguments, checks, options, threshold(fail_on), seconds)
    written = write(reports, targets)
    status = _status(reports, fail_on, arguments)
    _say_what_is_missing(reports, arguments.select, status)
    return Exit.INTERRUPTED if is_interrupted else ended(status, written)


def _reports(
    arguments: ScanArguments,
    checks: tuple[Check, ...],
    options: Options,
    limit: Severity | None,
    seconds: float,
) -> tuple[tuple[Report, ...], bool]:
    """Return the report of each source, the last where it waits, and whether Ctrl-C ended that."""
    started = time.monotonic()
    opened = tuple(sources(arguments))
    reports = tuple(
        _scan(name, open_, checks, options, is_one_of_all=arguments.all_contexts)
        for name, open_ in opened
    )
    if not (seconds and limit):
        return reports, False
    from istiodoctor.cli.waiting import Subject, wait  # Rich is worth its time only there

    names = [name for name, _ in opened] if len(opened) > 1 else [""]
    looks = (partial(_look, *each, checks, options) for each in opened)
    return wait(tuple(map(Subject, names, looks, reports)), limit, seconds=seconds, since=started)


def _fail_on(arguments: ScanArguments, config: Config) -> str:
    fail_on = arguments.fail_on or config.fail_on or DEFAULT_FAIL_ON
    if fail_on not in FAIL_ON:
        raise UsageError(f"--fail-on takes one of {', '.join(FAIL_ON)}, not {fail_on}")
    return fail_on


def _seconds_to_wait(arguments: ScanArguments, fail_on: str) -> float:
    """Return for how long to look again; 0 for not at all."""
    seconds = duration(arguments.wait, "--wait").total_seconds()
    if not seconds:
        return 0.0
    if arguments.files or arguments.demo:
        raise UsageError(
            "--wait looks again at a running cluster, which files and the demo are not"
        )
    if fail_on == "never":
        raise UsageError(
            "--wait ends when nothing at --fail-on remains: with never there is nothing to wait"
            " for"
        )
    return seconds


def probing(arguments: ScanArguments | TraceArguments) -> Probing | None:
    """Return how to look at the wire; None without `--probe`, UsageError where there is none."""
    if not arguments.probe:
        return None
    if arguments.files or arguments.demo:
        raise UsageError("--probe looks at a running cluster, which files and the demo are not")
    seconds = duration(arguments.timeout, "--timeout").total_seconds()
    return Probing(roots=roots(arguments.trust_anchors), seconds=seconds)


def configuration(arguments: SourceArguments) -> Config:
    """Return the configuration in force; raises UsageError for one that cannot be used."""
    path = arguments.config or find(_working_directory(), Path(typer.get_app_dir("istiodoctor")))
    if path is None:
        return Config()
    if not arguments.config and _is_scanned(path, arguments.files):
        complain(f"{path} lies in what is scanned and is not used; --config {path} would use it")
        return Config()
    try:
        return load(path)
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was removed: nothing is found there
        return Path()


def _is_scanned(path: Path, files: Iterable[str]) -> bool:
    """Whether a configuration came with the files: what is judged must not say how."""
    folders = (Path(each).resolve() for each in files if each != STANDARD_INPUT)
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def _scope(arguments: ScanArguments) -> Scope:
    return Scope(
        namespaces=frozenset(map(namespace, arguments.namespaces)),
        gateways=frozenset(map(gateway, arguments.gateways)),
        hosts=tuple(dict.fromkeys(map(host, arguments.hosts))),
    )


def _scan(
    name: str,
    open_: Opener,
    checks: tuple[Check, ...],
    options: Options,
    *,
    is_one_of_all: bool,
) -> Report:
    """Scan one source; what cannot be read is a report too, unless it was named wrongly."""
    try:
        with watching() as progress:
            return scan(open_(progress), checks, options)
    except SourceError as error:
        if error.kind in WRONG_USAGE and not is_one_of_all:
            raise UsageError(error.message) from None
        complain(error.message)
        return _failed(name, error, len(checks))


def _look(name: str, open_: Opener, checks: tuple[Check, ...], options: Options) -> Report:
    """Scan one source once more, without a word: what could be named wrongly was named right."""
    try:
        return scan(open_(SILENT), checks, options)
    except SourceError as error:
        return _failed(name, error, len(checks))


def _failed(name: str, error: SourceError, checks: int) -> Report:
    """Return the report of a scan that could not begin: no dashboard stays green by silence."""
    # Of all contexts, one that nobody named may have an entry that leads nowhere.
    kind = SourceErrorKind.NO_KUBECONFIG if error.kind in WRONG_USAGE else error.kind
    return Report(
        tool=ToolInfo(name="istiodoctor", version=__version__, checks=checks),
        scan=ScanInfo(taken_at=datetime.now(UTC), duration_seconds=0.0, source=name),
        verdict=Verdict.INCOMPLETE,
        error=ScanError(kind=str(kind), message=error.message),
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
    unserved = {host.verdict for report in read for host in _unserved(report)}
    if limit and Verdict.BROKEN in unserved:
        return Exit.PROBLEMS
    incomplete = len(read) < len(reports) or any(map(_is_incomplete, read))
    is_failure = (limit and unserved) or (arguments.strict and incomplete)
    return Exit.INCOMPLETE if is_failure else Exit.OK


def _is_incomplete(report: Report) -> bool:
    return report.verdict is Verdict.INCOMPLETE or could_not_look(report.checks)


def _unserved(report: Report) -> Iterator[HostReport]:
    """Yield the hosts that were asked about by name and that nothing serves, as in a trace."""
    return (host for host in report.hosts if host.gateway is None)


def say_rejected(messages: Iterable[str]) -> None:
    """Say that the server no longer took the credentials while the cluster was read, if so."""
    number = sum(message.startswith(REJECTED) for message in messages)
    if number:
        what = "what was asked" if number == 1 else f"{number} of the things that were asked"
        complain(
            f"the credentials were refused in the middle of the scan, for {what}: log in again,"
            " and scan again (--strict makes this exit status 4)"
        )


def _say_what_is_missing(reports: Iterable[Report], select: tuple[str, ...], status: Exit) -> None:
    """Write to stderr what a reader of the exit status alone would take for an answer."""
    say_rejected(each.message for report in reports if not report.error for each in report.unread)
    for report in reports:
        for unserved in _unserved(report):
            complain(unserved.path[0].text)
        if status is Exit.PROBLEMS or report.error:
            continue
        for run in report.checks:
            if run.outcome is Outcome.ERRORED:
                complain(f"the check {run.code} broke: {run.reason}")
        skipped = [run for run in report.checks if run.outcome is Outcome.SKIPPED]
        answered = any(run.outcome in ANSWERS for run in report.checks)
        if skipped and (select or not answered):
            number = f"{len(skipped)} of the {len(report.checks)} checks"
            what = skipped[0].code if len(report.checks) == 1 else number
            complain(f"{what} could not look: {skipped[0].reason}")
