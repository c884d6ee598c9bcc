"""Listeners of an Envoy's dump, decoded into the types of the expected configuration."""

from collections.abc import Iterable

from istiodoctor.mesh.configuration.dumped_routes import held_weights
from istiodoctor.mesh.configuration.listener import (
    ClientCertificate,
    DownstreamTls,
    FilterChain,
    HttpConnectionManager,
    HttpOptions,
    Listener,
    Refusal,
)
from istiodoctor.mesh.gateways.credential_references import (
    CredentialReference,
    Form,
    parse_credential_name,
)
from istiodoctor.model.envoy import EnvoyFilterChain, EnvoyListener
from istiodoctor.model.envoy_filters import HttpConnectionManager as EnvoyHttp
from istiodoctor.model.envoy_shapes import TlsContext

WORKLOAD_CERTIFICATE = "default"
"""The name under which SDS is asked for the workload's own certificate."""
OF_SECRETS = frozenset({Form.KUBERNETES, Form.KUBERNETES_GATEWAY, Form.CONFIG_MAP})
ANY_VERSION = "TLS_AUTO"
MODELLED_FILTERS = frozenset(
    {
        "envoy.filters.http.cors",
        "envoy.filters.http.fault",
        "envoy.filters.http.grpc_stats",
        "envoy.filters.http.grpc_web",
        "envoy.filters.http.jwt_authn",
        "envoy.filters.http.rbac",
        "envoy.filters.http.router",
        "envoy.filters.http.stateful_session",
        "istio.alpn",
        "istio.metadata_exchange",
        "istio.stackdriver",
        "istio.stats",
        "istio_authn",
    }
)
"""HTTP filters that change no answer, or whose answers policies explain.

Source: pilot/pkg/networking/core/listener_builder.go:395-540.
"""
BEFORE_PROXY = frozenset({"istio.metadata_exchange", "istio.stats", "istio.stackdriver"})
"""Network filters that let every connection pass."""


def held_listener(found: EnvoyListener) -> Listener:
    """Return a listener as an Envoy has it: the version in use, and why it refused a later one."""
    is_refused = bool(found.error) and not found.is_open
    return Listener(
        port=found.port,
        bind=found.address,
        filter_chains=() if is_refused else tuple(map(held_filter_chain, found.filter_chains)),
        refused=Refusal(text=found.error, made_by=()) if is_refused else None,
        error=found.error,
    )


def held_filter_chain(found: EnvoyFilterChain) -> FilterChain:
    """Return a filter chain as an Envoy has it."""
    tcp = found.tcp
    return FilterChain(
        server_names=found.server_names,
        transport_protocol=found.transport_protocol,
        application_protocols=found.application_protocols,
        tls=_tls(found.tls) if found.tls else None,
        http=_http(found.http) if found.http else None,
        clusters=held_weights(tcp.cluster, tcp.weighted_clusters) if tcp else (),
        passes_tls=found.tls is None and found.http is None and bool(found.server_names),
        unknown_because="; ".join(_unknown(found)),
    )


def _unknown(found: EnvoyFilterChain) -> Iterable[str]:
    if found.other_criteria:
        yield f"Envoy's filter chain asks for {', '.join(found.other_criteria)}"
    if not (found.http or found.tcp):
        yield f"Envoy's filter chain ends in {', '.join(found.other_filters) or 'nothing'}"
    others = [each for each in found.other_filters if each not in BEFORE_PROXY]
    if others:
        yield f"Envoy's filter chain has the filter {', '.join(others)}, which is not modelled"


def _tls(found: TlsContext) -> DownstreamTls:
    """Return how a chain ends TLS.

    A client is asked for a certificate where there are CAs to hold against it.
    """
    common = found.common_tls_context
    names = [each.name for each in common.tls_certificate_sds_secret_configs]
    client = ClientCertificate.OPTIONAL if common.client_ca else ClientCertificate.NONE
    if found.require_client_certificate:
        client = ClientCertificate.REQUIRED
    references = (_reference(name) for name in names)
    return DownstreamTls(
        credentials=tuple(each for each in references if each.form in OF_SECRETS),
        is_workload_certificate=WORKLOAD_CERTIFICATE in names,
        client_certificate=client,
        minimum_version=_version(common.tls_params.tls_minimum_protocol_version),
        maximum_version=_version(common.tls_params.tls_maximum_protocol_version),
        protocols=common.alpn_protocols,
    )


def _reference(name: str) -> CredentialReference:
    """Return what SDS is asked for; a name without a scheme is none of a Secret."""
    form, namespace, own = parse_credential_name(name)
    if "://" not in name:
        form = Form.EXTERNAL
    return CredentialReference(text=name, form=form, namespace=namespace, name=own)


def _version(found: str | int) -> str:
    """Return a version of TLS as Gateways write it; empty for any."""
    version = str(found).upper()
    return "" if version == ANY_VERSION else version


def _http(found: EnvoyHttp) -> HttpConnectionManager:
    name = found.rds.route_config_name if found.rds else ""
    if found.route_config:
        name = found.route_config.name
    strange = [
        each.name
        for each in found.http_filters
        if not each.disabled and each.name not in MODELLED_FILTERS
    ]
    return HttpConnectionManager(
        route_configuration=name,
        options=_options(found),
        unknown_because=f"Envoy has the HTTP filter {', '.join(strange)}, which is not modelled"
        if strange
        else "its routes depend on the scope of a request"
        if found.scoped_routes
        else "",
    )


def _options(found: EnvoyHttp) -> HttpOptions:
    """Return what is made of a request before it is routed.

    Without `use_remote_address` what proxies before it say is believed, however many.
    """
    common = found.common_http_protocol_options
    options = HttpOptions(
        normalizes_path=found.normalize_path,
        merges_slashes=found.merge_slashes,
        accepts_http10=found.http_protocol_options.accept_http_10,
        trusted_hops=found.xff_num_trusted_hops if found.use_remote_address else None,
        upgrades=tuple(each.upgrade_type for each in found.upgrade_configs if each.enabled),
    )
    return options.with_escaped_slashes(
        str(found.path_with_escaped_slashes_action)
    ).with_underscores(str(common.headers_with_underscores_action))
