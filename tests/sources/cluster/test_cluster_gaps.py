"""What a server does not tell is unread, neither empty nor absent, and costs nothing else."""

import json
import os
from pathlib import Path

import pytest
import yaml

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, ClusterInfo, Snapshot, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.cluster import open_cluster
from istiodoctor.sources.source import SourceError, SourceErrorKind
from tests.apiserver import ApiServer
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import gateway, manifest, names, paths, service, unread

OBJECTS = [
    gateway("shop/web"),
    service("shop/web"),
    service("bank/web"),
    manifest("cert-manager.io/v1", "ClusterIssuer", "le", spec={}),
]
GATEWAYS = frozenset({Kind.ISTIO_GATEWAY})
EACH = {
    Kind.SERVICE: "/api/v1/services[?]",
    Kind.POD: "/api/v1/pods[?]",
    Kind.ISTIO_GATEWAY: "/networking.istio.io/v1/gateways[?]",
    Kind.CLUSTER_ISSUER: "/cert-manager.io/v1/clusterissuers[?]",
    Kind.ROLE: "/rbac.authorization.k8s.io/v1/roles[?]",
}
NESTED = '{"x":' + "[" * 100_000 + "]" * 100_000 + "}"


def not_found(server: ApiServer, path: str, **options: int) -> None:
    message = "the server could not find the requested resource"
    server.fault("status", path, code=404, reason="NotFound", message=message, **options)


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("says", ["Status", "page"])
def test_a_404_where_a_kind_is_served_is_no_empty_list(
    server: ApiServer, connect: Open, kind: Kind, says: str
):
    source = connect(server)
    if says == "Status":
        not_found(server, EACH[kind])
    else:
        server.fault("unserved", EACH[kind])

    reading = source.collect(frozenset(EACH))

    assert unread(reading) == [f"{kind}: failed"]
    assert reading.listed == dict.fromkeys(EACH.keys() - {kind}, frozenset({EVERYWHERE}))
    assert reading.absent_apis == frozenset()


def test_a_404_on_a_later_page_does_not_cost_the_first(connect: Open):
    with ApiServer([service(f"shop/s{number:04}") for number in range(600)]) as server:
        source = connect(server)
        not_found(server, "continue=")

        reading = source.collect(frozenset({Kind.SERVICE}))

    assert (len(reading.resources), reading.listed) == (500, {})
    assert unread(reading) == ["services: failed"]


def test_a_404_in_one_namespace_does_not_cost_the_others(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("services", namespace="")
    server.fault("unserved", "/namespaces/bank/services[?]")

    reading = source.collect(frozenset({Kind.SERVICE}))

    assert names(reading) == ["Service shop/web"]
    assert unread(reading) == ["services in bank: failed"]
    assert "bank" not in reading.listed[Kind.SERVICE]


@pytest.mark.parametrize("items", ["", ',"items":null'])
def test_a_list_without_items_is_no_list(server: ApiServer, connect: Open, items: str):
    source = connect(server)
    answer = f'{{"kind":"ServiceList","apiVersion":"v1","metadata":{{}}{items}}}'
    server.fault("answer", EACH[Kind.SERVICE], text=answer)

    reading = source.collect(frozenset({Kind.SERVICE}) | GATEWAYS)

    assert names(reading) == ["Gateway shop/web"]
    assert unread(reading) == ["services: failed"]
    assert reading.unread[0].message == "the answer is a list without items"
    assert reading.listed == {Kind.ISTIO_GATEWAY: frozenset({EVERYWHERE})}


@pytest.mark.parametrize("items", ["[]", "null"])
def test_a_list_of_metadata_may_be_null_where_nothing_is_found(
    server: ApiServer, connect: Open, items: str
):
    """The API server leaves the slice of such a list nil."""
    source = connect(server)
    answer = f'{{"kind":"PartialObjectMetadataList","metadata":{{}},"items":{items}}}'
    server.fault("answer", "/api/v1/secrets", text=answer)

    reading = source.read(Wanted(secrets_anywhere=frozenset({"nowhere"})))

    assert (reading.secret_names, reading.unread) == (frozenset(), ())
    assert reading.looked_up == {(Kind.SECRET, EVERYWHERE, "nowhere")}


def test_namespaces_without_items_are_not_all_namespaces(server: ApiServer, connect: Open):
    source = connect(server, namespaces=frozenset({"shop"}))
    server.forbid("services", namespace="")
    server.fault("answer", "/api/v1/namespaces[?]", text='{"kind":"NamespaceList","metadata":{}}')

    reading = source.collect(frozenset({Kind.SERVICE}))

    assert names(reading) == ["Service shop/web"]
    assert unread(reading) == ["services in *: forbidden"]
    seen = Snapshot(taken_at=source.taken_at, source="test", readings=[reading])
    assert not seen.is_complete(Kind.SERVICE, "bank")


@pytest.mark.parametrize("says", ["Status", "page"])
def test_a_404_when_an_object_is_read_again_takes_nothing_from_its_kind(
    server: ApiServer, connect: Open, says: str
):
    source = connect(server)
    first = source.collect(GATEWAYS)
    if says == "Status":
        not_found(server, "fieldSelector=")
    else:
        server.fault("unserved", "fieldSelector=")

    again = source.read(Wanted(again=frozenset({(Kind.ISTIO_GATEWAY, "shop", "web")})))

    assert (names(first), again.absent_apis) == (["Gateway shop/web"], frozenset())
    assert unread(again) == ["gateways.networking.istio.io web in shop: failed"]


def test_an_answer_that_is_another_object_is_not_the_one_asked_for(
    server: ApiServer, connect: Open
):
    source = connect(server)
    other = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"namespace":"a","name":"b"}}'
    server.fault("answer", "/configmaps/istio$", text=other)

    reading = source.read(Wanted(again=frozenset({(Kind.CONFIG_MAP, "istio-system", "istio")})))

    assert (reading.resources, unread(reading)) == (
        (),
        ["configmaps istio in istio-system: malformed"],
    )


ABSURD = {
    "nested": NESTED,
    "no text": '{"gitVersion":"\xff\xfe","metadata":{"uid":"\xff"},"groups":[{"name":"\xff"}],'
    '"resources":[{"name":"\xff"}]}',
    "other types": '{"gitVersion":7,"metadata":[],"groups":7,"resources":"x"}',
    "null": "null",
    "empty": "",
    "nothing in it": '{"resources":[]}',
}


@pytest.mark.parametrize("text", ABSURD.values(), ids=ABSURD.keys())
@pytest.mark.parametrize(
    "path",
    ["^/version$", "^/api/v1/namespaces/kube-system$", "^/apis$", "^/apis/[^/]+/[^/]+$"],
)
def test_an_absurd_answer_about_the_cluster_costs_nothing_of_what_is_in_it(
    connect: Open, server: ApiServer, path: str, text: str
):
    server.fault("answer", path, text=text)
    source = connect(server)

    reading = source.collect(frozenset(EACH))
    described = source.describe()

    assert names(reading) == [
        "ClusterIssuer le",
        "Gateway shop/web",
        "Service bank/web",
        "Service shop/web",
    ]
    assert reading.unread == ()
    assert (described.context, described.server) == ("test", server.url)
    assert (described.uid == "") == (path == "^/api/v1/namespaces/kube-system$")
    assert (described.kubernetes_version == "") == (path == "^/version$")


@pytest.mark.parametrize("version", ["v" * 1_000_000, "v1.34\x1b[31m"])
def test_a_version_that_is_none_is_not_repeated(server: ApiServer, connect: Open, version: str):
    source = connect(server)
    server.fault("answer", "^/version$", text=json.dumps({"gitVersion": version}))

    assert source.describe().kubernetes_version == ""


def test_a_header_that_never_ends_costs_its_own_kind_alone(server: ApiServer, connect: Open):
    source = connect(server, seconds=6)
    server.fault("drip", EACH[Kind.SERVICE], delay=0.1)

    reading = source.collect(frozenset({Kind.SERVICE}) | GATEWAYS)
    again = source.read(Wanted(again=frozenset({(Kind.ISTIO_GATEWAY, "shop", "web")})))

    assert names(reading) == ["Gateway shop/web"]
    assert unread(reading) == ["services: timed-out"]
    assert reading.unread[0].message == "the answer was not complete in time"
    assert names(again) == ["Gateway shop/web"]


@pytest.mark.parametrize(
    "path",
    ["^/version$", "^/api/v1/namespaces/kube-system$", "^/apis$", "^/apis/[^/]+/[^/]+$"],
)
def test_a_header_that_never_ends_about_the_cluster_costs_nothing_of_what_is_in_it(
    server: ApiServer, connect: Open, path: str
):
    server.fault("drip", path, delay=0.1)
    source = connect(server, seconds=6)

    reading = source.collect(GATEWAYS)
    described = source.describe()

    assert (names(reading), reading.unread) == (["Gateway shop/web"], ())
    assert described.context == "test"


def test_a_search_for_a_secret_whose_answer_never_ends_is_unread(server: ApiServer, connect: Open):
    source = connect(server, seconds=6)
    server.fault("drip", "/api/v1/secrets[?]", delay=0.1)

    reading = source.read(Wanted(secrets_anywhere=frozenset({"lost"})))
    again = source.read(Wanted(again=frozenset({(Kind.ISTIO_GATEWAY, "shop", "web")})))

    assert unread(reading) == ["secrets lost in *: timed-out"]
    assert paths(server)[0] == "/api/v1/secrets"
    assert names(again) == ["Gateway shop/web"]


def test_a_cluster_whose_every_answer_drips_says_so_in_the_end(server: ApiServer, connect: Open):
    source = connect(server, seconds=4)
    server.fault("drip", "^/", delay=0.1)

    assert source.describe() == ClusterInfo(context="test", server=server.url)


def test_a_port_forward_whose_answer_never_ends_is_given_up(server: ApiServer, connect: Open):
    source = connect(server, seconds=12)
    server.fault("drip", "portforward", delay=0.1)

    reading = source.read(Wanted(envoys=frozenset({("shop", "web")})))
    again = source.read(Wanted(again=frozenset({(Kind.ISTIO_GATEWAY, "shop", "web")})))

    assert [(each.reason, each.message) for each in reading.unread] == [
        (UnreadReason.TIMED_OUT, "no connection to the pod in time")
    ]
    assert names(again) == ["Gateway shop/web"]


def test_a_certificate_authority_for_a_plugin_that_is_no_file_is_not_waited_for(
    server: ApiServer, kubeconfig: Path, tmp_path: Path
):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    config = yaml.safe_load(server.kubeconfig(kubeconfig).read_text())
    cluster = {"server": server.url, "certificate-authority": str(pipe)}
    config["clusters"][0]["cluster"] = cluster
    config["users"][0]["user"] = {"exec": {"command": "true", "provideClusterInfo": True}}
    kubeconfig.write_text(yaml.safe_dump(config))

    with pytest.raises(SourceError) as caught:
        open_cluster(kubeconfig=kubeconfig)

    assert caught.value.kind is SourceErrorKind.BAD_KUBECONFIG
    assert caught.value.message == (
        f"cannot read the certificate-authority {pipe}: No such file or directory"
    )
