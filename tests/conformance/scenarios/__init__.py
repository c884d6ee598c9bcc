"""Random scenarios, each by its seed: objects of one cluster and requests to it.

The same seed gives the same scenario of a kind, now and later: what changes it is a kind of its
own.
"""

from types import MappingProxyType

from tests.conformance.scenarios import gateways, istio_gateways
from tests.conformance.scenarios.backends import add_backends
from tests.conformance.scenarios.client_requests import client_requests
from tests.conformance.scenarios.cluster import MESH_CONFIG, add_cluster, add_secrets
from tests.conformance.scenarios.defaults import add_defaults
from tests.conformance.scenarios.deployments import add_deployed_gateways, add_more_secrets
from tests.conformance.scenarios.draft import Draft
from tests.conformance.scenarios.envoy_filters import add_envoy_filters
from tests.conformance.scenarios.ingresses import add_ingresses, ingress_mesh_config
from tests.conformance.scenarios.mesh_config import add_proxy_config, forwarded, mesh_config
from tests.conformance.scenarios.other_routes import add_routes_of_every_kind
from tests.conformance.scenarios.plain import add_plain_gateway_api, add_plain_istio
from tests.conformance.scenarios.policies import add_policies
from tests.conformance.scenarios.requests import (
    gateway_candidates,
    ingress_candidates,
    istio_candidates,
    requests,
)
from tests.conformance.scenarios.routes import add_grants, add_http_routes, add_tls_routes
from tests.conformance.scenarios.virtual_services import add_virtual_services
from tests.conformance.truth import Json

Built = tuple[list[Json], list[Json]]
"""Objects, and requests without answers."""


def istio(seed: int) -> Built:
    """Return a scenario of the Istio API: Gateways and VirtualServices."""
    draft = _started(f"istio {seed}")
    _add_istio(draft)
    add_secrets(draft)
    return draft.objects, requests(draft, istio_candidates)


def gateway(seed: int) -> Built:
    """Return a scenario of the Gateway API: HTTPRoutes, sometimes an Istio Gateway beside."""
    draft = _started(f"gateway {seed}")
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
    # These were drawn when the recorder could not give istiod any; their hosts are still asked.
    draft.objects = [each for each in draft.objects if each["kind"] != "TLSRoute"]
    add_defaults(draft.objects)
    return draft.objects, found


def clients(seed: int) -> Built:
    """Return a scenario of either API with requests in every form that clients send."""
    draft = _started(f"clients {seed}")
    _add_either(draft)
    return _finished(draft, is_every_form=True)


def mesh(seed: int) -> Built:
    """Return a scenario with MeshConfig that is not the default one."""
    draft = Draft(f"mesh {seed}")
    _add_base(draft, mesh_config(draft))
    add_proxy_config(draft)
    _add_either(draft)
    objects, found = _finished(draft, is_every_form=True)
    return objects, forwarded(draft, found)


def policies(seed: int) -> Built:
    """Return a scenario with AuthorizationPolicies at the gateways."""
    draft = _started(f"policies {seed}")
    add = draft.weighted(
        [add_plain_istio, add_plain_gateway_api, _add_istio, _add_deployed],
        [40, 30, 15, 15],
    )
    add(draft)
    add_policies(draft)
    return _finished(draft)


def routes(seed: int) -> Built:
    """Return a scenario of the Gateway API's other kinds, on gateways as istiod deploys them."""
    draft = _started(f"routes {seed}")
    _add_deployed(draft)
    return _finished(draft)


def ingress(seed: int) -> Built:
    """Return a scenario of Kubernetes Ingresses, sometimes an Istio Gateway beside."""
    draft = Draft(f"ingress {seed}")
    _add_base(draft, ingress_mesh_config(draft))
    add_ingresses(draft)
    if draft.chance(0.2):
        _add_istio(draft)
    return _finished(draft)


def filters(seed: int) -> Built:
    """Return a scenario with EnvoyFilters that only add headers."""
    draft = _started(f"filters {seed}")
    _add_either(draft)
    add_envoy_filters(draft)
    return _finished(draft)


KINDS = MappingProxyType(
    {
        "istio": istio,
        "gateway": gateway,
        "clients": clients,
        "mesh": mesh,
        "policies": policies,
        "routes": routes,
        "ingress": ingress,
        "filters": filters,
    }
)
"""Each kind of random scenario by its name."""


def _started(seed: str) -> Draft:
    draft = Draft(seed)
    _add_base(draft, MESH_CONFIG)
    return draft


def _add_base(draft: Draft, config: str) -> None:
    add_cluster(draft, config)
    add_backends(draft)


def _add_istio(draft: Draft) -> None:
    istio_gateways.add_gateways(draft)
    add_virtual_services(draft)


def _add_deployed(draft: Draft) -> None:
    add_deployed_gateways(draft)
    add_routes_of_every_kind(draft)
    add_grants(draft)
    add_more_secrets(draft)


def _add_either(draft: Draft) -> None:
    """Add gateways and routes of one of the APIs, ordinary ones or tricky ones."""
    add = draft.weighted(
        [add_plain_istio, add_plain_gateway_api, _add_istio, _add_gateway_api],
        [35, 20, 30, 15],
    )
    add(draft)


def _add_gateway_api(draft: Draft) -> None:
    gateways.add_gateways(draft)
    add_http_routes(draft)
    add_grants(draft)


def _finished(draft: Draft, is_every_form: bool = False) -> Built:
    add_secrets(draft)
    candidates = [
        *istio_candidates(draft),
        *gateway_candidates(draft),
        *ingress_candidates(draft),
    ]
    if is_every_form:
        found = client_requests(draft, candidates)
    else:
        found = requests(draft, lambda _: candidates)
    add_defaults(draft.objects)
    return draft.objects, found
