"""Read every file behind the paths of a command line into the objects they hold."""

import os
from dataclasses import dataclass, field, replace
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
from istiodoctor.sources.rendering import (
    MOST_BUILT,
    RenderError,
    build_chart,
    build_kustomization,
)
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
    is_rendering: bool = False
    """Whether kustomizations and charts are built first."""
    notes: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    unbuilt: list[str] = field(default_factory=list)
    """Kustomizations and charts that were to be built and are not, with the reason."""
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
        for template in search.templates:
            self.found.pass_over_template(Language.OTHER, template)
        charts = {file.path.parent for file in files if file.path.name == CHART_FILE}
        top = path.resolve()
        built: set[Path] = set()
        if self.is_rendering:
            built = self._build(said, charts, files, top, shown)
        self._note(said, built, path, shown)
        for file in files:
            if file.path in built:
                continue
            if charts and (chart := _chart_of(file.path, charts)):
                self.found.pass_over_template(Language.HELM, file.shown)
                self.found.charts[str(Path(shown, chart.relative_to(path.resolve())))] = None
            elif file.path in said.patches:
                self.found.pass_over(PATCHES, file.shown)
            else:
                self._read_file(file, said.treatment(file.path))
        if self.unread:
            self.found.is_doubtful = True

    def _build(
        self,
        said: Kustomized,
        charts: set[Path],
        files: tuple[InputFile, ...],
        top: Path,
        shown: str,
    ) -> set[Path]:
        """Take in what kustomizations and charts make; return the files it is made from."""
        built: set[Path] = set()
        count = 0
        for build in said.builds:
            file = str(Path(shown, build.file.relative_to(top)))
            count += 1
            try:
                if build.fault or count > MOST_BUILT:
                    raise RenderError(build.fault or f"more than {MOST_BUILT} are given")
                data = build_kustomization(build.file.parent, (top,))
            except RenderError as error:
                self._miss(None, f"not built: {error}", Path(file))
                self.unbuilt.append(f"{file} was not built: {error}")
                continue
            built |= {*build.files, build.file, *said.patches}
            self._add_built(data, file)
        for chart in sorted(charts):
            if _chart_of(chart / CHART_FILE, charts - {chart}):
                continue
            file = str(Path(shown, chart.relative_to(top), CHART_FILE))
            count += 1
            try:
                if count > MOST_BUILT:
                    raise RenderError(f"more than {MOST_BUILT} are given")
                data = build_chart(chart, self.found.assumed_namespace, (top,))
            except RenderError as error:
                self._miss(None, f"not built: {error}", Path(file))
                self.unbuilt.append(f"{file} was not built: {error}")
                continue
            built |= {each.path for each in files if each.path.is_relative_to(chart)}
            self._add_built(data, file)
        return built

    def _add_built(self, data: bytes, shown: str) -> None:
        """Take in what a program made of a file; its lines are those of no file."""
        try:
            text = decode_text(self._counted(data))
        except EncodingError as error:
            self.found.miss(str(error), shown)
            return
        for each in read_documents(text):
            self.found.add(replace(each, line=1), shown)

    def _note(self, said: Kustomized, built: set[Path], top: Path, shown: str) -> None:
        """Note what kustomizations take in, or make, that no file of the folder holds."""
        real = top.resolve()
        for file, what in said.outside:
            message = f"it takes in {what[:MOST_SHOWN]}, which is not in the folder"
            self._miss(None, message, Path(shown, file.relative_to(real)))
        for file, made in said.generated:
            if file in built:
                continue
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
