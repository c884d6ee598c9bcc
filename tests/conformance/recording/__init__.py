"""Record how real istiod and real Envoy answer: scenarios in, truth out.

istiod (`tests/conformance/istiod`, built by `make conformance-truth`) says what it would send to
each gateway. One Envoy for many scenarios runs that, each scenario on loopback addresses of its
own. A client sends every request, and what comes back is the truth.
"""
