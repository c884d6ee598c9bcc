"""Authentication and authorization at the gateway: whether a request is let through."""
