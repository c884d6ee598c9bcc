"""Full names of the hosts that rules name (`ResolveShortnameToFQDN`, model/config.go:209)."""

from ipaddress import ip_address


def resolved_host(host: str, namespace: str, domain_suffix: str) -> str:
    """Return the full name of a host that an object of a namespace names, its case kept.

    Names with a dot, addresses and `*` stay as they are.
    """
    if not host or host == "*" or "." in host or is_address(host):
        return host
    return f"{host}.{namespace}.svc.{domain_suffix}"


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
