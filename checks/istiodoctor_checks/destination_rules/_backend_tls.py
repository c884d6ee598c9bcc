"""The fix for a gateway that speaks TLS to a backend which speaks none."""

from istiodoctor.fix import Fix, get, remove_field
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place


def remove_tls(place: Place, title: str, *, why: str = "") -> Fix:
    """Have the gateway speak no TLS to a backend as an object says that it does.

    A BackendTLSPolicy without its validation is none, and may be for other backends too.
    """
    if place.ref.kind != Kind.BACKEND_TLS_POLICY.value.kind:
        return remove_field(place, title, why=why)
    return Fix(
        title=f"{title}: take the backend out of targetRefs of {place.ref}",
        verify=get(place.ref),
        why=why,
    )
