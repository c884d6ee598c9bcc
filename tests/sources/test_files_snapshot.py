import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from istiodoctor.model.kind import CERT_MANAGER, Kind
from istiodoctor.model.log import Level
from istiodoctor.model.snapshot import ClusterInfo, Snapshot, Unread, UnreadReason
from istiodoctor.sources import log_files
from istiodoctor.sources.log_files import tail
from istiodoctor.sources.source import SourceError
from tests.sources.files_support import ALL, NOW, opened, places, read, service, write

TAKEN = datetime(2026, 5, 1, 10, tzinfo=UTC)
LOG = Path("logs") / "istio-system" / "istiod-0" / "discovery.log"
LINES = """\
2026-05-01T08:00:00.000000Z\twarn\tads\told
2026-05-01T09:30:00.000000Z\twarn\tads\tnew

without a time
"""


def _snapshot(folder, **recorded):
    write(
        folder / "snapshot.json", json.dumps({"takenAt": "2026-05-01T12:00:00+02:00"} | recorded)
    )
    write(folder / "objects.yaml", service("a"))
    return folder


def _claims(folder):
    source = opened(folder)
    reading = source.collect(ALL)
    return Snapshot(taken_at=source.taken_at, source="files", readings=[reading])


def test_a_snapshot_has_its_own_clock_and_cluster(tmp_path):
    cluster = {"context": "prod", "kubernetesVersion": "v1.33.1", "later": True}

    source = opened(_snapshot(tmp_path, cluster=cluster, unknown={"a": 1}))

    assert source.taken_at == TAKEN
    assert source.describe() == ClusterInfo(context="prod", kubernetes_version="v1.33.1")
    assert places(source.collect(ALL)) == {"Service shop/a": "objects.yaml:1"}


def test_a_snapshot_holds_everything_but_what_it_could_not_read(tmp_path):
    unread = [
        {"apiGroup": "", "kind": "Secret", "namespace": "shop", "reason": "forbidden",
         "message": "no"},
        {"kind": "Namespace", "reason": "a-reason-of-tomorrow"},
    ]  # fmt: skip

    snapshot = _claims(_snapshot(tmp_path, unread=unread))

    assert snapshot.is_complete(Kind.SERVICE)
    assert not snapshot.is_complete(Kind.SECRET, "shop", "tls")
    assert snapshot.is_complete(Kind.SECRET, "other", "tls")
    assert not snapshot.is_complete(Kind.NAMESPACE)
    assert snapshot.unread_of([Kind.SECRET, Kind.NAMESPACE]) == (
        Unread(kind=Kind.SECRET, namespace="shop", reason=UnreadReason.FORBIDDEN, message="no"),
        Unread(kind=Kind.NAMESPACE, reason=UnreadReason.FAILED),
    )


def test_a_snapshot_that_says_what_it_asked_for_claims_no_more(tmp_path):
    snapshot = _claims(
        _snapshot(
            tmp_path,
            requested=["services", "secrets", "events"],
            listed={"services": ["shop"], "events": ["*"]},
            lookedUp=[{"kind": "Secret", "namespace": "shop", "name": "tls"}],
            secretNames=[{"kind": "Secret", "namespace": "other", "name": "tls"}],
        )
    )

    assert snapshot.is_complete(Kind.SERVICE, "shop", "b")
    assert not snapshot.is_complete(Kind.SERVICE, "other", "b")
    assert snapshot.is_complete(Kind.EVENT)
    assert snapshot.is_complete(Kind.SECRET, "shop", "tls")
    assert not snapshot.is_complete(Kind.SECRET, "shop", "web")
    assert snapshot.secret_names == {("other", "tls")}
    assert snapshot.unread_of([Kind.GATEWAY, Kind.SERVICE, Kind.ENVOY]) == (
        Unread(kind=Kind.GATEWAY, message="the snapshot was taken without it"),
    )


def test_an_absent_api_is_read_and_empty(tmp_path):
    absent = ["gateways.gateway.networking.k8s.io", CERT_MANAGER, "unheard-of"]

    snapshot = _claims(_snapshot(tmp_path, absentApis=absent))

    assert snapshot.absent_apis == {
        Kind.GATEWAY,
        Kind.CERTIFICATE,
        Kind.CERTIFICATE_REQUEST,
        Kind.ISSUER,
        Kind.CLUSTER_ISSUER,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Input data was truncated"),
        ("{}", "Object missing required field takenAt"),
        ('{"takenAt": "2026-05-01T10:00:00"}', "takenAt has no time zone"),
        ('{"unknown": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_snapshot_file_leaves_plain_manifests(tmp_path, text, reason):
    write(tmp_path / "snapshot.json", text)
    write(tmp_path / "objects.yaml", service("a"))

    source = opened(tmp_path)
    reading = source.collect(ALL)

    assert source.taken_at == NOW
    assert dict(reading.listed) == {}
    assert [(each.file, each.kind) for each in reading.unread] == [
        (f"{tmp_path}/snapshot.json", None)
    ]
    assert reading.unread[0].message.startswith(reason)


def test_two_snapshots_are_not_one_cluster(tmp_path):
    one, two = _snapshot(tmp_path / "one"), _snapshot(tmp_path / "two")

    with pytest.raises(SourceError) as caught:
        opened(one, two)

    assert str(caught.value) == f"{one}, {two}: these are 2 snapshots; scan one at a time"


def test_an_empty_snapshot_is_an_answer(tmp_path):
    write(tmp_path / "snapshot.json", '{"takenAt": "2026-05-01T10:00:00Z"}')

    assert _claims(tmp_path).is_complete(Kind.SERVICE)


def test_logs_of_a_snapshot_are_bounded_by_its_own_time(tmp_path):
    write(_snapshot(tmp_path) / LOG, LINES)

    reading = opened(tmp_path).collect(ALL)

    assert [(each.message, each.line) for each in reading.logs] == [
        ("new", 2),
        ("without a time", 4),
    ]


def test_logs_beside_manifests_are_all_read(tmp_path):
    write(tmp_path / "a.yaml", service("a"))
    file = write(tmp_path / LOG, LINES)

    logs = opened(tmp_path).collect(ALL).logs

    assert [(str(each.pod), each.container, each.at, each.level, each.file) for each in logs] == [
        ("Pod istio-system/istiod-0", "discovery", at, level, str(file))
        for at, level in (
            (TAKEN - timedelta(hours=2), Level.WARNING),
            (TAKEN - timedelta(minutes=30), Level.WARNING),
            (None, Level.UNKNOWN),
        )
    ]


def test_logs_are_read_only_when_asked_for(tmp_path):
    write(tmp_path / "a.yaml", service("a"))
    write(tmp_path / LOG, LINES)

    source = opened(tmp_path)

    assert source.offers == {Kind.POD_LOG}
    assert source.collect(ALL - {Kind.POD_LOG}).logs == ()
    assert opened(tmp_path / "a.yaml").offers == frozenset()


def test_the_last_lines_of_a_long_log_keep_their_numbers(tmp_path):
    file = write(tmp_path / "a.log", "".join(f"line {n}\n" for n in range(1, 1001)))

    assert tail(file, 2) == (999, ["line 999", "line 1000"])
    assert tail(file, 50, size=20) == (999, ["line 999", "line 1000"])
    assert tail(write(tmp_path / "b.log", b"\xff\nlast"), 50) == (1, ["\ufffd", "last"])
    assert tail(write(tmp_path / "c.log", b""), 50) == (1, [])


def test_a_log_that_is_cut_short_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MAX_LINES", 2)
    monkeypatch.setattr(log_files, "MAX_ALL_LINES", 3)
    folder = _snapshot(tmp_path) / "logs" / "shop"
    text = "".join(f"line {n}\n" for n in range(4))
    write(folder / "a" / "istio-proxy.log", text)
    write(folder / "b" / "istio-proxy.log", text)
    write(folder / "c" / "istio-proxy.log", text)

    reading = opened(tmp_path).collect(ALL)

    assert [(each.pod.name, each.message) for each in reading.logs] == [
        ("a", "line 2"),
        ("a", "line 3"),
        ("b", "line 3"),
    ]
    assert reading.notes == (
        f"{folder}/a/istio-proxy.log: only its last 2 lines were read",
        f"{folder}/b/istio-proxy.log: only its last 1 lines were read",
    )
    assert [each for each in reading.unread if each.kind is Kind.POD_LOG] == [
        Unread(
            kind=Kind.POD_LOG,
            namespace="shop",
            name="c",
            message="more than 3 lines of logs in all",
            file=f"{folder}/c/istio-proxy.log",
        )
    ]


def test_recorded_envoy_state_is_no_manifest(tmp_path):
    _snapshot(tmp_path)
    dump = '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"}]}'
    write(tmp_path / "envoy" / "shop" / "gateway-0" / "config_dump.json", dump)

    reading = read(tmp_path)

    assert reading.notes == ()
    assert {each.reason for each in reading.unread} <= {UnreadReason.NOT_DERIVED}
