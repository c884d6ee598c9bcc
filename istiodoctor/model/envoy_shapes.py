"""The shape of the answers of Envoy's admin port, as far as anything is read of them.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/admin.proto
Only the fields that are named here are ever made into values: what Envoy leaves in the place of
private keys is passed over as it is parsed.
"""

from datetime import datetime
from typing import Annotated

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer, in Envoy's own snake case; unknown fields are passed over."""


class SocketAddress(Part, frozen=True, kw_only=True):
    """An address and a port."""

    address: str = ""
    port_value: int = 0


class Address(Part, frozen=True, kw_only=True):
    """Where a listener listens; pipes are passed over."""

    socket_address: SocketAddress = SocketAddress()


class DataSource(Part, frozen=True, kw_only=True):
    """A value that was sent, or the file that it is read from (passed over)."""

    inline_bytes: str = ""
    inline_string: str = ""


class TlsCertificate(Part, frozen=True, kw_only=True):
    """A server certificate; its key is not read."""

    certificate_chain: DataSource = DataSource()


class ValidationContext(Part, frozen=True, kw_only=True):
    """The CAs of clients."""

    trusted_ca: DataSource = DataSource()


class Secret(Part, frozen=True, kw_only=True):
    """One of the kinds of Secrets that SDS sends."""

    tls_certificate: TlsCertificate | None = None
    validation_context: ValidationContext | None = None


class DynamicSecret(Part, frozen=True, kw_only=True):
    """A Secret that Envoy asked SDS for."""

    name: str = ""
    version_info: str = ""
    last_updated: Time | None = None
    secret: Secret = Secret()


class SdsConfig(Part, frozen=True, kw_only=True):
    """What a TLS context asks SDS for."""

    name: str = ""


class CombinedValidation(Part, frozen=True, kw_only=True):
    """Client CAs by SDS, with further rules beside."""

    validation_context_sds_secret_config: SdsConfig | None = None


class TlsParameters(Part, frozen=True, kw_only=True):
    """The versions of TLS that are spoken."""

    tls_minimum_protocol_version: str | int = ""
    tls_maximum_protocol_version: str | int = ""


class CommonTls(Part, frozen=True, kw_only=True):
    """What a TLS context asks SDS for, in its three places, and what it speaks."""

    tls_certificate_sds_secret_configs: tuple[SdsConfig, ...] = ()
    validation_context_sds_secret_config: SdsConfig | None = None
    combined_validation_context: CombinedValidation = CombinedValidation()
    tls_params: TlsParameters = TlsParameters()
    alpn_protocols: tuple[str, ...] = ()

    @property
    def client_ca(self) -> SdsConfig | None:
        """The CAs of clients."""
        combined = self.combined_validation_context.validation_context_sds_secret_config
        return self.validation_context_sds_secret_config or combined


class TlsContext(Part, frozen=True, kw_only=True):
    """The TLS of a filter chain."""

    type: str = msgspec.field(name="@type", default="")
    common_tls_context: CommonTls = CommonTls()
    require_client_certificate: bool = False


class TransportSocket(Part, frozen=True, kw_only=True):
    """The transport socket of a filter chain."""

    name: str = ""
    typed_config: TlsContext = TlsContext()


class Present(Part, frozen=True, kw_only=True):
    """A message of which only matters whether it is there."""


class FilterChainMatch(Part, frozen=True, kw_only=True):
    """Which connections a filter chain is for."""

    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    destination_port: int | None = None
    prefix_ranges: tuple[Present, ...] = ()
    direct_source_prefix_ranges: tuple[Present, ...] = ()
    source_type: str | int = ""
    source_prefix_ranges: tuple[Present, ...] = ()
    source_ports: tuple[int, ...] = ()


class NetworkFilter(Part, frozen=True, kw_only=True):
    """One filter of a chain; what it is told is read by its type."""

    name: str = ""
    typed_config: msgspec.Raw = msgspec.Raw(b"{}")


class FilterChain(Part, frozen=True, kw_only=True):
    """One filter chain."""

    filter_chain_match: FilterChainMatch = FilterChainMatch()
    transport_socket: TransportSocket | None = None
    filters: tuple[NetworkFilter, ...] = ()


class Listener(Part, frozen=True, kw_only=True):
    """A listener as it was configured."""

    name: str = ""
    address: Address = Address()
    filter_chains: tuple[FilterChain, ...] = ()
    default_filter_chain: FilterChain | None = None


class ListenerVersion(Part, frozen=True, kw_only=True):
    """One version of a listener."""

    listener: Listener = Listener()


class ErrorState(Part, frozen=True, kw_only=True):
    """The version of a listener that was refused."""

    failed_configuration: Listener = Listener()
    details: str = ""
    last_update_attempt: Time | None = None


class DynamicListener(Part, frozen=True, kw_only=True):
    """A listener that LDS sent, in all its versions."""

    name: str = ""
    active_state: ListenerVersion | None = None
    warming_state: ListenerVersion | None = None
    draining_state: ListenerVersion | None = None
    error_state: ErrorState | None = None


class Typed(Part, frozen=True, kw_only=True):
    """What anything in a dump says of its type."""

    type: str = msgspec.field(name="@type", default="")


class SecretsDump(Part, frozen=True, kw_only=True):
    """The Secrets in a whole dump."""

    dynamic_active_secrets: tuple[DynamicSecret, ...] = ()
    dynamic_warming_secrets: tuple[DynamicSecret, ...] = ()


class ListenersDump(Part, frozen=True, kw_only=True):
    """The listeners in a whole dump."""

    static_listeners: tuple[ListenerVersion, ...] = ()
    dynamic_listeners: tuple[DynamicListener, ...] = ()


class ConfigDump(Part, frozen=True, kw_only=True):
    """`/config_dump`: parts of many types."""

    configs: tuple[msgspec.Raw, ...] = ()


class ListenerStatus(Part, frozen=True, kw_only=True):
    """A listener that is open."""

    name: str = ""
    local_address: Address = Address()


class Listeners(Part, frozen=True, kw_only=True):
    """`/listeners?format=json`."""

    listener_statuses: tuple[ListenerStatus, ...] = ()


class AlternativeName(Part, frozen=True, kw_only=True):
    """One entry of a subjectAltName."""

    dns: str = ""
    uri: str = ""
    ip_address: str = ""


class Certificate(Part, frozen=True, kw_only=True):
    """A certificate that was loaded."""

    path: str = ""
    serial_number: str = ""
    subject_alt_names: tuple[AlternativeName, ...] = ()
    valid_from: Time | None = None
    expiration_time: Time | None = None


class CertificateGroup(Part, frozen=True, kw_only=True):
    """The certificates of one TLS context."""

    ca_cert: tuple[Certificate, ...] = ()
    cert_chain: tuple[Certificate, ...] = ()


class Certificates(Part, frozen=True, kw_only=True):
    """`/certs`."""

    certificates: tuple[CertificateGroup, ...] = ()


class ServerInfo(Part, frozen=True, kw_only=True):
    """`/server_info`."""

    version: str = ""
    state: str = ""
    uptime_all_epochs: str = ""
