"""VirtualServices as istiod holds them, whatever object they come from.

istiod turns HTTPRoutes, GRPCRoutes, TLSRoutes, TCPRoutes and Ingresses into VirtualServices of its
own and then knows only those (pilot/pkg/config/kube/gateway/conversion.go,
pilot/pkg/config/kube/ingress/virtualservices.go).
"""

from enum import StrEnum

from istiodoctor.model.istio import HttpRule, TcpRule, TlsRule
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.value import Value


class Semantics(StrEnum):
    """Whose rules of matching apply (`internal.istio.io/route-semantics`)."""

    ISTIO = "istio"
    GATEWAY = "gateway"
    """A path prefix ends at a `/`, a missing cluster is 500, same-namespace routes come first."""
    INGRESS = "ingress"
    """A path prefix ends at a `/`."""


class HeldHttpRule(Value, frozen=True, kw_only=True, eq=False):
    """One HTTP rule, its names resolved, with where it is written."""

    rule: HttpRule
    place: Place
    """The rule in the object it is written in: a delegate, an HTTPRoute, an Ingress."""
    written: HttpRule | None = None
    """The same before names are resolved; None for what istiod makes of other objects."""
    destinations: tuple[Place, ...] = ()
    """The field of each of `rule.route`; empty where they follow from the rule's own."""
    owner: Ref | None = None
    """The route it is a rule of, where istiod merges several into one VirtualService."""
    unknown_because: str = ""
    """What was not read and could change this rule alone, or whether it is there at all."""


class HeldTlsRule(Value, frozen=True, kw_only=True, eq=False):
    """One TLS rule, its names resolved, with where it is written."""

    rule: TlsRule
    place: Place
    written: TlsRule | None = None
    """The same before names are resolved; None for what istiod makes of other objects."""
    destinations: tuple[Place, ...] = ()
    """The field of each of `rule.route`; empty where they follow from the rule's own."""
    unknown_because: str = ""
    """What was not read and could change this rule alone, or whether it is there at all."""


class HeldTcpRule(Value, frozen=True, kw_only=True, eq=False):
    """One TCP rule, its names resolved, with where it is written."""

    rule: TcpRule
    place: Place
    written: TcpRule | None = None
    """The same before names are resolved; None for what istiod makes of other objects."""
    destinations: tuple[Place, ...] = ()
    """The field of each of `rule.route`; empty where they follow from the rule's own."""
    unknown_because: str = ""
    """What was not read and could change this rule alone, or whether it is there at all."""


HeldRule = HeldHttpRule | HeldTlsRule | HeldTcpRule


class HeldVirtualService(Value, frozen=True, kw_only=True, eq=False):
    """A VirtualService after istiod has resolved its names and merged its delegates."""

    namespace: str
    name: str
    """istiod's: for what is made of other objects a name of its own."""
    hosts: tuple[str, ...]
    """Full names, their case kept."""
    gateways: tuple[str, ...]
    """`namespace/name` of each Gateway as istiod names it (`Server.gateway_name`), or `mesh`."""
    http: tuple[HeldHttpRule, ...] = ()
    tls: tuple[HeldTlsRule, ...] = ()
    tcp: tuple[HeldTcpRule, ...] = ()
    export_to: tuple[str, ...] | None = None
    """Namespaces, `.` or `*`; None for the mesh's default."""
    age_order: tuple[str, str, str]
    """istiod's order: creation time, name, namespace."""
    semantics: Semantics = Semantics.ISTIO
    is_tls_route: bool = False
    """Made of a TLSRoute: its tls rules serve a listener that ends TLS too (gateway.go:901)."""
    revision: str = ""
    """The label `istio.io/rev` of a VirtualService: only istiods of that revision read it."""
    made_by: Ref
    """The VirtualService, HTTPRoute, … itself."""
    unknown_because: str = ""
    """What was not read and could change it: a delegate, a ReferenceGrant."""
