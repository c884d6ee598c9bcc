"""MeshConfig that is not the default one."""

import yaml

from tests.conformance.scenarios.draft import Draft
from tests.conformance.truth import Json

NORMALIZATIONS = ("NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES", "DEFAULT")


def mesh_config(draft: Draft) -> str:
    """Return the text of the ConfigMap: a few settings that change what gateways answer."""
    config: Json = {"defaultConfig": {"discoveryAddress": "istiod.istio-system.svc:15012"}}
    if draft.chance(0.35):
        config["rootNamespace"] = draft.one("app1", "app2", "edge", "istio-system")
    if draft.chance(0.4):
        config["defaultServiceExportTo"] = _export(draft)
    if draft.chance(0.4):
        config["defaultVirtualServiceExportTo"] = _export(draft)
    if draft.chance(0.35):
        config["defaultDestinationRuleExportTo"] = _export(draft)
    if draft.chance(0.5):
        config["pathNormalization"] = {"normalization": draft.one(*NORMALIZATIONS)}
    if draft.chance(0.4):
        config["defaultConfig"]["gatewayTopology"] = topology(draft)
    return str(yaml.safe_dump(config, sort_keys=False))


def topology(draft: Draft) -> Json:
    """Return what a proxy is told of those before it."""
    found: Json = {"numTrustedProxies": draft.one(0, 1, 1, 2)}
    if draft.chance(0.2):
        found["forwardClientCertDetails"] = draft.one("SANITIZE", "FORWARD_ONLY")
    return found


def add_proxy_config(draft: Draft) -> None:
    """Say by an annotation of a gateway's pod how many proxies are before it."""
    if draft.chance(0.25):
        config = yaml.safe_dump({"gatewayTopology": topology(draft)})
        pod = next(each for each in draft.of_kind("Pod") if "annotations" in each["metadata"])
        pod["metadata"]["annotations"]["proxy.istio.io/config"] = config


def forwarded(draft: Draft, requests: list[Json]) -> list[Json]:
    """Return the requests; some say now that a proxy has taken them by another scheme."""
    return [
        {**each, "headers": each["headers"] | {"x-forwarded-proto": draft.one("https", "http")}}
        if draft.chance(0.2)
        else each
        for each in requests
    ]


def _export(draft: Draft) -> list[str]:
    return draft.one(["*"], ["."], ["istio-system"], [".", "istio-system"], ["app1"], ["~"])
