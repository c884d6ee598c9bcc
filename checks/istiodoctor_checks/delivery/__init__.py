"""SDS: from istiod to Envoy."""
