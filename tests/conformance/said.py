"""What a trace says, in the words of the recorded truth."""

import re
from dataclasses import dataclass, field

from tests.conformance.truth import Json

FOLLOWED = re.compile(
    r"\b(?:to|by) (\S+): (\d{3}), "
    r"(?:where the request has been before|that leads nowhere|the last of)"
)
"""A redirect that stops the trace only since a client could not follow it."""
DEAD = ("no-cluster", "no-endpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The answer of one leg. `dead-backend` stands for no-cluster and no-endpoint."""

    kind: str
    status: int | None = None
    location: str | None = None
    clusters: list[tuple[str, str]] = field(default_factory=list)
    certificate: str | None = None
    text: str = ""
    hop: str = ""
    has_fields: bool = False
    """Whether the product says all of this in fields, and nothing is read from texts."""


def said(leg: Json) -> Said:
    """Return what one leg of a trace says."""
    return _in_fields(leg) if "outcome" in leg["answer"] else _in_texts(leg)


def _in_fields(leg: Json) -> Said:
    answer = leg["answer"]
    secret = answer.get("certificate")
    stopped = (h["hop"] for h in leg["hops"] if h["state"] in ("broken", "unknown"))
    return Said(
        kind=answer["outcome"],
        status=answer["status"],
        location=answer["location"],
        clusters=[
            (each["name"], each["state"])
            for each in answer.get("clusters") or ()
            if each.get("weight", 1)
        ],
        certificate=_named(secret) if secret else None,
        text=answer.get("text", ""),
        hop=next(stopped, ""),
        has_fields=True,
    )


def _named(secret: Json) -> str:
    return f"{secret['namespace']}/{secret['name']}" if secret["name"] else "ISTIO"


def _in_texts(leg: Json) -> Said:
    """Read what has no field (refused, reset or 404; port and subset) from the texts of hops."""
    answer, hops = leg["answer"], leg["hops"]
    kind = answer["kind"]
    common = {
        "status": answer["status"],
        "location": answer["location"],
        "clusters": _clusters(hops),
        "certificate": _served(hops),
    }
    if kind in ("backend", "redirect"):
        return Said(kind=kind, **common)
    if kind == "direct-response":
        return Said(kind="direct", **common)
    state = "unknown" if kind == "unknown" else "broken"
    broken = next((hop for hop in hops if hop["state"] == state), None)
    if kind == "unknown" or broken is None:
        text, hop = (broken["text"], broken["hop"]) if broken else (answer["text"], "?")
        return Said(kind="unknown", text=text, hop=hop, **common)
    common |= {"text": broken["text"], "hop": broken["hop"]}
    if broken["hop"] in ("redirect", "route") and (sent := FOLLOWED.search(broken["text"])):
        return Said(kind="redirect", **common | {"status": int(sent[2]), "location": sent[1]})
    kind = _ending(broken, answer["status"], leg["url"])
    return Said(kind=kind, **common | ({"status": 500} if kind == "direct" else {}))


def _served(hops: list[Json]) -> str | None:
    served = next((hop for hop in hops if hop["hop"] == "certificate"), None)
    if served and served["state"] == "ok":
        return _named(served["ref"] or {"name": ""})
    return None


def _ending(broken: Json, status: int | None, url: str) -> str:
    hop, text = broken["hop"], broken["text"]
    if status in (403, 404, 500):
        return {403: "denied", 404: "not-found", 500: "direct"}[status]
    if hop in ("dns", "front", "service"):
        return "no-port"
    if hop == "listener":
        return "reset" if "speaks" in text else "refused"
    if hop == "server":
        return "reset" if url.startswith("https") else "not-found"
    if hop == "certificate":
        return "reset"
    if hop in ("virtual-host", "route", "redirect"):
        return "reset" if "reset" in text or "closed" in text else "not-found"
    if hop in ("backend", "endpoints"):
        return "direct" if "500" in text and "no backend" in text else "dead-backend"
    return "refused"  # no ready pod


def _clusters(hops: list[Json]) -> list[tuple[str, str]]:
    """Return cluster and state; where no whole name is shown: `SE:host`, or `?what is shown`."""
    return [
        _cluster(hop, hops[index + 1 : index + 2])
        for index, hop in enumerate(hops)
        if hop["hop"] == "backend" and "has the weight 0" not in hop["text"]
    ]


def _cluster(hop: Json, following: list[Json]) -> tuple[str, str]:
    text = re.sub(r"^[\d.e+-]+% of requests: ", "", hop["text"])
    state = {"unknown": "unknown", "broken": "no-cluster"}.get(hop["state"], "ok")
    port = re.match(r"port (\d+)(?: subset (\S+?))?(?:;|$)", text)
    ref = hop["ref"] or {"kind": "", "namespace": "", "name": ""}
    if "as a ServiceEntry" in text:
        return "SE:" + text.split(",", maxsplit=1)[0], state
    if ref["kind"] != "Service" or not port:
        return f"?{ref['kind']} {ref['namespace']}/{ref['name']}: {text}", state
    if state == "ok" and following and following[0]["hop"] == "endpoints":
        state = {"broken": "no-endpoint", "unknown": "unknown"}.get(following[0]["state"], "ok")
    host = f"{ref['name']}.{ref['namespace']}.svc.cluster.local"
    return f"outbound|{port[1]}|{port[2] or ''}|{host}", state
