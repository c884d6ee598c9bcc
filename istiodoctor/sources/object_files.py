"""Read every file behind the paths of a command line into the objects they hold."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from istiodoctor.model.snapshot import Unread
from istiodoctor.sources.file_documents import EncodingError, decode_text, read_documents
from istiodoctor.sources.found_objects import PATCHES, FoundObjects
from istiodoctor.sources.input_files import (
    MAX_ALL_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    InputFile,
    Search,
    UnreadableError,
    read_bytes,
)
from istiodoctor.sources.kustomize import kustomized
from istiodoctor.sources.snapshot_directory import ENVOY_FILES, ENVOY_FOLDER, SNAPSHOT_FILE


@dataclass(slots=True)
class ObjectFiles:
    """Reads files one after the other, each once, as long as they stay within bounds."""

    found: FoundObjects
    notes: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)
    _bytes: int = 0

    def read(self, shown: str) -> None:
        """Read a file, or a folder with all that is below it."""
        path = Path(shown)
        if not path.is_dir():
            self._read_file(InputFile(path, shown))
            return
        search = Search(path, shown, unread=self.unread, notes=self.notes)
        files = tuple(search.files())
        said = kustomized(dict.fromkeys(file.path.parent for file in files))
        for file in files:
            if file.path in said.patches:
                self.found.pass_over(PATCHES, file.shown)
            else:
                self._read_file(file, said.namespaces.get(file.path, ""))
        if self.unread:
            self.found.is_doubtful = True

    def add(self, data: bytes, shown: str, namespace: str = "") -> None:
        """Take in the content of one file; `namespace` is for objects that name none."""
        try:
            text = decode_text(data)
        except EncodingError as error:
            self.found.miss(str(error), shown)
            return
        del data
        for each in read_documents(text):
            self.found.add(each, shown, namespace)

    def _read_file(self, file: InputFile, namespace: str = "") -> None:
        real = os.path.realpath(file.path)
        if real in self._done or _is_ours(file):
            return
        self._done.add(real)
        limit = min(MAX_FILE_BYTES, MAX_ALL_BYTES - self._bytes)
        if limit <= 0 or len(self._done) > MAX_FILES:
            bound = f"{MAX_ALL_BYTES // (1024 * 1024)} MiB or {MAX_FILES:,} files in all"
            self.found.miss(f"not read: more than {bound} were given", file.shown)
            return
        try:
            self.add(self._counted(read_bytes(file.path, limit=limit)), file.shown, namespace)
        except UnreadableError as error:
            self.found.miss(str(error), file.shown)

    def _counted(self, data: bytes) -> bytes:
        self._bytes += len(data)
        return data


def _is_ours(file: InputFile) -> bool:
    """Whether a file of a recorded snapshot holds something else than objects."""
    match file.parts:
        case (name,):
            return name == SNAPSHOT_FILE
        case (folder, _, _, name):
            return folder == ENVOY_FOLDER and name in ENVOY_FILES
        case _:
            return False
