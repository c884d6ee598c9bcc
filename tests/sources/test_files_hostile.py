import pytest

from istiodoctor.sources import file_documents, input_files, object_files
from istiodoctor.sources.source import SourceError
from tests.sources.files_support import opened, places, read, service, write


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.yaml", b"\x7fELF\x02\x00\x00", "binary data, no text"),
        ("a.yaml", b"a: \xe9\n", "neither UTF-8 nor UTF-16 text (byte 3)"),
        ("a.yaml", b"[" * 100_000, "not valid JSON: nested too deeply"),
        ("a.yaml", b"- " * 100_000, "nested too deeply"),
        ("a.json", b'{"a":' * 100_000, "not valid JSON: nested too deeply"),
        ("a.yaml", b"a: &a [*a]\n", "nested too deeply"),
        ("a.yaml", b"a: " + b'{"a": ' * 1_000_000, "nested too deeply"),
        ("a.yaml", b"apiVersion: v1\nkind: List\nitems: " + b"[" * 500, "nested too deeply"),
    ],
)
def test_a_hostile_file_costs_itself_alone(tmp_path, name, data, reason):
    write(tmp_path / name, data)
    write(tmp_path / "z.yaml", service("z"))

    reading = read(tmp_path)

    assert list(places(reading)) == ["Service shop/z"]
    assert [each.message for each in reading.unread] == [reason]


def test_a_huge_scalar_is_just_a_value(tmp_path):
    text = service("a") + "  annotations:\n    x: '" + "y" * 5_000_000 + "'\n"

    assert list(places(read(write(tmp_path / "a.yaml", text)))) == ["Service shop/a"]


def test_a_huge_file_is_not_read(tmp_path):
    write(tmp_path / "a.yaml", service("a"))
    with (tmp_path / "b.yaml").open("wb") as stream:
        stream.truncate(input_files.MAX_FILE_BYTES + 1)

    reading = read(tmp_path)

    assert [(each.file, each.message) for each in reading.unread] == [
        (f"{tmp_path}/b.yaml", "larger than 64 MiB")
    ]


def test_all_files_together_are_bounded(tmp_path, monkeypatch):
    write(tmp_path / "a.yaml", service("a"))
    write(tmp_path / "b.yaml", service("b"))
    monkeypatch.setattr(object_files, "MAX_ALL_BYTES", len(service("a")))

    reading = read(tmp_path, whole_cluster=True)

    assert list(places(reading)) == ["Service shop/a"]
    assert f"{tmp_path}/b.yaml" in [each.file for each in reading.unread]
    assert dict(reading.listed) == {}


def test_the_files_of_a_folder_are_bounded_in_number(tmp_path, monkeypatch):
    for name in "abc":
        write(tmp_path / f"{name}.yaml", service(name))
    monkeypatch.setattr(input_files, "MAX_FILES", 2)

    reading = read(tmp_path, whole_cluster=True)

    assert list(places(reading)) == ["Service shop/a", "Service shop/b"]
    assert reading.unread[0].message == "more than 2 files; not read any further"
    assert dict(reading.listed) == {}


def test_the_entries_of_a_folder_are_bounded(tmp_path, monkeypatch):
    for name in "abc":
        write(tmp_path / "x" / f"{name}.txt", "")
    write(tmp_path / "a.yaml", service("a"))
    monkeypatch.setattr(input_files, "MAX_ENTRIES", 4)

    (entry,) = read(tmp_path).unread

    assert (entry.file, entry.message) == (
        f"{tmp_path}/x",
        "more than 4 entries; not read any further",
    )


def test_the_documents_of_a_file_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(file_documents, "MAX_DOCUMENTS", 2)
    text = "---\n".join(service(name) for name in "abc")

    reading = read(write(tmp_path / "a.yaml", text))

    assert list(places(reading)) == ["Service shop/a", "Service shop/b"]
    assert [(each.message, each.line) for each in reading.unread] == [
        ("too many documents: the rest of the file was not read", 13)
    ]


def test_a_note_names_no_more_than_a_few_files(tmp_path):
    for number in range(30):
        write(tmp_path / f"values-{number:02}.yaml", "a: 1\n")
    write(tmp_path / "a.yaml", service("a"))

    (note,) = read(tmp_path).notes

    assert note.startswith("passed over 30 files with no Kubernetes objects: ")
    assert note.endswith("values-09.yaml and 20 more")


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdin", "a\0b", "x" * 5000])
def test_paths_that_are_no_files_are_wrong_usage(path):
    with pytest.raises(SourceError) as caught:
        opened(path)

    assert caught.value.kind == "usage"


def test_standard_input_without_end_is_bounded(monkeypatch):
    monkeypatch.setattr(input_files, "MAX_FILE_BYTES", 1024 * 1024)

    with pytest.raises(SourceError, match="-: could not be read: larger than 1 MiB"):
        read("-", stdin=b"#" * (1024 * 1024 + 1))
