"""What is left of a cluster to one who may read, or was given, less of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from istiodoctor.model.decode import TYPES
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, Unread, UnreadReason
from istiodoctor.report import Outcome, Report, Verdict
from istiodoctor.sources.completeness import not_given

EVERYTHING = frozenset({EVERYWHERE})
ORDER = (Verdict.HEALTHY, Verdict.INCOMPLETE, Verdict.DEGRADED, Verdict.BROKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Less:
    """Some less of a cluster, and what was taken from it."""

    name: str
    snapshot: Snapshot
    kinds: frozenset[Kind]
    """The kinds of which something is unread."""


def forbidden(whole: Snapshot) -> Iterator[Less]:
    """Yield a cluster without each kind that it has objects of, everywhere."""
    for kind in sorted(kinds_of(whole), key=str):
        unread = Unread(kind=kind, reason=UnreadReason.FORBIDDEN)

        def stays(ref: Ref, kind: Kind = kind) -> bool:
            return _kind(ref) is not kind

        reading = _kept(whole, stays, kind)
        yield Less(
            name=f"without {kind}",
            snapshot=_snapshot(whole, reading, dict.fromkeys(Kind, EVERYTHING), unread),
            kinds=frozenset({kind}),
        )


def forbidden_in_namespaces(whole: Snapshot) -> Iterator[Less]:
    """Yield a cluster without each kind in each namespace where it has objects of it."""
    places = sorted(
        {(kind, ref.namespace) for kind, ref in _refs(whole)} - _without(whole), key=str
    )
    for kind, namespace in places:
        unread = Unread(kind=kind, namespace=namespace, reason=UnreadReason.FORBIDDEN)

        def stays(ref: Ref, kind: Kind = kind, namespace: str = namespace) -> bool:
            return _kind(ref) is not kind or ref.namespace != namespace

        others = _namespaces(whole) - {namespace}
        yield Less(
            name=f"without {kind} in {namespace}",
            snapshot=_snapshot(
                whole,
                _kept(whole, stays),
                {**dict.fromkeys(Kind, EVERYTHING), kind: frozenset(others)},
                unread,
            ),
            kinds=frozenset({kind}),
        )


def only_one_namespace(whole: Snapshot) -> Iterator[Less]:
    """Yield what `--only-namespaces` reads of a cluster, for each namespace."""
    for namespace in sorted(_namespaces(whole)):
        named = {kind: frozenset({namespace}) for kind in Kind if kind.namespaced}

        def stays(ref: Ref, namespace: str = namespace) -> bool:
            return ref.namespace == namespace

        reading = _kept(whole, stays)
        left_out = tuple(
            Unread(kind=kind, reason=UnreadReason.NOT_REQUESTED)
            for kind in TYPES
            if not kind.namespaced
        )
        snapshot = _snapshot(whole, reading, named).plus(Reading(outside=left_out))
        kinds = frozenset(kind for kind in TYPES if kind.listed)
        yield Less(name=f"only {namespace}", snapshot=snapshot, kinds=kinds)


def plain(whole: Snapshot) -> Iterator[Less]:
    """Yield the objects of a cluster as plain manifests: nothing tells what else there is."""
    seen = set(kinds_of(whole))
    missing = not_given(frozenset(Kind), seen)
    snapshot = _snapshot(whole, _kept(whole, lambda ref: True), {}).plus(missing)
    kinds = frozenset(each.kind for each in missing.outside if each.kind)
    yield Less(name="plain manifests", snapshot=snapshot, kinds=kinds)


def kinds_of(whole: Snapshot) -> frozenset[Kind]:
    """Return the kinds of which a cluster has something."""
    found = {kind for kind, _ in _refs(whole)}
    found |= {Kind.POD_LOG} if whole.logs else set()
    found |= {Kind.ENVOY} if whole.envoys else set()
    found |= {Kind.ENVOY_CONFIGURATION} if whole.envoy_configurations else set()
    found |= {Kind.TLS_PROBE} if whole.tls_observations else set()
    found |= {Kind.HTTP_PROBE} if whole.http_observations else set()
    return frozenset(found)


def _snapshot(
    whole: Snapshot, reading: Reading, listed: dict[Kind, frozenset[str]], *unread: Unread
) -> Snapshot:
    told = Reading(listed=listed, unread=unread)
    return Snapshot(
        taken_at=whole.taken_at,
        source=whole.source,
        readings=[reading, told],
        requested=whole.requested,
    )


def _kept(whole: Snapshot, stays: Callable[[Ref], bool], without: Kind | None = None) -> Reading:
    return Reading(
        resources=tuple(
            each for of in TYPES.values() for each in whole.all(of) if stays(each.ref)
        ),
        credentials=tuple(each for each in whole.credentials.values() if stays(each.ref)),
        secret_names=frozenset(
            name for name in whole.secret_names if stays(Ref("", "Secret", *name))
        ),
        logs=() if without is Kind.POD_LOG else whole.logs,
        envoys=() if without is Kind.ENVOY else whole.envoys,
        envoy_configurations=()
        if without is Kind.ENVOY_CONFIGURATION
        else tuple(whole.envoy_configurations.values()),
        tls_observations=() if without is Kind.TLS_PROBE else whole.tls_observations,
        http_observations=() if without is Kind.HTTP_PROBE else whole.http_observations,
        served_versions=whole.served_versions,
    )


def _refs(whole: Snapshot) -> Iterator[tuple[Kind, Ref]]:
    for kind, of in TYPES.items():
        for each in whole.all(of):
            yield kind, each.ref
    for credential in whole.credentials.values():
        yield Kind.SECRET, credential.ref


def _without(whole: Snapshot) -> set[tuple[Kind, str]]:
    """Return the kinds that are in no namespace."""
    return {(kind, ref.namespace) for kind, ref in _refs(whole) if not ref.namespace}


def _namespaces(whole: Snapshot) -> frozenset[str]:
    return frozenset(ref.namespace for _, ref in _refs(whole) if ref.namespace)


def _kind(ref: Ref) -> Kind | None:
    return kind_of(ref.group, ref.kind)


def hosts(report: Report) -> dict[tuple[str, object], Verdict]:
    return {(each.host, each.gateway): each.verdict for each in report.hosts}


def healthier(whole: Report, part: Report) -> Iterator[str]:
    """Yield in what a report that rests on less is healthier."""
    if part.verdict is Verdict.HEALTHY is not whole.verdict:
        yield f"the verdict was {whole.verdict}"
    before = hosts(whole)
    for key, verdict in hosts(part).items():
        if verdict is Verdict.HEALTHY is not before.get(key, Verdict.HEALTHY):
            yield f"host {key[0]} was {before[key]}"
    outcomes = {run.code: run.outcome for run in whole.checks}
    for run in part.checks:
        if run.outcome is Outcome.PASSED is not outcomes[run.code]:
            yield f"{run.code} was {outcomes[run.code]}"


def contradictions(report: Report) -> Iterator[str]:
    """Yield the hosts that are worse than the headline above them."""
    for each in report.hosts:
        if ORDER.index(each.verdict) > ORDER.index(report.verdict):
            yield f"{each.host} is {each.verdict} under {report.verdict}"
