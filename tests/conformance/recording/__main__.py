"""Record the truth that the tests compare with: `make conformance-truth`."""

import argparse
import sys
from pathlib import Path

from tests.conformance import sets, truth
from tests.conformance.recording import envoy, tools
from tests.conformance.recording.recorder import recorded
from tests.conformance.truth import Recording


def main() -> int:
    """Record each kind that is asked for, and say what was left out."""
    options = _parser().parse_args()
    programs = tools.chosen(options)
    istio = tools.istio_version(options)
    for name in options.names or sets.names(older=options.older):
        scenarios, left_out = recorded(sets.recorded(name), programs)
        path = options.out / f"{name}.json.xz"
        truth.save(
            path,
            Recording(
                kind=name,
                istio=istio,
                envoy=envoy.version(programs.envoy),
                scenarios=scenarios,
            ),
        )
        print(f"{name}: {len(scenarios)} scenarios, {path.stat().st_size} bytes")
        for why, count in left_out.items():
            print(f"  left out: {count}, {why}")
        sys.stdout.flush()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.recording", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all when none is named")
    parser.add_argument("--out", type=Path, default=truth.RECORDED, metavar="DIR")
    tools.add_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
