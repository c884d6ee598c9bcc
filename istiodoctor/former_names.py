"""Names that checks had in former releases, and the names that they have now."""

from collections.abc import Mapping
from types import MappingProxyType

FORMER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "client-authority-expired": "client-ca-expired",
        "client-authority-grant-ignored": "client-ca-grant-ignored",
        "client-authority-is-no-authority": "client-ca-not-a-ca",
        "client-authority-malformed": "client-ca-malformed",
        "client-authority-misnamed": "client-ca-misnamed",
        "client-authority-missing": "client-ca-missing",
        "client-authority-not-in-envoy": "client-ca-not-in-envoy",
        "client-authority-on-wire-differs": "client-ca-on-wire-differs",
        "client-authority-shadowed": "client-ca-shadowed",
        "exportto": "not-exported",
        "host-lost-on-reused-connection": "reused-connection-404",
        "host-unknown-to-gateway": "host-without-route",
        "http10-on-the-way": "http11-turned-into-http10",
        "https-forgotten-by-application": "application-redirects-to-http",
        "https-untold-to-backend": "forwarded-proto-http-to-backend",
        "mesh-certificate-for-outsiders": "mesh-certificate-for-external-clients",
        "nameless-handshake-refused": "missing-sni-refused",
        "optional-client-authority-denied": "optional-client-ca-denied",
        "order-shadow": "route-shadowed",
        "path-no-match": "literal-asterisk-in-path",
        "plain-and-tls-on-one-port": "protocol-conflict-on-port",
        "plain-hop-redirected": "redirect-loop-behind-tls-proxy",
        "plain-host-below-strict-one": "http-only-host-under-hsts-domain",
        "pods-behind-configuration": "stale-configuration-on-wire",
        "redirect-lost-on-the-way": "redirect-bypassed-before-gateway",
        "redirect-outlives-its-fix": "cached-redirect-loop",
        "renewal-stalled": "renewal-stuck",
        "server-name-with-port": "malformed-sni",
        "split-wildcard-exact": "routes-on-wildcard-server-only",
        "unserved-name-refused": "unserved-sni-refused",
    }
)
"""A name once printed stays usable: in command lines, in configuration, in scripts of others."""
RETIRED: Mapping[str, str] = MappingProxyType({"cert005": "CERT003", "wildcard-depth": "CERT003"})
"""Codes and names of checks that are gone, each with the code that finds the same since."""
