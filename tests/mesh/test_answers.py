"""What is remembered of a mesh is what a new one would answer."""

from dataclasses import replace

import pytest
import yaml

from istiodoctor.mesh import Mesh
from istiodoctor.model.decode import decode_object
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import materialized
from istiodoctor.testing.examples import Example, examples
from tests.support.answers import answers, differences, open_questions
from tests.support.objects import Manifest, gateway, https, mesh_of, pod

EXAMPLES = [next(examples(check)) for check in discover().checks]
SOME = EXAMPLES[::8]
"""Enough of them to have every family among them; the law is the same for all."""


def split(example: Example, kind: Kind) -> tuple[Snapshot, Reading]:
    """Return an example's cluster without the objects of a kind, and a reading that has them."""
    documents = [each for each in yaml.safe_load_all(example.text) if each]
    rest = [each for each in documents if kind_in(each) is not kind]
    found = [
        decoded
        for each in documents
        if kind_in(each) is kind and (decoded := decode_object(materialized(each)))
    ]
    reading = Reading(
        resources=tuple(each.resource for each in found if each.resource),
        credentials=tuple(each.credential for each in found if each.credential),
    )
    return replace(example, text=yaml.safe_dump_all(rest)).snapshot(), reading


def kind_in(document: Manifest) -> Kind | None:
    return kind_of(document["apiVersion"].rpartition("/")[0], document["kind"])


def kinds_in(example: Example) -> list[Kind]:
    found = {kind_in(each) for each in yaml.safe_load_all(example.text) if each}
    return sorted((each for each in found if each), key=str)


@pytest.mark.parametrize("example", SOME, ids=str)
def test_a_later_mesh_answers_as_a_new_one_would(example: Example):
    for kind in kinds_in(example):
        early, reading = split(example, kind)
        mesh = Mesh(early)
        answers(mesh)
        late = early.plus(reading)

        assert list(differences(mesh.after(late, reading.kinds), Mesh(late))) == []


@pytest.mark.parametrize("example", SOME, ids=str)
def test_no_question_reads_what_it_does_not_declare(example: Example):
    mesh = Mesh(example.snapshot())

    with mesh.recording() as record:
        answers(mesh)

    assert record.undeclared == set()


def test_there_are_questions_to_compare():
    names = {asked.name for asked in open_questions().values()}

    assert {"workloads", "listeners", "credential_uses", "attachments"} <= names


def test_a_difference_between_two_clusters_shows():
    one = mesh_of(pod(), gateway("web", "shop", https("a.com")))
    other = mesh_of(pod(), gateway("web", "shop", https("b.com")))

    assert "istiodoctor.mesh.configuration.redirects.tls_hosts" in set(differences(one, other))
