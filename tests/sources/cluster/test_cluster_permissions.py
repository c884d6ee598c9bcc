"""What a scan makes of permissions that do not reach everywhere."""

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Snapshot, Unread, UnreadReason
from tests.apiserver import ApiServer
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import gateway, manifest, names, paths, service, unread

OBJECTS = [gateway("shop/web"), gateway("bank/web"), service("shop/web"), service("bank/web")]

GATEWAYS = frozenset({Kind.ISTIO_GATEWAY})
BOTH = frozenset({Kind.SERVICE, Kind.ISTIO_GATEWAY})


def refusal(where: str, resource: str = "gateways", group: str = "networking.istio.io") -> str:
    qualified = f"{resource}.{group}" if group else resource
    return (
        f'403 Forbidden: {qualified} is forbidden: User "tester" cannot list resource'
        f' "{resource}" in API group "{group}" {where}'
    )


def test_one_forbidden_kind_does_not_cost_the_others(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("services")

    reading = source.collect(BOTH)

    assert names(reading) == ["Gateway bank/web", "Gateway shop/web"]
    assert reading.listed == {Kind.ISTIO_GATEWAY: frozenset({EVERYWHERE})}
    assert reading.unread == (
        Unread(
            kind=Kind.SERVICE,
            reason=UnreadReason.FORBIDDEN,
            message=refusal("at the cluster scope", "services", ""),
        ),
    )


def test_one_forbidden_namespace_does_not_cost_the_others(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("gateways", namespace="bank")

    reading = source.collect(GATEWAYS)

    assert names(reading) == ["Gateway shop/web"]
    assert reading.listed == {Kind.ISTIO_GATEWAY: frozenset({"default", "kube-system", "shop"})}
    assert reading.unread == (
        Unread(
            kind=Kind.ISTIO_GATEWAY,
            namespace="bank",
            reason=UnreadReason.FORBIDDEN,
            message=refusal('in the namespace "bank"'),
        ),
    )


def test_the_named_namespaces_are_read_where_namespaces_cannot_be_listed(
    server: ApiServer, connect: Open
):
    source = connect(server, namespaces=frozenset({"shop"}))
    server.forbid("gateways", namespace="")
    server.forbid("namespaces")

    reading = source.collect(GATEWAYS)
    snapshot = Snapshot(taken_at=source.taken_at, source="test", readings=[reading])

    assert names(reading) == ["Gateway shop/web"]
    assert reading.unread == (
        Unread(
            kind=Kind.ISTIO_GATEWAY,
            namespace=EVERYWHERE,
            reason=UnreadReason.FORBIDDEN,
            message=refusal("at the cluster scope"),
        ),
    )
    assert snapshot.is_complete(Kind.ISTIO_GATEWAY, "shop")
    assert not snapshot.is_complete(Kind.ISTIO_GATEWAY, "bank")
    assert not snapshot.is_complete(Kind.ISTIO_GATEWAY)


def test_a_kind_that_is_forbidden_everywhere_is_one_entry(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("gateways")
    server.forbid("namespaces")

    assert unread(source.collect(BOTH)) == ["gateways.networking.istio.io: forbidden"]
    assert paths(server).count("/api/v1/namespaces") == 1


def test_what_does_not_exist_is_not_forbidden_although_the_server_says_so(connect: Open):
    with ApiServer(absent=("tlsroutes.gateway.networking.k8s.io",)) as server:
        server.forbid("tlsroutes")
        reading = connect(server).collect(frozenset({Kind.TLS_ROUTE}))

    assert reading.absent_apis == {Kind.TLS_ROUTE}
    assert reading.unread == ()


def test_namespaces_are_asked_for_once_for_all_kinds(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid(namespace="", verb="list", resource="gateways")
    server.forbid(namespace="", verb="list", resource="services")

    reading = source.collect(BOTH)

    assert len(reading.resources) == 4
    assert paths(server).count("/api/v1/namespaces") == 1


def test_a_cluster_scoped_kind_is_not_looked_for_in_namespaces(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("clusterroles")

    reading = source.collect(frozenset({Kind.CLUSTER_ROLE}))

    assert unread(reading) == ["clusterroles.rbac.authorization.k8s.io: forbidden"]
    assert paths(server)[1:] == ["/apis/rbac.authorization.k8s.io/v1/clusterroles"]


def test_no_more_than_fifty_namespaces_are_tried_one_by_one(connect: Open):
    many = [gateway(f"n{number:03}/web") for number in range(60)]
    with ApiServer(many) as server:
        source = connect(server, namespaces=frozenset({"n059"}))
        server.forbid("gateways", namespace="")

        reading = source.collect(GATEWAYS)

        tried = [path for path in paths(server) if "/namespaces/" in path]
    assert (len(tried), tried[0].split("/")[5]) == (50, "n059")
    assert unread(reading) == ["gateways.networking.istio.io in *: forbidden"]


def test_rights_from_rbac_are_enough(connect: Open):
    rules = [{"apiGroups": ["networking.istio.io"], "resources": ["gateways"], "verbs": ["list"]}]
    binding = {
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "User", "name": "tester"}],
    }
    rights = [
        manifest("rbac.authorization.k8s.io/v1", "Role", "shop/reader", rules=rules),
        manifest("rbac.authorization.k8s.io/v1", "RoleBinding", "shop/reader", **binding),
    ]
    with ApiServer([*OBJECTS, *rights], rbac=True) as server:
        reading = connect(server, namespaces=frozenset({"shop"})).collect(GATEWAYS)

    assert names(reading) == ["Gateway shop/web"]
    assert reading.listed == {Kind.ISTIO_GATEWAY: frozenset({"shop"})}
