"""Kustomizations and Helm charts, built by the programs that build them: `--render`.

`kubectl kustomize` (or `kustomize build`) and `helm template` are started with a time limit, their
output is bounded, and nothing of the network, of plugins or of a cluster is within their reach:
a kustomization that leads there is not built at all.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import IO

from istiodoctor.model.names import is_label
from istiodoctor.sources.input_files import MAX_FILE_BYTES

SECONDS = 60.0
"""For one kustomization or chart."""
SECONDS_OF_ALL = 120.0
"""After which no other one is begun."""
MOST_BUILT = 50
"""Kustomizations and charts that are built of one folder."""
MAX_MESSAGE = 200
UNKNOWN_RELEASE_NAMESPACE = "istiodoctor-unknown-namespace"
"""What a chart is told for the namespace it will be in, where nobody said."""
DEAD_END = "http://127.0.0.1:9"
"""A proxy that no connection gets through."""


class RenderError(Exception):
    """Why something could not be built, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to start, and its words before the folder."""

    path: str
    words: tuple[str, ...]


def build_kustomization(folder: Path, scanned: Iterable[Path]) -> bytes:
    """Return the objects of a kustomization as YAML; raises RenderError."""
    places = tuple(scanned)
    program = _program("kubectl", ("kustomize",), places) or _program(
        "kustomize", ("build",), places
    )
    if program is None:
        raise RenderError("neither kubectl nor kustomize is in the PATH")
    return _output([program.path, *program.words, str(folder)], folder)


def build_chart(folder: Path, namespace: str, scanned: Iterable[Path]) -> bytes:
    """Return the objects of a Helm chart with its own values as YAML; raises RenderError."""
    program = _program("helm", ("template",), tuple(scanned))
    if program is None:
        raise RenderError("helm is not in the PATH")
    release = folder.name.lower() if is_label(folder.name.lower()[:50]) else "release"
    where = ("--namespace", namespace or UNKNOWN_RELEASE_NAMESPACE)
    return _output([program.path, *program.words, *where, "--", release[:50], str(folder)], folder)


def _program(name: str, words: tuple[str, ...], scanned: Iterable[Path]) -> Program | None:
    """Return a program of the PATH, but none that came with what is scanned."""
    found = shutil.which(name)
    if found is None:
        return None
    real = Path(found).resolve()
    if not Path(found).is_absolute() or any(real.is_relative_to(each) for each in scanned):
        return None
    return Program(str(found), words)


def _environment(home: str) -> Mapping[str, str]:
    """Return an environment without configuration, credentials, plugins and network."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "SYSTEMROOT") if key in os.environ}
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    return {
        **kept,
        **dict.fromkeys(proxies, DEAD_END),
        **{each.upper(): DEAD_END for each in proxies},
        "HOME": home,
        "TMPDIR": home,
        "XDG_CONFIG_HOME": home,
        "XDG_CACHE_HOME": home,
        "XDG_DATA_HOME": home,
        "KUBECONFIG": str(Path(home, "none")),
        "KUSTOMIZE_PLUGIN_HOME": str(Path(home, "none")),
        "HELM_NO_PLUGINS": "1",
        "HELM_PLUGINS": str(Path(home, "none")),
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _output(command: list[str], folder: Path) -> bytes:
    """Return what a program prints; raises RenderError."""
    with tempfile.TemporaryDirectory(prefix="istiodoctor-") as home:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=home,
                env=dict(_environment(home)),
                start_new_session=True,
            )
        except OSError as error:
            raise RenderError(
                f"{Path(command[0]).name} cannot be started: {error.strerror}"
            ) from None
        try:
            output, errors = _read(process)
        finally:
            _end(process)
    if process.returncode:
        said = errors.decode(errors="replace").strip().splitlines()
        words = said[-1].removeprefix("error: ").removeprefix("Error: ") if said else "no reason"
        words = words.replace(str(folder), folder.name)[:MAX_MESSAGE]
        raise RenderError(f"{Path(command[0]).name} says: {words}")
    return output


def _read(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Return what a program prints within its time and bounds."""
    until = monotonic() + SECONDS
    found: dict[int, bytearray] = {}
    with DefaultSelector() as selector:
        streams = [each for each in (process.stdout, process.stderr) if each]
        for stream in streams:
            selector.register(stream, EVENT_READ)
            found[stream.fileno()] = bytearray()
        while selector.get_map():
            left = until - monotonic()
            if left <= 0:
                raise RenderError(f"it takes longer than {SECONDS:.0f} seconds")
            for key, _ in selector.select(left):
                _take(key.fd, found, selector, key.fileobj)
        for stream in streams:
            stream.close()
    try:
        process.wait(max(until - monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        raise RenderError(f"it takes longer than {SECONDS:.0f} seconds") from None
    output, errors = (bytes(each) for each in found.values())
    return output, errors


def _take(
    descriptor: int,
    found: dict[int, bytearray],
    selector: DefaultSelector,
    stream: int | IO[bytes] | object,
) -> None:
    data = os.read(descriptor, 64 * 1024)
    if not data:
        selector.unregister(stream)  # type: ignore[arg-type]  # what was registered
        return
    found[descriptor] += data
    if len(found[descriptor]) > MAX_FILE_BYTES:
        raise RenderError(f"it prints more than {MAX_FILE_BYTES // (1024 * 1024)} MiB")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program and what it started, if it still runs."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (OSError, AttributeError):
            process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream and not stream.closed:
            stream.close()
