"""The Kubernetes client: credentials, TLS and connections. It is imported when one is made.

`import kubernetes` takes about a second, and loading some credentials asks the network without
a timeout, so both happen in a thread that nobody has to wait for.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from urllib3.exceptions import InsecureRequestWarning

from istiodoctor.deadline import Deadline
from istiodoctor.sources.cluster import kubeconfig, plugin
from istiodoctor.sources.cluster.bounded_answers import bounded_pools
from istiodoctor.sources.cluster.kubeconfig import Ambient, Choice
from istiodoctor.sources.source import SourceError, SourceErrorKind
from istiodoctor.thread_pool import in_time


class Login(NamedTuple):
    """A client that is ready, and whom it talks to."""

    client: Any
    """A `kubernetes.client.ApiClient`; its type would import it."""
    context: str
    server: str


def log_in(
    path: Path | None, context: str | None, *, ambient: Ambient, deadline: Deadline, threads: int
) -> Login:
    """Return a client for a context of the kubeconfig, or for the cluster of this pod."""
    config = kubeconfig.find_kubeconfig(path, ambient)
    if config is None:
        return _in_pod(context, ambient, deadline, threads)
    choice = kubeconfig.choose(config, context)
    if _needs_plugin(choice.user):
        fields = plugin.log_in(
            choice.user["exec"],
            choice.cluster,
            deadline=deadline,
            environment=ambient.environment,
        )
        rest = {key: value for key, value in choice.user.items() if key != "exec"}
        choice = Choice(
            context=choice.context,
            cluster=choice.cluster,
            user={**rest, **fields},
            where=choice.where,
        )
    client = _within(
        deadline, lambda: _from_choice(choice, threads, deadline), f"context {choice.context}"
    )
    return Login(client, choice.context, client.configuration.host)


def _needs_plugin(user: dict[str, Any]) -> bool:
    """Whether the user has an exec plugin, and nothing that goes before it."""
    return isinstance(user.get("exec"), dict) and not (
        user.get("token") or user.get("tokenFile") or user.get("auth-provider")
    )


def _in_pod(context: str | None, ambient: Ambient, deadline: Deadline, threads: int) -> Login:
    if context or not ambient.in_pod:
        named = ambient.environment.get("KUBECONFIG")
        tried = f"KUBECONFIG ({named})" if named else "~/.kube/config"
        message = f"no kubeconfig at {tried}; name one with --kubeconfig, or read files with -f"
        raise SourceError(SourceErrorKind.NO_KUBECONFIG, message)
    client = _within(
        deadline, lambda: _from_pod(ambient, threads, deadline), "this pod's service account"
    )
    return Login(client, "in-cluster", client.configuration.host)


def _from_choice(choice: Choice, threads: int, deadline: Deadline) -> Any:
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_kube_config_from_dict(  # type: ignore[no-untyped-call]  # has no types
            choice.as_config(), client_configuration=configuration, persist_config=False
        )
    except (config.ConfigException, OSError, ValueError, TypeError, AttributeError) as error:
        where = f"context {choice.context} in {choice.where}"
        missing = "File does not exist" in str(error)
        why = (
            f": {error}"
            if missing
            else f": its cluster or user is malformed ({type(error).__name__})"
        )
        raise SourceError(SourceErrorKind.BAD_KUBECONFIG, f"cannot use {where}{why}") from None
    return _client(client, configuration, threads, deadline)


def _from_pod(ambient: Ambient, threads: int, deadline: Deadline) -> Any:
    from kubernetes import client, config
    from kubernetes.config.incluster_config import InClusterConfigLoader

    configuration = client.Configuration()
    try:
        loader = InClusterConfigLoader(  # type: ignore[no-untyped-call]  # has no types
            token_filename=str(ambient.service_account / "token"),
            cert_filename=str(ambient.service_account / "ca.crt"),
            environ=dict(ambient.environment),
        )
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]  # has no types
    except (config.ConfigException, OSError, ValueError) as error:
        message = f"cannot use the service account in {ambient.service_account}: {error}"
        raise SourceError(SourceErrorKind.BAD_KUBECONFIG, message) from None
    return _client(client, configuration, threads, deadline)


def _client(module: Any, configuration: Any, threads: int, deadline: Deadline) -> Any:
    configuration.retries = False  # else urllib3 retries by itself and follows redirects
    configuration.connection_pool_maxsize = threads
    # The hook would put back the token as it stands in its file, with the line break at its end.
    # No token lives shorter than a scan.
    configuration.refresh_api_key_hook = None
    for name, value in configuration.api_key.items():
        configuration.api_key[name] = value.strip()
    if not configuration.verify_ssl:
        # The kubeconfig says so on purpose; else every connection would say it on standard error.
        warnings.simplefilter("ignore", InsecureRequestWarning)
    client = module.ApiClient(configuration)
    client.rest_client.pool_manager.pool_classes_by_scheme = bounded_pools(deadline)
    return client


def _within(deadline: Deadline, work: Callable[[], Any], whose: str) -> Any:
    """Return what `work` returns, unless that takes too long: then leave it behind."""
    try:
        return in_time(work, deadline, grace=0)
    except TimeoutError:
        message = f"loading the credentials of {whose} took longer than {deadline.seconds:g} s"
        raise SourceError(SourceErrorKind.TIMED_OUT, message) from None
