"""What a scan makes of a cluster that was read: the checks, then those of last resort."""

from dataclasses import replace

from istiodoctor.diagnosis import Judgement
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.engine import with_last
from istiodoctor.mesh import Mesh
from istiodoctor.model.snapshot import Snapshot
from istiodoctor.registry import discover

CHECKS = discover().checks
FIRST = tuple(each for each in CHECKS if not each.is_last_resort)


def scanned(read: Judgement) -> Judgement:
    """Return a judgement as a scan makes it of what was read."""
    return with_last(replace(read, runs=run_checks(FIRST, read.mesh, read.snapshot)), CHECKS)


def judged(snapshot: Snapshot) -> Judgement:
    """Return the judgement of a cluster that was read completely."""
    return scanned(Judgement(snapshot=snapshot, mesh=Mesh(snapshot), runs=(), tool_version="1"))
