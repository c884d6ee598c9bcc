import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.redirects import (
    RedirectKind,
    plain_hosts,
    plain_hosts_for,
    redirect_exempts_challenges,
    tls_hosts_meeting,
)
from istiodoctor.mesh.workloads.service_ports import ports_sharing_target
from istiodoctor.mesh.workloads.workloads import routers
from tests.support.objects import (
    Manifest,
    gateway,
    https,
    mesh_of,
    pod,
    route,
    server,
    service,
    virtual_service,
)

ON = {"httpsRedirect": True}
TO_HTTPS = {"redirect": {"scheme": "https"}}
ACME = "/.well-known/acme-challenge/"


def plain(*hosts: str, tls: Manifest | None = None, port: int = 80) -> Manifest:
    return server(port, "HTTP", *hosts, tls=tls)


def kinds(mesh: Mesh) -> list[tuple[str, str, RedirectKind]]:
    return [
        (f"{each.server.gateway.name}#{each.server.index}", each.host, each.redirect)
        for each in plain_hosts(mesh)
    ]


def on_web(*rules: Manifest, host: str = "a.com", name: str = "a") -> Manifest:
    return virtual_service(name, "shop", host, gateways=["web"], http=list(rules))


@pytest.mark.parametrize(
    ("tls", "expected"),
    [(ON, RedirectKind.SERVER), ({}, RedirectKind.NONE), (None, RedirectKind.NONE)],
)
def test_a_server_redirects_all_its_hosts_or_none(tls: Manifest | None, expected: RedirectKind):
    mesh = mesh_of(pod(), gateway("web", "shop", plain("a.com", "b.com", tls=tls)))

    assert kinds(mesh) == [("web#0", "a.com", expected), ("web#0", "b.com", expected)]


def test_a_redirecting_server_redirects_the_same_host_of_another_server():
    mesh = mesh_of(
        pod(),
        gateway("web", "shop", plain("a.com"), created="2025-01-01"),
        gateway("old", "shop", plain("a.com", tls=ON), created="2025-02-01"),
    )

    assert kinds(mesh) == [
        ("web#0", "a.com", RedirectKind.SERVER),
        ("old#0", "a.com", RedirectKind.SERVER),
    ]
    assert [each.place.ref.name for each in plain_hosts(mesh)] == ["old", "old"]


def test_a_redirect_of_a_wildcard_does_not_reach_a_host_with_routes_of_its_own():
    mesh = mesh_of(
        pod(),
        gateway("web", "shop", plain("*.com", tls=ON)),
        gateway("own", "shop", plain("a.com", "b.com")),
        virtual_service("a", "shop", "a.com", gateways=["own"], http=[route("app")]),
    )

    assert kinds(mesh) == [
        ("own#0", "a.com", RedirectKind.NONE),
        ("own#0", "b.com", RedirectKind.SERVER),
        ("web#0", "*.com", RedirectKind.SERVER),
    ]


def test_a_redirect_of_a_wildcard_reaches_the_virtual_hosts_of_routes_bound_to_it():
    mesh = mesh_of(
        pod(),
        gateway("web", "shop", plain("*.com", tls=ON), plain("a.com", "b.com")),
        on_web(route("app")),
    )

    assert kinds(mesh) == [
        ("web#0", "*.com", RedirectKind.SERVER),
        ("web#1", "a.com", RedirectKind.SERVER),
        ("web#1", "b.com", RedirectKind.SERVER),
    ]


def test_a_redirect_does_not_reach_another_port():
    mesh = mesh_of(
        pod(), gateway("web", "shop", plain("a.com", tls=ON), plain("a.com", port=8080))
    )

    assert [kind for _, _, kind in kinds(mesh)] == [RedirectKind.SERVER, RedirectKind.NONE]


def test_a_dropped_server_redirects_nobody():
    mesh = mesh_of(
        pod(),
        gateway("web", "shop", plain("x.com", tls=ON), created="2025-01-01"),
        gateway("late", "shop", plain("x.com", "a.com", tls=ON), created="2025-02-01"),
        gateway("other", "shop", plain("a.com"), created="2025-03-01"),
    )

    assert kinds(mesh) == [
        ("web#0", "x.com", RedirectKind.SERVER),
        ("other#0", "a.com", RedirectKind.NONE),
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (TO_HTTPS, RedirectKind.ROUTE),
        (TO_HTTPS | {"match": [{"port": 80}]}, RedirectKind.ROUTE),
        (TO_HTTPS | {"match": [{"port": 443}]}, RedirectKind.NONE),
        (TO_HTTPS | {"match": [{"gateways": ["web"]}]}, RedirectKind.ROUTE),
        (TO_HTTPS | {"match": [{"gateways": ["shop/web"]}]}, RedirectKind.ROUTE),
        (TO_HTTPS | {"match": [{"gateways": ["web.shop"]}]}, RedirectKind.ROUTE),
        (TO_HTTPS | {"match": [{"gateways": ["other", "mesh"]}]}, RedirectKind.NONE),
        ({"redirect": {"uri": "/moved"}}, RedirectKind.NONE),
        (route("app"), RedirectKind.NONE),
    ],
)
def test_a_route_redirects_on_the_port_and_gateway_of_its_match(
    rule: Manifest, expected: RedirectKind
):
    mesh = mesh_of(pod(), gateway("web", "shop", plain("a.com")), on_web(rule))

    assert kinds(mesh) == [("web#0", "a.com", expected)]


def test_the_match_of_a_rule_that_delegates_decides_for_the_delegates_redirect():
    root = on_web({"match": [{"port": 443}], "delegate": {"name": "part"}})
    part = virtual_service("part", "shop", http=[TO_HTTPS])
    mesh = mesh_of(pod(), gateway("web", "shop", plain("a.com")), root, part)

    assert kinds(mesh) == [("web#0", "a.com", RedirectKind.NONE)]


@pytest.mark.parametrize(
    ("tls", "rules", "expected"),
    [
        (None, [route("app")], True),
        (ON, [route("app")], False),
        (ON, [{"match": [{"uri": {"prefix": ACME}}], **route("solver")}], False),
        (None, [TO_HTTPS], False),
        (None, [{"match": [{"uri": {"prefix": ACME}}], **route("solver")}, TO_HTTPS], True),
        (None, [TO_HTTPS, {"match": [{"uri": {"prefix": ACME}}], **route("solver")}], False),
        (None, [TO_HTTPS | {"match": [{"uri": {"prefix": "/shop"}}]}, route("app")], True),
        (None, [TO_HTTPS | {"match": [{"uri": {"prefix": "/"}}]}], False),
        (
            None,
            [TO_HTTPS | {"match": [{"withoutHeaders": {":path": {"prefix": ACME}}}]}],
            True,
        ),
    ],
)
def test_challenges_pass_a_route_that_leaves_them_out_and_never_a_servers_redirect(
    tls: Manifest | None, rules: list[Manifest], expected: bool
):
    mesh = mesh_of(pod(), gateway("web", "shop", plain("a.com", tls=tls)), on_web(*rules))
    (found,) = plain_hosts(mesh)

    assert redirect_exempts_challenges(mesh, found) is expected


def test_the_plain_server_for_a_host_is_the_most_specific_one():
    mesh = mesh_of(pod(), gateway("web", "shop", plain("*"), plain("*.com"), plain("a.com")))
    (workload,) = routers(mesh)

    assert [each.host for each in plain_hosts_for(mesh, workload, "a.com")] == [
        "a.com",
        "*.com",
        "*",
    ]


def test_tls_hosts_meet_what_they_have_names_in_common_with():
    mesh = mesh_of(pod(), gateway("web", "shop", https("a.com"), https("*.b.com"), plain("c.com")))
    (workload,) = routers(mesh)

    assert [
        [each.host for each in tls_hosts_meeting(mesh, workload, host)]
        for host in ("a.com", "x.b.com", "*", "c.com")
    ] == [["a.com"], ["*.b.com"], ["a.com", "*.b.com"], []]


def test_ports_of_a_service_that_lead_to_one_port_in_the_pod_are_told():
    entries = [{"name": f"p{port}", "port": port, "targetPort": 8080} for port in (80, 443)]
    mesh = mesh_of(pod(), service("ingress", "istio-system", *entries, 15021))
    (workload,) = routers(mesh)

    assert [
        (found.name, ports) for found, ports in ports_sharing_target(mesh, workload, 8080)
    ] == [("ingress", (80, 443))]
