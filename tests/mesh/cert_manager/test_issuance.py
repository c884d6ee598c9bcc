from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import (
    certificates,
    certificates_covering,
    certificates_for,
    certificates_naming,
    issuance,
    issuer_of,
    next_attempt,
)
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from tests.support.objects import Manifest, made, mesh_of, snapshot_of

API = "cert-manager.io/v1"
ACME = "acme.cert-manager.io/v1"
FAILED = datetime(2026, 2, 28, 12, tzinfo=UTC)


def certificate(name: str = "web", namespace: str = "shop", **spec: Any) -> Manifest:
    status = spec.pop("status", {})
    whole = {"secretName": "cert", "dnsNames": ["a.com"], "issuerRef": {"name": "le"}} | spec
    return made(API, "Certificate", name, namespace, spec=whole, status=status)


def issuer(kind: str, name: str = "le", namespace: str = "") -> Manifest:
    return made(API, kind, name, namespace, spec={"selfSigned": {}})


def request(name: str, revision: str = "", **fields: Any) -> Manifest:
    annotations = {"cert-manager.io/certificate-name": "web"}
    if revision:
        annotations["cert-manager.io/certificate-revision"] = revision
    fields.setdefault("annotations", annotations)
    return made(API, "CertificateRequest", name, "shop", **fields)


def owned_by(kind: str, name: str) -> list[Manifest]:
    return [{"kind": kind, "name": name, "controller": True}]


def only(mesh: Mesh) -> Certificate:
    (found,) = certificates(mesh)
    return found


@pytest.mark.parametrize(
    ("reference", "issuers", "expected"),
    [
        ({"name": "le"}, [issuer("Issuer", namespace="shop")], ("Issuer shop/le", True, None)),
        (
            {"name": "le"},
            [issuer("ClusterIssuer")],
            ("Issuer shop/le", False, "ClusterIssuer le"),
        ),
        (
            {"name": "le"},
            [issuer("Issuer", namespace="other")],
            ("Issuer shop/le", False, "Issuer other/le"),
        ),
        (
            {"name": "le"},
            [issuer("Issuer", namespace="other"), issuer("ClusterIssuer")],
            ("Issuer shop/le", False, "ClusterIssuer le"),
        ),
        (
            {"name": "le", "kind": "ClusterIssuer"},
            [issuer("ClusterIssuer")],
            ("ClusterIssuer le", True, None),
        ),
        (
            {"name": "le", "kind": "ClusterIssuer"},
            [issuer("Issuer", namespace="shop")],
            ("ClusterIssuer le", False, "Issuer shop/le"),
        ),
        ({"name": "le"}, [], ("Issuer shop/le", False, None)),
        (
            {"name": "le", "kind": "AWSPCAIssuer", "group": "awspca.cert-manager.io"},
            [],
            ("AWSPCAIssuer shop/le", None, None),
        ),
        (
            {"name": "le", "group": "cert-manager.io"},
            [issuer("Issuer", namespace="shop")],
            ("Issuer shop/le", True, None),
        ),
    ],
)
def test_an_issuer_is_one_of_the_own_namespace_unless_the_kind_says_otherwise(
    reference: Manifest, issuers: list[Manifest], expected: tuple[str, bool | None, str | None]
):
    mesh = mesh_of(certificate(issuerRef=reference), *issuers)

    found = issuer_of(mesh, only(mesh))
    other = str(found.other_kind) if found.other_kind else None
    assert (str(found.ref), found.exists, other) == expected


def test_an_issuer_that_may_exist_unseen_is_unknown():
    unread = Unread(kind=Kind.ISSUER, namespace="shop")
    mesh = Mesh(snapshot_of(certificate()).plus(Reading(unread=(unread,))))

    assert issuer_of(mesh, only(mesh)).exists is None


def chain(mesh: Mesh) -> tuple[str | None, str | None, list[str]]:
    found = issuance(mesh, only(mesh))
    return (
        found.request.name if found.request else None,
        found.order.name if found.order else None,
        [each.name for each in found.challenges],
    )


ORDER = made(ACME, "Order", "order", "shop", ownerReferences=owned_by("CertificateRequest", "r"))
CHALLENGE = made(
    ACME,
    "Challenge",
    "challenge",
    "shop",
    spec={"dnsName": "a.com", "type": "HTTP-01"},
    ownerReferences=owned_by("Order", "order"),
)


def test_the_chain_goes_from_certificate_to_challenge():
    assert chain(mesh_of(certificate(), request("r"), ORDER, CHALLENGE)) == (
        "r",
        "order",
        ["challenge"],
    )


def test_a_request_without_the_annotation_is_found_by_its_owner():
    mesh = mesh_of(
        certificate(),
        request("r", annotations={}, ownerReferences=owned_by("Certificate", "web")),
        ORDER,
    )

    assert chain(mesh) == ("r", "order", [])


def test_a_request_of_another_namespace_or_certificate_is_no_part_of_it():
    other = made(
        API,
        "CertificateRequest",
        "r",
        "other",
        annotations={"cert-manager.io/certificate-name": "web"},
    )
    another = request("x", annotations={"cert-manager.io/certificate-name": "api"})

    assert chain(mesh_of(certificate(), other, another)) == (None, None, [])


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([request("a", "2"), request("b", "10"), request("c", "9")], "b"),
        ([request("b", "1"), request("a")], "b"),
        (
            [request("a", "1", created="2025-02-01"), request("b", "1", created="2025-01-01")],
            "a",
        ),
        ([request("a", "not a number"), request("b", "1")], "b"),
        ([request("a", "9" * 40), request("b", "1")], "b"),
    ],
)
def test_the_newest_revision_counts(requests: list[Manifest], expected: str):
    assert chain(mesh_of(certificate(), *requests))[0] == expected


def test_the_newest_order_of_a_request_counts():
    owner = owned_by("CertificateRequest", "r")
    orders = [
        made(ACME, "Order", name, "shop", ownerReferences=owner, created=created)
        for name, created in (("new", "2025-02-01"), ("old", "2025-01-01"))
    ]

    assert chain(mesh_of(certificate(), request("r"), *orders))[1] == "new"


def ready(status: str) -> Manifest:
    return {"conditions": [{"type": "Ready", "status": status}]}


@pytest.mark.parametrize(
    ("names", "status", "expected"),
    [
        (["a.com"], {}, ["challenge"]),
        (["A.com"], ready("False"), ["challenge"]),
        (["*.a.com"], {}, ["challenge"]),
        (["b.com"], {}, []),
        (["a.com"], ready("True"), []),
    ],
)
def test_without_an_order_challenges_are_found_by_name_while_issuance_is_not_done(
    names: list[str], status: Manifest, expected: list[str]
):
    mesh = mesh_of(certificate(dnsNames=names, status=status), CHALLENGE)

    assert chain(mesh)[2] == expected


@pytest.mark.parametrize(
    ("attempts", "hours"), [(0, 1), (1, 1), (2, 2), (3, 4), (5, 16), (6, 32), (7, 32), (10**9, 32)]
)
def test_each_failure_doubles_the_wait_up_to_32_hours(attempts: int, hours: int):
    status = {
        "lastFailureTime": FAILED.isoformat().replace("+00:00", "Z"),
        "failedIssuanceAttempts": attempts,
    }

    found = next_attempt(only(mesh_of(certificate(status=status))))
    assert found == FAILED + timedelta(hours=hours)


def test_without_a_failure_there_is_no_next_attempt():
    assert next_attempt(only(mesh_of(certificate()))) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.com", ["exact", "both"]),
        ("x.a.com", ["wild", "both"]),
        ("x.y.a.com", []),
        ("*.a.com", ["wild", "both"]),
        ("A.com", ["exact", "both"]),
        ("b.com", []),
    ],
)
def test_certificates_cover_hosts_as_their_names_would(host: str, expected: list[str]):
    mesh = mesh_of(
        certificate("exact", dnsNames=["a.com"]),
        certificate("wild", dnsNames=["*.a.com"]),
        certificate("both", dnsNames=["a.com", "*.a.com"]),
    )

    assert sorted(each.name for each in certificates_covering(mesh, host)) == sorted(expected)


def test_certificates_are_found_by_the_secret_they_write():
    mesh = mesh_of(certificate("a"), certificate("b"), certificate("c", "other"))

    assert [each.name for each in certificates_for(mesh, "shop", "cert")] == ["a", "b"]
    assert [each.name for each in certificates_naming(mesh, "cert")] == ["c", "a", "b"]
