"""Gateways and their servers."""
