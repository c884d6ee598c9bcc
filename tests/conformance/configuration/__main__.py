"""Hold the configuration that the mesh builds against what real istiod sent, and count.

`record` runs istiod on the recorded scenarios again and keeps what it sends.
"""

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

from tests.conformance import truth
from tests.conformance.configuration import sent
from tests.conformance.configuration.comparing import Found, compared
from tests.conformance.recording import istiod

EXAMPLES = 3


def main() -> int:
    """Compare, or record."""
    options = _parser().parse_args()
    if options.record:
        _record(options)
        return 0
    every: list[Found] = []
    for kind in options.kinds or sent.kinds():
        found, scenarios = _compared(kind, options.only or "")
        every += found
        print(f"{kind:10} {scenarios:4d} scenarios, {_differing(found)} differ")
        sys.stdout.flush()
    _show(every, options.list, options.n)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.configuration", description=__doc__
    )
    parser.add_argument("kinds", nargs="*", help="kinds of scenarios; all that are recorded")
    parser.add_argument("--only", metavar="NAME", help="scenarios whose names begin so")
    parser.add_argument("--list", action="store_true", help="show every difference")
    parser.add_argument("-n", type=int, default=EXAMPLES, help="how many of each kind to show")
    parser.add_argument("--record", type=Path, metavar="ISTIOD", help="its test binary")
    parser.add_argument("--most", type=int, default=40, help="scenarios of a kind to record")
    parser.add_argument("--out", type=Path, default=sent.SENT, help="where to keep them")
    return parser


def _compared(kind: str, only: str) -> tuple[list[Found], int]:
    recorded = sent.recorded(kind)
    found: list[Found] = []
    count = 0
    for scenario in truth.recording(kind).scenarios:
        if scenario.name in recorded and scenario.name.startswith(only):
            count += 1
            found += compared(scenario, recorded[scenario.name])
    return found, count


def _differing(found: list[Found]) -> int:
    return len({each.scenario.name for each in found})


def _show(every: list[Found], whole: bool, most: int) -> None:
    by_part: dict[str, list[Found]] = defaultdict(list)
    for each in every:
        by_part[each.difference.part].append(each)
    for part, count in Counter(each.difference.part for each in every).most_common():
        print(f"\n{count} of {part} in {_differing(by_part[part])} scenarios")
        for each in by_part[part][: None if whole else most]:
            print(f"  {each}   {each.scenario.rule}")


def _record(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    for kind in options.kinds or [each for each in truth.kinds() if sent.OLDER not in each]:
        scenarios = truth.recording(kind).scenarios[: options.most]
        objects = {each.name: each.objects for each in scenarios}
        outputs = istiod.sent(options.record.resolve(), objects, jobs=2)
        made = {name: each["gateways"] for name, each in outputs.items() if each["gateways"]}
        path = sent.save(kind, made, options.out)
        print(f"{kind}: {len(made)} scenarios, {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
