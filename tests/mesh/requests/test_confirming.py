"""A request's way beside what was seen: what is looked at, and what that makes of each hop."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as changed

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.credentials.credentials import credential
from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.confirming import confirmed_path, confirming_targets
from istiodoctor.mesh.requests.hops import Confirmation, HopState
from istiodoctor.mesh.requests.request_paths import RequestPath, request_paths
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.observation import (
    HttpObservation,
    HttpStep,
    HttpTarget,
    Outcome,
    ProbeTargets,
    TlsObservation,
    TlsTarget,
    Via,
)
from istiodoctor.model.snapshot import Reading
from istiodoctor.testing.words import NOW
from tests.support.objects import (
    Manifest,
    gateway,
    https,
    made,
    route,
    server,
    snapshot_of,
    virtual_service,
)
from tests.support.scans import backend, certificate, control_plane, ingress

HOST = "a.example.com"
URL = f"https://{HOST}/"
WEB = gateway("web", "shop", https(HOST), server(80, "HTTP", HOST))
TO_SHOP = virtual_service("shop", "shop", HOST, gateways=["web"], http=[route("shop")])
OWN, OTHER = "203.0.113.10", "198.51.100.7"
OK, BROKEN, WARNING, UNKNOWN = (
    HopState.OK,
    HopState.BROKEN,
    HopState.WARNING,
    HopState.UNKNOWN,
)
YES, NO, UNSEEN = Confirmation.CONFIRMED, Confirmation.CONTRADICTED, Confirmation.NOT_LOOKED_AT

Answers = Callable[[Any], dict[str, Any] | None]


def objects(*more: Manifest, **service: Any) -> tuple[Manifest, ...]:
    """Return a gateway with a load balancer that serves one host."""
    return (
        *control_plane(),
        *ingress(**service),
        *backend("shop", "shop"),
        certificate(HOST, "cert"),
        *(more or (WEB, TO_SHOP)),
    )


INSIDE = {"type": "ClusterIP"}


def asked(url: str = URL, **fields: Any) -> Request:
    return Request.of_url(url, **fields)


def targets(*found: Manifest, url: str = URL, **fields: Any) -> ProbeTargets:
    return confirming_targets(Mesh(snapshot_of(*found)), asked(url, **fields))


def access_point(target: TlsTarget | HttpTarget) -> str:
    found = (
        target.access_point
        if isinstance(target, TlsTarget)
        else target.access_points[0].access_point
    )
    return f"{found.via} {found}"


def looked(
    tls: Answers, http: Answers, *found: Manifest, url: str = URL, **fields: Any
) -> tuple[RequestPath, ...]:
    """Return the ways of a request, confirmed by these answers; None is no answer at all."""
    snapshot, request = snapshot_of(*(found or objects())), asked(url, **fields)
    mesh = Mesh(snapshot)
    stored = credential(mesh, "istio-system", "cert")
    assert stored
    assert stored.leaf
    every = confirming_targets(mesh, request)
    shaken = [(each, tls(each)) for each in every.tls]
    replied = [(each, http(each)) for each in every.http]
    usual = {"outcome": Outcome.HANDSHAKE, "version": "TLSv1.3", "verified": True}
    reading = Reading(
        tls_observations=tuple(
            TlsObservation(target=target, at=NOW, **{**usual, "chain": (stored.leaf,), **answer})
            for target, answer in shaken
            if answer is not None
        ),
        http_observations=tuple(
            _reply(target, answer) for target, answer in replied if answer is not None
        ),
    )
    seen = Mesh(snapshot.plus(reading))
    return tuple(
        confirmed_path(seen, request_path) for request_path in request_paths(seen, request)
    )


def _reply(target: HttpTarget, answer: dict[str, Any]) -> HttpObservation:
    answer = dict(answer)
    outcome = answer.pop("outcome", Outcome.ANSWERED)
    addresses = answer.pop("addresses", ())
    step = HttpStep(url=target.url, access_point=target.access_points[0].access_point, **answer)
    return HttpObservation(
        target=target, outcome=outcome, steps=(step,), at=NOW, addresses=addresses
    )


def is_by_name(target: TlsTarget | HttpTarget) -> bool:
    return access_point(target).startswith("dns")


def well(target: TlsTarget) -> dict[str, Any]:
    return {"addresses": (OWN,)} if is_by_name(target) else {}


def fine(target: HttpTarget) -> dict[str, Any]:
    return {"status": 200, "from_upstream": True}


def hops(request_path: RequestPath) -> dict[str, tuple[HopState, Confirmation]]:
    return {hop.hop: (hop.state, hop.confirmation) for hop in request_path.hops}


def said(request_path: RequestPath, name: str) -> str:
    return next(hop.seen or hop.text for hop in request_path.hops if hop.hop == name)


def test_one_host_is_looked_at_in_the_pod_at_the_address_and_where_its_name_leads():
    found = targets(*objects())

    assert [(access_point(each), each.sni) for each in found.tls] == [
        ("port-forward Pod istio-system/ingress-pod port 8443", HOST),
        (f"service-address {OWN}:443", HOST),
        (f"dns {HOST}:443", HOST),
    ]
    assert [(access_point(each), each.url, each.follows_redirects) for each in found.http] == [
        ("port-forward Pod istio-system/ingress-pod port 8443", URL, False),
        (f"service-address {OWN}:443", URL, False),
        (f"dns {HOST}:443", URL, False),
    ]
    assert found.hosts == (HOST,)


def test_what_a_redirect_leads_to_is_looked_at_too():
    redirecting = server(80, "HTTP", HOST, tls={"httpsRedirect": True})
    web = gateway("web", "shop", https(HOST), redirecting)

    found = targets(*objects(web, TO_SHOP, **INSIDE), url=f"http://{HOST}/a?b=c")

    assert [each.url for each in found.http] == [f"http://{HOST}/a?b=c", f"https://{HOST}/a?b=c"]


def test_an_address_is_looked_at_without_a_name():
    web = gateway("web", "shop", https("*"))

    found = targets(*objects(web, TO_SHOP), url=f"https://{OWN}/")

    assert [(access_point(each), each.sni) for each in found.tls] == [
        ("port-forward Pod istio-system/ingress-pod port 8443", ""),
        (f"service-address {OWN}:443", ""),
    ]
    assert found.hosts == (OWN,)


def test_where_another_gateway_has_the_name_is_said_and_stops_nobody():
    others = {"istio": "other"}
    other = ingress("other", labels=others)
    for each in other:
        if each["kind"] == "Service":
            each["status"] = {"loadBalancer": {"ingress": [{"ip": OTHER}]}}
    found = objects(WEB, TO_SHOP, *other, gateway("old", "shop", https(HOST), selector=others))

    request_paths = looked(well, fine, *found)

    assert {
        str(request_path.workload): (*hops(request_path)["dns"], said(request_path, "dns"))
        for request_path in request_paths
    } == {
        "Pod istio-system/ingress-pod": (
            OK,
            YES,
            f"{HOST} resolves to {OWN}, an address of the gateway; it answers 200",
        ),
        "Pod istio-system/other-pod": (
            WARNING,
            NO,
            f"{HOST} resolves to {OWN}, an address of Pod istio-system/ingress-pod:"
            " clients get there",
        ),
    }


def test_a_host_that_nobody_serves_is_not_looked_at():
    assert targets(*objects(), url="https://b.example.com/") == ProbeTargets()


def test_a_host_of_the_outside_is_not_looked_at():
    entry = made("networking.istio.io/v1", "ServiceEntry", "out", "shop", spec={"hosts": [HOST]})

    (request_path,) = looked(well, fine, *objects(WEB, TO_SHOP, entry))

    assert said(request_path, "service") == "a ServiceEntry says that the host is outside the mesh"
    assert not request_path.is_unseen


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "TRACE"])
def test_only_handshakes_are_made_for_a_method_that_may_change_something(method: str):
    found = targets(*objects(**INSIDE), method=method)

    assert (len(found.tls), found.http) == (1, ())


def test_head_is_sent_as_head():
    (found,) = targets(*objects(**INSIDE), method="HEAD").http

    assert found.method == "HEAD"


def test_typed_headers_are_sent_but_those_of_a_connection_or_a_body():
    headers = [("x-canary", "1"), ("content-length", "5"), ("upgrade", "h2c"), ("te", "x")]

    (found,) = targets(*objects(**INSIDE), headers=headers).http

    assert found.headers == (("x-canary", "1"),)


def test_a_host_is_sent_as_written_and_looked_for_by_its_name():
    written = f"{HOST.upper()}."

    (found,) = targets(*objects(**INSIDE), url=f"https://{written}/a/../b").http

    assert (found.url, found.headers) == (f"https://{HOST}/a/../b", (("host", written),))


def test_the_sni_that_is_given_is_the_one_of_handshake_and_request():
    other = "https://b.example.com/"

    found = targets(*objects(**INSIDE), url=other, server_name=HOST)

    assert {(each.host, each.sni) for each in found.tls} == {(HOST, HOST)}
    assert {(each.url, each.sni) for each in found.http} == {(other, HOST)}


def test_nothing_is_sent_without_an_sni_that_a_client_would_send():
    assert targets(*objects(**INSIDE), server_name="").http == ()


def test_typed_headers_go_where_a_name_leads_only_once_its_certificate_is_good():
    secret = [("authorization", "secret")]

    before = targets(*objects(), headers=secret)
    (good,) = looked(well, fine, headers=secret)

    assert not [each for each in before.http if is_by_name(each)]
    assert hops(good)["dns"] == (OK, YES)


@pytest.mark.parametrize("path", ["/ä", "/a%20b"])
def test_a_path_is_sent_as_written_or_not_at_all(path: str):
    found = targets(*objects(**INSIDE), url=f"https://{HOST}{path}")

    assert len(found.http) == path.isascii()


def test_what_is_seen_as_the_objects_have_it_confirms_every_hop():
    (request_path,) = looked(well, fine)

    assert hops(request_path) == dict.fromkeys(
        ("dns", "service", "workload", "listener", "filter-chain", "certificate", "virtual-host",
         "route", "backend", "endpoints"),
        (OK, YES),
    )  # fmt: skip
    assert (request_path.ending.kind, request_path.ending.status) == (AnswerKind.BACKEND, 200)


def test_without_any_observation_nothing_is_confirmed_and_the_end_is_unseen():
    (request_path,) = looked(lambda _: None, lambda _: None)

    assert {each[1] for each in hops(request_path).values()} == {UNSEEN}
    assert said(request_path, "workload") == "the time for probes was over"
    assert request_path.is_unseen


@pytest.mark.parametrize(
    ("answer", "state", "seen"),
    [
        ({"addresses": (OTHER,), "verified": False, "chain": ()}, WARNING, f"not to {OWN}"),
        ({"addresses": (OTHER,)}, OK, "where the gateway's certificate is served"),
        (
            {"addresses": (OTHER,), "outcome": Outcome.REFUSED, "chain": ()},
            BROKEN,
            f"resolves to {OTHER}; nobody listens",
        ),
        (
            {"addresses": ("10.0.0.1",), "outcome": Outcome.TIMED_OUT, "chain": ()},
            UNKNOWN,
            "resolves to 10.0.0.1; no answer in time",
        ),
        (
            {"outcome": Outcome.UNREACHABLE, "detail": "Name or service not known", "chain": ()},
            UNKNOWN,
            "does not resolve here (Name or service not known)",
        ),
        (
            {"outcome": Outcome.FAILED, "detail": "Temporary failure", "chain": ()},
            UNKNOWN,
            "was not resolved: it did not come about (Temporary failure)",
        ),
    ],
    ids=["elsewhere", "same certificate", "refused", "private", "no such name", "no answer"],
)
def test_where_a_name_leads_is_said(answer: dict[str, Any], state: HopState, seen: str):
    (request_path,) = looked(
        lambda each: answer if is_by_name(each) else {},
        lambda each: None if is_by_name(each) else fine(each),
    )

    assert (hops(request_path)["dns"][0], seen in said(request_path, "dns")) == (state, True)
    assert hops(request_path)["backend"] == (OK, YES)
    assert (request_path.ending.kind is AnswerKind.NONE) == (state is BROKEN)


def test_an_address_that_refuses_while_pods_answer_breaks_the_way_and_hides_nothing():
    refused = {"outcome": Outcome.REFUSED, "chain": ()}

    (request_path,) = looked(
        lambda each: refused if "address" in access_point(each) else well(each),
        lambda each: None if "address" in access_point(each) else fine(each),
    )

    assert hops(request_path)["service"] == (BROKEN, NO)
    assert said(request_path, "service") == f"{OWN}:443: nobody listens"
    assert hops(request_path)["endpoints"] == (OK, YES)
    assert request_path.ending.kind is AnswerKind.NONE


def test_clients_get_what_an_address_answers_and_not_what_pods_do():
    looping = {"status": 301, "location": URL}

    (request_path,) = looked(
        well, lambda each: looping if "address" in access_point(each) else fine(each)
    )

    assert hops(request_path)["service"] == (WARNING, NO)
    assert said(request_path, "service") == f"the pods answer 200, {OWN}:443 301 to {URL}"
    assert (request_path.ending.kind, request_path.ending.location) == (AnswerKind.REDIRECT, URL)


@pytest.mark.parametrize(
    ("outcome", "where", "names"),
    [
        (Outcome.REFUSED, "listener", ["service", "workload", "listener"]),
        (Outcome.RESET, "filter-chain", ["service", "workload", "listener", "filter-chain"]),
        (Outcome.ALERT, "filter-chain", ["service", "workload", "listener", "filter-chain"]),
        (Outcome.NOT_TLS, "filter-chain", ["service", "workload", "listener", "filter-chain"]),
    ],
)
def test_a_way_ends_where_the_wire_shows_that_it_does(
    outcome: Outcome, where: str, names: list[str]
):
    failed = {"outcome": outcome, "chain": (), "version": "", "verified": None}

    (request_path,) = looked(lambda _: failed, lambda _: None, *objects(**INSIDE))

    assert (list(hops(request_path)), hops(request_path)[where]) == (names, (BROKEN, NO))
    assert request_path.ending.kind is AnswerKind.NONE


@pytest.mark.parametrize(
    ("status", "body", "where"),
    [
        (404, "", "route"),
        (403, "RBAC: access denied", "route"),
        (503, "no healthy upstream", "endpoints"),
        (503, "upstream connect error", "backend"),
    ],
)
def test_an_error_of_the_gateway_breaks_the_hop_that_it_speaks_of(
    status: int, body: str, where: str
):
    said_so = {"status": status, "body": body, "server": "istio-envoy"}

    (request_path,) = looked(well, lambda _: said_so, *objects(**INSIDE))

    words = f": {body}" if body else ""
    assert (request_path.hops[-1].hop, hops(request_path)[where]) == (where, (BROKEN, NO))
    assert said(request_path, where) == f"the gateway itself answers {status}{words}"


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_error_of_the_backend_is_an_answer(status: int):
    (request_path,) = looked(
        well, lambda _: {"status": status, "from_upstream": True}, *objects(**INSIDE)
    )

    assert (request_path.ending.kind, request_path.ending.status) == (AnswerKind.BACKEND, status)
    assert said(request_path, "backend") == f"from the backend: {status}"


def test_a_redirect_of_the_backend_leads_on():
    to_login = {"status": 302, "location": "/login", "from_upstream": True}

    (request_path,) = looked(well, lambda _: to_login, *objects(**INSIDE))

    assert hops(request_path)["backend"] == (OK, YES)
    assert (request_path.ending.kind, request_path.ending.location) == (
        AnswerKind.REDIRECT,
        "/login",
    )


def test_several_backends_are_not_told_apart_by_one_answer():
    rule = {
        "route": [
            {"destination": {"host": "shop"}, "weight": 80},
            {"destination": {"host": "gone"}, "weight": 20},
        ]
    }
    split = virtual_service("shop", "shop", HOST, gateways=["web"], http=[rule])

    (request_path,) = looked(well, fine, *objects(WEB, split, **INSIDE))

    backends = [(hop.state, hop.confirmation) for hop in request_path.hops if hop.hop == "backend"]
    assert backends == [(OK, UNSEEN), (BROKEN, UNSEEN)]
    assert hops(request_path)["route"] == (OK, YES)
    assert request_path.ending.kind is AnswerKind.NONE


def leaf() -> CertificateFacts:
    """Return the certificate that the Secret holds."""
    found = credential(Mesh(snapshot_of(certificate(HOST, "cert"))), "istio-system", "cert")
    assert found
    assert found.leaf
    return found.leaf


def test_a_certificate_that_is_not_the_stored_one_is_named_with_both_serials():
    other = changed(leaf(), serial="ff", fingerprint_sha256="ff")

    (request_path,) = looked(lambda _: {"chain": (other,)}, fine, *objects(**INSIDE))

    assert hops(request_path)["certificate"] == (WARNING, NO)
    assert f"serial ff, for {HOST}" in said(request_path, "certificate")
    assert said(request_path, "certificate").endswith(f"the Secret holds serial {leaf().serial}")
    assert request_path.ending.kind is AnswerKind.BACKEND


def test_a_served_certificate_that_has_expired_stops_everybody():
    late = changed(leaf(), serial="ff", fingerprint_sha256="ff", not_after=leaf().not_before)
    expired = {"chain": (late,), "verified": False, "reason": "it has expired"}

    (request_path,) = looked(lambda _: expired, fine, *objects(**INSIDE))

    assert (request_path.hops[-1].hop, hops(request_path)["certificate"]) == (
        "certificate",
        (BROKEN, NO),
    )
    assert "clients refuse it: it has expired" in said(request_path, "certificate")


def test_a_chain_that_only_some_clients_trust_stops_nobody_for_certain():
    private = {"verified": False, "reason": "its chain does not lead to a trusted root"}

    (request_path,) = looked(lambda _: private, fine, *objects(**INSIDE))

    assert hops(request_path)["certificate"] == (WARNING, YES)
    assert request_path.ending.kind is AnswerKind.BACKEND


def test_who_lacks_a_client_certificate_sees_the_handshake_and_no_more():
    asking = {"outcome": Outcome.ALERT, "client_certificate_requested": True}
    web = gateway("web", "shop", https(HOST, mode="MUTUAL"))
    clients = made(
        "v1", "Secret", "cert-cacert", "istio-system", stringData={"ca.crt": "authority Clients"}
    )

    (request_path,) = looked(
        lambda _: asking, lambda _: {"outcome": Outcome.RESET}, *objects(web, TO_SHOP, clients)
    )

    assert hops(request_path)["filter-chain"] == hops(request_path)["certificate"] == (OK, YES)
    assert said(request_path, "route").startswith("the server wants a certificate of the client")
    assert (request_path.ending.kind, request_path.is_unseen) == (AnswerKind.BACKEND, False)


def test_a_secret_that_does_not_exist_is_belied_by_the_certificate_that_is_served():
    found = [each for each in objects(**INSIDE) if each["metadata"]["name"] != "cert"]
    elsewhere = certificate(HOST, "cert", "shop")
    snapshot = snapshot_of(*found, elsewhere)
    mesh = Mesh(snapshot)
    stored = credential(mesh, "shop", "cert")
    assert stored
    assert stored.leaf
    every = confirming_targets(mesh, asked())
    shaken = TlsObservation(
        target=every.tls[0],
        at=NOW,
        outcome=Outcome.HANDSHAKE,
        chain=(stored.leaf,),
        verified=True,
    )
    replied = _reply(every.http[0], {"status": 200, "from_upstream": True})
    reading = Reading(tls_observations=(shaken,), http_observations=(replied,))

    seen = Mesh(snapshot.plus(reading))
    (request_path,) = (confirmed_path(seen, each) for each in request_paths(seen, asked()))

    assert hops(request_path)["certificate"] == (WARNING, NO)
    assert hops(request_path)["endpoints"] == (OK, YES)
    assert request_path.ending.kind is AnswerKind.BACKEND


def test_what_could_not_be_read_is_known_once_it_was_seen():
    snapshot = snapshot_of(*objects(**INSIDE))
    every = confirming_targets(Mesh(snapshot), asked())
    replied = _reply(every.http[0], {"status": 200, "from_upstream": True})
    seen = Mesh(snapshot.plus(Reading(http_observations=(replied,))))
    (request_path,) = request_paths(seen, asked())
    unread = replace(request_path.hops[-1], state=UNKNOWN)

    found = confirmed_path(seen, replace(request_path, hops=(*request_path.hops[:-1], unread)))

    assert (found.hops[-1].state, found.hops[-1].confirmation) == (OK, YES)


def test_every_access_point_has_a_means_that_names_it():
    found = targets(*objects())

    vias = {each.access_point.via for each in found.tls}
    assert vias == {Via.PORT_FORWARD, Via.SERVICE_ADDRESS, Via.DNS}
