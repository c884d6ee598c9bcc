"""Log lines of a gateway pod: pilot-agent, Envoy, and the node agent of Istio ≤ 1.7."""

from istiodoctor.mesh.log_meanings import Meaning, Row

_M = Meaning
_TYPE = r"type\.googleapis\.com/[\w.]+?\.?"

GATEWAY_ROWS: tuple[Row, ...] = (
    Row(
        _M.SECRET_REJECTED,
        "Secret rejected: ",
        rf"config for {_TYPE}(?P<xds>Secret) rejected: (?P<reason>.*)",
    ),
    Row(
        _M.LISTENER_REJECTED,
        "Listener rejected: ",
        rf"config for {_TYPE}(?P<xds>Listener) rejected: "
        r"(?:Error adding/updating listener\(s\) (?P<listener>\S+): )?(?P<reason>.*)",
    ),
    Row(
        _M.CONFIG_REJECTED,
        " rejected: ",
        r"config for type\.googleapis\.com/(?![\w.]*(?:Secret|Listener) )(?:\w+\.)*(?P<xds>\w+)"
        r" rejected: (?P<reason>.*)",
    ),
    Row(
        _M.INITIAL_FETCH_TIMED_OUT,
        "initial fetch timed out for ",
        r"initial fetch timed out for type\.googleapis\.com/(?:\w+\.)*(?P<xds>\w+)",
    ),
    Row(
        _M.SPIRE_UNAUTHORIZED,
        "is not authorized for the requested identities",
        r"(?P<reason>workload is not authorized for the requested identities"
        r' \[\\?"(?P<resource>[^"\\]*).*)',
    ),
    Row(
        _M.CONTROL_PLANE_CONNECTED,
        "upstream XDS server: ",
        r"connected to (?:delta )?upstream XDS server: (?P<address>[^\s\"\\]+)",
    ),
    Row(
        _M.UPSTREAM_CONNECTION_FAILED,
        "failed to connect to upstream ",
        r"failed to connect to upstream (?P<address>\S+): (?P<reason>.*)",
    ),
    *(
        Row(
            _M.STREAM_CLOSED,
            f"{stream}gRPC config stream",
            (rf"(?P<xds>{stream.strip()}) " if stream else "")
            + r"gRPC config stream(?: to (?P<cluster>\S+))? closed(?: since \d+s ago)?:"
            r" (?P<code>\d+),? ?(?P<reason>.*)",
        )
        for stream in ("StreamSecrets ", "AggregatedResources ", "")
    ),
    Row(
        _M.STREAM_CLOSED,
        "upstream ",
        r"upstream (?:\[\d+\] )?terminated with unexpected error (?P<reason>.*?)(?: id=\d+)?$",
    ),
    Row(_M.SECRET_NOT_READY, "Create NotReadySslSocket", r"Create NotReadySslSocket"),
    Row(
        _M.FILTER_CHAIN_NOT_FOUND,
        "no matching filter chain found",
        r"(?P<reason>no matching filter chain found)",
    ),
    Row(
        _M.NOT_READY,
        "Envoy proxy is NOT ready: ",
        r"Envoy proxy is NOT ready: (?P<reason>.*)",
    ),
    Row(_M.READY, "Envoy proxy is ready", r"Envoy proxy is ready"),
    Row(
        _M.WORKLOAD_CERTIFICATE_ISSUED,
        "generated new workload certificate",
        r"generated new workload certificate",
    ),
    Row(
        _M.FILE_CERTIFICATE_FAILED,
        "failed to generate secret for proxy from file",
        r"failed to generate secret for proxy from file: (?P<reason>.*)",
    ),
    Row(
        _M.FILE_CERTIFICATE_READ,
        "read certificate from file",
        r'read certificate from file.*?resource(?:=|\\?": ?\\?")(?P<resource>[^\s"\\]+)',
    ),
    Row(
        _M.WORKLOAD_CERTIFICATE_FAILED,
        "failed to warm certificate: ",
        r"failed to warm certificate: (?P<reason>.*)",
    ),
    Row(
        _M.LEGACY_SECRET_NOT_FOUND,
        "annot find secret ",
        r"annot find secret (?P<secret>[^\s,]+)(?P<reason>, searching for fallback secret \S+"
        r"| and cannot find fallback secret \S+| from cache)",
    ),
    Row(
        _M.LEGACY_SECRET_EMPTY,
        "server cert or private key is empty",
        r"failed load server cert/key pair from secret (?P<secret>[^\s:]+):"
        r" (?P<reason>server cert or private key is empty)",
    ),
    Row(
        _M.LEGACY_SECRET_MALFORMED,
        "that fails to parse: ",
        r"ubernetes secret (?P<secret>\S+) contains a (?P<reason>.*? that fails to parse: .*)",
    ),
    Row(
        _M.LEGACY_SECRET_MALFORMED,
        "failed load CA only secret from ",
        r"failed load CA only secret from (?P<secret>[^\s:]+): (?P<reason>.*)",
    ),
    Row(
        _M.LEGACY_SECRET_WAITING,
        "waiting for ",
        r"(?:resource:|RESOURCE NAME: ?)(?P<secret>[^\s,]{1,253})(?=[\s,])[^\"]{0,80}? waiting for"
        r" (?:ingress )?gateway secret",
    ),
    Row(
        _M.LEGACY_SECRET_UPDATED,
        "scrtUpdated is called on kubernetes secret ",
        r'scrtUpdated is called on kubernetes secret (?P<secret>[^\s"\\]+)',
    ),
    Row(
        _M.LEGACY_CHANGE_REFUSED,
        "unexpected server key/cert change in secret ",
        r'unexpected server key/cert change in secret (?P<secret>[^\s"\\]+)',
    ),
    Row(
        _M.LEGACY_PUSHED,
        " to proxy",
        r"(?:resource:|RESOURCE NAME: ?)(?P<secret>[^\s,]{1,253})(?=[\s,])[^\"]{0,80}?"
        r" pushed (?:key/cert pair|root cert) to proxy",
    ),
    Row(_M.LEGACY_SECRET_DELETED, " is deleted", r"secret (?P<secret>[\w./-]+) is deleted"),
    Row(
        _M.LEGACY_SECRET_NOT_FOUND,
        "not found",
        r'etching secret \\?"?(?P<secret>[\w./-]+)\\?"? failed: (?P<reason>.*not found.*)',
    ),
    Row(
        _M.LEGACY_SECRET_NOT_FOUND,
        "not found",
        r'ecrets? \\?"?(?P<secret>[\w./-]+)\\?"? (?:was )?(?P<reason>not found)',
    ),
)

ACCESS_ROWS: tuple[Row, ...] = tuple(
    Row(meaning, needle, rf"(?P<reason>\b{needle}\w*)")
    for meaning, needle in (
        (_M.HTTP10_REJECTED, "low_version"),
        (_M.FILTER_CHAIN_NOT_FOUND, "filter_chain_not_found"),
        (_M.ROUTE_NOT_FOUND, "route_not_found"),
        (_M.CLUSTER_NOT_FOUND, "cluster_not_found"),
        (_M.RBAC_DENIED, "rbac_access_denied"),
        (_M.EXTERNAL_AUTHORIZER_FAILED, "ext_authz_error"),
        (_M.TOKEN_REFUSED, "jwt_authn_access_denied"),
    )
)
"""Envoy's details in an access log whose format is not Istio's: the meaning alone can be told."""


def _flag(flags: str) -> str:
    """Find a response flag after a status in text, or in its field of JSON."""
    json = rf'response_flags\\?": ?\\?"[^"\\]*\b(?:{flags})\b'
    return rf" [0-9]{{1,3}} (?:[A-Z]+,)*(?:{flags})\b|{json}"


ACCESS_EXPRESSIONS: tuple[tuple[Meaning, str], ...] = (
    (_M.HTTP10_REJECTED, r'low_version|HTTP/1\.0\\?" 426 |response_code\\?": ?426\b'),
    (_M.FILTER_CHAIN_NOT_FOUND, "filter_chain_not_found|" + _flag("NR")),
    (_M.ROUTE_NOT_FOUND, "route_not_found|" + _flag("NR")),
    (_M.CLUSTER_NOT_FOUND, "cluster_not_found|" + _flag("NC")),
    (_M.NO_HEALTHY_UPSTREAM, _flag("UH")),
    (_M.UPSTREAM_TLS_FAILURE, "TLS[_ ]error:"),
    (_M.UPSTREAM_RESET, _flag("UF|UC")),
    (_M.PROTOCOL_ERROR, _flag("DPE")),
    (_M.RBAC_DENIED, "rbac_access_denied"),
    (_M.EXTERNAL_AUTHORIZER_FAILED, "ext_authz_error"),
    (_M.TOKEN_REFUSED, "jwt_authn_access_denied"),
)
"""What finds raw lines of an access log, in either encoding; entries are judged by field."""
