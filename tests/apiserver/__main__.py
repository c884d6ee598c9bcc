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
    loop.set_exception_handler(_complain)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        try:
            _say({"result": cluster.command(line)})
        except Exception as error:  # the test that sent the command must learn what was wrong
            _say({"error": f"{type(error).__name__}: {error}"})
    await runner.cleanup()


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Write what has failed, but for a transport that asyncio itself closes twice.

    A write that resumes its protocol can fail in that, while the write closes the transport too
    (`_SelectorSocketTransport._write_ready` of Python 3.11): the client has reset the connection.
    """
    is_twice = "_call_connection_lost" in str(context.get("message"))
    if not (is_twice and isinstance(context.get("exception"), AttributeError)):
        loop.default_exception_handler(context)


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    asyncio.run(serve(path.parent, json.loads(path.read_bytes())))
