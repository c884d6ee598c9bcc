"""From the listeners in a dump of Envoy's to what is known of each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from istiodoctor.model import envoy_shapes as shapes
from istiodoctor.model.envoy import EnvoyFilterChain, EnvoyListener, ListenerState
from istiodoctor.model.envoy_filters import HttpConnectionManager, TcpProxy
from istiodoctor.model.envoy_parts import decoded, type_of
from istiodoctor.model.redaction import redact

LONGEST_ERROR = 2000
OTHER_CRITERIA = (
    "destination_port",
    "prefix_ranges",
    "direct_source_prefix_ranges",
    "source_type",
    "source_prefix_ranges",
    "source_ports",
)
"""What a filter chain can ask of a connection beside names and protocols."""


def listeners_of(dump: shapes.ListenersDump) -> Iterator[EnvoyListener]:
    """Yield the listeners of a whole dump."""
    for each in dump.static_listeners:
        yield listener_of(shapes.DynamicListener(name=each.listener.name, active_state=each))
    yield from map(listener_of, dump.dynamic_listeners)


def listener_of(found: shapes.DynamicListener) -> EnvoyListener:
    """Return a listener in all its versions; described is the one that is in use, if any."""
    error = found.error_state
    versions: dict[ListenerState, shapes.Listener | None] = {
        ListenerState.ACTIVE: _configured(found.active_state),
        ListenerState.WARMING: _configured(found.warming_state),
        ListenerState.DRAINING: _configured(found.draining_state),
        ListenerState.FAILED: error.failed_configuration if error else None,
    }
    shown = next((each for each in versions.values() if each), shapes.Listener())
    return EnvoyListener(
        name=found.name or shown.name,
        address=shown.address.socket_address.address,
        port=shown.address.socket_address.port_value,
        states=frozenset(state for state, version in versions.items() if version),
        filter_chains=tuple(_filter_chains(shown)),
        error=redact(" ".join(error.details.split()))[:LONGEST_ERROR] if error else "",
        refused_at=error.last_update_attempt if error else None,
    )


def _configured(version: shapes.ListenerVersion | None) -> shapes.Listener | None:
    return version.listener if version else None


def _filter_chains(found: shapes.Listener) -> Iterator[EnvoyFilterChain]:
    yield from map(_filter_chain, found.filter_chains)
    if found.default_filter_chain is not None:
        yield replace(_filter_chain(found.default_filter_chain), is_default=True)


def _filter_chain(found: shapes.FilterChain) -> EnvoyFilterChain:
    match, socket = found.filter_chain_match, found.transport_socket
    is_tls = socket is not None and socket.typed_config.type.endswith(".DownstreamTlsContext")
    http: HttpConnectionManager | None = None
    tcp: TcpProxy | None = None
    others: list[str] = []
    for each in found.filters:
        match type_of(each.typed_config):
            case "HttpConnectionManager":
                http = decoded(each.typed_config, HttpConnectionManager, "config_dump")
            case "TcpProxy":
                tcp = decoded(each.typed_config, TcpProxy, "config_dump")
            case _:
                others.append(each.name)
    return EnvoyFilterChain(
        server_names=match.server_names,
        secrets=_secrets(socket.typed_config.common_tls_context) if socket else (),
        transport_protocol=match.transport_protocol,
        application_protocols=match.application_protocols,
        other_criteria=tuple(each for each in OTHER_CRITERIA if getattr(match, each)),
        tls=socket.typed_config if socket and is_tls else None,
        http=http,
        tcp=tcp,
        other_filters=tuple(others),
    )


def _secrets(tls: shapes.CommonTls) -> tuple[str, ...]:
    configs = (*tls.tls_certificate_sds_secret_configs, tls.client_ca)
    return tuple(each.name for each in configs if each and each.name)


def joined(
    dynamic: Sequence[EnvoyListener], opened: Sequence[EnvoyListener]
) -> tuple[EnvoyListener, ...]:
    """Return the listeners of the dump, and those that only the list of open ones shows."""
    found: dict[str, EnvoyListener] = {}
    for each in dynamic:
        found[each.name] = _merged(found[each.name], each) if each.name in found else each
    for each in opened:
        found.setdefault(each.name, each)
    return tuple(found.values())


def _merged(one: EnvoyListener, other: EnvoyListener) -> EnvoyListener:
    """Return two entries about one listener as one; Envoy lists a first refusal by itself."""
    return replace(
        one if one.filter_chains else other,
        states=one.states | other.states,
        error=one.error or other.error,
        refused_at=one.refused_at or other.refused_at,
    )
