"""Backends of Gateway API routes, converted to destinations of VirtualServices as istiod does.

Source: `buildDestination` and `buildHTTPDestination` (pilot/pkg/config/kube/gateway/
conversion.go:1108, 1013).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.workloads.names import CLUSTER_DOMAIN
from istiodoctor.model.istio import Destination, Headers, PortSelector
from istiodoctor.model.kind import CORE, ISTIO_NETWORKING
from istiodoctor.model.ref import Ref
from istiodoctor.model.routefilters import ObjectReference
from istiodoctor.model.value import Value

SERVICE = (CORE, "Service")
HOSTNAME = (ISTIO_NETWORKING, "Hostname")
SERVICE_IMPORT = ("multicluster.x-k8s.io", "ServiceImport")
"""Treated as a Service while ENABLE_MCS_HOST is off (conversion.go:1143)."""
INFERENCE_POOL = ("inference.networking.k8s.io", "InferencePool")
NOWHERE = Destination()
"""What a backend becomes that is not permitted, or of a kind that istiod does not know."""


class RouteFault(ValueError):
    """A fault in a route for which istiod ignores the whole route."""

    def __init__(self, text: str, path: str) -> None:
        """Say what, and where in the object: a JSON Pointer."""
        super().__init__(text)
        self.text = text
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Which references are granted and which Services exist for the backends of a route."""

    is_granted: Callable[[Ref], bool | None]
    """Whether the route may refer to an object; None where a grant may exist unseen."""
    service_exists: Callable[[str, str], bool | None]
    status_without_backends: int = 500
    """What a rule of an HTTPRoute answers that names no backend at all."""


class Backend(Value, frozen=True, kw_only=True):
    """One backend as a destination."""

    destination: Destination
    reference: ObjectReference
    path: str
    """JSON Pointer of the reference."""
    weight: int = 0
    headers: Headers | None = None
    """What its filters change of them."""
    unknown_because: str = ""

    @property
    def is_nowhere(self) -> bool:
        """Whether requests to it are answered by 500 (route.go:1277)."""
        return self.destination is NOWHERE


def backends(
    references: Iterable[ObjectReference], path: str, origin: Ref, around: Surroundings
) -> Iterator[Backend]:
    """Yield the backends that get requests; a single one needs no weight (conversion.go:1030)."""
    used = [(index, each) for index, each in enumerate(references) if each.weight != 0]
    for index, each in used:
        weight = each.weight if len(used) > 1 else 0
        yield backend(each, f"{path}/{index}", origin, around, weight=weight)


def total_weight(references: Iterable[ObjectReference]) -> int:
    """Return the sum of weights: where it is 0 every request is answered by 500."""
    return sum(each.weight for each in references)


def backend(
    reference: ObjectReference, path: str, origin: Ref, around: Surroundings, *, weight: int = 0
) -> Backend:
    """Return one backend as a destination; RouteFault for what ends the whole route."""
    kind = backend_kind(reference)
    unknown = ""
    if reference.namespace and reference.namespace != origin.namespace:
        target = Ref(*kind, reference.namespace, reference.name)
        granted = around.is_granted(target) if kind in (SERVICE, INFERENCE_POOL) else False
        if granted is False:
            return Backend(destination=NOWHERE, reference=reference, path=path, weight=weight)
        if granted is None:
            unknown = f"ReferenceGrants in {reference.namespace} were not read"
    if kind == INFERENCE_POOL:
        unknown = "whether istiod serves InferencePools is not known"
    return Backend(
        destination=_destination(reference, kind, path, origin),
        reference=reference,
        path=path,
        weight=weight,
        unknown_because=unknown,
    )


def backend_kind(reference: ObjectReference) -> tuple[str, str]:
    """Return API group and kind of a backend: by default a Service."""
    return (
        CORE if reference.group is None else reference.group,
        "Service" if reference.kind is None else reference.kind,
    )


def _destination(
    reference: ObjectReference, kind: tuple[str, str], path: str, origin: Ref
) -> Destination:
    if kind == SERVICE:
        if "." in reference.name:
            raise RouteFault("the name of the Service must be used, not its hostname", path)
    elif kind == HOSTNAME:
        if reference.namespace:
            raise RouteFault("a Hostname has no namespace", path)
    elif kind != SERVICE_IMPORT:
        return NOWHERE
    if not reference.port:
        raise RouteFault("the port is missing", path)
    namespace = reference.namespace or origin.namespace
    host = (
        reference.name
        if kind == HOSTNAME
        else f"{reference.name}.{namespace}.svc.{CLUSTER_DOMAIN}"
    )
    return Destination(host=host, port=PortSelector(number=reference.port))
