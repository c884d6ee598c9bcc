import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import ClientCaState, client_ca_uses
from istiodoctor.mesh.credentials.credentials import (
    CredentialState,
    credential_uses,
    secret_exists,
    served_credentials,
    uses_by_secret,
)
from istiodoctor.mesh.gateways.listeners import istio_gateways
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Snapshot, Unread, UnreadReason
from istiodoctor.testing.words import NOW
from tests.support.objects import (
    Manifest,
    gateway,
    grant,
    https,
    istiod,
    mesh_of,
    pod,
    secret,
    snapshot_of,
)

State = CredentialState
WEB = gateway("web", "shop", https("a.example.com"))
VERIFIED = "kubernetes-gateway://{}/cert"


def states(mesh: Mesh) -> list[tuple[str, str, CredentialState]]:
    return [(each.namespace, each.name, each.state) for each in credential_uses(mesh)]


def mutual(mode: str = "MUTUAL", **tls: str | list[str]) -> Manifest:
    return gateway(
        "web", "shop", https("a.example.com", mode=mode) | {"tls": {"mode": mode, **tls}}
    )


def client_cas(mesh: Mesh) -> list[tuple[str | None, ClientCaState]]:
    return [
        (each.source.name if each.source else None, each.state) for each in client_ca_uses(mesh)
    ]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("istio-system", State.FOUND),
        ("shop", State.MISSING),
        ("other", State.MISSING),
    ],
)
def test_a_plain_name_is_looked_up_beside_the_pods_and_never_beside_the_gateway(
    where: str, expected: CredentialState
):
    mesh = mesh_of(pod(), WEB, secret("cert", where))

    assert states(mesh) == [("istio-system", "cert", expected)]


def test_pods_in_two_namespaces_need_the_secret_in_both():
    mesh = mesh_of(pod(), pod("other", "edge"), WEB, secret("cert", "edge"))

    assert states(mesh) == [
        ("edge", "cert", State.FOUND),
        ("istio-system", "cert", State.MISSING),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cert", ("istio-system", "cert", State.FOUND)),
        ("kubernetes://cert", ("istio-system", "cert", State.FOUND)),
        ("istio-system/cert", ("istio-system", "cert", State.FOUND)),
        ("kubernetes://istio-system/cert", ("istio-system", "cert", State.FOUND)),
        ("shop/cert", ("shop", "cert", State.ELSEWHERE)),
        ("kubernetes://shop/cert", ("shop", "cert", State.ELSEWHERE)),
        ("configmap://istio-system/cert", ("", "cert", State.OUTSIDE)),
        ("builtin://", ("", "", State.OUTSIDE)),
        ("invalid://", ("", "", State.OUTSIDE)),
        ("sds://cert", ("", "cert", State.OUTSIDE)),
        ("a/b/c", ("", "a/b/c", State.UNPARSABLE)),
    ],
)
def test_every_form_of_a_name_leads_to_its_own_place(
    name: str, expected: tuple[str, str, CredentialState]
):
    web = gateway("web", "shop", https("a.example.com", credential=name))
    mesh = mesh_of(pod(), web, secret("cert"), secret("cert", "shop"))

    assert states(mesh) == [expected]


@pytest.mark.parametrize(
    ("version", "own", "target", "grants", "expected"),
    [
        ("1.26.4", "istio-system", "istio-system", [], State.FOUND),
        ("1.26.5", "istio-system", "istio-system", [], State.FOUND),
        ("1.26.4", "istio-system", "certs", [], State.NOT_GRANTED),
        ("1.26.4", "istio-system", "certs", [grant("certs", "istio-system")], State.FOUND),
        ("1.26.5", "istio-system", "certs", [grant("certs", "istio-system")], State.FOUND),
        ("1.26.4", "istio-system", "certs", [grant("certs", "shop")], State.NOT_GRANTED),
        ("1.26.4", "istio-system", "certs", [grant("other", "istio-system")], State.NOT_GRANTED),
        (
            "1.26.4",
            "istio-system",
            "certs",
            [grant("certs", "istio-system", kind="HTTPRoute")],
            State.NOT_GRANTED,
        ),
        (
            "1.26.4",
            "istio-system",
            "certs",
            [grant("certs", "istio-system", to={"group": "", "kind": "Secret", "name": "cert"})],
            State.FOUND,
        ),
        (
            "1.26.4",
            "istio-system",
            "certs",
            [grant("certs", "istio-system", to={"group": "", "kind": "Secret", "name": "other"})],
            State.NOT_GRANTED,
        ),
        ("1.26.4", "shop", "shop", [], State.NOT_GRANTED),
        ("1.26.4", "shop", "shop", [grant("shop", "istio-system")], State.FOUND),
        ("1.26.5", "shop", "shop", [grant("shop", "istio-system")], State.NOT_GRANTED),
        ("1.27.1", "shop", "shop", [grant("shop", "istio-system")], State.FOUND),
        ("1.27.2", "shop", "shop", [grant("shop", "istio-system")], State.NOT_GRANTED),
        ("1.28.0", "shop", "shop", [grant("shop", "istio-system")], State.NOT_GRANTED),
        ("latest", "shop", "shop", [grant("shop", "istio-system")], State.NOT_GRANTED),
        ("1.26.4", "shop", "istio-system", [], State.NOT_GRANTED),
        ("1.26.4", "shop", "istio-system", [grant("istio-system", "istio-system")], State.FOUND),
    ],
)
def test_a_verified_reference_asks_for_one_namespace_or_a_grant_and_newer_istio_for_more(
    version: str, own: str, target: str, grants: list[Manifest], expected: CredentialState
):
    web = gateway("web", own, https("a.example.com", credential=VERIFIED.format(target)))
    mesh = mesh_of(istiod(version), pod(), web, secret("cert", target), *grants)

    assert states(mesh) == [(target, "cert", expected)]


def test_a_verified_reference_to_a_secret_that_is_not_there_is_missing():
    web = gateway(
        "web", "istio-system", https("a.com", credential=VERIFIED.format("istio-system"))
    )

    assert states(mesh_of(pod(), web)) == [("istio-system", "cert", State.MISSING)]


def test_a_verified_reference_is_unknown_where_grants_were_not_read():
    web = gateway("web", "istio-system", https("a.com", credential=VERIFIED.format("certs")))
    whole = snapshot_of(pod(), web, secret("cert", "certs"))
    mesh = Mesh(whole.plus(Reading(unread=(Unread(kind=Kind.REFERENCE_GRANT),))))

    assert states(mesh) == [("certs", "cert", State.UNKNOWN)]


@pytest.mark.parametrize(
    ("name", "expected"), [("cert", False), (VERIFIED.format("istio-system"), True)]
)
def test_only_the_plain_form_needs_a_right_to_list_secrets(name: str, expected: bool):
    web = gateway("web", "istio-system", https("a.example.com", credential=name))
    mesh = mesh_of(pod(), web, secret("cert"))

    assert [each.permission.allowed for each in credential_uses(mesh)] == [expected]


@pytest.mark.parametrize(
    "unread",
    [
        Unread(kind=Kind.SECRET),
        Unread(kind=Kind.SECRET, namespace="istio-system"),
        Unread(kind=Kind.SECRET, namespace="istio-system", name="cert"),
    ],
)
def test_a_secret_that_may_not_be_read_is_unknown_and_never_missing(unread: Unread):
    mesh = Mesh(snapshot_of(pod(), WEB).plus(Reading(unread=(unread,))))

    assert states(mesh) == [("istio-system", "cert", State.UNKNOWN)]


def test_a_secret_unread_in_another_namespace_is_missing_here():
    unread = Unread(kind=Kind.SECRET, namespace="shop")
    mesh = Mesh(snapshot_of(pod(), WEB).plus(Reading(unread=(unread,))))

    assert states(mesh) == [("istio-system", "cert", State.MISSING)]


def test_a_secret_that_exists_and_is_redacted_is_unknown():
    reading = Reading(
        secret_names=frozenset({("istio-system", "cert")}),
        unread=(
            Unread(
                kind=Kind.SECRET,
                namespace="istio-system",
                name="cert",
                reason=UnreadReason.REDACTED,
            ),
        ),
    )
    mesh = Mesh(snapshot_of(pod(), WEB).plus(reading))

    assert states(mesh) == [("istio-system", "cert", State.UNKNOWN)]
    assert secret_exists(mesh, "istio-system", "cert") is True


def test_where_pods_are_unknown_so_is_the_place_of_a_plain_name():
    whole = snapshot_of(WEB, secret("cert"))
    reading = Reading(
        resources=tuple(istio_gateways(Mesh(whole))),
        credentials=tuple(whole.credentials.values()),
    )
    mesh = Mesh(Snapshot(taken_at=NOW, source="files", readings=[reading]))

    assert states(mesh) == [("", "cert", State.UNKNOWN)]


def test_the_uses_of_one_secret_are_found_together():
    mesh = mesh_of(pod(), gateway("web", "shop", https("a.com"), https("b.com")), secret("cert"))

    (((key, uses),),) = (uses_by_secret(mesh).items(),)
    assert (key, [each.server.index for each in uses]) == (("istio-system", "cert"), [0, 1])


def test_what_istiod_does_not_look_up_has_no_uses():
    web = gateway("web", "shop", https("a.com", credential="sds://cert"))

    assert uses_by_secret(mesh_of(pod(), web)) == {}


def test_only_secrets_that_are_found_are_served():
    mesh = mesh_of(
        pod(),
        gateway("web", "shop", https("a.com"), https("b.com", credential="shop/other")),
        secret("cert"),
        secret("other", "shop"),
    )

    assert [credential.name for credential, _ in served_credentials(mesh)] == ["cert"]


def test_dropped_servers_ask_for_nothing():
    mesh = mesh_of(pod(), gateway("web", "shop", https("a.com"), https("a.com", name="two")))

    assert [each.server.index for each in credential_uses(mesh)] == [0]


@pytest.mark.parametrize("mode", ["MUTUAL", "OPTIONAL_MUTUAL"])
@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ([], (None, ClientCaState.MISSING)),
        ([secret("cert")], ("cert", ClientCaState.MISSING)),
        ([secret("cert", "istio-system", "ca.crt")], ("cert", ClientCaState.FOUND)),
        ([secret("cert", "istio-system", "cacert")], ("cert", ClientCaState.FOUND)),
        (
            [secret("cert"), secret("cert-cacert", "istio-system", "cacert")],
            ("cert-cacert", ClientCaState.FOUND),
        ),
        (
            [
                secret("cert", "istio-system", "ca.crt"),
                secret("cert-cacert", "istio-system", "ca.crt"),
            ],
            ("cert-cacert", ClientCaState.FOUND),
        ),
        (
            [secret("cert", "istio-system", "ca.crt"), secret("cert-cacert")],
            ("cert-cacert", ClientCaState.MISSING),
        ),
        (
            [secret("cert", "istio-system", **{"ca.crt": "empty"})],
            ("cert", ClientCaState.MISSING),
        ),
        (
            [
                secret("cert", "istio-system", "ca.crt"),
                secret("cert-cacert", "istio-system", cacert="empty"),
            ],
            ("cert-cacert", ClientCaState.MISSING),
        ),
        ([secret("cert-cacert", "shop", "cacert")], (None, ClientCaState.MISSING)),
    ],
)
def test_the_dedicated_secret_goes_before_the_compound_one_and_does_not_fall_back(
    mode: str, secrets: list[Manifest], expected: tuple[str | None, ClientCaState]
):
    mesh = mesh_of(pod(), mutual(mode, credentialName="cert"), *secrets)

    assert client_cas(mesh) == [expected]


def test_the_first_of_several_credentials_names_the_authority():
    mesh = mesh_of(
        pod(),
        mutual(credentialNames=["rsa", "ecdsa"]),
        secret("rsa"),
        secret("ecdsa-cacert", "istio-system", "cacert"),
        secret("rsa-cacert", "istio-system", "cacert"),
    )

    assert client_cas(mesh) == [("rsa-cacert", ClientCaState.FOUND)]


def test_a_named_authority_goes_before_that_of_the_credential():
    mesh = mesh_of(
        pod(),
        mutual(credentialName="cert", caCertCredentialName="clients"),
        secret("clients", "istio-system", "cacert"),
        secret("cert-cacert", "istio-system", "cacert"),
    )

    assert client_cas(mesh) == [("clients", ClientCaState.FOUND)]


def test_a_named_authority_may_be_the_dedicated_secret_itself():
    mesh = mesh_of(
        pod(),
        mutual(credentialName="cert", caCertCredentialName="clients-cacert"),
        secret("clients-cacert", "istio-system", "cacert"),
    )

    assert client_cas(mesh) == [("clients-cacert", ClientCaState.FOUND)]


@pytest.mark.parametrize("name", ["configmap://istio-system/clients", "sds://clients"])
def test_an_authority_outside_secrets_is_not_looked_up(name: str):
    mesh = mesh_of(pod(), mutual(credentialName="cert", caCertCredentialName=name))

    assert client_cas(mesh) == [(None, ClientCaState.OUTSIDE)]


@pytest.mark.parametrize("mode", ["SIMPLE", "ISTIO_MUTUAL", "PASSTHROUGH"])
def test_a_server_that_checks_no_clients_needs_no_authority(mode: str):
    assert client_cas(mesh_of(pod(), mutual(mode, credentialName="cert"))) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cert-cacert", (None, ClientCaState.UNKNOWN)),
        ("cert", (None, ClientCaState.UNKNOWN)),
        ("other", (None, ClientCaState.MISSING)),
    ],
)
def test_an_authority_is_unknown_where_a_secret_on_the_way_was_not_read(
    name: str, expected: tuple[str | None, ClientCaState]
):
    unread = Unread(kind=Kind.SECRET, namespace="istio-system", name=name)
    whole = snapshot_of(pod(), mutual(credentialName="cert"))
    mesh = Mesh(whole.plus(Reading(unread=(unread,))))

    assert client_cas(mesh) == [expected]
