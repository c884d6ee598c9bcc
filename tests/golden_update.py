"""Write the golden files anew with `python -m tests.golden_update`; then look at the changes."""

import sys

from tests.support.goldens import FOLDER, GOLDENS


def main() -> None:
    """Write every golden file and remove those that nothing renders any more."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.txt"):
        if path.name not in GOLDENS:
            path.unlink()
    for name, rendered in GOLDENS.items():
        (FOLDER / name).write_text(rendered(), encoding="utf-8")
    sys.stdout.write(f"{len(GOLDENS)} files in {FOLDER}\n")


if __name__ == "__main__":
    main()
