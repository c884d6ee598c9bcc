"""Redirects and forwarded headers."""
