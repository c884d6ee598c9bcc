"""The process: `python -m tests.apiserver OPTIONS.json`.

It takes commands as lines of JSON on standard input and answers each with a line on standard
output. When its input ends, it ends: no server outlives the tests that started it.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.apiserver.cluster import Cluster
from tests.apiserver.server import Server

_LONGEST_COMMAND = 1 << 30


async def serve(folder: Path, options: dict[str, Any]) -> None:
    """Serve until standard input ends."""
    objects = options.pop("objects")
    cluster = Cluster(**options)
    if objects:
        cluster.do_load(objects)
    runner, port = await Server(cluster).start(folder)
    _say({"result": port})
    commands = asyncio.StreamReader(limit=_LONGEST_COMMAND)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        try:
            _say({"result": cluster.command(line)})
        except Exception as error:  # the test that sent the command must learn what was wrong
            _say({"error": f"{type(error).__name__}: {error}"})
    await runner.cleanup()


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    asyncio.run(serve(path.parent, json.loads(path.read_bytes())))
