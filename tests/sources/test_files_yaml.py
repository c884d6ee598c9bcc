import json

import pytest

from istiodoctor.sources.file_documents import (
    MAX_MALFORMED,
    FoundDefect,
    FoundEnd,
    FoundObject,
    read_documents,
)
from istiodoctor.sources.yaml_documents import YamlError, parse, split
from tests.sources.files_support import places, read, service, unread, write


def test_documents_of_comments_and_directives_alone_are_left_out():
    pieces = list(split("# a\n---\n---\n# b\n...\n%YAML 1.2\n---\nx: 1\n--- |\n text\n---"))

    assert [(piece.text, piece.line) for piece in pieces] == [
        ("x: 1\n", 8),
        ("--- |\n text\n", 9),
    ]


def test_scalars_are_what_kubernetes_takes_them_for():
    values = parse("a: yes\nb: on\nc: 0644\nd: 2026-01-01\ne: 1\nf: true\ng: ~\n")

    assert values == {
        "a": "yes", "b": "on", "c": "0644", "d": "2026-01-01", "e": 1, "f": True, "g": None,
    }  # fmt: skip


def test_merge_keys_are_applied_with_own_keys_first():
    text = """
base: &base {a: 1, b: 1}
more: &more {b: 2, c: 2}
one: {<<: *base, b: 9}
both:
  <<: [*base, *more]
data: {"<<": text}
"""

    values = parse(text)

    assert values["one"] == {"a": 1, "b": 9}
    assert values["both"] == {"a": 1, "b": 1, "c": 2}
    assert values["data"] == {"<<": "text"}


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 'b: duplicate entry with key "c"', 3),
        ("a: 1\nb: 'x\n\n", "found unexpected end of stream, while scanning a quoted scalar", 2),
        ("a: 1\nb: \x07\n", "control characters are not allowed", 2),
        ("a: 1\n? [x]\n: y\n", "a mapping or a list is used as a key", 1),
        ("a: 123456789012345678901234567890\n", "a number has too many digits", 1),
        ("[" * 200 + "]" * 200, "nested too deeply", 1),
        ("a: *nowhere\n", "unknown anchor", 1),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line_and_without_values(text, reason, line):
    with pytest.raises(YamlError) as caught:
        parse(text)

    assert (str(caught.value), caught.value.line) == (reason, line)


def _doubling() -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        _doubling(),
        "a: &a {" + ", ".join(f"k{n}: v" for n in range(500)) + "}\nb:\n" + "- *a\n" * 900,
        "a: &a '" + "x" * 100_000 + "'\nb:\n" + "- *a\n" * 900,
        "a: &a 1\nb:\n" + "- *a\n" * 1001,
        "a: &a\n- " + "[" * 100_000 + "\n- *a\n",
    ],
    ids=["doubling", "wide", "long", "many", "deep"],
)
def test_aliases_that_explode_are_refused_before_they_are_expanded(text):
    with pytest.raises(YamlError, match=r"its aliases expand to too much|nested too deeply"):
        parse(text)


def test_ordinary_aliases_are_expanded():
    assert parse("a: &a {x: 1}\nb: [*a, *a]\n")["b"] == [{"x": 1}, {"x": 1}]


LIST = """# all
apiVersion: v1
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: a
    annotations:
      text: |
        - not an item

        - neither
- apiVersion: v1
  kind: Service
  metadata: {name: b}
kind: List
metadata:
  resourceVersion: ""
"""


@pytest.mark.parametrize("indented", [False, True])
def test_the_items_of_a_list_have_lines_of_their_own(tmp_path, indented):
    text = LIST
    if indented:
        head, body = LIST.split("items:\n")
        items, tail = body.split("kind: List")
        body = "".join(f"  {line}" if line.strip() else line for line in items.splitlines(True))
        text = f"{head}items:\n{body}kind: List{tail}"

    reading = read(write(tmp_path / "a.yaml", service("z") + "---\n" + text))

    assert places(reading) == {
        "Service shop/z": "a.yaml:1",
        "Service default/a": "a.yaml:10",
        "Service default/b": "a.yaml:19",
    }


def test_a_bad_item_does_not_cost_the_others(tmp_path):
    text = LIST.replace("metadata: {name: b}", "metadata: {name: b") + "---\n" + LIST

    reading = read(write(tmp_path / "a.yaml", LIST.replace("name: b}", "name: b")))

    assert list(places(reading)) == ["Service default/a"]
    assert [line for _, _, line in unread(reading)] == [15]
    assert list(places(read(write(tmp_path / "b.yaml", text)))) == [
        "Service default/a",
        "Service default/b",
    ]


def test_a_typed_list_says_what_its_items_are(tmp_path):
    items = [{"metadata": {"name": "a", "namespace": "shop"}}, "no object", None]
    text = json.dumps({"apiVersion": "v1", "kind": "ServiceList", "items": items}, indent=4)

    reading = read(write(tmp_path / "a.json", text))

    assert places(reading) == {"Service shop/a": "a.json:1"}
    assert reading.notes == (f"passed over 1 file with no Kubernetes objects: {tmp_path}/a.json",)


def test_json_of_kubectl_has_a_line_for_each_item(tmp_path):
    items = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}} for name in ("a", "b")
    ]
    text = json.dumps({"apiVersion": "v1", "items": items, "kind": "List"}, indent=4)

    reading = read(write(tmp_path / "a.json", text))

    assert places(reading) == {"Service default/a": "a.json:4", "Service default/b": "a.json:11"}


def test_an_empty_list_is_no_object():
    assert list(read_documents("apiVersion: v1\nkind: List\nitems: []\n")) == []
    assert list(read_documents("apiVersion: v1\nkind: List\nitems:\n")) == []


def test_flow_mappings_are_yaml_even_where_they_look_like_json():
    (found,) = read_documents("{kind: Service, apiVersion: v1}")

    assert isinstance(found, FoundObject)
    assert found.raw == {"kind": "Service", "apiVersion": "v1"}


def test_a_file_of_errors_is_given_up():
    found = list(read_documents("---\na: [\n" * 1000))

    assert [type(each) for each in found] == [FoundDefect] * MAX_MALFORMED + [FoundEnd]
    assert found[-1] == FoundEnd("too many errors: the rest of the file was not read", 202)
