"""A request ends where its answer was left out, and the hop names the object that asked for it."""

from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.hops import HopState
from istiodoctor.mesh.requests.request_paths import RequestPath, request_paths
from tests.support.objects import (
    GATEWAY_API,
    Manifest,
    api_gateway,
    api_route,
    ingress,
    istiod,
    listener,
    made,
    mesh_of,
    pod,
    service,
)

LABELS = {"gateway.networking.k8s.io/gateway-name": "web"}
PODS = (
    pod("web-istio-0", namespace="edge", labels=LABELS),
    service("web-istio", "edge", {"name": "http", "port": 80}, selector=LABELS),
)
FAULTY = {"backendRefs": [{"name": "app"}]}
SERVED = api_gateway("web", "edge", listener("a"))


def end(url: str, *objects: Manifest) -> tuple[HopState, str, str]:
    found: RequestPath = request_paths(mesh_of(istiod("1.31.0"), *objects), Request.of_url(url))[0]
    last = found.hops[-1]
    return last.state, str(last.ref), last.text


def test_a_route_that_istiod_makes_nothing_of_is_named_at_the_404():
    faulty = api_route("HTTPRoute", "h", "app", FAULTY, hostnames=["a.test"])

    state, ref, text = end("http://a.test/", *PODS, SERVED, faulty)

    assert (state, ref) == (HopState.BROKEN, "HTTPRoute app/h")
    assert text.startswith(
        "no route is bound for a.test: 404; istiod leaves out"
        " HTTPRoute app/h spec.rules[0].backendRefs[0]: "
    )


def test_a_route_for_another_host_or_gateway_is_not_named():
    elsewhere = api_route("HTTPRoute", "h", "app", FAULTY, parents=({"name": "gone"},))
    other_host = api_route("HTTPRoute", "i", "app", FAULTY, hostnames=["b.test"])

    _, _, text = end("http://a.test/", *PODS, SERVED, elsewhere, other_host)

    assert text == "no route is bound for a.test: 404"


def test_a_listener_set_that_is_not_let_in_is_named_where_no_gateway_has_the_host():
    parent = {"name": "web", "namespace": "edge"}
    spec = {"parentRef": parent, "listeners": [listener("own", 80, hostname="y.test")]}
    more = made(GATEWAY_API, "ListenerSet", "more", "team", spec=spec)
    web = api_gateway("web", "edge", listener("a", hostname="x.test"))

    state, ref, text = end("http://y.test/", *PODS, web, more)

    assert (state, ref) == (HopState.BROKEN, "ListenerSet team/more")
    assert text == (
        "no gateway has a server for y.test; istiod leaves out ListenerSet team/more"
        " spec.parentRef: allowedListeners of Gateway API Gateway edge/web does not let it in"
    )


def test_the_default_backend_of_an_ingress_is_named():
    backend = {"service": {"name": "app", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [
        {"path": "/x", "pathType": "Exact", "backend": backend}]}}  # fmt: skip
    objects = (
        pod(),
        service("ingress", "istio-system", 80),
        service("app", "shop", 80),
        ingress("i", "shop", rule, defaultBackend=backend),
    )

    _, ref, text = end("http://a.test/y", *objects)

    assert ref == "Ingress shop/i"
    assert text.endswith(
        "none of 1 takes GET /y: 404; istiod leaves out Ingress shop/i spec.defaultBackend:"
        " istiod makes nothing of a default backend"
    )
