"""What EnvoyFilters change in a gateway's listeners, described part by part.

A part that nothing changes gets no words. istiod's own matching decides which parts a patch is for
(pilot/pkg/networking/core/envoyfilter/listener_patch.go).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from istiodoctor.mesh.configuration.envoy_filter_patches import (
    NEEDING_A_NAME,
    AppliedPatch,
    applied_patches,
)
from istiodoctor.mesh.configuration.envoy_filter_values import (
    manager_fields,
)
from istiodoctor.mesh.configuration.http_option_patches import unread_fields, with_fields
from istiodoctor.mesh.configuration.listener import EVERY_ADDRESS, FilterChain, HttpOptions
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload

CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"
TCP_PROXY = "envoy.filters.network.tcp_proxy"
INSERTING = frozenset({"ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER"})
TERMINAL = frozenset({CONNECTION_MANAGER, TCP_PROXY})


@question
def touched_listener(mesh: Mesh, workload: Workload, port: int, bind: str = EVERY_ADDRESS) -> str:
    """Say what changes a listener, or may make one on its port."""
    for each in applied_patches(mesh, workload):
        if each.apply_to == "LISTENER" and each.operation == "ADD":
            if _port_of(each.value) in (None, port):
                return f"{each.place.ref} adds a listener on port {port}"
        elif not _is_for_listener(each, port, bind):
            continue
        elif each.apply_to == "LISTENER":
            return each.says(f"the listener of port {port}")
        elif each.apply_to == "LISTENER_FILTER" and (
            each.operation not in NEEDING_A_NAME or _listener_filter(each)
        ):
            return each.says(f"the listener filters of port {port}")
        elif each.apply_to == "FILTER_CHAIN" and each.operation == "ADD":
            return f"{each.place.ref} adds a filter chain to port {port}"
    return _unreadable(mesh, workload)


@question
def touched_chain(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain, bind: str = EVERY_ADDRESS
) -> str:
    """Say what changes a filter chain, or the filters before its last one."""
    last = CONNECTION_MANAGER if chain.http else TCP_PROXY
    for each in _of_chain(mesh, workload, port, chain, bind):
        if each.apply_to == "FILTER_CHAIN" and each.operation != "ADD":
            return each.says(f"a filter chain of port {port}")
        named = each.filter_match.name if each.filter_match else ""
        if each.apply_to != "NETWORK_FILTER" or (named in TERMINAL and named != last):
            continue
        if each.operation in NEEDING_A_NAME and each.filter_match is None:
            continue
        if each.operation == "MERGE" and chain.http and named in ("", CONNECTION_MANAGER):
            continue  # it changes the connection manager: see below
        return each.says(f"the network filters of port {port}")
    return ""


@question
def touched_http(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain, bind: str = EVERY_ADDRESS
) -> str:
    """Say what changes the HTTP connection manager of a chain, or its filters."""
    if chain.http is None:
        return ""
    for each in _of_chain(mesh, workload, port, chain, bind):
        match = each.filter_match
        if match and match.name not in ("", CONNECTION_MANAGER):
            continue
        if each.apply_to == "HTTP_FILTER":
            if each.operation in NEEDING_A_NAME and not (match and match.sub_filter):
                continue
            return each.says(f"the HTTP filters of port {port}")
        if (
            each.apply_to == "NETWORK_FILTER"
            and each.operation == "MERGE"
            and unread_fields(manager_fields(each.written))
        ):
            return each.says(f"the HTTP settings of port {port}")
    return ""


@question
def patched_options(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain, bind: str = EVERY_ADDRESS
) -> HttpOptions:
    """Return the options of a chain's connection manager as patches leave them.

    What they set that is not understood is in `touched_http`.
    """
    options = chain.http.options if chain.http else HttpOptions()
    for each in _of_chain(mesh, workload, port, chain, bind):
        match = each.filter_match
        if each.apply_to != "NETWORK_FILTER" or each.operation != "MERGE":
            continue
        if match is None or match.name in ("", CONNECTION_MANAGER):
            options = with_fields(options, manager_fields(each.written))
    return options


def inserted_http_filters(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain
) -> Iterator[AppliedPatch]:
    """Yield the HTTP filters that patches put into a chain, wherever its others are."""
    if chain.http is None:
        return
    for each in _of_chain(mesh, workload, port, chain, EVERY_ADDRESS):
        if each.apply_to != "HTTP_FILTER" or each.operation not in INSERTING:
            continue
        match = each.filter_match
        if match is None or (match.name in ("", CONNECTION_MANAGER) and not match.sub_filter):
            yield each


def _of_chain(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain, bind: str
) -> Iterator[AppliedPatch]:
    for each in applied_patches(mesh, workload):
        if _is_for_listener(each, port, bind) and _is_for_chain(each, chain):
            yield each


def _is_for_listener(patch: AppliedPatch, port: int, bind: str) -> bool:
    match = patch.written.match.listener
    if match is None:
        return True
    return match.name in ("", f"{bind}_{port}") and match.port_number in (0, port)


def _listener_filter(patch: AppliedPatch) -> str:
    match = patch.written.match.listener
    return match.listener_filter if match else ""


def _is_for_chain(patch: AppliedPatch, chain: FilterChain) -> bool:
    """Whether a chain has what a match asks for; istiod gives its chains no names."""
    listener = patch.written.match.listener
    match = listener.filter_chain if listener else None
    if match is None:
        return True
    if match.name or match.transport_protocol or match.destination_port:
        return False
    if match.sni and match.sni not in chain.server_names:
        return False
    asked = match.application_protocols.split(",") if match.application_protocols else ()
    return all(each in chain.application_protocols for each in asked)


def _unreadable(mesh: Mesh, workload: Workload) -> str:
    """Say which patch is none that istiod's API has: what it is for cannot be told."""
    for each in applied_patches(mesh, workload):
        if not each.is_readable:
            return f"{each.place} cannot be read"
    return ""


def _port_of(value: Any) -> int | None:
    """Return the port of a listener that is added; None where it is not clear."""
    address = _field(value, "address")
    place = _field(address, "socketAddress", "socket_address")
    port = _field(place, "portValue", "port_value")
    return port if isinstance(port, int) else None


def _field(value: Any, *names: str) -> Any:
    found: Mapping[str, Any] = value if isinstance(value, dict) else {}
    return next((found[name] for name in names if name in found), None)
