"""The server's process, seen from the test's side."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_PATIENCE = 10.0


class ServerProcess:
    """Started when made; answers commands one at a time, from any thread."""

    def __init__(self, options: Path) -> None:
        self._lock = threading.Lock()
        self._errors = options.with_name("errors")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.apiserver", str(options)],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        try:
            self.port = int(self._answer())
        except BaseException:
            self.stop()
            raise

    @property
    def identifier(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, command: str, **arguments: Any) -> Any:
        """Give a command and wait until it is carried out."""
        line = json.dumps({"do": command, **arguments}).encode() + b"\n"
        with self._lock:
            assert self._process.stdin
            self._process.stdin.write(line)
            self._process.stdin.flush()
            return self._answer()

    def stop(self) -> str:
        """End the process by ending its input; returns what it wrote to standard error."""
        with self._process:
            assert self._process.stdin
            self._process.stdin.close()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._errors.read_text()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the API server has ended:\n{self._errors.read_text()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["result"]
