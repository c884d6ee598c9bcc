"""Connect to a cluster: everything that can end a scan before it begins."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from istiodoctor.deadline import Deadline
from istiodoctor.model.kind import ISTIO_NETWORKING
from istiodoctor.sources.cluster import client
from istiodoctor.sources.cluster.cluster import ClusterSource
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.discovery import Apis, served_groups
from istiodoctor.sources.cluster.kubeconfig import Ambient
from istiodoctor.sources.cluster.request_error import RequestError, silence
from istiodoctor.sources.source import Progress, SourceError, SourceErrorKind
from istiodoctor.thread_pool import THREADS, in_time

NOBODY = "system:anonymous"


def open_cluster(
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    namespaces: frozenset[str] = frozenset(),
    only_namespaces: bool = False,
    secret_inventory: bool = False,
    since: timedelta = timedelta(hours=1),
    timeout: timedelta = timedelta(seconds=60),
    progress: Progress | None = None,
    ambient: Ambient | None = None,
) -> ClusterSource:
    """Log in, and make sure that an API server with Istio answers; raises SourceError.

    `namespaces` are looked into one by one where the whole cluster may not be; with
    `only_namespaces` nothing else is asked for. `since` bounds logs. `timeout` is for everything,
    from reading the kubeconfig to the last log.
    """
    deadline = Deadline.after(timeout.total_seconds())
    login = client.log_in(
        kubeconfig, context, ambient=ambient or Ambient(), deadline=deadline, threads=THREADS
    )
    connection = Connection(login.client, deadline)
    apis = Apis(connection, _groups(connection, login.context))
    return ClusterSource(
        connection,
        apis,
        context=login.context,
        namespaces=namespaces,
        only_namespaces=only_namespaces,
        secret_inventory=secret_inventory,
        since=since,
        progress=progress,
    )


def _groups(connection: Connection, context: str) -> Mapping[str, frozenset[str]] | None:
    """Return the API groups served; None when the server answers, but does not tell."""
    try:
        groups = served_groups(in_time(lambda: connection.get("apis"), connection.deadline))
    except TimeoutError:  # in the name server's silence, which nothing bounds
        raise no_contact(connection, context, silence("no answer in time")) from None
    except RequestError as failed:
        is_answer = failed.status or (failed.is_late and not failed.silent)
        if not is_answer or failed.status == 401 or NOBODY in failed.message:
            raise no_contact(connection, context, failed) from None
        return None
    if groups is not None and ISTIO_NETWORKING not in groups:
        message = (
            f"there is no Istio in the cluster at {connection.server} (context {context}):"
            f" the API group {ISTIO_NETWORKING} is not there; choose another with --context"
        )
        raise SourceError(SourceErrorKind.NO_ISTIO, message)
    return groups


def no_contact(connection: Connection, context: str, failed: RequestError) -> SourceError:
    """Return what to say when the server cannot be asked anything."""
    where = f"{connection.server} (context {context})"
    if failed.status:
        message = f"{where} does not accept the credentials: {failed.message}; log in again"
        return SourceError(SourceErrorKind.UNAUTHORIZED, message)
    if failed.silent or connection.deadline.passed:
        message = f"no answer from {where} in time; check the network, or raise --timeout"
        return SourceError(SourceErrorKind.TIMED_OUT, message)
    if failed.untrusted:
        advice = "check certificate-authority-data in the kubeconfig"
        message = f"the certificate of {where} is not trusted: {failed.message}; {advice}"
        return SourceError(SourceErrorKind.UNREACHABLE, message)
    message = f"cannot reach {where}: {failed.message}; check the network and the server's URL"
    return SourceError(SourceErrorKind.UNREACHABLE, message)
