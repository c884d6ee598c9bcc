"""The files of the paths that a user gave, and their bytes: regular files only, bounded."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread
from istiodoctor.sources.source import SourceError, SourceErrorKind

STANDARD_INPUT = "-"
SUFFIXES = (".yaml", ".yml", ".json")
TEMPLATE_SUFFIXES = (
    *(".jsonnet", ".yaml.j2", ".yml.j2", ".yaml.jinja2", ".yaml.tmpl", ".yml.tmpl", ".yaml.tpl"),
    *(".yaml.gotmpl", ".yml.gotmpl", ".yaml.erb", ".yml.erb", ".yaml.template", ".json.j2"),
)
"""Files from which manifests are made."""
ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
MAX_FILES = 20_000
MAX_ENTRIES = 200_000
"""Directory entries looked at in one folder tree, whatever they are called."""
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_ALL_BYTES = 256 * 1024 * 1024


class UnreadableError(Exception):
    """A file that cannot be read, and why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read: where it is, and its name as the user would write it."""

    path: Path
    shown: str
    parts: tuple[str, ...] = ()
    """Its path from the folder that was given; empty for a file given by name."""


def check_path(shown: str) -> Path:
    """Return a path that can be read; raises SourceError for wrong usage."""
    path = Path(shown)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise SourceError(
            SourceErrorKind.USAGE, f"{shown}: there is no such file or folder"
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(SourceErrorKind.USAGE, f"{shown}: {reason_of(error)}") from None
    if stat.S_ISDIR(mode):
        return path
    if shown.lower().endswith(ARCHIVES):
        raise SourceError(
            SourceErrorKind.USAGE,
            f"{shown}: archives are not supported yet; unpack it and give the folder",
        )
    if not stat.S_ISREG(mode):
        raise SourceError(
            SourceErrorKind.USAGE,
            f"{shown}: this is no regular file; pipe its content in with `-f -`",
        )
    return path


@dataclass(slots=True)
class Search:
    """The files below one folder, and what of it was passed over or could not be looked into."""

    root: Path
    shown: str
    suffixes: tuple[str, ...] = SUFFIXES
    kind: Kind | None = None
    """What the files hold, where that is one kind."""
    unread: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    """Files from which something else makes such files."""

    def files(self) -> Iterator[InputFile]:
        """Yield the files, sorted, but hidden ones; links are followed within the tree alone."""
        top = os.path.realpath(self.root)
        pending: list[tuple[str, ...]] = [()]
        entries = found = 0
        while pending:
            parts = pending.pop()
            path = self.root.joinpath(*parts)
            if self._is_folder(path, parts):
                names = self._names(path, parts)
                entries += len(names)
                if entries > MAX_ENTRIES:
                    self._miss(parts, f"more than {MAX_ENTRIES:,} entries; not read any further")
                    return
                pending += [(*parts, name) for name in reversed(names)]
            elif parts[-1].lower().endswith(self.suffixes) and self._is_ours(path, parts, top):
                found += 1
                if found > MAX_FILES:
                    self._miss((), f"more than {MAX_FILES:,} files; not read any further")
                    return
                yield InputFile(Path(os.path.realpath(path)), self._shown(parts), parts)
            elif parts[-1].lower().endswith(TEMPLATE_SUFFIXES):
                self.templates.append(self._shown(parts))

    def _is_folder(self, path: Path, parts: tuple[str, ...]) -> bool:
        try:
            mode = path.lstat().st_mode if parts else path.stat().st_mode
        except OSError:
            return False
        return stat.S_ISDIR(mode)

    def _names(self, path: Path, parts: tuple[str, ...]) -> list[str]:
        try:
            names = sorted(os.listdir(path))  # noqa: PTH208  # names alone: no Path for each
        except OSError as error:
            self._miss(parts, reason_of(error))
            return []
        return [name for name in names if not name.startswith(".")]

    def _is_ours(self, path: Path, parts: tuple[str, ...], top: str) -> bool:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(top):
            self.notes.append(f"{self._shown(parts)}: a link out of the folder is not followed")
            return False
        if not real.is_file():
            if not real.is_dir():
                self.notes.append(f"{self._shown(parts)}: passed over, it is no regular file")
            return False
        return True

    def _miss(self, parts: tuple[str, ...], message: str) -> None:
        self.unread.append(Unread(kind=self.kind, message=message, file=self._shown(parts)))

    def _shown(self, parts: tuple[str, ...]) -> str:
        return str(Path(self.shown, *parts))


def read_bytes(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return a regular file's content; raises UnreadableError for more than `limit` bytes."""
    try:
        with open_regular(path) as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise UnreadableError(reason_of(error)) from None
    if len(data) > limit:
        raise UnreadableError(f"larger than {limit // (1024 * 1024)} MiB")
    return data


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file; raises OSError for anything else, and never waits for a writer."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file")
    return os.fdopen(descriptor, "rb")


def read_stream(stream: TextIO | BinaryIO) -> bytes:
    """Return what comes in on standard input; raises UnreadableError when it is too much."""
    binary = getattr(stream, "buffer", stream)
    data = binary.read(MAX_FILE_BYTES + 1)
    if isinstance(data, str):
        data = data.encode()
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableError(f"larger than {MAX_FILE_BYTES // (1024 * 1024)} MiB")
    return bytes(data)


def reason_of(error: Exception) -> str:
    """Return the operating system's words without its own repetition of the path."""
    return str(getattr(error, "strerror", None) or error).lower()
