"""DestinationRules: TLS from the gateway to the backends."""
