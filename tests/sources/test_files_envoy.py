"""Envoy's state in a recorded snapshot."""

import json
from datetime import UTC, datetime

from istiodoctor.model.envoy_configuration import Section
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread
from tests.sources.files_support import opened, read, service, write
from tests.support.envoy_dumps import dump, routes, routes_part, virtual_host

TAKEN = datetime(2026, 5, 1, 10, tzinfo=UTC)
WAITING = {
    "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.DynamicSecret",
    "name": "kubernetes://shop-cert",
    "version_info": "uninitialized",
}
DUMP = json.dumps({"configs": [WAITING]})


def recorded(folder, **files):
    write(folder / "snapshot.json", json.dumps({"takenAt": "2026-05-01T10:00:00Z"}))
    write(folder / "objects.yaml", service("a"))
    for name, content in files.items():
        write(folder / "envoy" / "istio-system" / "gateway-0" / f"{name}.json", content)
    return folder


def unread(reading):
    return [each for each in reading.unread if each.kind is Kind.ENVOY]


def test_the_answers_in_a_folder_are_one_envoy_as_it_was_then(tmp_path):
    info = json.dumps({"version": "x/1.40.0/Clean", "state": "LIVE"})
    folder = recorded(tmp_path, config_dump=DUMP, certs="{}", listeners="{}", server_info=info)

    (state,) = read(folder).envoys

    assert (state.pod.path, state.taken_at) == ("istio-system/gateway-0", TAKEN)
    assert [(each.name, each.is_initialized) for each in state.secrets] == [
        ("kubernetes://shop-cert", False)
    ]
    assert (state.version, state.lifecycle, state.certificates) == ("1.40.0", "LIVE", ())


def test_a_dump_is_enough_and_what_is_missing_is_not_known(tmp_path):
    (state,) = read(recorded(tmp_path, config_dump=DUMP)).envoys

    assert (state.version, state.certificates) == ("", None)


def test_envoys_are_offered_where_there_are_any(tmp_path):
    assert Kind.ENVOY in opened(recorded(tmp_path / "with", config_dump=DUMP)).offers
    assert Kind.ENVOY not in opened(recorded(tmp_path / "without")).offers


def test_the_configuration_in_a_dump_is_read_beside_the_state(tmp_path):
    configured = routes_part(routes("http.8080", virtual_host("a.test")))
    folder = recorded(tmp_path, config_dump=dump(configured).decode())

    (found,) = read(folder).envoy_configurations

    assert (found.pod.path, found.taken_at) == ("istio-system/gateway-0", TAKEN)
    assert found.sections == {Section.ROUTES}
    assert set(found.routes) == {"http.8080"}


def test_the_configuration_is_read_without_the_state_where_that_is_not_asked_for(tmp_path):
    folder = recorded(tmp_path, config_dump=dump(routes_part()).decode(), certs="<html>")

    reading = opened(folder).collect(frozenset({Kind.SERVICE, Kind.ENVOY_CONFIGURATION}))

    assert (len(reading.envoys), len(reading.envoy_configurations)) == (0, 1)
    assert reading.unread == ()


def test_a_configuration_that_was_not_recorded_is_unread(tmp_path):
    reading = read(recorded(tmp_path, config_dump=DUMP))

    (missing,) = [each for each in reading.unread if each.kind is Kind.ENVOY_CONFIGURATION]
    assert missing.message == "no routes, clusters or endpoints among the answers"
    assert missing.file == str(tmp_path / "envoy" / "istio-system" / "gateway-0")


def test_envoys_that_nobody_asks_about_are_not_read(tmp_path):
    folder = recorded(tmp_path, config_dump="garbage")

    reading = opened(folder).collect(frozenset({Kind.SERVICE}))

    assert (reading.envoys, unread(reading)) == ((), [])


def test_without_a_dump_an_envoy_is_unread(tmp_path):
    reading = read(recorded(tmp_path, certs="{}"))

    assert reading.envoys == ()
    assert unread(reading) == [
        Unread(
            kind=Kind.ENVOY,
            namespace="istio-system",
            name="gateway-0",
            message="config_dump.json is missing",
            file=f"{tmp_path}/envoy/istio-system/gateway-0",
        )
    ]


def test_an_answer_that_cannot_be_used_leaves_that_envoy_unread_and_no_other(tmp_path):
    folder = recorded(tmp_path, config_dump="<html>")
    write(folder / "envoy" / "istio-system" / "gateway-1" / "config_dump.json", DUMP)

    reading = read(folder)

    assert [each.pod.name for each in reading.envoys] == ["gateway-1"]
    (torn,) = unread(reading)
    assert torn.name == "gateway-0"
    assert torn.message.startswith("what Envoy answers cannot be used: config_dump is not what")


def test_one_answer_of_no_use_takes_nothing_from_the_others(tmp_path):
    info = json.dumps({"version": "x/1.40.0/Clean", "state": "LIVE"})
    folder = recorded(tmp_path, config_dump=DUMP, certs="<html>", server_info=info)

    reading = read(folder)

    ((state,), (torn,)) = reading.envoys, unread(reading)
    assert (state.version, state.certificates, len(state.secrets)) == ("1.40.0", None, 1)
    assert torn.file == f"{tmp_path}/envoy/istio-system/gateway-0"
    assert torn.message.startswith("what Envoy answers cannot be used: certs is not what")


def test_other_files_are_passed_over_with_a_note(tmp_path):
    folder = recorded(tmp_path, config_dump=DUMP, stats="{}")
    write(folder / "envoy" / "stray.json", "{}")

    reading = read(folder)

    assert len(reading.envoys) == 1
    assert {note.partition(": passed over")[0] for note in reading.notes} >= {
        f"{tmp_path}/envoy/istio-system/gateway-0/stats.json",
        f"{tmp_path}/envoy/stray.json",
    }


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    secret = write(tmp_path / "outside" / "config_dump.json", DUMP)
    folder = recorded(tmp_path / "snapshot")
    place = folder / "envoy" / "istio-system" / "gateway-0"
    place.mkdir(parents=True)
    (place / "config_dump.json").symlink_to(secret)

    assert read(folder).envoys == ()
