"""Which sources the arguments name: files, the demo, or one cluster for each context."""

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from istiodoctor.cli.arguments import SourceArguments, duration, namespace
from istiodoctor.cli.exits import UsageError
from istiodoctor.sources.source import Progress, Source, SourceError

Opener = Callable[[Progress], Source]


def sources(arguments: SourceArguments) -> Iterator[tuple[str, Opener]]:
    """Yield each source by name; opening it may fail and then concerns it alone."""
    now = datetime.now(UTC)
    since = duration(arguments.since, "--since")
    duration(arguments.timeout, "--timeout")
    if arguments.demo:
        from istiodoctor.sources.demo import open_demo

        yield "demo", lambda progress: open_demo(now=now)
    elif arguments.files:
        given = arguments.assume_namespace
        assumed = namespace(given, "--assume-namespace") if given else ""
        from istiodoctor.sources.files import open_files

        yield (
            ", ".join(arguments.files),
            lambda progress: open_files(
                arguments.files,
                whole_cluster=arguments.whole_cluster,
                assumed_namespace=assumed,
                is_rendering=arguments.render,
                stdin=sys.stdin.buffer if sys.stdin else None,
                since=since,
                now=now,
            ),
        )
    else:
        for name in _contexts(arguments):
            yield name or "the current context", _cluster(arguments, name)


def _cluster(arguments: SourceArguments, context: str | None) -> Opener:
    from istiodoctor.sources.cluster import open_cluster

    return lambda progress: open_cluster(
        kubeconfig=arguments.kubeconfig,
        context=context,
        namespaces=frozenset(arguments.namespaces),
        only_namespaces=arguments.only_namespaces,
        secret_inventory=arguments.secret_inventory,
        since=duration(arguments.since, "--since"),
        timeout=duration(arguments.timeout, "--timeout"),
        progress=progress,
    )


def _contexts(arguments: SourceArguments) -> Iterable[str | None]:
    """Return the contexts to scan; None stands for the current one, or for the pod's cluster."""
    from istiodoctor.sources.cluster import contexts

    named = tuple(dict.fromkeys(arguments.contexts))
    if not arguments.all_contexts and len(named) < 2:
        return named or (None,)
    try:
        known = contexts(arguments.kubeconfig)
    except SourceError as error:
        raise UsageError(error.message) from None
    for name in named:
        if known and name not in known:  # before the others are scanned in vain
            raise UsageError(f"there is no context {name}; there are: {', '.join(sorted(known))}")
    return named or known or (None,)
