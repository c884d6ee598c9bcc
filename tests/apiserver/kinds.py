"""The kinds that are served, and under which versions of their groups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One resource type; custom ones differ on the wire (their list items name their kind)."""

    group: str
    name: str
    versions: tuple[str, ...]
    namespaced: bool
    custom: bool

    @property
    def plural(self) -> str:
        """The name in paths, which Kubernetes makes by the rules of English."""
        word = self.name.lower()
        if word == "endpoints":
            return word
        if word.endswith("s"):
            return word + "es"
        if word.endswith("y") and word[-2] not in "aeiou":
            return word[:-1] + "ies"
        return word + "s"

    @property
    def qualified(self) -> str:
        """The name in messages: `secrets`, `gateways.networking.istio.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


# group, versions (the preferred one first), custom, namespaced kinds, kinds of the cluster
_Row = tuple[str, str, bool, str, str]
_TABLE: tuple[_Row, ...] = (
    (
        "",
        "v1",
        False,
        "ConfigMap Endpoints Event PersistentVolumeClaim Pod Secret Service ServiceAccount",
        "Namespace Node PersistentVolume",
    ),
    ("apps", "v1", False, "DaemonSet Deployment ReplicaSet StatefulSet", ""),
    ("autoscaling", "v2 v1", False, "HorizontalPodAutoscaler", ""),
    ("batch", "v1", False, "CronJob Job", ""),
    ("coordination.k8s.io", "v1", False, "Lease", ""),
    ("discovery.k8s.io", "v1", False, "EndpointSlice", ""),
    ("networking.k8s.io", "v1", False, "Ingress NetworkPolicy", "IngressClass"),
    ("policy", "v1", False, "PodDisruptionBudget", ""),
    (
        "rbac.authorization.k8s.io",
        "v1",
        False,
        "Role RoleBinding",
        "ClusterRole ClusterRoleBinding",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        False,
        "",
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    ),
    ("apiextensions.k8s.io", "v1", False, "", "CustomResourceDefinition"),
    ("authorization.k8s.io", "v1", False, "", "SelfSubjectAccessReview"),
    (
        "networking.istio.io",
        "v1 v1beta1 v1alpha3",
        True,
        "DestinationRule Gateway ServiceEntry Sidecar VirtualService WorkloadEntry WorkloadGroup",
        "",
    ),
    ("networking.istio.io", "v1alpha3", True, "EnvoyFilter", ""),
    ("networking.istio.io", "v1beta1", True, "ProxyConfig", ""),
    (
        "security.istio.io",
        "v1 v1beta1",
        True,
        "AuthorizationPolicy PeerAuthentication RequestAuthentication",
        "",
    ),
    ("telemetry.istio.io", "v1 v1alpha1", True, "Telemetry", ""),
    ("extensions.istio.io", "v1alpha1", True, "TrafficExtension WasmPlugin", ""),
    ("install.istio.io", "v1alpha1", True, "IstioOperator", ""),
    ("cert-manager.io", "v1", True, "Certificate CertificateRequest Issuer", "ClusterIssuer"),
    ("acme.cert-manager.io", "v1", True, "Challenge Order", ""),
    ("gateway.networking.k8s.io", "v1 v1beta1", True, "Gateway HTTPRoute", "GatewayClass"),
    ("gateway.networking.k8s.io", "v1", True, "GRPCRoute ListenerSet", ""),
    ("gateway.networking.k8s.io", "v1 v1alpha3", True, "BackendTLSPolicy", ""),
    ("gateway.networking.k8s.io", "v1 v1beta1 v1alpha2", True, "ReferenceGrant", ""),
    ("gateway.networking.k8s.io", "v1 v1alpha3 v1alpha2", True, "TLSRoute", ""),
    ("gateway.networking.k8s.io", "v1alpha2", True, "TCPRoute UDPRoute", ""),
    ("gateway.networking.x-k8s.io", "v1alpha1", True, "XListenerSet", ""),
)


def _known_kinds() -> Iterable[Kind]:
    for group, versions, custom, namespaced, cluster in _TABLE:
        for names, is_namespaced in ((namespaced, True), (cluster, False)):
            for name in names.split():
                yield Kind(
                    group=group,
                    name=name,
                    versions=tuple(versions.split()),
                    namespaced=is_namespaced,
                    custom=custom,
                )


class Catalog:
    """What this server serves: the known kinds, minus what a test switched off."""

    def __init__(self, versions: Mapping[str, Sequence[str]], absent: Iterable[str]) -> None:
        """`versions` replaces those of whole groups; `absent` names groups or `plural.group`."""
        self._kinds = {(kind.group, kind.plural): kind for kind in _known_kinds()}
        self._chosen = {group: tuple(chosen) for group, chosen in versions.items()}
        self._absent = set(absent)

    def set_versions(self, group: str, versions: Sequence[str]) -> None:
        """Serve a group under exactly these versions; none of them removes the group."""
        self._chosen[group] = tuple(versions)
        self._absent.discard(group)

    def kind_of(self, body: Mapping[str, object]) -> Kind:
        """The kind of an object; a stranger's is taken in as a custom one."""
        group, _, version = str(body["apiVersion"]).rpartition("/")
        name = str(body["kind"])
        metadata = body.get("metadata")
        namespaced = isinstance(metadata, dict) and bool(metadata.get("namespace"))
        stranger = Kind(
            group=group, name=name, versions=(version,), namespaced=namespaced, custom=True
        )
        return self._kinds.setdefault((group, stranger.plural), stranger)

    def served(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind a path, when it is served there."""
        kind = self._kinds.get((group, plural))
        return kind if kind and version in self.versions(kind) else None

    def versions(self, kind: Kind) -> tuple[str, ...]:
        """The versions a kind is served under, the preferred one first."""
        if kind.group in self._absent or kind.qualified in self._absent:
            return ()
        if (chosen := self._chosen.get(kind.group)) is None:
            return kind.versions
        known = {version for other in self._in(kind.group) for version in other.versions}
        return tuple(v for v in chosen if v in kind.versions or v not in known)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Every served group but the core, with its versions, the preferred one first."""
        found: dict[str, dict[str, None]] = {}
        for kind in self._kinds.values():
            for version in self.versions(kind):
                found.setdefault(kind.group, {})[version] = None
        return {group: tuple(versions) for group, versions in found.items() if group}

    def resources(self, group: str, version: str) -> list[Kind]:
        """The kinds served under one version of a group."""
        return [kind for kind in self._in(group) if version in self.versions(kind)]

    def _in(self, group: str) -> list[Kind]:
        return [kind for kind in self._kinds.values() if kind.group == group]
