import random
from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.check import Check
from istiodoctor.mesh import Mesh
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster
from istiodoctor.testing.examples import Example, examples
from tests.support.answers import answers, differences, open_questions

EXAMPLES = [next(examples(check)) for check in discover().checks]


def whole(*chosen: Example) -> list[str]:
    """Return the documents of several examples, each object once."""
    found: dict[tuple[str, ...], str] = {}
    for example in chosen:
        for document in filter(None, yaml.safe_load_all(example.text)):
            metadata = document["metadata"]
            key = (document["kind"], metadata.get("namespace", ""), metadata["name"])
            found.setdefault((document["apiVersion"], *key), yaml.safe_dump(document))
    return list(found.values())


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_the_order_of_documents_changes_no_answer(data: st.DataObject):
    chosen = data.draw(st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=3))
    documents = whole(*chosen)
    shuffled = data.draw(st.permutations(documents))

    one, other = (Mesh(cluster("---\n".join(each))) for each in (documents, shuffled))
    assert list(differences(one, other)) == []


@pytest.mark.parametrize("check", discover().checks[::6], ids=lambda check: check.code)
def test_the_order_of_documents_changes_no_finding(check: Check):
    example = next(examples(check))
    documents = whole(example)
    shuffled = random.Random(1).sample(documents, len(documents))

    found = [
        [each.message for each in check.run(Mesh(replace(example, text=text).snapshot()))]
        for text in ("---\n".join(documents), "---\n".join(shuffled))
    ]
    assert found[0] == found[1] != []


def test_asking_in_another_order_changes_no_answer():
    snapshot = cluster("---\n".join(whole(*EXAMPLES[:3])))
    forwards = answers(Mesh(snapshot))
    mesh = Mesh(snapshot)
    for name in reversed(forwards):
        open_questions()[name](mesh)

    assert answers(mesh) == forwards
