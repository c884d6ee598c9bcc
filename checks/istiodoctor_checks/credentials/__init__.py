"""Credentials: the Secrets that gateways ask for."""
