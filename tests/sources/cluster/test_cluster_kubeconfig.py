"""How a cluster is found and logged in to."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from istiodoctor.sources.cluster import Ambient, contexts
from istiodoctor.sources.source import SourceErrorKind
from tests.apiserver import ApiServer
from tests.sources.cluster.logins import failure, opened, rewritten, what_is_read
from tests.sources.cluster.objects import gateway

OBJECTS = [gateway("shop/web")]
EVERYTHING_READ = ["Gateway shop/web"]


@pytest.mark.parametrize("user", ["token", "client-certificate", "exec"])
def test_every_kind_of_credential_logs_in(server: ApiServer, kubeconfig: Path, user: Any):
    source = opened(server.kubeconfig(kubeconfig, user=user, name="jane"))

    assert what_is_read(source) == EVERYTHING_READ
    assert {request.user for request in server.requests()} == {"jane"}


def test_a_token_file_may_end_with_a_line_break(server: ApiServer, kubeconfig: Path):
    (kubeconfig.parent / "token").write_text(server.token("jane") + "\n")
    server.kubeconfig(kubeconfig)
    rewritten(kubeconfig, lambda config: config["users"][0].update(user={"tokenFile": "token"}))

    assert what_is_read(opened(kubeconfig)) == EVERYTHING_READ


def test_files_are_found_from_where_the_kubeconfig_is(server: ApiServer, kubeconfig: Path):
    def to_files(config: dict[str, Any]) -> None:
        del config["clusters"][0]["cluster"]["certificate-authority-data"]
        config["clusters"][0]["cluster"]["certificate-authority"] = "authority.crt"

    (kubeconfig.parent / "authority.crt").write_bytes((server.folder / "ca.crt").read_bytes())
    rewritten(server.kubeconfig(kubeconfig), to_files)

    assert what_is_read(opened(kubeconfig)) == EVERYTHING_READ


def test_several_ambient_files_are_merged_and_the_first_word_counts(
    server: ApiServer, tmp_path: Path
):
    first = server.kubeconfig(tmp_path / "first", context="one", name="jane")
    second = server.kubeconfig(tmp_path / "second", context="two", name="john")
    server.kubeconfig(second, context="one", token="unknown")
    listed = os.pathsep.join(map(str, (tmp_path / "missing", first, second)))
    ambient = Ambient(environment={"KUBECONFIG": listed})
    server.forget_requests()

    assert contexts(ambient=ambient) == ("one", "two")
    assert opened(ambient=ambient).name == "one"
    assert opened(ambient=ambient, context="two").name == "two"
    assert [request.user for request in server.requests()] == ["jane", "john"]


def test_the_kubeconfig_of_the_home_folder_is_used(server: ApiServer, tmp_path: Path):
    (tmp_path / ".kube").mkdir()
    server.kubeconfig(tmp_path / ".kube" / "config")

    source = opened(ambient=Ambient(environment={"HOME": str(tmp_path)}))

    assert what_is_read(source) == EVERYTHING_READ


def test_a_pod_uses_its_service_account(server: ApiServer, tmp_path: Path):
    mounted = tmp_path / "mounted"
    environment = server.in_cluster(mounted, service_account="tools/doctor")
    (mounted / "token").write_text((mounted / "token").read_text() + "\n")
    ambient = Ambient(environment={**environment, "HOME": str(tmp_path)}, service_account=mounted)

    source = opened(ambient=ambient)

    assert (source.name, what_is_read(source)) == ("in-cluster", EVERYTHING_READ)
    assert {request.user for request in server.requests()} == {
        "system:serviceaccount:tools:doctor"
    }


def test_no_kubeconfig_at_all_is_said(tmp_path: Path):
    ambient = Ambient(environment={"HOME": str(tmp_path)}, service_account=tmp_path)

    assert failure(lambda: opened(ambient=ambient)) == (
        SourceErrorKind.NO_KUBECONFIG,
        "no kubeconfig at ~/.kube/config; name one with --kubeconfig, or read files with -f",
    )


def test_a_named_kubeconfig_that_is_not_there_is_no_kubeconfig(tmp_path: Path):
    path = tmp_path / "missing"

    assert failure(lambda: opened(path)) == (
        SourceErrorKind.NO_KUBECONFIG,
        f"there is no kubeconfig file {path}; name another with --kubeconfig",
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("users:\n- token: 'hush\n", "is no YAML (line 3)"),
        ("- hush\n", "is no kubeconfig: it holds no mapping"),
        ("users: hush\n", "users in the kubeconfig file"),
        ("users: [{user: {token: hush}}]\n", "users[0] in the kubeconfig file"),
        ("", "no current context is set"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: b}}]", "names no cluster"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\n"
            "clusters: [{name: b, cluster: {server: 'https://127.0.0.1'}}]\n",
            "names the user c, which is not there",
        ),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\n"
            "clusters: [{name: b, cluster: {server: 'https://127.0.0.1'}}]\n"
            "users: [{name: c, user: {token: hush, client-certificate: missing.crt}}]\n",
            "File does not exist",
        ),
    ],
)
def test_a_bad_kubeconfig_is_named_without_a_word_of_its_credentials(
    kubeconfig: Path, content: str, what: str
):
    kubeconfig.write_text(content)

    _, message = failure(lambda: opened(kubeconfig))

    assert (what in message, str(kubeconfig) in message, "hush" in message) == (True, True, False)


def test_an_unknown_context_is_answered_with_the_known_ones(server: ApiServer, kubeconfig: Path):
    server.kubeconfig(kubeconfig, context="one")
    server.kubeconfig(kubeconfig, context="two")

    assert failure(lambda: opened(kubeconfig, context="three")) == (
        SourceErrorKind.UNKNOWN_CONTEXT,
        f"there is no context three in {kubeconfig}; it has: one, two",
    )


@pytest.mark.parametrize("user", ["token", "none"])
def test_credentials_that_the_server_does_not_take_are_said(
    server: ApiServer, kubeconfig: Path, user: Any
):
    path = server.kubeconfig(kubeconfig, user=user, token="hush")

    kind, message = failure(lambda: opened(path))

    assert kind is SourceErrorKind.UNAUTHORIZED
    assert f"{server.url} (context test) does not accept the credentials" in message
    assert "hush" not in message


def test_a_token_that_cannot_be_sent_is_not_repeated(server: ApiServer, kubeconfig: Path):
    path = server.kubeconfig(kubeconfig)
    rewritten(path, lambda config: config["users"][0].update(user={"token": "hush\nhush"}))

    kind, message = failure(lambda: opened(path))

    assert kind is SourceErrorKind.UNREACHABLE
    assert "the credentials of the kubeconfig cannot be sent in a request" in message
    assert "hush" not in message


def test_a_server_that_is_not_there_is_said(server: ApiServer, kubeconfig: Path):
    path = server.kubeconfig(kubeconfig, url="https://user:hush@127.0.0.1:1")

    assert failure(lambda: opened(path)) == (
        SourceErrorKind.UNREACHABLE,
        "cannot reach https://127.0.0.1:1 (context test): Connection refused;"
        " check the network and the server's URL",
    )


def test_a_name_that_nobody_knows_is_said(server: ApiServer, kubeconfig: Path):
    path = server.kubeconfig(kubeconfig, url="https://cluster.invalid")

    kind, message = failure(lambda: opened(path))

    assert kind is SourceErrorKind.UNREACHABLE
    assert "cannot reach https://cluster.invalid (context test)" in message


def test_a_server_with_another_certificate_authority_is_not_trusted(
    server: ApiServer, kubeconfig: Path
):
    path = server.kubeconfig(kubeconfig, trusted=False)

    kind, message = failure(lambda: opened(path))

    assert kind is SourceErrorKind.UNREACHABLE
    assert f"the certificate of {server.url} (context test) is not trusted" in message
    assert server.requests() == []


def test_skipping_verification_is_respected_and_silent(
    server: ApiServer, kubeconfig: Path, capfd: pytest.CaptureFixture[str]
):
    def insecure(config: dict[str, Any]) -> None:
        del config["clusters"][0]["cluster"]["certificate-authority-data"]
        config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True

    path = rewritten(server.kubeconfig(kubeconfig), insecure)

    assert what_is_read(opened(path)) == EVERYTHING_READ
    assert capfd.readouterr() == ("", "")


def test_a_cluster_without_istio_is_said(kubeconfig: Path):
    with ApiServer(versions={"networking.istio.io": ()}) as server:
        path = server.kubeconfig(kubeconfig)

        assert failure(lambda: opened(path)) == (
            SourceErrorKind.NO_ISTIO,
            f"there is no Istio in the cluster at {server.url} (context test): the API group"
            " networking.istio.io is not there; choose another with --context",
        )


def test_a_process_ends_although_loading_the_credentials_hangs(
    server: ApiServer, kubeconfig: Path
):
    """The old kind of plugin is run by the client itself, without end."""
    provider = {"name": "gcp", "config": {"cmd-path": "/bin/sleep", "cmd-args": "60"}}
    path = server.kubeconfig(kubeconfig)
    rewritten(path, lambda c: c["users"][0].update(user={"auth-provider": provider}))
    code = (
        "import sys; from datetime import timedelta; from pathlib import Path\n"
        "from istiodoctor.sources.cluster import open_cluster\n"
        "from istiodoctor.sources.source import SourceError\n"
        "try: open_cluster(kubeconfig=Path(sys.argv[1]), timeout=timedelta(seconds=2))\n"
        "except SourceError as error: print(error.kind, error)\n"
    )

    found = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert found.stdout == (
        "timed-out loading the credentials of context test took longer than 2 s\n"
    )
    assert found.stderr == ""
