"""Log lines of istiod, from Istio 1.4 to master."""

from istiodoctor.mesh.log_meanings import Meaning, Row

_M = Meaning
_UNAUTHORIZED = (
    r"proxy (?P<proxy>\S+) attempted to access unauthorized certificates (?P<names>[^:]+): "
)
_SKIPPED = r"skipping server on gateway (?P<gateway>\S+) port \S+\.(?P<port>\d+)\.[\w-]+: "
_NACK = r"(?:\S+:\d+ )?(?P<connection>\S+) (?:\([^)]*\) )?\w+:"

ISTIOD_ROWS: tuple[Row, ...] = (
    Row(
        _M.CREDENTIAL_FETCH_FAILED,
        "failed to fetch key and certificate for ",
        r'failed to fetch key and certificate for (?P<resource>kubernetes[\w-]*://[^\s:"\\]+)'
        r"(?::\s*(?P<reason>.*))?",
    ),
    Row(
        _M.CA_FETCH_FAILED,
        "failed to fetch ca certificate for ",
        r'failed to fetch ca certificate for (?P<resource>[\w-]+://[^\s:"\\]+)'
        r"(?::\s*(?P<reason>.*))?",
    ),
    Row(
        _M.INVALID_CERTIFICATE,
        "invalid certificates: ",
        r'invalid certificates: (?:(?P<secret>[^/\s"\\]+/[^\s"\\]+) )?'
        r'\\?"(?P<resource>[^"\\]+)\\?": (?P<reason>.*)',
    ),
    Row(
        _M.UNAUTHORIZED_CREDENTIAL,
        "unauthorized certificates ",
        _UNAUTHORIZED + r"(?P<account>[^/\s]+)/(?P<namespace>\S+) is not authorized to read"
        r" secrets:?\s*(?P<reason>.*)",
    ),
    Row(
        _M.CROSS_NAMESPACE_CREDENTIAL,
        "unauthorized certificates ",
        _UNAUTHORIZED + r"(?P<reason>cross namespace secret reference requires"
        r" Reference(?:Grant|Policy))",
    ),
    Row(
        _M.ACCESS_REVIEW_FAILED,
        "unauthorized certificates ",
        _UNAUTHORIZED + r"(?![^/\s]+/\S+ is not authorized to read secrets|cross namespace )"
        r"(?P<reason>.+)",
    ),
    Row(
        _M.NO_VERIFIED_IDENTITY,
        " is not authorized to receive ",
        r"proxy (?P<proxy>\S+) is not authorized to receive (?:credscontroller|secrets)\."
        r" (?P<reason>Ensure .*)",
    ),
    Row(
        _M.UNAUTHORIZED_CREDENTIAL,
        " is not authorized to receive ",
        r"proxy (?P<proxy>\S+) is not authorized to receive secrets: (?P<reason>.*)",
    ),
    Row(
        _M.CROSS_NAMESPACE_CREDENTIAL,
        "requested secret ",
        r"requested secret (?P<resource>\S+) not accessible for proxy (?P<proxy>\S+):"
        r" (?P<reason>.*)",
    ),
    Row(
        _M.UNKNOWN_CLUSTER,
        ", cannot retrieve certificates: ",
        r"proxy (?P<proxy>\S+) is from an unknown cluster, cannot retrieve certificates:"
        r" (?P<reason>.*)",
    ),
    Row(
        _M.UNKNOWN_CLUSTER,
        ", cannot retrieve certificates: ",
        r"config cluster (?P<cluster>\S+) not found, cannot retrieve certificates: (?P<reason>.*)",
    ),
    Row(
        _M.BAD_RESOURCE_NAME,
        "error parsing resource name: ",
        r"error parsing resource name: (?P<reason>unknown resource type: \S+"
        r'|invalid resource name (?:\\?"(?P<resource>[^"\\]*)\\?")?.*)',
    ),
    Row(
        _M.BAD_RESOURCE_NAME,
        "unknown credential type ",
        r'(?P<reason>unknown credential type \\?"[^"\\]*\\?")',
    ),
    Row(
        _M.CREDENTIALS_DISABLED,
        "skipping Kubernetes credential reader",
        r"skipping Kubernetes credential reader; (?P<reason>PILOT_ENABLE_XDS_IDENTITY_CHECK.*)",
    ),
    Row(
        _M.SECRET_REJECTED,
        "ADS:SDS: ACK ERROR ",
        rf"ADS:(?P<xds>SDS): ACK ERROR {_NACK}(?P<reason>.*)",
    ),
    Row(
        _M.LISTENER_REJECTED,
        "ADS:LDS: ACK ERROR ",
        rf"ADS:(?P<xds>LDS): ACK ERROR {_NACK}"
        r"(?:Error adding/updating listener\(s\) (?P<listener>\S+): )?(?P<reason>.*)",
    ),
    Row(
        _M.CONFIG_REJECTED,
        ": ACK ERROR ",
        rf"ADS:(?P<xds>(?!SDS|LDS)\w+): ACK ERROR {_NACK}(?P<reason>.*)",
    ),
    Row(
        _M.SDS_PUSHED,
        "SDS: PUSH",
        r"SDS: PUSH(?: INC)?(?: request)? for node:(?P<connection>\S+) resources:(?P<count>\d+)"
        r"(?: removed:(?P<removed>\d+))?",
    ),
    Row(
        _M.SECRET_CHANGED,
        "Push debounce stable[",
        r"Push debounce stable\[\d+\] \d+ for config Secret/(?P<secret>[^/\s]+/[^\s:]+)",
    ),
    Row(
        _M.SECRET_CHANGED,
        "Push debounce stable[",
        r"Push debounce stable\[\d+\] \d+ for reason (?P<reason>\S*\bsecret\S*):",
    ),
    Row(
        _M.PROXY_CONNECTED,
        "connection for node:",
        r"ADS: new (?:delta )?connection for node:(?P<connection>[^\s\"\\]+)",
    ),
    Row(
        _M.PROXY_DISCONNECTED,
        " terminated",
        r'ADS: \\?"[^"\\]*\\?" (?P<connection>\S+) terminated',
    ),
    Row(
        _M.PROXY_WARMING,
        "ADS:SDS: FORCE RESPONSE ",
        r"ADS:SDS: FORCE RESPONSE (?P<connection>\S+) for warming",
    ),
    Row(
        _M.XDS_UNAUTHORIZED,
        "Unauthorized XDS: ",
        r"Unauthorized XDS: \S+ with identity (?P<identity>.*?): (?P<reason>.*)",
    ),
    Row(
        _M.SERVER_SKIPPED_DUPLICATE_HOSTS,
        "duplicate host names: [",
        r"skipping server on gateway (?P<gateway>[^\s,]+), duplicate host names:"
        r" \[(?P<hosts>[^\]]*)\]",
    ),
    Row(
        _M.SERVER_SKIPPED_CONFLICT,
        ": conflict with existing server ",
        _SKIPPED + r"(?P<reason>conflict with existing server [\w.-]+)",
    ),
    Row(
        _M.NON_UNIQUE_PORT_NAME,
        ": non unique port name for HTTPS port",
        _SKIPPED + r"(?P<reason>non unique port name for HTTPS port)",
    ),
    Row(
        _M.SERVER_WITHOUT_TLS,
        "TLS server without TLS options",
        r'TLS server without TLS options (?P<gateway>[^\s"\\]+)',
    ),
    Row(
        _M.SERVER_WITHOUT_TLS,
        "but no TLS section is defined",
        r"(?P<reason>protocol is \S+ but no TLS section is defined), skipping listener creation",
    ),
    Row(
        _M.DUPLICATE_SERVER_NAME,
        " is not unique in gateway ",
        r'Server name (?P<server>\S+) is not unique in gateway (?P<gateway>[^\s"\\]+)',
    ),
    Row(
        _M.GATEWAY_SKIPPED,
        "strict gateway merging: skipping gateway ",
        r"strict gateway merging: skipping gateway (?P<gateway>[^\s,:]+)[\s,:]*(?P<reason>.*)",
    ),
    Row(
        _M.PRIVILEGED_PORT_SKIPPED,
        "skipping privileged gateway port ",
        r"skipping privileged gateway port (?P<port>\d+) for node (?P<proxy>\S+) as it is an"
        r" unprivileged pod",
    ),
    Row(
        _M.LISTENER_OMITTED,
        "gateway omitting listener ",
        r'gateway omitting listener \\?"(?P<listener>[^"\\]*)\\?" due to: (?P<reason>.*)',
    ),
    Row(
        _M.NO_LISTENERS,
        "gateway has zero listeners for node ",
        r'gateway has zero listeners for node (?P<proxy>[^\s"\\]+)',
    ),
    Row(
        _M.GATEWAY_MISSING_FOR_ROUTE,
        "Gateway missing for route ",
        r"Gateway missing for route (?P<route>\S+?)\.? This is normal",
    ),
    Row(
        _M.GATEWAY_MISSING_FOR_ROUTE,
        "buildGatewayRoutes: no gateways for router ",
        r"(?P<reason>buildGatewayRoutes: no gateways for router.*)",
    ),
    Row(
        _M.NO_VIRTUAL_HOSTS,
        " with no vhosts",
        r"constructed http route config for (?:route (?P<route>\S+) on )?port (?P<port>\d+)"
        r" with no vhosts",
    ),
    Row(
        _M.NO_VIRTUAL_SERVICE_BOUND,
        "no virtual service bound to gateway: ",
        r'no virtual service bound to gateway: (?P<gateway>[^\s"\\]+)',
    ),
    Row(
        _M.MISSED_NETWORK_FILTER,
        " listener missed network filter",
        r"gateway (?P<gateway>\S+):(?P<port>\d+) listener missed network filter",
    ),
    Row(
        _M.DUPLICATE_SNI,
        "duplicate SNI host names: ",
        r"skipping VirtualService (?P<virtual_service>\S+) rule #\S+ on server port (?P<port>\d+)"
        r" of gateway (?P<gateway>[^\s,]+), duplicate SNI host names: \[?(?P<hosts>[^\]]*)",
    ),
    Row(
        _M.DELEGATE_NOT_FOUND,
        "delegate virtual service ",
        r"delegate virtual service (?P<delegate>\S+) of (?P<virtual_service>\S+) not found",
    ),
    Row(
        _M.DELEGATE_NOT_EXPORTED,
        "delegate virtual service ",
        r"delegate virtual service (?P<delegate>\S+) of (?P<virtual_service>\S+)"
        r" (?P<reason>is not exported to .*)",
    ),
    Row(
        _M.ROUTE_MATCH_CONFLICT,
        "HTTPMatchRequests conflict",
        r"(?P<reason>HTTPMatchRequests conflict.*)",
    ),
    Row(
        _M.EXTERNAL_AUTHORIZER_UNUSABLE,
        " CUSTOM action",
        r"failed to p(?:rocess|arse) CUSTOM action(?: for provider (?P<provider>[^\s,]+))?,"
        r" will generate deny configs:\s*(?P<reason>.*)",
    ),
    Row(
        _M.EXTERNAL_AUTHORIZER_UNUSABLE,
        "multiple CUSTOM authorization providers",
        r"(?P<reason>multiple CUSTOM authorization providers per workload.*)",
    ),
    Row(
        _M.TOKEN_KEYS_NOT_FETCHED,
        " public key from ",
        r"Failed to (?:fetch|refresh)(?: jwt| JWT)? public key from "
        r'(?:jwks URI |issuer \\?"(?P<issuer>[^"\\]*)\\?", jwks uri )?'
        r'\\?"(?P<address>[^"\\]*)\\?": (?P<reason>.*)',
    ),
    Row(
        _M.TOKEN_KEYS_NOT_FETCHED,
        " from issuer ",
        r"Failed to (?:get jwks URI|resolve Jwks) from issuer "
        r'\\?"(?P<issuer>[^"\\]*)\\?": (?P<reason>.*)',
    ),
    Row(
        _M.TOKEN_KEYS_NOT_FETCHED,
        "JWKS fetch failed for issuer ",
        r"JWKS fetch failed for issuer (?P<issuer>\S+) \((?P<address>[^)\s]*)\), (?P<reason>.*)",
    ),
    Row(
        _M.TOKEN_KEYS_FETCHED,
        "Updated cached JWT public key",
        r'Updated cached JWT public key from \\?"(?P<address>[^"\\]*)',
    ),
)
