"""A gateway on which nothing is wrong, in whatever way it is reached, is not accused of anything."""

import pytest

from tests.lab.clusters import Cluster
from tests.lab.gateway import Lab, serve_shop, told
from tests.lab.nginx import Behaviour, needs_nginx
from tests.support.clusters import stored

pytestmark = pytest.mark.envoy


def test_a_healthy_gateway_is_looked_at_and_nothing_is_said(lab: Lab):
    cluster = Cluster()
    envoy = lab.envoy()
    serve_shop(envoy, stored(cluster.objects))

    done = lab.scan(cluster, envoy, "--fail-on", "low")

    assert (done.status, done.stderr, told(done)) == (0, "", [])
    assert (done.report["verdict"], done.report["unread"]) == ("healthy", [])
