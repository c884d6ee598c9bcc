"""Meanings of istiod's and Envoy's log lines, and what follows for gateways."""
