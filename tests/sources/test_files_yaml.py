import json

import pytest

from istiodoctor.model.services import Service
from istiodoctor.sources.file_documents import (
    MAX_MALFORMED,
    FoundDefect,
    FoundEnd,
    FoundObject,
    read_documents,
)
from istiodoctor.sources.yaml_documents import YamlError, parse, parse_document, split
from tests.sources.files_support import places, read, service, unread, write


def test_documents_of_comments_and_directives_alone_are_left_out():
    pieces = list(split("# a\n---\n---\n# b\n...\n%YAML 1.2\n---\nx: 1\n--- |\n text\n---"))

    assert [(piece.text, piece.line) for piece in pieces] == [
        ("x: 1\n", 8),
        ("--- |\n text\n", 9),
    ]


def test_scalars_are_what_kubernetes_takes_them_for():
    values = parse(
        "a: yes\nb: Off\nc: 0644\nd: 2026-01-01\ne: 1\nf: true\ng: ~\nh: 'yes'\ni: !!str on\n"
        "j: 12:30:45\nk: 1_000\nl: 0x1F\nm: no, thanks\nn: [y, N]\n"
    )

    assert values == {
        "a": True, "b": False, "c": 420, "d": "2026-01-01", "e": 1, "f": True, "g": None,
        "h": "yes", "i": "on", "j": "12:30:45", "k": 1000, "l": 31, "m": "no, thanks",
        "false": [True, False],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "expected"),
    [("8443", "8443"), ("0x10", "16"), ("1.5", "1.5"), ("true", "true"), ("y", "true")],
)
def test_every_key_is_a_string(key, expected):
    assert parse(f"spec:\n  {key}: {{mode: STRICT}}\n") == {"spec": {expected: {"mode": "STRICT"}}}
    assert parse(f"spec: {{{key}: 1}}\n") == {"spec": {expected: 1}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [192.0.2.7, 2001:db8::]\n", ["192.0.2.7", "2001:db8::"]),
        ("a: [2001:db8::, fe80::] # [::]\n", ["2001:db8::", "fe80::"]),
        ("a: {b: 'x::', c: 2001:db8::}\n", {"b": "x::", "c": "2001:db8::"}),
    ],
)
def test_a_scalar_may_end_with_a_colon_in_a_flow_list(text, expected):
    assert parse(text) == {"a": expected}


def test_of_a_key_that_is_given_twice_the_last_one_counts_and_is_noted(tmp_path):
    text = service("web") + "spec:\n  type: NodePort\n  type: LoadBalancer\n"

    reading = read(write(tmp_path / "a.yaml", "# a comment\n" + text))

    assert [each.spec.type for each in reading.resources if isinstance(each, Service)] == [
        "LoadBalancer"
    ]
    assert reading.notes == (
        f"given twice in one mapping, where the last one counts: type ({tmp_path}/a.yaml:9)",
    )


def test_a_key_that_is_merged_and_given_is_not_given_twice():
    assert parse_document("base: &b {a: 1, on: 2}\nown: {<<: *b, a: 2}\n").repeated == ()


def test_json_documents_may_stand_one_after_another(tmp_path):
    one, other = (
        json.dumps(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": n, "namespace": "a"}}
        )
        for n in ("x", "y")
    )

    assert places(read(write(tmp_path / "a.json", f"{one}\n\n{other}"))) == {
        "Service a/x": "a.json:1",
        "Service a/y": "a.json:3",
    }


@pytest.mark.parametrize("text", ["a: &a [*a]\nb: on\n", "b: on\na: " + "[" * 200])
def test_what_is_nested_without_end_is_refused_by_the_slower_parser_too(text):
    with pytest.raises(YamlError):
        parse(text)


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
        ("a: 1\nb: 'x\n\n", "found unexpected end of stream, while scanning a quoted scalar", 2),
        ("a: 1\nb: \x07\n", "control characters are not allowed", 2),
        ("a: 1\n? [x]\n: y\n", "a mapping or a list is used as a key", 2),
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
        "Service a": "a.yaml:10",
        "Service b": "a.yaml:19",
    }


def test_a_bad_item_does_not_cost_the_others(tmp_path):
    text = LIST.replace("metadata: {name: b}", "metadata: {name: b") + "---\n" + LIST

    reading = read(write(tmp_path / "a.yaml", LIST.replace("name: b}", "name: b")))

    assert list(places(reading)) == ["Service a"]
    assert [line for _, _, line in unread(reading)] == [15]
    assert list(places(read(write(tmp_path / "b.yaml", text)))) == [
        "Service a",
        "Service b",
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

    assert places(reading) == {"Service a": "a.json:4", "Service b": "a.json:11"}


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
