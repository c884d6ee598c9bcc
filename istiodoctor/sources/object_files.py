"""Read every file behind the paths of a command line into the objects they hold."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

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
    SECONDS_OF_ALL,
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


NO_KUSTOMIZATION = Kustomized()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that was given, with the files below it."""

    top: Path
    shown: str
    files: tuple[InputFile, ...]

    @property
    def charts(self) -> set[Path]:
        """The folders of Helm charts."""
        return {file.path.parent for file in self.files if file.path.name == CHART_FILE}


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
    _folders: dict[str, Folder] = field(default_factory=dict)
    _said: Kustomized = NO_KUSTOMIZATION
    _built: set[Path] = field(default_factory=set)
    """Files that something was built from: that takes their place."""
    _builds: int = 0
    _first_build: float = 0.0

    def open(self, paths: Iterable[str]) -> None:
        """Look into all folders before any file is read: kustomizations reach from one to another.

        They are followed and built within these folders alone.
        """
        for shown in paths:
            if (path := Path(shown)).is_dir():
                search = Search(path, shown, unread=self.unread, notes=self.notes)
                files = tuple(search.files())
                self._folders[shown] = Folder(path.resolve(), shown, files)
                for template in search.templates:
                    self.found.pass_over_template(Language.OTHER, template)
        tops = tuple(each.top for each in self._folders.values())
        every = (file.path for folder in self._folders.values() for file in folder.files)
        self._said = kustomized(dict.fromkeys(file.parent for file in every), tops)
        if self.is_rendering:
            self.found.can_be_built = False
            self._build_kustomizations(tops)
            for folder in self._folders.values():
                self._build_charts(folder, tops)
        self._note()
        self.found.is_doubtful |= bool(self.unread)

    def read(self, shown: str) -> None:
        """Read a file, or a folder with all that is below it, that was opened."""
        folder = self._folders.get(shown)
        if folder is None:
            self._read_file(InputFile(Path(shown), shown))
            return
        charts = folder.charts
        for file in folder.files:
            if file.path in self._built:
                continue
            if charts and (chart := _chart_of(file.path, charts)):
                self.found.pass_over_template(Language.HELM, file.shown)
                self.found.charts[self._shown(chart)] = None
            elif file.path in self._said.patches:
                self.found.pass_over(PATCHES, file.shown)
            else:
                self._read_file(file, self._said.treatment(file.path))

    def _shown(self, path: Path) -> str:
        """Return a file or folder as the user would write it."""
        for each in self._folders.values():
            if path.is_relative_to(each.top):
                return str(Path(each.shown, path.relative_to(each.top)))
        return path.name

    def _build_kustomizations(self, tops: tuple[Path, ...]) -> None:
        """Take in what the kustomizations make that no other one takes in."""
        for build in self._said.builds:
            shown = self._shown(build.file)
            try:
                self._allow(build.fault)
                data = build_kustomization(build.file.parent, tops)
            except RenderError as error:
                self._not_built(error, shown)
                continue
            self._built |= {*build.files, build.file, *build.patches}
            self._add_built(data, shown)

    def _build_charts(self, folder: Folder, tops: tuple[Path, ...]) -> None:
        """Take in what charts make, but for those within another one."""
        for chart in sorted(folder.charts):
            if _chart_of(chart / CHART_FILE, folder.charts - {chart}):
                continue
            shown = self._shown(chart / CHART_FILE)
            try:
                self._allow()
                data = build_chart(chart, self.found.assumed_namespace, tops)
            except RenderError as error:
                self._not_built(error, shown)
                continue
            self._built |= {each.path for each in folder.files if each.path.is_relative_to(chart)}
            self._add_built(data, shown)

    def _allow(self, fault: str = "") -> None:
        """Count one thing to build; raises RenderError where it is not to be built."""
        self._builds += 1
        if self._builds > MOST_BUILT:
            fault = f"more than {MOST_BUILT} are given"
        if self._bytes > MAX_ALL_BYTES:
            fault = f"more than {MAX_ALL_BYTES // (1024 * 1024)} MiB were built"
        self._first_build = self._first_build or monotonic()
        if monotonic() - self._first_build > SECONDS_OF_ALL:
            fault = f"building the others took longer than {SECONDS_OF_ALL:.0f} seconds"
        if fault:
            raise RenderError(fault)

    def _not_built(self, error: RenderError, shown: str) -> None:
        self._miss(None, f"not built: {error}", shown)
        self.unbuilt.append(f"{shown} was not built: {error}")

    def _add_built(self, data: bytes, shown: str) -> None:
        """Take in what a program made of a file; its lines are those of no file."""
        try:
            text = decode_text(self._counted(data))
        except EncodingError as error:
            self.found.miss(str(error), shown)
            return
        for each in read_documents(text):
            self.found.add(replace(each, line=1), shown)

    def _note(self) -> None:
        """Note what kustomizations take in, or make, that no file holds."""
        for file, what in self._said.outside:
            message = f"it takes in {what[:MOST_SHOWN]}, which is not in the folder"
            self._miss(None, message, self._shown(file))
        for file, made in self._said.generated:
            if file in self._built:
                continue
            kinds = [kind for kind in GENERATED if kind.value.kind == made] if made else [None]
            what = f"{made}s" if made else "objects"
            for kind in kinds:
                self._miss(kind, f"it makes {what} that no file holds", self._shown(file))
        if self._said.is_cut_short:
            shown = next(iter(self._folders))
            self._miss(None, "its kustomizations take in too many files to follow", shown)

    def _miss(self, kind: Kind | None, message: str, file: str) -> None:
        if kind is not None and kind not in self.found.kinds:
            return
        reason = UnreadReason.UNCERTAIN
        self.unread.append(Unread(kind=kind, reason=reason, message=message, file=file))

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
