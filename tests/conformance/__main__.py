"""Compare istiodoctor with what real istiod and Envoy have answered, and print where it agrees."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.conformance import figures, folders, product, sets, truth
from tests.conformance.comparing import Comparison, compared, share, through
from tests.conformance.recording import envoy, tools
from tests.conformance.recording.recorder import recorded
from tests.conformance.truth import Json, Recording

EXAMPLES = 3
"""How many requests are named beside each kind of disagreement."""


def main() -> int:
    """Print figures for each kind of scenario, and the disagreements that are asked for."""
    parser = _parser()
    options = parser.parse_args()
    if options.write and (options.truth or options.only or options.seed is not None):
        parser.error("--write is for all that is recorded")
    by_recording: list[tuple[Recording, list[Comparison]]] = []
    for recording in _recordings(options):
        found = list(_compared(recording, options))
        by_recording.append((recording, found))
        print(f"{recording.kind:12} {len(recording.scenarios):4d} scenarios  {share(found)}")
        print(f"{'':12} istiod {recording.istio}, Envoy {recording.envoy}")
        sys.stdout.flush()
    every = [each for _, found in by_recording for each in found]
    if options.write:
        figures.write("figures", figures.figures(by_recording))
        figures.write("differences", figures.differences())
    _show(every, options.list, options.n)
    print(f"in all: {share(every)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--seed", type=int, metavar="FIRST", help="ask fresh seeds, from this on")
    parser.add_argument("--count", type=int, default=20, help="how many seeds of each kind")
    tools.add_options(parser)
    parser.add_argument(
        "truth", nargs="*", help="kinds that are recorded, files of them, or folders of truth"
    )
    parser.add_argument(
        "--list", nargs="?", const="", metavar="KIND", help="show disagreements, hop by hop"
    )
    parser.add_argument("-n", type=int, default=EXAMPLES, help="how many of each kind to show")
    parser.add_argument("--only", metavar="NAME", help="scenarios whose names begin so")
    parser.add_argument("--write", action="store_true", help="write the tables of the docs")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the objects there")
    return parser


def _recordings(options: argparse.Namespace) -> Iterator[Recording]:
    if options.seed is not None:
        yield from _fresh(options)
        return
    for name in options.truth or truth.kinds():
        path = Path(name)
        if path.is_dir():
            yield folders.read(path)
        elif path.is_file():
            yield truth.loaded(path)
        else:
            yield truth.recording(name)


def _fresh(options: argparse.Namespace) -> Iterator[Recording]:
    programs = tools.chosen(options)
    for kind in options.truth or sets.SEEDS:
        asked = sets.random(kind, options.seed, options.count)
        if options.older:
            asked = [sets.older(each) for each in asked]
        scenarios, _ = recorded(asked, programs)
        yield Recording(
            kind=kind,
            istio=tools.istio_version(options),
            envoy=envoy.version(programs.envoy),
            scenarios=scenarios,
        )


def _compared(recording: Recording, options: argparse.Namespace) -> Iterator[Comparison]:
    for scenario in recording.scenarios:
        if scenario.name.startswith(options.only or ""):
            yield from compared(scenario, product.traces(scenario, options.keep))


def _show(comparisons: list[Comparison], kind: str | None, most: int) -> None:
    by_kind: dict[str, list[Comparison]] = defaultdict(list)
    for each in comparisons:
        if each.difference:
            by_kind[each.difference].append(each)
    for difference, found in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        examples = ", ".join(map(str, found[:EXAMPLES]))
        scenarios = len({each.scenario.name for each in found})
        print(f"{len(found):6d} in {scenarios:4d}  {difference}   such as {examples}")
    for difference, found in by_kind.items():
        if kind is not None and kind in ("", difference):
            for each in found[:most]:
                _explain(each)


def _explain(each: Comparison) -> None:
    entry = each.entry
    print(f"\n{each.difference}: {each}  {each.scenario.rule}")
    sent = {key: value for key, value in entry.items() if key not in ("answer", "services", "id")}
    print("  asked:  ", _brief(sent))
    print("  truth:  ", _brief(entry["answer"]))
    if each.said:
        said = {key: getattr(each.said, key) for key in each.said.__slots__}
        print("  product:", _brief(said))
    for leg in each.trace["legs"]:
        if leg["follows"] is None and through(leg) in (None, entry["gateway"]):
            for hop in leg["hops"]:
                ref = hop["ref"]
                name = f"{ref['kind']} {ref['namespace']}/{ref['name']}" if ref else ""
                print(f"    {hop['hop']:12} {hop['state']:7} {name:45} {hop['text'][:140]}")


def _brief(values: Json) -> Json:
    return {key: value for key, value in values.items() if value}


if __name__ == "__main__":
    sys.exit(main())
