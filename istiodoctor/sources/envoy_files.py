"""Envoy's state in files, `<namespace>/<pod>/<answer>.json` below a folder."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from istiodoctor.model.envoy import EnvoyState
from istiodoctor.model.envoy_dump import MOST_BYTES, EnvoyAnswers, decode_envoy, unread_envoy
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Unread
from istiodoctor.sources.input_files import InputFile, Search, UnreadableError, read_bytes

SUFFIX = ".json"
CONFIG_DUMP = "config_dump"
ANSWERS = ("certs", CONFIG_DUMP, "listeners", "server_info")
"""What each file is called, as the path on the admin port."""


@dataclass(slots=True)
class EnvoyFolder:
    """The recorded answers below a folder, and what of them could not be read."""

    root: Path
    shown: str
    taken_at: datetime
    """When they were recorded, as far as that is known."""
    unread: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def states(self) -> Iterator[EnvoyState]:
        """Yield the state of every Envoy of which there is a dump, by namespace and pod."""
        search = Search(self.root, self.shown, (SUFFIX,), Kind.ENVOY, self.unread, self.notes)
        pods: dict[Ref, dict[str, InputFile]] = defaultdict(dict)
        for file in search.files():
            match file.parts:
                case (namespace, pod, name) if name.removesuffix(SUFFIX) in ANSWERS:
                    ref = Ref(CORE, "Pod", namespace, pod)
                    pods[ref][name.removesuffix(SUFFIX)] = file
                case _:
                    self.notes.append(f"{file.shown}: passed over, not an answer of Envoy's")
        for ref, files in pods.items():
            yield from self._state(ref, files)

    def _state(self, pod: Ref, files: Mapping[str, InputFile]) -> Iterator[EnvoyState]:
        where = str(Path(self.shown, pod.namespace, pod.name))
        if CONFIG_DUMP not in files:
            self.unread.append(unread_envoy(pod, f"{CONFIG_DUMP}{SUFFIX} is missing", file=where))
            return
        found: dict[str, bytes] = {}
        missing: list[Unread] = []
        for name, file in files.items():
            try:
                found[name] = read_bytes(file.path, limit=MOST_BYTES)
            except UnreadableError as error:
                missing.append(unread_envoy(pod, str(error), file=file.shown))
        reading = decode_envoy(
            pod,
            taken_at=self.taken_at,
            answers=EnvoyAnswers(
                certs=found.get("certs"),
                config_dumps=(found[CONFIG_DUMP],) if CONFIG_DUMP in found else (),
                listeners=found.get("listeners"),
                server_info=found.get("server_info"),
                missing=tuple(missing),
            ),
        )
        self.unread += [replace(each, file=each.file or where) for each in reading.unread]
        yield from reading.envoys
