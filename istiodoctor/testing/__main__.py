"""Run the examples of checks, or write down what the checks say of them.

`python -m istiodoctor.testing shop_checks` runs those of a module or a package and everything
below it; with `--write` it first writes the `finding` blocks that are missing or stale.
"""

import argparse
import subprocess
import sys

from istiodoctor.testing.examples import NoExamples, checks_of, examples_of
from istiodoctor.testing.verifying import fault_of
from istiodoctor.testing.writing import NotWritable, write


def main() -> int:
    """Return 0 where every example holds, 1 where one does not, 2 where there is none."""
    parser = argparse.ArgumentParser(prog="python -m istiodoctor.testing", description=__doc__)
    parser.add_argument("module", help="a module or a package with checks")
    parser.add_argument("--write", action="store_true", help="write the finding blocks")
    given = parser.parse_args()
    try:
        if given.write:
            return _write(given.module)
        return _run(given.module)
    except (NoExamples, NotWritable) as error:
        print(error, file=sys.stderr)
        return 2


def _run(module: str) -> int:
    found = examples_of(module)
    faults = [f"{each}: {fault}" for each in found if (fault := fault_of(each))]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(found) - len(faults)} of {len(found)} examples hold")
    return 1 if faults else 0


def _write(module: str) -> int:
    for check in checks_of(module):
        if write(check):
            print(f"written: {'.'.join(check.source)}")
    # Anew: the docstrings that were imported here are the old ones.
    return subprocess.run([sys.executable, "-m", "istiodoctor.testing", module]).returncode


if __name__ == "__main__":
    sys.exit(main())
