"""The meanings of log lines, and the row type of the tables that recognise them."""

from dataclasses import dataclass
from enum import StrEnum


class Meaning(StrEnum):
    """What a line of a log says, whatever version wrote it."""

    # istiod, credentials
    CREDENTIAL_FETCH_FAILED = "credential-fetch-failed"
    CA_FETCH_FAILED = "ca-fetch-failed"
    INVALID_CERTIFICATE = "invalid-certificate"
    UNAUTHORIZED_CREDENTIAL = "unauthorized-credential"
    """The gateway's ServiceAccount may not read Secrets."""
    CROSS_NAMESPACE_CREDENTIAL = "cross-namespace-credential"
    ACCESS_REVIEW_FAILED = "access-review-failed"
    """istiod could not ask whether the gateway may read the Secret."""
    NO_VERIFIED_IDENTITY = "no-verified-identity"
    UNKNOWN_CLUSTER = "unknown-cluster"
    BAD_RESOURCE_NAME = "bad-resource-name"
    CREDENTIALS_DISABLED = "credentials-disabled"
    """istiod serves no Secrets at all: its identity check is off."""
    # istiod, delivery
    SECRET_REJECTED = "secret-rejected"
    LISTENER_REJECTED = "listener-rejected"
    CONFIG_REJECTED = "config-rejected"
    SDS_PUSHED = "sds-pushed"
    SECRET_CHANGED = "secret-changed"
    """A changed Secret started a push."""
    PROXY_CONNECTED = "proxy-connected"
    PROXY_DISCONNECTED = "proxy-disconnected"
    PROXY_WARMING = "proxy-warming"
    XDS_UNAUTHORIZED = "xds-unauthorized"
    # istiod, configuration
    SERVER_SKIPPED_DUPLICATE_HOSTS = "server-skipped-duplicate-hosts"
    SERVER_SKIPPED_CONFLICT = "server-skipped-conflict"
    NON_UNIQUE_PORT_NAME = "non-unique-port-name"
    SERVER_WITHOUT_TLS = "server-without-tls"
    DUPLICATE_SERVER_NAME = "duplicate-server-name"
    GATEWAY_SKIPPED = "gateway-skipped"
    PRIVILEGED_PORT_SKIPPED = "privileged-port-skipped"
    LISTENER_OMITTED = "listener-omitted"
    NO_LISTENERS = "no-listeners"
    GATEWAY_MISSING_FOR_ROUTE = "gateway-missing-for-route"
    NO_VIRTUAL_HOSTS = "no-virtual-hosts"
    NO_VIRTUAL_SERVICE_BOUND = "no-virtual-service-bound"
    MISSED_NETWORK_FILTER = "missed-network-filter"
    DUPLICATE_SNI = "duplicate-sni"
    DELEGATE_NOT_FOUND = "delegate-not-found"
    DELEGATE_NOT_EXPORTED = "delegate-not-exported"
    ROUTE_MATCH_CONFLICT = "route-match-conflict"
    # istiod, policies
    EXTERNAL_AUTHORIZER_UNUSABLE = "external-authorizer-unusable"
    """istiod denies what policies of the action CUSTOM take: it cannot use their provider."""
    TOKEN_KEYS_NOT_FETCHED = "token-keys-not-fetched"
    """istiod could not fetch the keys (JWKS) that tokens are checked with."""
    TOKEN_KEYS_FETCHED = "token-keys-fetched"
    # gateway pod
    CONTROL_PLANE_CONNECTED = "control-plane-connected"
    UPSTREAM_CONNECTION_FAILED = "upstream-connection-failed"
    """pilot-agent could not reach istiod."""
    STREAM_CLOSED = "stream-closed"
    INITIAL_FETCH_TIMED_OUT = "initial-fetch-timed-out"
    SECRET_NOT_READY = "secret-not-ready"
    """A client came to a listener that has no certificate yet (debug level)."""
    READY = "ready"
    NOT_READY = "not-ready"
    WORKLOAD_CERTIFICATE_ISSUED = "workload-certificate-issued"
    """The mesh's own certificate, not a `credentialName`."""
    WORKLOAD_CERTIFICATE_FAILED = "workload-certificate-failed"
    FILE_CERTIFICATE_READ = "file-certificate-read"
    FILE_CERTIFICATE_FAILED = "file-certificate-failed"
    SPIRE_UNAUTHORIZED = "spire-unauthorized"
    LEGACY_SECRET_NOT_FOUND = "legacy-secret-not-found"
    LEGACY_SECRET_EMPTY = "legacy-secret-empty"
    LEGACY_SECRET_MALFORMED = "legacy-secret-malformed"
    LEGACY_SECRET_WAITING = "legacy-secret-waiting"
    LEGACY_SECRET_UPDATED = "legacy-secret-updated"
    LEGACY_SECRET_DELETED = "legacy-secret-deleted"
    LEGACY_CHANGE_REFUSED = "legacy-change-refused"
    LEGACY_PUSHED = "legacy-pushed"
    # access log
    FILTER_CHAIN_NOT_FOUND = "filter-chain-not-found"
    ROUTE_NOT_FOUND = "route-not-found"
    CLUSTER_NOT_FOUND = "cluster-not-found"
    NO_HEALTHY_UPSTREAM = "no-healthy-upstream"
    UPSTREAM_TLS_FAILURE = "upstream-tls-failure"
    UPSTREAM_RESET = "upstream-reset"
    PROTOCOL_ERROR = "protocol-error"
    HTTP10_REJECTED = "http10-rejected"
    RBAC_DENIED = "rbac-denied"
    EXTERNAL_AUTHORIZER_FAILED = "external-authorizer-failed"
    """Envoy got no answer of an external authorizer."""
    TOKEN_REFUSED = "token-refused"
    """401: the token of a request is not valid, or its keys are not known."""


@dataclass(frozen=True, slots=True)
class Row:
    r"""One wording of one meaning. The names of the expression's groups say what they hold.

    The expression is searched in messages and, with its groups unnamed, in raw lines of either
    encoding: so a quotation mark is written `\\?"`.
    """

    meaning: Meaning
    needle: str
    """Stands in every such message: a cheap test before the expression."""
    expression: str
