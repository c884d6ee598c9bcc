"""Write what is generated from the code: documentation, and the index of the checks.

`python -m istiodoctor.docs` writes it; with `--check` it says which files are stale and fails.
"""

import sys
from pathlib import Path

from istiodoctor.docs.files import stale, write
from istiodoctor.registry import discover


def main() -> int:
    """Write or check what is generated, below the working directory."""
    found = discover(by_index=False)
    for broken in found.broken:
        print(f"{broken.module}: {broken.reason}", file=sys.stderr)
    built_in = tuple(each for each in found.checks if each.is_built_in)
    if "--check" not in sys.argv[1:]:
        write(built_in, Path.cwd())
        return 1 if found.broken else 0
    wrong = stale(built_in, Path.cwd())
    for path in wrong:
        print(f"stale: {path}; run 'make docs'", file=sys.stderr)
    return 1 if wrong or found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
