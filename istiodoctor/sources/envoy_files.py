"""Envoy's state in files, `<namespace>/<pod>/<answer>.json` below a folder."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from istiodoctor.model.envoy_configuration_dump import (
    Alike,
    ConfigurationAnswers,
    decode_configuration,
)
from istiodoctor.model.envoy_dump import EnvoyAnswers, decode_envoy, unread_envoy
from istiodoctor.model.envoy_parts import MOST_BYTES
from istiodoctor.model.kind import CORE, OF_ENVOY, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread
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
    kinds: frozenset[Kind] = OF_ENVOY
    """Which of an Envoy's state and its configuration to read."""
    unread: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alike: Alike = field(default_factory=Alike)

    def readings(self) -> Iterator[Reading]:
        """Yield what there is of every Envoy of which there is a dump, by namespace and pod."""
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
            yield from self._pod(ref, files)

    def _pod(self, pod: Ref, files: Mapping[str, InputFile]) -> Iterator[Reading]:
        where = str(Path(self.shown, pod.namespace, pod.name))
        if CONFIG_DUMP not in files:
            self._miss(pod, f"{CONFIG_DUMP}{SUFFIX} is missing", self.kinds, where)
            return
        found: dict[str, bytes] = {}
        for name, file in files.items():
            kinds = self.kinds if name == CONFIG_DUMP else self.kinds & {Kind.ENVOY}
            try:
                found[name] = read_bytes(file.path, limit=MOST_BYTES) if kinds else b""
            except UnreadableError as error:
                self._miss(pod, str(error), kinds, file.shown)
        dumps = (found[CONFIG_DUMP],) if CONFIG_DUMP in found else ()
        if Kind.ENVOY in self.kinds:
            state = EnvoyAnswers(
                certs=found.get("certs"),
                config_dumps=dumps,
                listeners=found.get("listeners"),
                server_info=found.get("server_info"),
            )
            yield self._located(decode_envoy(pod, taken_at=self.taken_at, answers=state), where)
        if Kind.ENVOY_CONFIGURATION in self.kinds:
            dumped = ConfigurationAnswers(recorded=dumps)
            reading = decode_configuration(
                pod, taken_at=self.taken_at, answers=dumped, alike=self.alike
            )
            yield self._located(reading, where)

    def _miss(self, pod: Ref, words: str, kinds: frozenset[Kind], where: str) -> None:
        self.unread += [
            replace(unread_envoy(pod, words, file=where), kind=kind)
            for kind in sorted(kinds, key=str)
        ]

    def _located(self, reading: Reading, where: str) -> Reading:
        """Return a reading without what could not be read, which is kept with its place."""
        self.unread += [replace(each, file=each.file or where) for each in reading.unread]
        return replace(reading, unread=())
