"""Which Secrets a scan reads, and how little of them."""

import json
from collections.abc import Iterable

import pytest

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, Unread, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.cluster import ClusterSource
from istiodoctor.testing.certificates import Authority, secret
from tests.apiserver import ApiServer
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import paths, unread

ISSUED = Authority("Shop CA").issue("shop.example.com")
OBJECTS = [
    ISSUED.secret("istio-system", "shop-cert"),
    ISSUED.secret("shop", "lost-cert"),
    ISSUED.secret("bank", "lost-cert"),
    ISSUED.secret("shop", "also-lost"),
    secret("istio-system", "sealed", {"tls.crt": "ENC[AES256_GCM,data:x]", "tls.key": "ENC[x]"}),
    *(ISSUED.secret("many", f"cert-{number:03}") for number in range(620)),
]

METADATA_OF_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
ALL_SECRETS = "/api/v1/secrets"
FALLBACK = frozenset({"shop", "bank"})


def secrets(*paths: str) -> Wanted:
    wanted = (tuple(path.split("/")) for path in paths)
    return Wanted(secrets=frozenset((namespace, name) for namespace, name in wanted))


def anywhere(*names: str, fallback: Iterable[str] = ()) -> Wanted:
    return Wanted(secrets_anywhere=frozenset(names), fallback_namespaces=frozenset(fallback))


def looked_up(*paths: str) -> frozenset[tuple[Kind, str, str]]:
    split = (path.split("/") for path in paths)
    return frozenset((Kind.SECRET, namespace, name) for namespace, name in split)


def credentials(reading: Reading) -> list[str]:
    return sorted(f"{each.namespace}/{each.name}" for each in reading.credentials)


def snapshot(source: ClusterSource, *readings: Reading) -> Snapshot:
    return Snapshot(taken_at=source.taken_at, source="test", readings=readings)


def contents_were_never_listed_over_the_cluster(server: ApiServer) -> bool:
    """Whether every list of all Secrets asked for metadata and would take nothing else."""
    lists = [each for each in server.requests() if each.path.rstrip("/") == ALL_SECRETS]
    return all(each.accept == METADATA for each in lists)


@pytest.mark.promise("Secrets by name")
def test_secrets_are_got_by_name_and_a_missing_one_is_a_fact(server: ApiServer, connect: Open):
    source = connect(server)

    reading = source.read(secrets("istio-system/shop-cert", "istio-system/none"))

    assert credentials(reading) == ["istio-system/shop-cert"]
    assert reading.credentials[0].leaf is not None
    assert reading.looked_up == looked_up("istio-system/shop-cert", "istio-system/none")
    assert snapshot(source, reading).is_complete(Kind.SECRET, "istio-system", "none")
    assert sorted(paths(server)) == [
        "/api/v1/namespaces/istio-system/secrets/none",
        "/api/v1/namespaces/istio-system/secrets/shop-cert",
    ]


def test_no_private_key_is_in_what_was_read(server: ApiServer, connect: Open):
    reading = connect(server).read(secrets("istio-system/shop-cert"))

    key = "".join(ISSUED.key_pem.splitlines()[1:-1])
    text = repr(reading) + "".join(each.json.decode() for each in reading.documents.values())
    assert (ISSUED.pem.splitlines()[1] in text, key[:40] in text) == (False, False)
    assert "PRIVATE KEY" not in text


def test_a_secret_whose_values_stand_for_others_exists_and_is_unread(
    server: ApiServer, connect: Open
):
    reading = connect(server).read(secrets("istio-system/sealed"))

    assert reading.credentials == ()
    assert reading.secret_names == {("istio-system", "sealed")}
    assert unread(reading) == ["secrets sealed in istio-system: redacted"]


def test_a_forbidden_secret_is_unread_and_the_others_are_kept(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("secrets", namespace="shop")

    reading = source.read(secrets("istio-system/shop-cert", "shop/lost-cert"))

    assert credentials(reading) == ["istio-system/shop-cert"]
    assert reading.unread == (
        Unread(
            kind=Kind.SECRET,
            namespace="shop",
            name="lost-cert",
            reason=UnreadReason.FORBIDDEN,
            message='403 Forbidden: secrets "lost-cert" is forbidden: User "tester" cannot get'
            ' resource "secrets" in API group "" in the namespace "shop"',
        ),
    )


def many(count: int) -> Wanted:
    return secrets(*(f"many/cert-{number:03}" for number in range(count)), "many/none")


@pytest.mark.promise("no list ever holds what they contain")
def test_hundreds_of_secrets_of_one_namespace_are_got_one_by_one(server: ApiServer, connect: Open):
    source = connect(server)

    reading = source.read(many(600))

    assert credentials(reading) == [f"many/cert-{number:03}" for number in range(600)]
    assert reading.looked_up == {(Kind.SECRET, *each) for each in many(600).secrets}
    assert sorted(paths(server)) == sorted(
        f"/api/v1/namespaces/{namespace}/secrets/{name}" for namespace, name in many(600).secrets
    )


def test_of_many_secrets_one_that_fails_costs_itself_alone(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("status", "/cert-050$", code=403, reason="Forbidden", message="not this one")
    server.fault("garbage", "/cert-051$")

    reading = source.read(many(100))

    assert len(reading.credentials) == 98
    assert unread(reading) == [
        "secrets cert-050 in many: forbidden",
        "secrets cert-051 in many: malformed",
    ]
    assert snapshot(source, reading).is_complete(Kind.SECRET, "many", "none")


def test_a_404_that_names_no_object_is_no_knowledge_of_a_secret(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("unserved", "/secrets/shop-cert$")

    reading = source.read(secrets("istio-system/shop-cert"))

    assert unread(reading) == ["secrets shop-cert in istio-system: failed"]
    assert reading.looked_up == frozenset()


@pytest.mark.promise("names that merely look like a missing one, by metadata alone")
def test_names_of_which_only_the_existence_matters_are_asked_for_by_metadata(
    server: ApiServer, connect: Open
):
    source = connect(server)
    wanted = frozenset({("istio-system", "shop-cert"), ("istio-system", "none")})

    reading = source.read(Wanted(secret_names=wanted))

    assert reading.secret_names == {("istio-system", "shop-cert")}
    assert reading.looked_up == looked_up("istio-system/shop-cert", "istio-system/none")
    assert (reading.credentials, reading.documents, reading.unread) == ((), {}, ())
    assert {each.accept for each in server.requests()} == {METADATA_OF_ONE}


def test_contents_that_come_in_place_of_metadata_are_not_looked_at(
    server: ApiServer, connect: Open
):
    source = connect(server)
    whole = json.dumps(ISSUED.secret("shop", "lost-cert"))
    server.fault("answer", "/secrets/lost-cert$", text=whole)

    reading = source.read(Wanted(secret_names=frozenset({("shop", "lost-cert")})))

    assert (reading.credentials, reading.documents) == ((), {})
    assert unread(reading) == ["secrets lost-cert in shop: failed"]


def test_a_missing_secret_is_looked_for_everywhere_by_metadata_alone(
    server: ApiServer, connect: Open
):
    source = connect(server)

    reading = source.read(anywhere("lost-cert", "nowhere", fallback=FALLBACK))

    assert reading.secret_names == {("shop", "lost-cert"), ("bank", "lost-cert")}
    assert (reading.credentials, reading.unread) == ((), ())
    assert snapshot(source, reading).is_complete(Kind.SECRET, EVERYWHERE, "nowhere")
    assert {(each.path, each.query["fieldSelector"]) for each in server.requests()} == {
        (ALL_SECRETS, "metadata.name=lost-cert"),
        (ALL_SECRETS, "metadata.name=nowhere"),
    }
    assert contents_were_never_listed_over_the_cluster(server)


def test_a_server_that_knows_no_metadata_lists_is_not_asked_for_contents_instead(connect: Open):
    with ApiServer(OBJECTS[:4], partial_metadata=False) as server:
        source = connect(server)

        reading = source.read(anywhere("lost-cert", "also-lost", fallback=FALLBACK))

        assert contents_were_never_listed_over_the_cluster(server)
        assert paths(server).count(ALL_SECRETS) == 1
        assert {each.accept for each in server.requests()} == {METADATA, METADATA_OF_ONE}
    assert (reading.credentials, reading.secret_names) == ((), frozenset())
    assert unread(reading) == ["secrets also-lost in *: failed", "secrets lost-cert in *: failed"]


def test_a_refused_search_is_replaced_by_the_likely_namespaces_and_not_repeated(
    server: ApiServer, connect: Open
):
    source = connect(server)
    server.forbid("secrets", namespace="", verb="list")

    first = source.read(anywhere("lost-cert", "also-lost", fallback=FALLBACK))
    second = source.read(anywhere("nowhere", fallback=FALLBACK))

    assert first.secret_names == {
        ("bank", "lost-cert"),
        ("shop", "also-lost"),
        ("shop", "lost-cert"),
    }
    assert (first.credentials, first.documents) == ((), {})
    assert second.looked_up == looked_up("bank/nowhere", "shop/nowhere")
    assert (first.unread, second.unread) == ((), ())
    assert paths(server).count(ALL_SECRETS) == 1


def test_a_name_that_could_be_looked_for_nowhere_is_one_entry(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("secrets", namespace="", verb="list")
    server.forbid("secrets", namespace="shop", verb="get")
    server.forbid("secrets", namespace="bank", verb="get")

    reading = source.read(anywhere("lost-cert", "also-lost", fallback=FALLBACK))

    assert unread(reading) == [
        "secrets also-lost in *: forbidden",
        "secrets lost-cert in *: forbidden",
    ]
    assert sorted(paths(server)) == [
        "/api/v1/namespaces/bank/secrets/also-lost",
        "/api/v1/namespaces/shop/secrets/also-lost",
        ALL_SECRETS,
    ]


def test_a_name_that_was_found_somewhere_is_not_unread(server: ApiServer, connect: Open):
    source = connect(server)
    server.forbid("secrets", namespace="", verb="list")
    server.forbid("secrets", namespace="bank", verb="get")

    reading = source.read(anywhere("lost-cert", "nowhere", fallback=FALLBACK))

    assert reading.secret_names == {("shop", "lost-cert")}
    assert unread(reading) == ["secrets nowhere in *: forbidden"]


def test_a_search_that_is_refused_does_not_make_the_absence_here_unknown(
    server: ApiServer, connect: Open
):
    source = connect(server)
    server.forbid("secrets", namespace="", verb="list")
    here = source.read(secrets("istio-system/lost-cert"))

    elsewhere = source.read(anywhere("lost-cert"))

    seen = snapshot(source, here, elsewhere)
    assert unread(elsewhere) == ["secrets lost-cert in *: forbidden"]
    assert seen.is_complete(Kind.SECRET, "istio-system", "lost-cert")
    assert not seen.is_complete(Kind.SECRET, EVERYWHERE, "lost-cert")


def test_the_whole_inventory_is_one_list_of_names(server: ApiServer, connect: Open):
    source = connect(server, secret_inventory=True)

    first = source.read(anywhere("lost-cert", "nowhere"))
    source.read(anywhere("also-lost"))

    assert len(first.secret_names) == len(OBJECTS)
    assert first.looked_up == looked_up("*/lost-cert", "*/nowhere")
    assert [dict(each.query).get("fieldSelector") for each in server.requests()] == [None, None]
    assert contents_were_never_listed_over_the_cluster(server)


def test_nothing_is_asked_outside_of_the_only_namespaces(server: ApiServer, connect: Open):
    source = connect(server, namespaces=frozenset({"shop"}), only_namespaces=True)
    wanted = secrets("istio-system/shop-cert", "shop/none").plus(
        anywhere("lost-cert", fallback={"shop", "bank"})
    )

    reading = source.read(wanted)

    assert reading.secret_names == {("shop", "lost-cert")}
    assert reading.looked_up == looked_up("shop/none", "shop/lost-cert")
    assert {path.rpartition("/")[0] for path in paths(server)} == {
        "/api/v1/namespaces/shop/secrets"
    }


def test_a_name_cannot_widen_the_search_for_it(server: ApiServer, connect: Open):
    source = connect(server)

    reading = source.read(anywhere("x,metadata.namespace!=y", ""))

    assert [each.query["fieldSelector"] for each in server.requests()] == [
        "metadata.name=x\\,metadata.namespace!\\=y"
    ]
    assert reading.secret_names == frozenset()


def test_secrets_are_never_collected(server: ApiServer, connect: Open):
    source = connect(server)

    source.collect(frozenset(Kind))

    assert not [path for path in paths(server) if "secrets" in path]
