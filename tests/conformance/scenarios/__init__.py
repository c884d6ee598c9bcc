"""Random scenarios, each by its seed: objects of one cluster and requests to it."""

from collections.abc import Callable
from types import MappingProxyType

from tests.conformance.scenarios import gateways, istio_gateways
from tests.conformance.scenarios.backends import add_backends
from tests.conformance.scenarios.cluster import add_cluster, add_secrets
from tests.conformance.scenarios.defaults import add_defaults
from tests.conformance.scenarios.draft import Draft, clash
from tests.conformance.scenarios.requests import (
    Candidate,
    istio_candidates,
    narrower,
    requests,
)
from tests.conformance.scenarios.routes import add_grants, add_http_routes, add_tls_routes
from tests.conformance.scenarios.virtual_services import add_virtual_services
from tests.conformance.truth import Json

Built = tuple[list[Json], list[Json]]
"""Objects, and requests without answers."""


def istio(seed: int) -> Built:
    """Return a scenario of the Istio API: Gateways and VirtualServices."""
    draft = Draft(f"istio {seed}")
    add_cluster(draft)
    add_backends(draft)
    istio_gateways.add_gateways(draft)
    add_virtual_services(draft)
    add_secrets(draft)
    return draft.objects, requests(draft, istio_candidates)


def gateway(seed: int) -> Built:
    """Return a scenario of the Gateway API: HTTPRoutes, sometimes an Istio Gateway beside."""
    draft = Draft(f"gateway {seed}")
    add_cluster(draft)
    add_backends(draft)
    gateways.add_gateways(draft)
    if draft.chance(0.15):
        istio_gateways.add_gateways(draft)
    add_http_routes(draft)
    add_tls_routes(draft)
    if draft.gateways:
        add_virtual_services(draft)
    add_grants(draft)
    add_secrets(draft)
    found = requests(draft, gateway_candidates)
    objects = [each for each in draft.objects if each["kind"] != "TLSRoute"]
    add_defaults(objects)
    return objects, found


def gateway_candidates(draft: Draft) -> list[Candidate]:
    """Return what listeners are there for; what has routes counts more."""
    found = []
    for _, _, listeners in draft.listeners:
        for listener in listeners:
            scheme = "http" if listener["protocol"] == "HTTP" else "https"
            host, port = listener.get("hostname", "*"), listener["port"]
            found.append((scheme, port, host))
            for route in draft.of_kind("HTTPRoute", "TLSRoute"):
                for other in route["spec"].get("hostnames", ["*"]):
                    if clash(other, host):
                        found += [(scheme, port, narrower(other, host))] * 2
    return found


KINDS = MappingProxyType({"istio": istio, "gateway": gateway})
"""Each kind of random scenario by its name."""
Builder = Callable[[int], Built]
