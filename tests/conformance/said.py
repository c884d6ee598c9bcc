"""What a trace says, in the words of the recorded truth."""

from dataclasses import dataclass, field

from tests.conformance.truth import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The answer of one leg of a trace."""

    kind: str
    status: int | None = None
    location: str | None = None
    clusters: dict[str, str] = field(default_factory=dict)
    """The state of each cluster that gets requests, by name."""
    certificate: str | None = None
    """`NS/NAME` of the Secret, or `ISTIO` for the workload's own certificate."""
    hop: str = ""
    """Where the request stops."""
    text: str = ""


def said(leg: Json) -> Said:
    """Return what one leg of a trace says."""
    answer = leg["answer"]
    stops = (hop["hop"] for hop in leg["hops"] if hop["state"] in ("broken", "unknown"))
    return Said(
        kind=answer["outcome"],
        status=answer["status"],
        location=answer["location"],
        clusters={
            each["name"]: each["state"]
            for each in answer["clusters"] or ()
            if each.get("weight", 1)
        },
        certificate=_named(answer["certificate"]),
        hop=next(stops, ""),
        text=answer["text"],
    )


def _named(secret: Json | None) -> str | None:
    if secret is None:
        return None
    return f"{secret['namespace']}/{secret['name']}" if secret["name"] else "ISTIO"
