"""Answers of real istiod and real Envoy, recorded, and istiodoctor compared with them."""
