"""HTTP-01 challenges as their issuer would ask for them: what to ask, and where."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from istiodoctor.mesh.cert_manager.issuance import ONGOING, challenges
from istiodoctor.mesh.cert_manager.stuck_issuance import HTTP01, blocked_challenges
from istiodoctor.mesh.configuration.redirects import (
    ACME_PREFIX,
    HTTP_PORT,
    plain_hosts_for,
    tls_hosts_meeting,
)
from istiodoctor.mesh.exposure.access_points import (
    AccessPointGroup,
    url_access_points,
    url_access_points_by_name,
)
from istiodoctor.mesh.exposure.services import Exposure, exposure
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.hosts import PROBE_LABEL
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.targets.requests import Ranked
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.observation import HttpTarget, UrlAccessPoint, Via

MOST_CHALLENGES = 20
MOST_TOKEN = 128
FROM_OUTSIDE, AT_POD = 1, 0
"""Ranks: what the issuer would see goes with the addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedChallenge:
    """A path to ask for, as an issuer does."""

    host: str
    token: str
    """Of a Challenge that waits; empty where the path alone is the question."""

    @property
    def url(self) -> str:
        """Port 80 and no other: that is where issuers ask."""
        return f"http://{self.host}{ACME_PREFIX}{self.token or PROBE_LABEL}"

    @property
    def answer_begins(self) -> str:
        """The right answer is the token, a dot and the thumbprint of the account's key."""
        return f"{self.token}." if self.token else ""


@question
def asked_challenges(mesh: Mesh) -> tuple[AskedChallenge, ...]:
    """Return what issuers ask for, those that wait first, bounded.

    For a challenge that is only to come, whether its path is redirected is the question.
    """
    waiting = (
        AskedChallenge(host=each.spec.dns_name.lower(), token=each.spec.token)
        for each in challenges(mesh)
        if each.spec.type == HTTP01
        and each.status.state in ONGOING
        and _is_token(each.spec.token)
        and each.spec.dns_name
    )
    to_come = (
        AskedChallenge(host=each.host, token="")
        for each in blocked_challenges(mesh)
        if each.challenge is None and "*" not in each.host
    )
    return tuple(dict.fromkeys((*waiting, *to_come)))[:MOST_CHALLENGES]


def challenge_targets(
    mesh: Mesh,
    workload: Workload,
    listeners: list[Listener],
    point_groups: tuple[AccessPointGroup, ...],
) -> Iterator[Ranked]:
    """Yield the requests for ACME challenges at a gateway."""
    for asked in asked_challenges(mesh):
        if not _is_for(mesh, workload, asked.host):
            continue
        target = HttpTarget(
            url=asked.url, access_points=(), host=asked.host, answer_begins=asked.answer_begins
        )
        for point_group in point_groups:
            if point_group.via is Via.SERVICE_ADDRESS and asked.token:
                yield (
                    FROM_OUTSIDE,
                    replace(target, access_points=_with_port_80(point_group, listeners)),
                )
            elif point_group.rank == AT_POD:
                access_points = url_access_points(point_group, listeners)
                if any((each.scheme, each.port) == ("http", HTTP_PORT) for each in access_points):
                    yield AT_POD, replace(target, access_points=access_points)
        if asked.token and exposure(mesh, workload) is Exposure.OUTSIDE:
            yield (
                FROM_OUTSIDE,
                replace(target, access_points=url_access_points_by_name(workload, asked.host)),
            )


def _is_for(mesh: Mesh, workload: Workload, host: str) -> bool:
    return bool(plain_hosts_for(mesh, workload, host) or tls_hosts_meeting(mesh, workload, host))


def _with_port_80(
    point_group: AccessPointGroup, listeners: list[Listener]
) -> tuple[UrlAccessPoint, ...]:
    """Return the ports of an address, and its port 80 also where the Service has none."""
    access_points = url_access_points(point_group, listeners)
    if (
        any((each.scheme, each.port) == ("http", HTTP_PORT) for each in access_points)
        or not access_points
    ):
        return access_points
    access_point = replace(access_points[0].access_point, port=HTTP_PORT)
    return (
        *access_points,
        UrlAccessPoint(scheme="http", port=HTTP_PORT, access_point=access_point),
    )


def _is_token(token: str) -> bool:
    """Whether this is what RFC 8555 calls a token: base64url, and of a sane length."""
    plain = token.replace("-", "").replace("_", "")
    return 0 < len(token) <= MOST_TOKEN and plain.isascii() and plain.isalnum()
