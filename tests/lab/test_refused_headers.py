"""What Envoy refuses of headers, bodies and time limits of a route, held against the real one."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from istiodoctor.mesh.configuration.format_commands import (
    WITH_OR_WITHOUT,
    WITH_PARAMETER,
    WITHOUT_PARAMETER,
)
from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.route import (
    ClusterWeight,
    DirectResponse,
    Duration,
    Fault,
    Forward,
    HeaderChange,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from istiodoctor.mesh.configuration.route_refusals import refused_route
from istiodoctor.model.ref import Place, Ref
from tests.lab.configured import chain, http, listener, route_configuration
from tests.lab.envoy import Envoy
from tests.lab.refused import refused_listeners

pytestmark = pytest.mark.envoy

OBJECT = Ref(group="networking.istio.io", kind="VirtualService", namespace="shop", name="web")
ROUTE = Route(
    match=RouteMatch(),
    action=DirectResponse(status=200),
    made_by=Place(OBJECT, "/spec/http/0"),
    owner=OBJECT,
)


def routes(**changed: Any) -> RouteConfiguration:
    host = VirtualHost(name="host", domains=("*",), routes=(replace(ROUTE, **changed),))
    return RouteConfiguration(name="http", virtual_hosts=(host,))


def header(name: str, value: str | None = None) -> RouteConfiguration:
    return routes(headers=(HeaderChange(name=name, value=value),))


def limited(name: str, text: str, *, may_be_zero: bool = True) -> RouteConfiguration:
    limit = Duration(name=name, text=text, may_be_zero=may_be_zero)
    return routes(action=Forward(clusters=(ClusterWeight(name="c"),), durations=(limit,)))


def delayed(text: str) -> RouteConfiguration:
    delay = Duration(name="fault.delay.fixedDelay", text=text, may_be_zero=False)
    return routes(fault=Fault(delay=delay, delay_percentage=100))


PARAMETERS = {
    "CEL": "1",
    "COALESCE": '{"operators": ["PROTOCOL"]}',
    "COMMON_DURATION": "DS_RX_BEG:DS_RX_END",
    "METADATA": "ROUTE:x:y",
    "XFCC_VALUE": "uri",
}
"""What some commands take; the others take any word."""
VALUES = (
    "", "x", "é", "a\tb", "a\x01b", "a\0b", "a\nb", "a\rb", "x" * 16_384, "x" * 16_385,
    "100%", "100%%", "5% off", "%%%", "%%%%", "% %", "%3D", "a%20b", "/?x=%2Fy%2F", "%ÄÖ%",
    "%FOO%", "%protocol%", "%PROTOCOL%%", "%%PROTOCOL%%", "%PROTOCOL%%PROTOCOL%", "%PROTOCOL%x%",
    "%REQ(x%", "%REQ(x)", "%REQ(x):5%", "%REQ(x):y%", "%REQ%", "%REQ()%", "%REQ(a?b)%",
    "%PROTOCOL()%", "%PROTOCOL(x)%", "%PROTOCOL:5%", "%START_TIME(%s.%3f)%",
    '%UPSTREAM_METADATA(["a","b"])%', '%DYNAMIC_METADATA(["a", "b"])%', "%PER_REQUEST_STATE(a)%",
)  # fmt: skip
NAMES = ("", "a", "A-b", "a b", "a:b", "é", "a\nb", "a\0b", "x" * 16_384, "x" * 16_385)
LIMITS = ("1s", "0s", "-1s", "-0.5s", "0.001s")
CASES: Mapping[str, RouteConfiguration] = {
    **{f"value {each[:30]!r} {len(each)}": header("a", each) for each in VALUES},
    **{f"name {each[:30]!r} {len(each)}": header(each, "x") for each in NAMES},
    **{f"removed {each[:30]!r} {len(each)}": header(each) for each in NAMES if len(each) < 99},
    **{
        f"command {each} alone": header("a", f"%{each}%")
        for each in sorted(WITHOUT_PARAMETER | WITH_PARAMETER | WITH_OR_WITHOUT)
    },
    **{
        f"command {each} of something": header("a", f"%{each}({PARAMETERS.get(each, 'x')})%")
        for each in sorted(WITHOUT_PARAMETER | WITH_PARAMETER)
    },
    **{
        f"body of {size}": routes(action=DirectResponse(status=200, body_size=size))
        for size in (0, 4096, 4097)
    },
    **{f"timeout {each}": limited("timeout", each) for each in LIMITS},
    **{f"time of a try {each}": limited("retries.perTryTimeout", each) for each in LIMITS},
    **{f"back-off {each}": limited("retries.backoff", each, may_be_zero=False) for each in LIMITS},
    **{f"delay {each}": delayed(each) for each in LIMITS},
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What one Envoy says of each case that it refuses."""
    with Envoy(tmp_path_factory.mktemp("envoy")) as envoy:
        sent = [
            listener(
                name,
                port,
                [chain(FilterChain(), http(route_configuration(found)))],
                host=envoy.address,
            )
            for port, (name, found) in enumerate(CASES.items(), start=20_000)
        ]
        return refused_listeners(envoy, sent)


@pytest.mark.parametrize("name", CASES)
def test_routes_are_refused_as_envoy_refuses_them(refused: Mapping[str, str], name: str):
    found = refused_route(CASES[name].virtual_hosts[0].routes[0])

    assert bool(found) == (name in refused), (found, refused.get(name))
