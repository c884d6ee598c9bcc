"""No sentence has a hole: where no host is known, it says so in words."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from istiodoctor.finding import Finding
from istiodoctor.mesh import Mesh
from istiodoctor.testing.examples import Example, examples_of

HOLE = re.compile(r"  | [,.;:]| $|^ ")
"""What is left of a sentence where a name in it is empty."""
ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute")


def without_hosts(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object that names no host, as a template without values does."""
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return document
    kind, spec = document.get("kind"), dict(spec)
    if kind == "Gateway":
        spec["servers"] = [{**each, "hosts": []} for each in spec.get("servers", ())]
        spec["listeners"] = [
            {key: value for key, value in each.items() if key != "hostname"}
            for each in spec.get("listeners", ())
        ]
    if kind == "VirtualService":
        spec["hosts"] = []
    if kind in ROUTES:
        spec.pop("hostnames", None)
    return {**document, "spec": spec}


def texts(finding: Finding) -> Iterator[str]:
    yield from (finding.title, finding.message)
    yield from (each.text for each in finding.evidence)
    for fix in finding.fixes:
        yield from (fix.title, fix.why)


@pytest.mark.parametrize("example", examples_of("istiodoctor_checks"), ids=str)
def test_a_sentence_about_objects_without_hosts_has_no_hole(example: Example):
    documents = [without_hosts(each) for each in yaml.safe_load_all(example.text) if each]
    bare = replace(example, text=yaml.safe_dump_all(documents))

    said = [text for found in example.check.run(Mesh(bare.snapshot())) for text in texts(found)]

    assert [text for text in said if HOLE.search(text)] == []
