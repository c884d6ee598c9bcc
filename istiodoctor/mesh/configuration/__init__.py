"""What istiod would send to a gateway workload, in Envoy's words."""
