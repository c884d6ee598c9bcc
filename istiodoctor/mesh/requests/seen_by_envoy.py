"""What the Envoys of a gateway say of single hops; None where they say nothing."""

from collections.abc import Iterable

from istiodoctor.mesh.envoy.listeners import absent_servers
from istiodoctor.mesh.envoy.secrets import HeldSecret, PodSecret
from istiodoctor.mesh.envoy.state import envoys_by_workload, held_secrets
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.hops import BROKEN, WARNING, Hop
from istiodoctor.mesh.requests.path_observations import Seen, confirmed, contradicted, listing
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.envoy import EnvoyListener, EnvoyState


def listener_by_envoy(mesh: Mesh, workload: Workload, port: int) -> Seen | None:
    """Return whether Envoys have a port open."""
    asked = _with_listeners(mesh, workload)
    closed = [each for each in asked if not any(_is_open(one, port) for one in each.listeners)]
    if not asked:
        return None
    if not closed:
        return confirmed(f"{_envoys(asked)} has it open")
    is_under_way = any(
        each.is_settling
        for each in absent_servers(mesh)
        if each.workload is workload and each.listener.port == port
    )
    state = BROKEN if len(closed) == len(asked) and not is_under_way else WARNING
    return contradicted(f"{_envoys(closed)} has no such port open", state)


def server_by_envoy(mesh: Mesh, workload: Workload, port: int, name: str) -> Seen | None:
    """Return whether Envoys have a filter chain for a name; of another word there is none."""
    asked = _with_listeners(mesh, workload)
    taking = [
        each
        for each in asked
        if any(_is_open(one, port) and _takes(one, name) for one in each.listeners)
    ]
    if not asked or len(taking) < len(asked):
        return None
    return confirmed(f"{_envoys(taking)} has a filter chain for {name}")


def _with_listeners(mesh: Mesh, workload: Workload) -> list[EnvoyState]:
    states = envoys_by_workload(mesh).get(workload, ())
    return [each for each in states if any(one.is_open and one.port for one in each.listeners)]


def certificate_by_envoy(mesh: Mesh, hop: Hop, workload: Workload) -> Seen | None:
    """Return which certificate Envoys hold under the name of a Secret."""
    held = next(
        (
            each
            for each in held_secrets(mesh)
            if each.workload is workload and each.secret == hop.ref
        ),
        None,
    )
    if held is None:
        return None
    lacking = [each for each in held.pods if each.has_nothing]
    if hop.code:  # a finding says so, and may have it from Envoy
        return confirmed(_contents(held.pods))
    if hop.state is BROKEN:
        words = _contents(held.pods)
        is_served = not lacking and all(each.served for each in held.pods)
        return contradicted(words, WARNING) if is_served else confirmed(words)
    if lacking:
        is_lasting = len(lacking) == len(held.pods) and not all(
            each.is_settling for each in lacking
        )
        return contradicted(_contents(lacking), BROKEN if is_lasting else WARNING)
    return _compared(held)


def _compared(held: HeldSecret) -> Seen | None:
    leaf = held.credential.leaf if held.credential else None
    shown = [each for each in held.pods if each.served]
    if not shown:
        return None
    stale = [each for each in shown if leaf and leaf.serial not in each.serials]
    if stale and leaf:
        state = BROKEN if all(map(_is_out_of_date, shown)) else WARNING
        return contradicted(f"{_contents(stale)}; the Secret holds serial {leaf.serial}", state)
    return confirmed(_contents(shown))


def _is_out_of_date(pod: PodSecret) -> bool:
    now = pod.state.taken_at
    return all(
        bool(each.not_after and each.not_after < now)
        or bool(each.not_before and each.not_before > now)
        for each in pod.served
    )


def _contents(pods: Iterable[PodSecret]) -> str:
    return listing(map(_content, pods), 1)


def _content(pod: PodSecret) -> str:
    served = listing(f"serial {each.serial}" for each in pod.served)
    if pod.has_nothing:
        served = "no certificate; it waits for one"
        if pod.secret.is_initialized:
            served = "no certificate: it refused what it was sent"
    return f"Envoy in Pod {pod.pod.name} has {served}"


def _envoys(states: Iterable[EnvoyState]) -> str:
    return f"Envoy in {listing((f'Pod {each.pod.name}' for each in states), 1)}"


def _is_open(listener: EnvoyListener, port: int) -> bool:
    return listener.is_open and listener.port == port


def _takes(listener: EnvoyListener, name: str) -> bool:
    chains = listener.filter_chains
    return any(covers(each, name) for chain in chains for each in chain.server_names or ("*",))
