"""Read every file behind the paths of a command line into the objects they hold."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread, UnreadReason
from istiodoctor.sources.file_documents import (
    EncodingError,
    Language,
    decode_text,
    read_documents,
)
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
from istiodoctor.sources.kustomize import UNTOUCHED, Kustomized, Treatment, kustomized
from istiodoctor.sources.snapshot_directory import ENVOY_FILES, ENVOY_FOLDER, SNAPSHOT_FILE

CHART_FILE = "Chart.yaml"
TEMPLATE_FOLDERS = frozenset({"templates", "charts"})
"""Folders of a Helm chart that hold templates, its own and those of other charts."""
GENERATED = (Kind.SECRET, Kind.CONFIG_MAP)
MOST_SHOWN = 200
"""Characters of what a kustomization takes in that are told."""


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
        said = kustomized(dict.fromkeys(file.path.parent for file in files), path)
        self._note(said, path, shown)
        charts = {file.path.parent for file in files if file.path.name == CHART_FILE}
        for file in files:
            if charts and (chart := _chart_of(file.path, charts)):
                self.found.pass_over_template(Language.HELM, file.shown)
                self.found.charts[str(Path(shown, chart.relative_to(path.resolve())))] = None
            elif file.path in said.patches:
                self.found.pass_over(PATCHES, file.shown)
            else:
                self._read_file(file, said.treatment(file.path))
        if self.unread:
            self.found.is_doubtful = True

    def _note(self, said: Kustomized, top: Path, shown: str) -> None:
        """Note what kustomizations take in, or make, that no file of the folder holds."""
        real = top.resolve()
        for file, what in said.outside:
            message = f"it takes in {what[:MOST_SHOWN]}, which is not in the folder"
            self._miss(None, message, Path(shown, file.relative_to(real)))
        for file, made in said.generated:
            kinds = [kind for kind in GENERATED if kind.value.kind == made] if made else [None]
            what = f"{made}s" if made else "objects"
            for kind in kinds:
                message = f"it makes {what} that no file holds"
                self._miss(kind, message, Path(shown, file.relative_to(real)))
        if said.is_cut_short:
            self._miss(None, "its kustomizations take in too many files to follow", Path(shown))

    def _miss(self, kind: Kind | None, message: str, file: Path) -> None:
        if kind is not None and kind not in self.found.kinds:
            return
        reason = UnreadReason.UNCERTAIN
        self.unread.append(Unread(kind=kind, reason=reason, message=message, file=str(file)))

    def add(self, data: bytes, shown: str, treatment: Treatment = UNTOUCHED) -> None:
        """Take in the content of one file, and what a kustomization makes of it."""
        try:
            text = decode_text(data)
        except EncodingError as error:
            self.found.miss(str(error), shown)
            return
        del data
        for each in read_documents(text):
            self.found.add(each, shown, treatment)

    def _read_file(self, file: InputFile, treatment: Treatment = UNTOUCHED) -> None:
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
            self.add(self._counted(read_bytes(file.path, limit=limit)), file.shown, treatment)
        except UnreadableError as error:
            self.found.miss(str(error), file.shown)

    def _counted(self, data: bytes) -> bytes:
        self._bytes += len(data)
        return data


def _chart_of(file: Path, charts: set[Path]) -> Path | None:
    """Return the Helm chart that a file is a template of; None for any other file."""
    for folder in file.parents:
        if folder.name in TEMPLATE_FOLDERS and folder.parent in charts:
            return folder.parent
    return None


def _is_ours(file: InputFile) -> bool:
    """Whether a file of a recorded snapshot holds something else than objects."""
    match file.parts:
        case (name,):
            return name == SNAPSHOT_FILE
        case (folder, _, _, name):
            return folder == ENVOY_FOLDER and name in ENVOY_FILES
        case _:
            return False
