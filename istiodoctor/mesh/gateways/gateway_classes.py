"""Gateways of the Gateway API whose class does not exist."""

from dataclasses import dataclass
from difflib import get_close_matches

from istiodoctor.mesh.gateways.api_gateways import BUILT_IN_CLASSES
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.gatewayapi import Gateway, GatewayClass
from istiodoctor.model.kind import Kind

MADE_BY_ISTIOD = BUILT_IN_CLASSES | {"istio-remote", "istio-waypoint", "istio-east-west"}
"""istiod makes these GatewayClasses itself (pilot/pkg/config/kube/gateway/gatewayclass.go)."""
ALIKE = 0.75
"""How alike two names must be (difflib's ratio) to be taken for one with a slip in it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClasslessGateway:
    """A Gateway of a class that no GatewayClass has."""

    gateway: Gateway
    classes: tuple[str, ...]
    """Those that there are."""
    near: tuple[str, ...]
    """The class whose name is alike."""


@question(Kind.GATEWAY, Kind.GATEWAY_CLASS)
def gateways_without_class(mesh: Mesh) -> tuple[ClasslessGateway, ...]:
    """Return the Gateways that no controller takes, since their class does not exist."""
    classes = {each.name for each in mesh.all(GatewayClass)}
    known = sorted(classes | MADE_BY_ISTIOD)
    return tuple(
        ClasslessGateway(
            gateway=each,
            classes=tuple(sorted(classes)),
            near=tuple(get_close_matches(name, known, n=1, cutoff=ALIKE)),
        )
        for each in mesh.all(Gateway)
        if (name := each.spec.gateway_class_name) not in known
        and mesh.is_complete(Kind.GATEWAY_CLASS, "", name)
    )
