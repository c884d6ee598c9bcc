"""Which finding explains what is wrong at a hop, and which hops a finding breaks."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from istiodoctor.finding import Confidence, Severity
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.requests.answers import STOPPED
from istiodoctor.mesh.requests.hops import Hop, HopState
from istiodoctor.mesh.requests.request_paths import RequestPath
from istiodoctor.model.ref import Ref
from istiodoctor.problem import Diagnosis, Problem

EXPLAINS = {
    "dns": ("SVC010", "SVC013"),
    "front": ("HTTP", "SNI", "SVC"),
    "service": ("SVC", "GW"),
    "workload": ("SVC", "GW", "OPS"),
    "listener": ("GW", "GWAPI", "SNI", "VS", "CRED", "CERT", "MTLS", "SVC", "HTTP"),
    "filter-chain": ("GW", "SNI", "CRED", "GWAPI", "MTLS", "VS", "SVC"),
    "certificate": ("CRED", "CERT", "CM", "SDS", "MTLS", "GWAPI", "GW"),
    "http-filters": ("GW", "HTTP", "OPS"),
    "virtual-host": ("VS", "GWAPI", "GW", "SNI"),
    "redirect": ("HTTP", "GWAPI"),
    "route": ("VS", "GWAPI", "HTTP", "SNI", "GW"),
    "backend": ("VS", "GWAPI", "SVC", "DR", "SDS018"),
    "endpoints": ("VS", "SVC", "DR"),
}
"""Families of checks, or single ones, whose findings say why a hop is broken, the likeliest
first."""
ON_THE_WIRE = ("HTTP", "SNI", "SVC", "CERT", "GW", "MTLS")
"""Families of what answers differently than the objects have it."""
NAMED_BY = {"certificate": "filter-chain", "backend": "route", "endpoints": "route"}
"""The hop whose object names what may be missing at another."""
BREAKS = {
    "service": ("SVC007",),
    "workload": ("OPS003", "SDS005", "SDS007"),
    "certificate": ("CERT", "CRED", "MTLS", "SDS"),
    "backend": ("DR", "SNI007"),
    "endpoints": ("VS023",),
}
"""Critical findings that break a hop which the objects alone let pass: codes or families."""
REFUSED = {
    "listener": ("SDS010", "SDS012"),
    "virtual-host": ("SDS017",),
    "backend": ("SDS018",),
}
"""What Envoy refused of a hop: it goes on with an older one, known only where it was looked at."""
BY_SERVER_NAME = frozenset({"filter-chain", "certificate"})
"""Hops that the SNI decides, whatever Host says."""
Found = tuple[Problem, Diagnosis]
"""A finding, and the problem that explains it."""


def says_why(hop: str, code: str) -> bool:
    """Whether a check's findings may say why a hop is broken."""
    return _likelihood(hop, code) is not None


def _likelihood(hop: str, code: str) -> int | None:
    """Return how likely a check's findings say why a hop is broken: 0 first; None if never."""
    families = EXPLAINS.get(hop, ())
    named = (code, code.rstrip("0123456789"))
    return min((families.index(each) for each in named if each in families), default=None)


class Explanations:
    """What the checks found, by host: asked for every hop of every request."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        """Index the findings of problems, which are in the order of their rank."""
        self._about: dict[str, tuple[Found, ...]] = {}
        self._index: HostIndex[tuple[int, Found]] = HostIndex()
        number = 0
        for problem in problems:
            for diagnosis in (problem.cause, *problem.symptoms):
                number += 1
                for host in diagnosis.hosts:
                    self._index.add(host, (number, (problem, diagnosis)))

    def about(self, request: Request, hop: Hop) -> tuple[Found, ...]:
        """Return the findings about a request's host at a hop, in the order of their problems."""
        by_name = hop.hop in BY_SERVER_NAME
        host = request.served_name if by_name else request.virtual_host
        if host not in self._about:
            met = dict(self._index.meeting(host))
            self._about[host] = tuple(met[number] for number in sorted(met))
        return self._about[host]


def explained(
    path: RequestPath, explanations: Explanations, *, is_held: bool = False
) -> RequestPath:
    """Return a path broken at the first hop of which only the findings say that it is.

    Hops before it of which they say something grave that does not break them are marked. `is_held`
    says that the path is what Envoys were seen to hold, whatever they refused.
    """
    marked: dict[int, Hop] = {}
    for index, hop in enumerate(path.hops):
        if hop.state is HopState.BROKEN:
            break
        if hop.hop not in BREAKS and hop.hop not in REFUSED:
            continue
        about = explanations.about(path.request, hop)
        found = next(_breaking(hop, path.hops, about), None) if about else None
        if found:
            broken = _said(hop, found, HopState.BROKEN)
            before = (marked.get(at, each) for at, each in enumerate(path.hops[:index]))
            return replace(path, hops=(*before, broken), ending=STOPPED)
        if (
            about
            and hop.state is HopState.OK
            and (mark := _mark(hop, path.hops, about, is_held=is_held))
        ):
            marked[index] = mark
    if not marked:
        return path
    hops = tuple(marked.get(index, hop) for index, hop in enumerate(path.hops))
    return replace(path, hops=hops)


def _said(hop: Hop, found: Found, state: HopState) -> Hop:
    problem, diagnosis = found
    text = f"{hop.text}, but: {diagnosis.title or diagnosis.name}"
    return replace(hop, state=state, text=text, code=problem.cause.code)


def _mark(
    hop: Hop, hops: tuple[Hop, ...], about: tuple[Found, ...], *, is_held: bool
) -> Hop | None:
    """Return a hop that works by the objects with the first grave finding about it."""
    codes = REFUSED.get(hop.hop, ())
    refused = next((each for each in about if each[1].code in codes), None)
    if refused:
        return _said(hop, refused, HopState.WARNING if is_held else HopState.UNKNOWN)
    grave = next(_grave(hop, hops, about), None)
    return _said(hop, grave, HopState.WARNING) if grave else None


def _breaking(hop: Hop, hops: tuple[Hop, ...], about: tuple[Found, ...]) -> Iterator[Found]:
    for problem, diagnosis in _grave(hop, hops, about):
        is_sure = diagnosis.confidence is not Confidence.SUSPECTED
        if diagnosis.own_severity is Severity.CRITICAL and is_sure:
            yield problem, diagnosis


def _grave(hop: Hop, hops: tuple[Hop, ...], about: tuple[Found, ...]) -> Iterator[Found]:
    """Yield the critical and high findings about the object of a hop that could break it."""
    codes = BREAKS.get(hop.hop)
    if codes is None or hop.ref is None:
        return
    # A Gateway has other certificates too, a route no other destinations than those on its path.
    refs = frozenset({hop.ref}) if hop.hop == "certificate" else _concerned(hop, hops)
    for problem, diagnosis in about:
        if (
            diagnosis.own_severity.rank <= Severity.HIGH.rank
            and diagnosis.code.startswith(codes)
            and not refs.isdisjoint(_refs(diagnosis))
        ):
            yield problem, diagnosis


def code_for(hop: Hop, path: RequestPath, explanations: Explanations) -> str:
    """Return the code of the problem that explains a broken hop; empty where none does.

    It has a finding about the host and the object of the hop; where the hop has no object, a
    grave one about the host. Of several the one of the likeliest family, then the worst.
    """
    about = explanations.about(path.request, hop)
    refs = _concerned(hop, path.hops)
    found = [
        (likelihood, problem.rank, problem.cause.code)
        for problem, diagnosis in about
        if (likelihood := _likelihood(hop.hop, diagnosis.code)) is not None
        if (
            not refs.isdisjoint(_refs(diagnosis))
            if refs
            else diagnosis.own_severity.rank <= Severity.HIGH.rank
        )
    ]
    if not found and hop.seen:
        return _seen_code(about)
    return min(found)[-1] if found else ""


def _seen_code(about: Iterable[Found]) -> str:
    """Return the code of the worst that was seen of the host: at this hop the wire said so."""
    found = (
        (problem.rank, problem.cause.code)
        for problem, diagnosis in about
        if diagnosis.confidence is Confidence.OBSERVED
        and diagnosis.own_severity.rank <= Severity.HIGH.rank
        and diagnosis.code.startswith(ON_THE_WIRE)
    )
    return min(found, default=(0, ""))[-1]


def _concerned(hop: Hop, hops: Iterable[Hop]) -> frozenset[Ref]:
    """Return the objects of a hop, and those that findings name where its own does not exist."""
    own = frozenset({hop.ref} if hop.ref else ())
    named_by = NAMED_BY.get(hop.hop)
    return own | {each.ref for each in hops if each.hop == named_by and each.ref}


def _refs(diagnosis: Diagnosis) -> frozenset[Ref]:
    return frozenset(place.ref for place in diagnosis.objects)
