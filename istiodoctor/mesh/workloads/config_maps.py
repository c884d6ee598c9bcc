"""Client CAs in ConfigMaps.

Source: `ExtractRoot` (pilot/pkg/credentials/kube/secrets.go:339), `buildCaCertificateReference`
(pilot/pkg/config/kube/gateway/conversion.go:2470-2530).
"""

from difflib import get_close_matches

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.credential import PemDefect
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import ConfigMap
from istiodoctor.model.ref import Ref
from istiodoctor.model.stand_in import style_of

CA_KEYS = ("cacert", "ca.crt")
"""Where istiod looks for a CA, in its order: the first with a value counts."""
PUBLISHED = frozenset({"kube-root-ca.crt", "istio-ca-root-cert"})
"""What controllers write into every namespace: files do not show it."""
NOT_SEEN = frozenset({PemDefect.UNREADABLE, PemDefect.TOO_MANY, PemDefect.TOO_LARGE})
"""Why a certificate may be there that was not seen."""


@question(Kind.CONFIG_MAP)
def config_map_fault(mesh: Mesh, namespace: str, name: str) -> str | None:
    """Return what keeps istiod from taking a client CA from a ConfigMap.

    A clause, empty where nothing does; None where that is not known.
    """
    found = mesh.get(ConfigMap, namespace, name)
    if found is None:
        is_absent = mesh.is_complete(Kind.CONFIG_MAP, namespace, name) and name not in PUBLISHED
        return "does not exist" if is_absent else None
    text = next(filter(None, map(found.data.get, CA_KEYS)), "")
    if not text:
        return f"has no {' and no '.join(CA_KEYS)} with a value"
    if style_of(text):
        return None
    bundle = read_bundle(text.encode("utf-8", "replace"))
    if bundle.certificates:
        return ""
    return None if NOT_SEEN.intersection(bundle.defects) else "holds no certificate"


@question(Kind.CONFIG_MAP)
def similar_config_maps(mesh: Mesh, namespace: str, name: str) -> tuple[Ref, ...]:
    """Return ConfigMaps of a namespace whose names are much like one that does not exist."""
    names = {each.name: each.ref for each in mesh.all(ConfigMap) if each.namespace == namespace}
    return tuple(names[each] for each in get_close_matches(name, sorted(names)))
