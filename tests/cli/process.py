"""The real command in a process of its own, and what it must keep in all circumstances."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text(encoding="utf-8"))
)
COMMAND = (sys.executable, "-m", "istiodoctor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The one sentence on standard error."""
        (line,) = self.stderr.splitlines()
        return line

    @property
    def report(self) -> Any:
        """The JSON on standard output, held against the schema."""
        return valid(self.stdout)


def valid(text: str) -> Any:
    """Return a JSON report, or several, after asserting that the contract is kept."""
    value = json.loads(text)
    assert [fault.message for fault in SCHEMA.iter_errors(value)] == []
    return value


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return a user's environment in which nothing points to a cluster or a configuration."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "LANG": "C.UTF-8",
        **more,
    }


_BATCH = """
import io, json, os, sys
from istiodoctor.cli.main import main

console, results = sys.stdout, []
for arguments, folder in json.load(sys.stdin):
    os.chdir(folder)
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    try:
        main(arguments)
    except SystemExit as end:
        status = end.code
    texts = []
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    results.append([status, *texts])
json.dump(results, console)
"""
"""Each process costs half a second: a table of command lines is run by one."""


def batch(lines: Sequence[tuple[Sequence[str], Path]], home: Path) -> list[Done]:
    """Run command lines, each in its folder, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", _BATCH],
        cwd=Path(__file__).parents[2],
        env=environment(home),
        input=json.dumps([[list(arguments), str(folder)] for arguments, folder in lines]).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [
        Done(status=status, stdout=stdout, stderr=stderr)
        for status, stdout, stderr in json.loads(done.stdout)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs the command in a folder of its own."""

    folder: Path

    def __call__(
        self,
        *arguments: object,
        stdin: str | bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run it to its end; no way of ending leaves a traceback."""
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=cwd or self.folder,
            env=environment(self.folder, **(env or {})),
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        stderr = done.stderr.decode()
        assert "Traceback" not in stderr, stderr
        assert "bug of istiodoctor" not in stderr, stderr
        return Done(status=done.returncode, stdout=done.stdout.decode(), stderr=stderr)
