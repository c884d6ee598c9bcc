"""Servers of Istio Gateways, listeners of the Gateway API and Ingresses as one thing, merged."""
