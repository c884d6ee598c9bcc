"""Find out why HTTPS is broken at an Istio gateway, and what to change."""

__version__ = "0.1.0"
