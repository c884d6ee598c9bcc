import json
import re
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from istiodoctor.mesh.logs.meaning import PATTERNS, LogFact, Meaning, read_fact
from istiodoctor.model.log import LogLine
from istiodoctor.model.log_format import parse_log_line
from istiodoctor.model.ref import Ref

POD = Ref("", "Pod", "istio-system", "pod-0")
STAMP = "2026-01-15T09:00:01.123456Z"
GATEWAY = "web-7d9-x.istio-ingress"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
M = Meaning

Sample = tuple[str, Meaning, Mapping[str, object]]

ISTIOD: tuple[Sample, ...] = (
    (
        "failed to fetch key and certificate for kubernetes://shop: secret edge/shop not found",
        M.CREDENTIAL_FETCH_FAILED,
        {
            "resource": "kubernetes://shop",
            "credentials": ("shop",),
            "namespace": "edge",
            "reason": "secret edge/shop not found",
        },
    ),
    (
        "failed to fetch key and certificate for kubernetes://shop",
        M.CREDENTIAL_FETCH_FAILED,
        {"resource": "kubernetes://shop", "credentials": ("shop",)},
    ),
    (
        "failed to fetch key and certificate for kubernetes-gateway://edge/shop: found secret, but"
        " didn't have expected keys (cert and key) or (tls.crt and tls.key); found: a, b",
        M.CREDENTIAL_FETCH_FAILED,
        {
            "resource": "kubernetes-gateway://edge/shop",
            "credentials": ("shop",),
            "namespace": "edge",
            "reason": "found secret, but didn't have expected keys (cert and key) or (tls.crt and"
            " tls.key); found: a, b",
        },
    ),
    (
        'failed to fetch key and certificate for kubernetes://shop: found keys "tls.crt" and'
        ' "tls.key", but they were empty',
        M.CREDENTIAL_FETCH_FAILED,
        {
            "resource": "kubernetes://shop",
            "credentials": ("shop",),
            "reason": 'found keys "tls.crt" and "tls.key", but they were empty',
        },
    ),
    (
        "failed to fetch ca certificate for kubernetes://shop-cacert: found secret, but didn't"
        " have expected keys cacert or ca.crt; found: tls.crt, tls.key",
        M.CA_FETCH_FAILED,
        {
            "resource": "kubernetes://shop-cacert",
            "credentials": ("shop-cacert",),
            "reason": "found secret, but didn't have expected keys cacert or ca.crt;"
            " found: tls.crt, tls.key",
        },
    ),
    (
        'invalid certificates: edge/shop "kubernetes://shop": certificate is expired or not yet'
        " valid",
        M.INVALID_CERTIFICATE,
        {
            "resource": "kubernetes://shop",
            "credentials": ("shop",),
            "namespace": "edge",
            "reason": "certificate is expired or not yet valid",
        },
    ),
    (
        'invalid certificates: "kubernetes://shop": pem decode failed',
        M.INVALID_CERTIFICATE,
        {
            "resource": "kubernetes://shop",
            "credentials": ("shop",),
            "reason": "pem decode failed",
        },
    ),
    (
        f"proxy {GATEWAY} attempted to access unauthorized certificates shop:"
        " default/istio-ingress is not authorized to read secrets: ",
        M.UNAUTHORIZED_CREDENTIAL,
        {
            "proxy": GATEWAY,
            "credentials": ("shop",),
            "count": 1,
            "service_account": "default",
            "namespace": "istio-ingress",
        },
    ),
    (
        f"proxy {GATEWAY} attempted to access unauthorized certificates a, b, and 3 others:"
        " default/istio-ingress is not authorized to read secrets: no RBAC policy matched",
        M.UNAUTHORIZED_CREDENTIAL,
        {
            "proxy": GATEWAY,
            "credentials": ("a", "b"),
            "count": 5,
            "service_account": "default",
            "namespace": "istio-ingress",
            "reason": "no RBAC policy matched",
        },
    ),
    (
        f"proxy {GATEWAY} attempted to access unauthorized certificates a, b: cross namespace"
        " secret reference requires ReferenceGrant",
        M.CROSS_NAMESPACE_CREDENTIAL,
        {
            "proxy": GATEWAY,
            "credentials": ("a", "b"),
            "count": 2,
            "reason": "cross namespace secret reference requires ReferenceGrant",
        },
    ),
    (
        f"proxy {GATEWAY} attempted to access unauthorized certificates a: cross namespace"
        " secret reference requires ReferencePolicy",
        M.CROSS_NAMESPACE_CREDENTIAL,
        {
            "proxy": GATEWAY,
            "credentials": ("a",),
            "count": 1,
            "reason": "cross namespace secret reference requires ReferencePolicy",
        },
    ),
    (
        f"proxy {GATEWAY} attempted to access unauthorized certificates a:"
        ' subjectaccessreviews.authorization.k8s.io is forbidden: User "x" cannot create',
        M.ACCESS_REVIEW_FAILED,
        {
            "proxy": GATEWAY,
            "credentials": ("a",),
            "count": 1,
            "reason": 'subjectaccessreviews.authorization.k8s.io is forbidden: User "x" cannot'
            " create",
        },
    ),
    (
        f"proxy {GATEWAY} is not authorized to receive secrets: denied",
        M.UNAUTHORIZED_CREDENTIAL,
        {"proxy": GATEWAY, "reason": "denied"},
    ),
    (
        f"requested secret kubernetes://a/shop not accessible for proxy {GATEWAY}: SDS is"
        " currently only supporting accessing secret within the same namespace. Secret namespace"
        ' "a" does not match proxy namespace "istio-ingress"',
        M.CROSS_NAMESPACE_CREDENTIAL,
        {
            "resource": "kubernetes://a/shop",
            "credentials": ("shop",),
            "namespace": "a",
            "proxy": GATEWAY,
            "reason": "SDS is currently only supporting accessing secret within the same"
            ' namespace. Secret namespace "a" does not match proxy namespace "istio-ingress"',
        },
    ),
    *(
        (
            f"proxy {GATEWAY} is not authorized to receive {what}. Ensure you are connecting over"
            " TLS port and are authenticated.",
            M.NO_VERIFIED_IDENTITY,
            {
                "proxy": GATEWAY,
                "reason": "Ensure you are connecting over TLS port and are authenticated.",
            },
        )
        for what in ("credscontroller", "secrets")
    ),
    (
        f"proxy {GATEWAY} is from an unknown cluster, cannot retrieve certificates: no cluster",
        M.UNKNOWN_CLUSTER,
        {"proxy": GATEWAY, "reason": "no cluster"},
    ),
    (
        "config cluster west not found, cannot retrieve certificates: no cluster",
        M.UNKNOWN_CLUSTER,
        {"cluster": "west", "reason": "no cluster"},
    ),
    (
        "error parsing resource name: unknown resource type: vault://x",
        M.BAD_RESOURCE_NAME,
        {"reason": "unknown resource type: vault://x"},
    ),
    (
        'error parsing resource name: invalid resource name "kubernetes://a/b/c". Expected'
        " namespace and name",
        M.BAD_RESOURCE_NAME,
        {
            "resource": "kubernetes://a/b/c",
            "reason": 'invalid resource name "kubernetes://a/b/c". Expected namespace and name',
        },
    ),
    (
        'unknown credential type "x"',
        M.BAD_RESOURCE_NAME,
        {"reason": 'unknown credential type "x"'},
    ),
    (
        "skipping Kubernetes credential reader; PILOT_ENABLE_XDS_IDENTITY_CHECK must be set to"
        " true for this feature.",
        M.CREDENTIALS_DISABLED,
        {"reason": "PILOT_ENABLE_XDS_IDENTITY_CHECK must be set to true for this feature."},
    ),
    *(
        (
            f"{prefix}ADS:SDS: ACK ERROR {GATEWAY}-12 Internal:Failed to load private key from"
            " <inline>, Cause: KEY_VALUES_MISMATCH",
            M.SECRET_REJECTED,
            {
                "xds": "SDS",
                "proxy": GATEWAY,
                "reason": "Failed to load private key from <inline>, Cause: KEY_VALUES_MISMATCH",
            },
        )
        for prefix in ("", "d")
    ),
    (
        f"ADS:LDS: ACK ERROR {GATEWAY}-3 Internal:Error adding/updating listener(s) 0.0.0.0_8443:"
        " cannot bind '0.0.0.0:8443': Permission denied",
        M.LISTENER_REJECTED,
        {
            "xds": "LDS",
            "proxy": GATEWAY,
            "listener": "0.0.0.0_8443",
            "port": 8443,
            "reason": "cannot bind '0.0.0.0:8443': Permission denied",
        },
    ),
    (
        f"ADS:LDS: ACK ERROR 10.1.0.3:4711 {GATEWAY}-3 (router~10.1.0.3~x~y) Internal:no",
        M.LISTENER_REJECTED,
        {"xds": "LDS", "proxy": GATEWAY, "reason": "no"},
    ),
    (
        f"ADS:RDS: ACK ERROR {GATEWAY}-3 Internal:no",
        M.CONFIG_REJECTED,
        {"xds": "RDS", "proxy": GATEWAY, "reason": "no"},
    ),
    (
        f"SDS: PUSH request for node:{GATEWAY} resources:1 removed:2 size:4.2kB cached:1/1",
        M.SDS_PUSHED,
        {"proxy": GATEWAY, "count": 1, "removed": 2},
    ),
    (
        f"SDS: PUSH INC for node:{GATEWAY} resources:0 size:0B",
        M.SDS_PUSHED,
        {"proxy": GATEWAY, "count": 0},
    ),
    (
        f"SDS: PUSH for node:{GATEWAY} resources:3",
        M.SDS_PUSHED,
        {"proxy": GATEWAY, "count": 3},
    ),
    (
        "Push debounce stable[31] 1 for config Secret/edge/shop: 100.98ms since last change,"
        " 100.98ms since last push, full=false",
        M.SECRET_CHANGED,
        {"credentials": ("shop",), "namespace": "edge"},
    ),
    (
        "Push debounce stable[31] 1 for reason secret:1: 100ms since last change",
        M.SECRET_CHANGED,
        {"reason": "secret:1"},
    ),
    (f"ADS: new delta connection for node:{GATEWAY}-12", M.PROXY_CONNECTED, {"proxy": GATEWAY}),
    (f"ADS: new connection for node:{GATEWAY}-12", M.PROXY_CONNECTED, {"proxy": GATEWAY}),
    (f'ADS: "10.1.0.3:4711" {GATEWAY}-12 terminated', M.PROXY_DISCONNECTED, {"proxy": GATEWAY}),
    (f"ADS:SDS: FORCE RESPONSE {GATEWAY}-1 for warming.", M.PROXY_WARMING, {"proxy": GATEWAY}),
    (
        "Unauthorized XDS: 10.1.0.3:4711 with identity [spiffe://cluster.local/ns/edge/sa/web]:"
        ' no identities ("edge") matched',
        M.XDS_UNAUTHORIZED,
        {
            "namespace": "edge",
            "service_account": "web",
            "reason": 'no identities ("edge") matched',
        },
    ),
    (
        "skipping server on gateway team-b/gw, duplicate host names: [*.example.com"
        " b.example.org]",
        M.SERVER_SKIPPED_DUPLICATE_HOSTS,
        {"gateway": "team-b/gw", "hosts": ("*.example.com", "b.example.org")},
    ),
    (
        "skipping server on gateway gw port https-443.8443.HTTPS: conflict with existing server"
        " 8443.HTTPS",
        M.SERVER_SKIPPED_CONFLICT,
        {"gateway": "gw", "port": 8443, "reason": "conflict with existing server 8443.HTTPS"},
    ),
    (
        "skipping server on gateway gw port https.443.HTTPS: non unique port name for HTTPS port",
        M.NON_UNIQUE_PORT_NAME,
        {"gateway": "gw", "port": 443, "reason": "non unique port name for HTTPS port"},
    ),
    ("TLS server without TLS options edge/gw", M.SERVER_WITHOUT_TLS, {"gateway": "edge/gw"}),
    (
        "protocol is HTTPS but no TLS section is defined, skipping listener creation",
        M.SERVER_WITHOUT_TLS,
        {"reason": "protocol is HTTPS but no TLS section is defined"},
    ),
    (
        "Server name web is not unique in gateway edge/gw",
        M.DUPLICATE_SERVER_NAME,
        {"server": "web", "gateway": "edge/gw"},
    ),
    (
        "strict gateway merging: skipping gateway edge/gw: other selector",
        M.GATEWAY_SKIPPED,
        {"gateway": "edge/gw", "reason": "other selector"},
    ),
    (
        f"buildGatewayListeners: skipping privileged gateway port 443 for node {GATEWAY} as it is"
        " an unprivileged pod",
        M.PRIVILEGED_PORT_SKIPPED,
        {"port": 443, "proxy": GATEWAY},
    ),
    (
        'gateway omitting listener "0.0.0.0_9093" due to: must have more than 0 chains in listener'
        ' "0.0.0.0_9093"',
        M.LISTENER_OMITTED,
        {
            "listener": "0.0.0.0_9093",
            "port": 9093,
            "reason": 'must have more than 0 chains in listener "0.0.0.0_9093"',
        },
    ),
    (f"gateway has zero listeners for node {GATEWAY}", M.NO_LISTENERS, {"proxy": GATEWAY}),
    (
        "Gateway missing for route https.443.https.gw.edge. This is normal if gateway was recently"
        " deleted.",
        M.GATEWAY_MISSING_FOR_ROUTE,
        {"route": "https.443.https.gw.edge"},
    ),
    (
        "buildGatewayRoutes: no gateways for router web",
        M.GATEWAY_MISSING_FOR_ROUTE,
        {"reason": "buildGatewayRoutes: no gateways for router web"},
    ),
    (
        "constructed http route config for route http.8080 on port 80 with no vhosts; Setting up a"
        " default 404 vhost",
        M.NO_VIRTUAL_HOSTS,
        {"route": "http.8080", "port": 80},
    ),
    (
        "constructed http route config for port 80 with no vhosts; Setting up a default 404 vhost",
        M.NO_VIRTUAL_HOSTS,
        {"port": 80},
    ),
    (
        "no virtual service bound to gateway: edge/gw",
        M.NO_VIRTUAL_SERVICE_BOUND,
        {"gateway": "edge/gw"},
    ),
    (
        "gateway edge/gw:9093 listener missed network filter",
        M.MISSED_NETWORK_FILTER,
        {"gateway": "edge/gw", "port": 9093},
    ),
    (
        "skipping VirtualService edge/vs rule #0 on server port 443 of gateway edge/gw, duplicate"
        " SNI host names: [a.example.com]",
        M.DUPLICATE_SNI,
        {
            "virtual_service": "edge/vs",
            "port": 443,
            "gateway": "edge/gw",
            "hosts": ("a.example.com",),
        },
    ),
    (
        "delegate virtual service a/b of c/d not found",
        M.DELEGATE_NOT_FOUND,
        {"delegate": "a/b", "virtual_service": "c/d"},
    ),
    (
        "delegate virtual service a/b of c/d is not exported to c",
        M.DELEGATE_NOT_EXPORTED,
        {"delegate": "a/b", "virtual_service": "c/d", "reason": "is not exported to c"},
    ),
    (
        "HTTPMatchRequests conflict between root and delegate",
        M.ROUTE_MATCH_CONFLICT,
        {"reason": "HTTPMatchRequests conflict between root and delegate"},
    ),
    (
        f"ADS:CDS: ACK ERROR router~10.0.0.4~{GATEWAY}~istio-ingress.svc.cluster.local-21"
        " Internal:Error adding/updating cluster(s) outbound|80||a.b.svc.cluster.local: no",
        M.CONFIG_REJECTED,
        {
            "xds": "CDS",
            "proxy": GATEWAY,
            "reason": "Error adding/updating cluster(s) outbound|80||a.b.svc.cluster.local: no",
        },
    ),
    (
        "* failed to process CUSTOM action for provider login, will generate deny configs:"
        ' available providers are [] but found "login"',
        M.EXTERNAL_AUTHORIZER_UNUSABLE,
        {"provider": "login", "reason": 'available providers are [] but found "login"'},
    ),
    (
        "* failed to parse CUSTOM action, will generate deny configs: extension provider is either"
        " invalid or undefined",
        M.EXTERNAL_AUTHORIZER_UNUSABLE,
        {"reason": "extension provider is either invalid or undefined"},
    ),
    (
        'Failed to fetch public key from "https://id.example.net/keys": x509: certificate signed'
        " by unknown authority",
        M.TOKEN_KEYS_NOT_FETCHED,
        {
            "address": "https://id.example.net/keys",
            "reason": "x509: certificate signed by unknown authority",
        },
    ),
    (
        'Failed to fetch public key from jwks URI "https://id.example.net/keys": status 503',
        M.TOKEN_KEYS_NOT_FETCHED,
        {"address": "https://id.example.net/keys", "reason": "status 503"},
    ),
    (
        'Failed to fetch jwt public key from issuer "https://id.example.net", jwks uri'
        ' "https://id.example.net/keys": empty public key found in cache',
        M.TOKEN_KEYS_NOT_FETCHED,
        {
            "issuer": "https://id.example.net",
            "address": "https://id.example.net/keys",
            "reason": "empty public key found in cache",
        },
    ),
    (
        'Failed to refresh JWT public key from "https://id.example.net/keys": status 503',
        M.TOKEN_KEYS_NOT_FETCHED,
        {"address": "https://id.example.net/keys", "reason": "status 503"},
    ),
    (
        'Failed to get jwks URI from issuer "https://id.example.net": no such host',
        M.TOKEN_KEYS_NOT_FETCHED,
        {"issuer": "https://id.example.net", "reason": "no such host"},
    ),
    (
        "JWKS fetch failed for issuer https://id.example.net (https://id.example.net/keys), using"
        " public-only JWKS with discarded private key - JWT requests will be rejected",
        M.TOKEN_KEYS_NOT_FETCHED,
        {
            "issuer": "https://id.example.net",
            "address": "https://id.example.net/keys",
            "reason": "using public-only JWKS with discarded private key - JWT requests will be"
            " rejected",
        },
    ),
    (
        'Updated cached JWT public key from "https://id.example.net/keys"',
        M.TOKEN_KEYS_FETCHED,
        {"address": "https://id.example.net/keys"},
    ),
)

GATEWAY_POD: tuple[Sample, ...] = (
    (
        f"gRPC config for {TLS} rejected: Failed to load certificate chain from <inline>",
        M.SECRET_REJECTED,
        {"xds": "Secret", "reason": "Failed to load certificate chain from <inline>"},
    ),
    (
        "delta config for type.googleapis.com/envoy.api.v2.auth.Secret rejected: no",
        M.SECRET_REJECTED,
        {"xds": "Secret", "reason": "no"},
    ),
    (
        "gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error"
        " adding/updating listener(s) [::]_8443: Invalid path: /etc/istio/tls.crt",
        M.LISTENER_REJECTED,
        {
            "xds": "Listener",
            "listener": "[::]_8443",
            "port": 8443,
            "reason": "Invalid path: /etc/istio/tls.crt",
        },
    ),
    (
        "gRPC config for type.googleapis.com/envoy.api.v2.Cluster rejected: Error"
        " adding/updating cluster(s) outbound|443||a.example: no",
        M.CONFIG_REJECTED,
        {
            "xds": "Cluster",
            "reason": "Error adding/updating cluster(s) outbound|443||a.example: no",
        },
    ),
    (
        f"gRPC config: initial fetch timed out for {TLS}",
        M.INITIAL_FETCH_TIMED_OUT,
        {"xds": "Secret"},
    ),
    (
        "StreamSecrets gRPC config stream to sds-grpc closed: 3, workload is not authorized for"
        ' the requested identities ["file-cert:/a~/b" "x"]',
        M.SPIRE_UNAUTHORIZED,
        {
            "resource": "file-cert:/a~/b",
            "reason": "workload is not authorized for the requested identities"
            ' ["file-cert:/a~/b" "x"]',
        },
    ),
    (
        "StreamSecrets gRPC config stream closed: 14, upstream connect error",
        M.STREAM_CLOSED,
        {"xds": "StreamSecrets", "code": 14, "reason": "upstream connect error"},
    ),
    (
        "DeltaAggregatedResources gRPC config stream to xds-grpc closed since 30s ago: 14, no",
        M.STREAM_CLOSED,
        {"xds": "AggregatedResources", "cluster": "xds-grpc", "code": 14, "reason": "no"},
    ),
    ("gRPC config stream closed: 13, ", M.STREAM_CLOSED, {"code": 13}),
    (
        "connected to delta upstream XDS server: istiod.istio-system.svc:15012",
        M.CONTROL_PLANE_CONNECTED,
        {"address": "istiod.istio-system.svc:15012"},
    ),
    (
        "failed to connect to upstream istiod.istio-system.svc:15012: connection refused",
        M.UPSTREAM_CONNECTION_FAILED,
        {"address": "istiod.istio-system.svc:15012", "reason": "connection refused"},
    ),
    (
        "upstream terminated with unexpected error rpc error: code = Unavailable\tid=3",
        M.STREAM_CLOSED,
        {"reason": "rpc error: code = Unavailable"},
    ),
    ("upstream [7] terminated with unexpected error EOF", M.STREAM_CLOSED, {"reason": "EOF"}),
    ("[C12] Create NotReadySslSocket", M.SECRET_NOT_READY, {}),
    (
        "closing connection from 203.0.113.9:5: no matching filter chain found",
        M.FILTER_CHAIN_NOT_FOUND,
        {"reason": "no matching filter chain found"},
    ),
    (
        "Envoy proxy is NOT ready: config not received from XDS server (is Istiod running?): cds"
        " updates: 0 successful, 0 rejected; lds updates: 0 successful, 0 rejected",
        M.NOT_READY,
        {
            "reason": "config not received from XDS server (is Istiod running?): cds updates:"
            " 0 successful, 0 rejected; lds updates: 0 successful, 0 rejected"
        },
    ),
    ("Envoy proxy is ready", M.READY, {}),
    (
        "generated new workload certificate\tresourceName=default latency=20ms ttl=23h",
        M.WORKLOAD_CERTIFICATE_ISSUED,
        {},
    ),
    (
        "read certificate from file\tresource=file-cert:/a~/b",
        M.FILE_CERTIFICATE_READ,
        {"resource": "file-cert:/a~/b"},
    ),
    (
        "file-cert:/a~/b failed to generate secret for proxy from file: no such file",
        M.FILE_CERTIFICATE_FAILED,
        {"reason": "no such file"},
    ),
    (
        "failed to warm certificate: no CA",
        M.WORKLOAD_CERTIFICATE_FAILED,
        {"reason": "no CA"},
    ),
    (
        "Cannot find secret shop, searching for fallback secret gateway-fallback",
        M.LEGACY_SECRET_NOT_FOUND,
        {"credentials": ("shop",), "reason": ", searching for fallback secret gateway-fallback"},
    ),
    (
        "cannot find secret shop and cannot find fallback secret gateway-fallback",
        M.LEGACY_SECRET_NOT_FOUND,
        {"credentials": ("shop",), "reason": "and cannot find fallback secret gateway-fallback"},
    ),
    (
        "resource:shop SecretFetcher cannot find secret shop from cache",
        M.LEGACY_SECRET_NOT_FOUND,
        {"credentials": ("shop",), "reason": "from cache"},
    ),
    (
        "Fetching secret infoedu-tls failed: secret not found",
        M.LEGACY_SECRET_NOT_FOUND,
        {"credentials": ("infoedu-tls",), "reason": "secret not found"},
    ),
    (
        'secret "edge/shop" was not found',
        M.LEGACY_SECRET_NOT_FOUND,
        {"credentials": ("shop",), "namespace": "edge", "reason": "not found"},
    ),
    (
        "failed load server cert/key pair from secret shop: server cert or private key is empty",
        M.LEGACY_SECRET_EMPTY,
        {"credentials": ("shop",), "reason": "server cert or private key is empty"},
    ),
    (
        "skip loading secret. Kubernetes secret shop contains a server certificate that fails to"
        " parse: x509: bad",
        M.LEGACY_SECRET_MALFORMED,
        {
            "credentials": ("shop",),
            "reason": "server certificate that fails to parse: x509: bad",
        },
    ),
    (
        "failed load CA only secret from shop-cacert: no 'cacert' or 'tls.crt' key in the secret",
        M.LEGACY_SECRET_MALFORMED,
        {
            "credentials": ("shop-cacert",),
            "reason": "no 'cacert' or 'tls.crt' key in the secret",
        },
    ),
    (
        'resource:shop waiting for ingress gateway secret for proxy "router~x"',
        M.LEGACY_SECRET_WAITING,
        {"credentials": ("shop",)},
    ),
    (
        "scrtUpdated is called on kubernetes secret shop",
        M.LEGACY_SECRET_UPDATED,
        {"credentials": ("shop",)},
    ),
    (
        "unexpected server key/cert change in secret shop",
        M.LEGACY_CHANGE_REFUSED,
        {"credentials": ("shop",)},
    ),
    ("secret shop is deleted", M.LEGACY_SECRET_DELETED, {"credentials": ("shop",)}),
    ("resource:shop pushed key/cert pair to proxy", M.LEGACY_PUSHED, {"credentials": ("shop",)}),
    (
        "CONNECTION ID: router~10.1.0.3~x-1, RESOURCE NAME: shop-cacert, EVENT: pushed root cert"
        " to proxy",
        M.LEGACY_PUSHED,
        {"credentials": ("shop-cacert",)},
    ),
)

UPSTREAM = "outbound|80||shop.shop.svc.cluster.local"
WRONG_VERSION = (
    "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
)


def entry(
    code: int,
    flags: str,
    details: str | None,
    *,
    failure: str | None = None,
    protocol: str | None = "HTTP/1.1",
    cluster: str | None = None,
    agent: str = "curl/8.5",
    authority: str | None = "shop.example.com",
) -> dict[str, object]:
    return {
        "start_time": STAMP,
        "method": "GET" if protocol else None,
        "path": "/a?token=x" if protocol else None,
        "protocol": protocol,
        "response_code": code,
        "response_flags": flags,
        "response_code_details": details,
        "connection_termination_details": None,
        "upstream_transport_failure_reason": failure,
        "bytes_received": 0,
        "bytes_sent": 0,
        "duration": 3,
        "upstream_service_time": None,
        "x_forwarded_for": "203.0.113.9",
        "user_agent": agent,
        "request_id": "5f1c",
        "authority": authority,
        "upstream_host": None,
        "upstream_cluster": cluster,
        "upstream_local_address": None,
        "downstream_local_address": "10.1.0.2:8443",
        "downstream_remote_address": "203.0.113.9:5",
        "requested_server_name": "sni.example.com",
        "route_name": "shop",
    }


QUOTED = {
    "upstream_transport_failure_reason",
    "x_forwarded_for",
    "user_agent",
    "request_id",
    "authority",
    "upstream_host",
}


def as_text(values: dict[str, object]) -> str:
    words = {key: "-" if value is None else str(value) for key, value in values.items()}
    request = f'"{words["method"]} {words["path"]} {words["protocol"]}"'
    rest = [f'"{word}"' if key in QUOTED else word for key, word in list(words.items())[4:]]
    return f"[{STAMP}] {request} {' '.join(rest)}"


ACCESS: tuple[tuple[dict[str, object], Meaning, Mapping[str, object]], ...] = (
    (
        entry(404, "NR", "route_not_found"),
        M.ROUTE_NOT_FOUND,
        {"code": 404, "reason": "route_not_found", "host": "shop.example.com"},
    ),
    (
        entry(0, "NR", "filter_chain_not_found", protocol=None, authority=None),
        M.FILTER_CHAIN_NOT_FOUND,
        {"code": 0, "reason": "filter_chain_not_found"},
    ),
    (
        entry(503, "NC", "cluster_not_found"),
        M.CLUSTER_NOT_FOUND,
        {"code": 503, "reason": "cluster_not_found", "host": "shop.example.com"},
    ),
    (
        entry(426, "DPE", "low_version", protocol="HTTP/1.0"),
        M.HTTP10_REJECTED,
        {"code": 426, "reason": "low_version", "host": "shop.example.com"},
    ),
    (
        entry(426, "-", "low_version", protocol="HTTP/1.0"),
        M.HTTP10_REJECTED,
        {"code": 426, "reason": "low_version", "host": "shop.example.com"},
    ),
    (
        entry(403, "-", "rbac_access_denied_matched_policy[none]"),
        M.RBAC_DENIED,
        {
            "code": 403,
            "reason": "rbac_access_denied_matched_policy[none]",
            "host": "shop.example.com",
        },
    ),
    (
        entry(403, "UAEX", "ext_authz_error"),
        M.EXTERNAL_AUTHORIZER_FAILED,
        {"code": 403, "reason": "ext_authz_error", "host": "shop.example.com"},
    ),
    (
        entry(401, "-", "jwt_authn_access_denied{Jwks_remote_fetch_is_failed}"),
        M.TOKEN_REFUSED,
        {
            "code": 401,
            "reason": "jwt_authn_access_denied{Jwks_remote_fetch_is_failed}",
            "host": "shop.example.com",
        },
    ),
    (
        entry(503, "UH", "no_healthy_upstream", cluster=UPSTREAM),
        M.NO_HEALTHY_UPSTREAM,
        {
            "code": 503,
            "reason": "no_healthy_upstream",
            "host": "shop.example.com",
            "cluster": UPSTREAM,
        },
    ),
    (
        entry(
            503,
            "UF,URX",
            "upstream_reset_before_response_started{connection_failure}",
            failure=WRONG_VERSION,
            cluster=UPSTREAM,
        ),
        M.UPSTREAM_TLS_FAILURE,
        {"code": 503, "reason": WRONG_VERSION, "host": "shop.example.com", "cluster": UPSTREAM},
    ),
    (
        entry(503, "UC", "upstream_reset_before_response_started{connection_termination}"),
        M.UPSTREAM_RESET,
        {
            "code": 503,
            "reason": "upstream_reset_before_response_started{connection_termination}",
            "host": "shop.example.com",
        },
    ),
    (
        entry(400, "DPE", "http1.codec_error"),
        M.PROTOCOL_ERROR,
        {"code": 400, "reason": "http1.codec_error", "host": "shop.example.com"},
    ),
)


def parsed(raw: str) -> LogLine:
    return parse_log_line(raw, pod=POD, container="discovery")


def encodings(message: str) -> Iterator[str]:
    """Yield the raw line in Istio's text, with spaces for its tabs, and in both kinds of JSON."""
    yield f"{STAMP}\twarn\tads\t{message}"
    yield f"{STAMP} warn ads {message}".replace("\t", " ")
    yield f"[pod/web-0/istio-proxy] {STAMP}\twarning\tenvoy config x/y.cc:1\t{message}\tthread=7"
    words, *labels = message.split("\t")
    pairs = dict(pair.split("=", 1) for pair in " ".join(labels).split())
    yield json.dumps({"level": "warn", "time": STAMP, "scope": "ads", "msg": words, **pairs})
    yield json.dumps({"severity": "WARNING", "timestamp": STAMP, "message": words, **pairs})


SAMPLES = (*ISTIOD, *GATEWAY_POD)
NAMES = [f"{meaning}-{index}" for index, (_, meaning, _) in enumerate(SAMPLES)]


@pytest.mark.parametrize(("message", "meaning", "fields"), SAMPLES, ids=NAMES)
def test_a_line_is_read_as_what_it_says_in_every_encoding(message, meaning, fields):
    lines = [parsed(raw) for raw in encodings(message)]

    facts = [read_fact(line) for line in lines]

    assert facts == [LogFact(meaning=meaning, line=line, **fields) for line in lines]


@pytest.mark.parametrize(("message", "meaning", "fields"), SAMPLES, ids=NAMES)
def test_the_pattern_of_a_meaning_finds_its_raw_lines(message, meaning, fields):
    raws = list(encodings(message))

    assert [raw for raw in raws if not re.search(PATTERNS[meaning], raw)] == []


@pytest.mark.parametrize(
    ("values", "meaning", "fields"), ACCESS, ids=[f"{m}-{i}" for i, (_, m, _) in enumerate(ACCESS)]
)
def test_an_access_log_is_read_alike_in_both_encodings(values, meaning, fields):
    raws = [as_text(values), json.dumps(values)]
    lines = [parsed(raw) for raw in raws]

    facts = [read_fact(line) for line in lines]

    method = str(values["method"] or "")
    common = {"sni": "sni.example.com", "route": "shop", "method": method, **fields}
    assert facts == [LogFact(meaning=meaning, line=line, **common) for line in lines]
    assert [raw for raw in raws if not re.search(PATTERNS[meaning], raw)] == []
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("start", "meaning"),
    [
        ('"GET /a HTTP/1.1" 404 NR', M.ROUTE_NOT_FOUND),
        ('"- - -" 0 NR', M.FILTER_CHAIN_NOT_FOUND),
        ('"GET /a HTTP/2" 503 NC', M.CLUSTER_NOT_FOUND),
        ('"GET /a HTTP/1.0" 426 -', M.HTTP10_REJECTED),
    ],
)
def test_old_access_logs_without_details_are_judged_by_their_flags(start, meaning):
    raw = (
        f'[{STAMP}] {start} "-" "-" 0 0 1 - "203.0.113.9" "curl" "5f1c" "shop.example.com" "-" - -'
        " 10.1.0.2:443 203.0.113.9:5 sni.example.com -"
    )
    fact = read_fact(parsed(raw))

    assert fact is not None
    assert (fact.meaning, fact.host, fact.sni, fact.reason) == (
        meaning,
        "shop.example.com",
        "sni.example.com",
        "",
    )
    assert re.search(PATTERNS[meaning], raw)


def test_an_excerpt_of_an_access_log_tells_its_meaning_but_no_host():
    line = parsed('"GET /productpage HTTP/2" 503 NC cluster_not_found - "-" 0 0 0 -')

    assert read_fact(line) == LogFact(
        meaning=M.CLUSTER_NOT_FOUND,
        line=line,
        code=503,
        reason="cluster_not_found",
        method="GET",
    )


def test_an_access_log_of_another_format_tells_its_meaning():
    line = parsed("2026-01-15 203.0.113.9 GET shop.example.com /a 404 route_not_found")

    assert read_fact(line) == LogFact(
        meaning=M.ROUTE_NOT_FOUND, line=line, reason="route_not_found"
    )


@pytest.mark.parametrize("message", [message for message, _, _ in SAMPLES])
def test_a_client_cannot_forge_a_line(message):
    ordinary = entry(200, "-", "via_upstream", agent=message.replace("\t", " "))
    forged = as_text(entry(404, "NR", "route_not_found", agent=message.replace('"', '" ')))
    fact = read_fact(parsed(forged))

    assert [read_fact(parsed(raw)) for raw in (as_text(ordinary), json.dumps(ordinary))] == [
        None,
        None,
    ]
    assert fact is not None
    assert (fact.meaning, fact.host) == (M.ROUTE_NOT_FOUND, "shop.example.com")


@pytest.mark.parametrize(
    "message",
    [
        "CDS: PUSH request for node:web.istio-ingress resources:20 size:18kB",
        "Push debounce stable[1] 1 for config Service/shop/secret: 100ms since last change",
        "downstream terminated with unexpected error EOF",
        "returned workload certificate from cache\tttl=23h",
        "",
    ],
)
def test_other_lines_say_nothing(message):
    assert [read_fact(parsed(raw)) for raw in encodings(message)] == [None] * 5


def test_every_meaning_has_a_sample_and_a_pattern():
    sampled = {meaning for _, meaning, _ in (*SAMPLES, *ACCESS)}

    assert (sampled, set(PATTERNS)) == (set(Meaning), set(Meaning))


@given(st.text())
@example("kubernetes://" * 600)
@example(
    "skipping server on gateway a port b.99999999999999999999.HTTPS: conflict with existing s"
)
def test_no_text_is_too_strange_to_be_read(text):
    read_fact(LogLine(pod=POD, container="c", at=None, message=text))


@given(
    st.sampled_from([message for message, _, _ in SAMPLES]),
    st.lists(st.sampled_from(list("/:[](),\"' -0\x00\ud800é")), max_size=6),
    st.integers(0, 200),
)
def test_a_damaged_line_never_raises(message, noise, position):
    text = message[:position] + "".join(noise) + message[position:]

    fact = read_fact(parsed(text))

    assert fact is None or fact.line == parsed(text)
