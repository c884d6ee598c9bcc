import pytest

from istiodoctor.mesh.configuration.preflights import answers_preflight
from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.route import (
    Action,
    ClusterWeight,
    Comparison,
    Cors,
    Forward,
    Redirect,
    Route,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.model.ref import Place, Ref

OBJECT = Ref(group="networking.istio.io", kind="VirtualService", namespace="shop", name="web")
FORWARD = Forward(clusters=(ClusterWeight(name="outbound|80||web.shop.svc.cluster.local"),))
ONE = StringMatcher(comparison=Comparison.EXACT, value="https://a.com")
ANY = StringMatcher(comparison=Comparison.EXACT, value="*")
NONE = StringMatcher(comparison=Comparison.REGEX, value="(")


def route(*origins: StringMatcher, forwards: bool = True, action: Action = FORWARD) -> Route:
    cors = Cors(allow_origins=origins, forwards_other_preflights=forwards)
    return Route(
        match=RouteMatch(), action=action, made_by=Place(OBJECT, ""), owner=OBJECT, cors=cors
    )


def preflight(origin: str = "https://a.com", asked: str = "GET", method: str = "OPTIONS"):
    headers = (("origin", origin), ("access-control-request-method", asked))
    return ReceivedRequest(
        method=method,
        authority="b.com",
        path="/",
        scheme="https",
        forwarded_proto="https",
        headers=tuple(each for each in headers if each[1]),
    )


@pytest.mark.parametrize(
    ("found", "request_", "expected"),
    [
        (route(ONE), preflight(), True),
        (route(ONE), preflight("https://x.com"), False),
        (route(ONE, forwards=False), preflight("https://x.com"), True),
        (route(forwards=False), preflight(), True),
        (route(ANY), preflight("https://x.com"), True),
        (route(), preflight(), False),
        (route(ONE), preflight(""), False),
        (route(ONE), preflight(asked=""), False),
        (route(ONE), preflight(method="GET"), False),
        (route(ONE, action=Redirect(host="x")), preflight(), False),
        (route(NONE), preflight(), None),
    ],
)
def test_which_preflights_are_answered(
    found: Route, request_: ReceivedRequest, expected: bool | None
):
    assert answers_preflight(found, request_) is expected
