from istiodoctor.mesh.configuration.api_left_out import (
    listeners_left_out,
    routes_left_out,
)
from istiodoctor.mesh.configuration.left_out import LeftOut
from tests.support.objects import (
    GATEWAY_API,
    Manifest,
    api_gateway,
    api_route,
    istiod,
    listener,
    made,
    mesh_of,
)

BACKEND = {"name": "app", "port": 80}


def told(found: tuple[LeftOut, ...]) -> list[tuple[str, str]]:
    return [(str(each.place), each.omission.value) for each in found]


def more(namespace: str) -> Manifest:
    spec = {
        "parentRef": {"name": "web", "namespace": "edge"},
        "listeners": [listener("own", 8080)],
    }
    return made(GATEWAY_API, "ListenerSet", "more", namespace, spec=spec)


def test_listeners_that_are_not_made_and_sets_that_are_not_let_in_are_told():
    same = {"namespaces": {"from": "Same"}}
    mesh = mesh_of(
        api_gateway("web", "edge", listener("a"), listener("b"), allowedListeners=same),
        more("edge"),
        more("team"),
    )

    assert told(listeners_left_out(mesh)) == [
        ("Gateway API Gateway edge/web spec.listeners[1]", "faulty-listener"),
        ("ListenerSet team/more spec.parentRef", "listener-set-refused"),
    ]


def test_a_rule_that_takes_its_route_with_it_is_told_with_its_place():
    rules = ({"backendRefs": [BACKEND]}, {"backendRefs": [{"name": "app"}]})
    mesh = mesh_of(
        api_gateway("web", "edge", listener("a"), listener("b", 9000, "TCP")),
        api_route("HTTPRoute", "h", "app", *rules),
        api_route("TCPRoute", "t", "app", *rules),
        api_route("HTTPRoute", "fine", "app", rules[0]),
        api_route("HTTPRoute", "elsewhere", "app", *rules, parents=({"name": "gone"},)),
    )

    assert told(routes_left_out(mesh)) == [
        ("HTTPRoute app/h spec.rules[1].backendRefs[0]", "invalid-route"),
        ("TCPRoute app/t spec.rules[1].backendRefs[0]", "invalid-route"),
    ]


def test_a_route_of_a_kind_that_istiod_reads_only_with_a_flag_is_told():
    mesh = mesh_of(
        istiod("1.30.2"),
        api_gateway("web", "edge", listener("a", 9000, "TCP")),
        api_route("TCPRoute", "t", "app", {"backendRefs": [BACKEND]}),
    )

    (found,) = routes_left_out(mesh)
    assert (str(found.place), found.omission.value) == ("TCPRoute app/t", "kind-not-read")
    assert found.because.endswith("only with PILOT_ENABLE_ALPHA_GATEWAY_API=true")
