"""What a scan reads by listing."""

import json
import subprocess
import sys
from typing import Any

import pytest

from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE, ClusterInfo, Unread, UnreadReason
from istiodoctor.model.wanted import Wanted
from tests.apiserver import ApiServer
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import gateway, manifest, names, paths, service, unread

OBJECTS = [
    *(service(f"shop/service-{number:04}") for number in range(1201)),
    gateway("shop/web"),
    gateway("bank/web", labels={"a": "b"}),
    manifest("gateway.networking.k8s.io/v1", "Gateway", "shop/web", spec={}),
    manifest("networking.istio.io/v1", "Gateway", "shop/broken", spec={"servers": 7}),
]

SERVICES = frozenset({Kind.SERVICE})
GATEWAYS = frozenset({Kind.ISTIO_GATEWAY})


def test_a_long_list_is_read_page_by_page(server: ApiServer, connect: Open):
    source = connect(server)

    reading = source.collect(SERVICES)

    pages = [request.query.get("limit") for request in server.requests()]
    expected = [f"Service shop/service-{number:04}" for number in range(1201)]
    assert (names(reading), pages) == (expected, ["500", "500", "500"])
    assert reading.listed == {Kind.SERVICE: frozenset({EVERYWHERE})}


def test_kinds_of_the_same_name_are_told_apart_by_their_group(server: ApiServer, connect: Open):
    reading = connect(server).collect(frozenset({Kind.GATEWAY}))

    assert [each.KIND for each in reading.resources] == [Kind.GATEWAY]


def test_an_object_that_does_not_decode_is_unread_and_the_others_are_kept(
    server: ApiServer, connect: Open
):
    reading = connect(server).collect(GATEWAYS)

    assert names(reading) == ["Gateway bank/web", "Gateway shop/web"]
    assert reading.unread == (
        Unread(
            kind=Kind.ISTIO_GATEWAY,
            namespace="shop",
            name="broken",
            reason=UnreadReason.MALFORMED,
            message="spec.servers: expected array, got int",
        ),
    )
    assert reading.listed == {Kind.ISTIO_GATEWAY: frozenset({EVERYWHERE})}


def test_documents_say_what_they_are_although_lists_of_built_in_kinds_do_not(
    server: ApiServer, connect: Open
):
    reading = connect(server).collect(SERVICES)

    document = json.loads(reading.documents[Ref("", "Service", "shop", "service-0000")].json)
    assert (document["apiVersion"], document["kind"]) == ("v1", "Service")


@pytest.mark.promise("Nothing that no selected check needs")
def test_a_scan_asks_for_nothing_but_what_it_was_told_to(server: ApiServer, connect: Open):
    source = connect(server)

    source.collect(frozenset({Kind.ISTIO_GATEWAY, Kind.SECRET, Kind.POD_LOG, Kind.TLS_PROBE}))

    assert paths(server) == [
        "/apis/networking.istio.io/v1",
        "/apis/networking.istio.io/v1/gateways",
    ]


def test_the_best_version_that_is_served_is_read(connect: Open):
    with ApiServer(
        [gateway("shop/web")], versions={"networking.istio.io": ("v1alpha3", "v1beta1")}
    ) as server:
        reading = connect(server).collect(GATEWAYS)

    assert names(reading) == ["Gateway shop/web"]
    assert reading.served_versions == {Kind.ISTIO_GATEWAY: "v1beta1"}


def test_a_kind_that_its_group_serves_under_an_older_version_only_is_found_there(connect: Open):
    route = manifest("gateway.networking.k8s.io/v1alpha2", "TLSRoute", "shop/route", spec={})
    with ApiServer([route], versions={"gateway.networking.k8s.io": ("v1beta1", "v1alpha2")}) as (
        server
    ):
        reading = connect(server).collect(frozenset({Kind.TLS_ROUTE}))

    assert names(reading) == ["TLSRoute shop/route"]
    assert reading.served_versions == {Kind.TLS_ROUTE: "v1alpha2"}


def test_apis_that_the_cluster_does_not_have_are_absent_and_not_unread(connect: Open):
    absent = ("cert-manager.io", "tlsroutes.gateway.networking.k8s.io")
    kinds = frozenset({Kind.CERTIFICATE, Kind.TLS_ROUTE, Kind.HTTP_ROUTE})
    with ApiServer(absent=absent) as server:
        reading = connect(server).collect(kinds)

    assert reading.absent_apis == {Kind.CERTIFICATE, Kind.TLS_ROUTE}
    assert reading.unread == ()
    assert reading.listed == {Kind.HTTP_ROUTE: frozenset({EVERYWHERE})}


def test_apis_are_told_absent_by_trying_where_discovery_does_not_work(connect: Open):
    versions = {"cert-manager.io": (), "networking.istio.io": ("v1beta1",)}
    with ApiServer([gateway("shop/web")], versions=versions) as server:
        server.fault("status", "^/apis(/[^/]+/[^/]+)?$", code=403, message="no discovery")
        reading = connect(server).collect(frozenset({Kind.CERTIFICATE, Kind.ISTIO_GATEWAY}))

    assert reading.absent_apis == {Kind.CERTIFICATE}
    assert names(reading) == ["Gateway shop/web"]
    assert reading.served_versions == {Kind.ISTIO_GATEWAY: "v1beta1"}


def test_only_the_named_namespaces_are_asked_when_that_is_wanted(server: ApiServer, connect: Open):
    source = connect(server, namespaces=frozenset({"bank"}), only_namespaces=True)

    reading = source.collect(frozenset({Kind.ISTIO_GATEWAY, Kind.NAMESPACE, Kind.CLUSTER_ROLE}))

    assert names(reading) == ["Gateway bank/web"]
    assert reading.listed == {Kind.ISTIO_GATEWAY: frozenset({"bank"})}
    assert reading.unread == ()
    assert paths(server) == [
        "/apis/networking.istio.io/v1",
        "/apis/networking.istio.io/v1/namespaces/bank/gateways",
    ]


def test_a_namespace_cannot_be_a_way_to_somewhere_else(server: ApiServer, connect: Open):
    namespaces = frozenset({"..", "shop/gateways/../../bank", "bank"})
    source = connect(server, namespaces=namespaces, only_namespaces=True)

    reading = source.collect(GATEWAYS)

    assert names(reading) == ["Gateway bank/web"]
    assert unread(reading) == [
        "gateways.networking.istio.io in ..: failed",
        "gateways.networking.istio.io in shop/gateways/../../bank: failed",
    ]


def test_objects_are_read_again_by_name(server: ApiServer, connect: Open):
    again = frozenset(
        {
            (Kind.ISTIO_GATEWAY, "shop", "web"),
            (Kind.ISTIO_GATEWAY, "shop", "gone"),
            (Kind.NAMESPACE, "", "bank"),
        }
    )

    reading = connect(server).read(Wanted(again=again))

    assert names(reading) == ["Gateway shop/web", "Namespace bank"]
    assert reading.looked_up == again
    assert reading.unread == ()


def test_objects_are_read_again_by_the_right_to_list_them(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("gateways", verb="get")

    reading = source.read(Wanted(again=frozenset({(Kind.ISTIO_GATEWAY, "shop", "web")})))

    assert (names(reading), reading.unread) == (["Gateway shop/web"], ())


def test_names_that_no_object_can_have_are_absent_without_a_request(
    server: ApiServer, connect: Open
):
    source = connect(server)
    again = frozenset((Kind.SERVICE, "shop", name) for name in ("", ".", "..", "a/b", "a%2fb"))

    reading = source.read(Wanted(again=again))

    assert (reading.looked_up, paths(server)) == (again, [])


def test_a_cluster_says_which_one_it_is(server: ApiServer, connect: Open):
    source = connect(server)

    described = source.describe()

    assert described == ClusterInfo(
        context="test",
        server=server.url,
        uid="31fa0ff3-2983-52a7-9e4f-ac7b92e61359",
        kubernetes_version="v1.34.1",
    )
    assert source.name == "test"


def test_a_cluster_that_does_not_say_which_one_it_is_is_read_all_the_same(
    server: ApiServer, connect: Open
):
    source = connect(server)
    server.forbid("namespaces", verb="get")
    server.fault("garbage", "^/version$")

    assert source.describe() == ClusterInfo(context="test", server=server.url)


class Observer:
    def __init__(self) -> None:
        self.begun: list[Kind] = []
        self.over: list[tuple[Kind, int]] = []

    def started(self, kind: Kind) -> None:
        self.begun.append(kind)

    def finished(self, kind: Kind, count: int) -> None:
        self.over.append((kind, count))


def test_an_observer_sees_each_kind_begin_and_end(server: ApiServer, connect: Open):
    observer = Observer()
    source = connect(server, progress=observer)

    source.collect(SERVICES | GATEWAYS)
    source.read(Wanted(secrets=frozenset({("shop", "none")})))

    assert sorted(observer.begun, key=str) == [Kind.ISTIO_GATEWAY, Kind.SECRET, Kind.SERVICE]
    assert sorted(observer.over, key=str) == [
        (Kind.ISTIO_GATEWAY, 2),
        (Kind.SECRET, 0),
        (Kind.SERVICE, 1201),
    ]


def test_the_client_is_not_imported_before_a_connection_is_made():
    code = (
        "import sys, istiodoctor.sources.cluster as cluster;"
        "cluster.contexts(ambient=cluster.Ambient(environment={'HOME': '/nowhere'}));"
        "print(any(name.split('.')[0] == 'kubernetes' for name in sys.modules))"
    )

    output: Any = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert output.stdout == "False\n"


def test_nothing_unread_is_reported_of_a_cluster_that_answers(server: ApiServer, connect: Open):
    reading = connect(server).collect(frozenset(Kind) - GATEWAYS)

    assert unread(reading) == []
