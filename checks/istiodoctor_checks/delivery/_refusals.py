"""What findings about listeners that Envoy refused have in common."""

from collections.abc import Iterable

from istiodoctor.command import istioctl, kubectl
from istiodoctor.fix import Fix, get
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import listing


def origin(culprits: Iterable[Place]) -> str:
    """Return a sentence that says what a refusal is about; empty where that is not known."""
    places = [str(each) for each in culprits]
    return f" That comes from {listing(places)}." if places else ""


def correct(culprits: Iterable[Place]) -> Fix:
    """Correct what a refusal is about; where that is not known, show what it may be."""
    refs = tuple(dict.fromkeys(each.ref for each in culprits))
    if refs:
        return Fix(
            title=f"Correct {listing(map(str, refs))}, or take back the last change there",
            commands=tuple(map(get, refs)),
            verify=istioctl("proxy-status"),
        )
    return Fix(
        title="Revert the object that the reason points to",
        commands=(
            kubectl(
                "get",
                "envoyfilters,gateways.networking.istio.io,requestauthentications,serviceentries",
                "-A",
            ),
        ),
        verify=istioctl("proxy-status"),
    )


def refs_of(culprits: Iterable[Place]) -> frozenset[Ref]:
    """Return the objects that a refusal is about."""
    return frozenset(each.ref for each in culprits)
