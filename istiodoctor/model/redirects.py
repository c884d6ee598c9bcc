"""The status codes of redirects."""

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
"""Those that clients follow (RFC 9110 §15.4); 300, 304, 305 and 306 lead nowhere by themselves."""
