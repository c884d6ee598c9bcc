"""Every check that is installed, listed for people and for programs."""

from collections.abc import Sequence

import msgspec

from istiodoctor.check import Check


def _json(found: Sequence[Check]) -> str:
    rows = [
        {
            "code": check.code,
            "name": check.name,
            "severity": str(check.severity),
            "title": check.title,
            "needs": sorted(map(str, check.needs)),
            "evidence": sorted(map(str, check.evidence)),
            "explains": sorted(check.explains),
            "origin": check.origin,
        }
        for check in found
    ]
    return msgspec.json.format(msgspec.json.encode({"checks": rows})).decode() + "\n"


def _terminal(found: Sequence[Check]) -> str:
    return "".join(
        (
            *map(_line, found),
            f"{len(found)} checks; 'istiodoctor explain CODE' tells about one.\n",
        )
    )


def _line(check: Check) -> str:
    foreign = "" if check.is_built_in else f"  [{check.origin}]"
    return f"{check.code:<9} {check.severity:<9} {check.name}{foreign}\n"


FORMATS = {"terminal": _terminal, "json": _json}
