"""Decides which files a declared path stands for, and that none lies outside the folders it may lie in."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Protocol

from reconciler.core.errors import SourceError
from reconciler.sources import exported, marks

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reconciler.sources.exported import Dated

CSV = (".csv", ".csv.gz", ".tsv", ".txt")
PARQUET = (".parquet", ".parq")
GLOB = frozenset("*?[")
"""What makes a path a glob, to us and to the engine."""
REFRESHING = ("_temporary", "_refreshing")
"""What stands in a folder while its files are written: the first by Hadoop and Spark, the second by anybody else."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was when the source was opened."""

    path: Path
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Take the stamp of a file. Raises OSError."""
        found = path.stat()
        return cls(path, found.st_ino, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one table, sorted, all CSV or all Parquet; `label` is the path as it was declared.

    `roots` are the folders that they may lie in; a relative path starts at the first.
    """

    label: str
    stamps: tuple[Stamp, ...]
    parquet: bool
    roots: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, resolved."""
        return tuple(stamp.path for stamp in self.stamps)

    def told(self) -> str:
        """Say how many files and bytes there are, and when the last of them was written."""
        size, last = sum(stamp.size for stamp in self.stamps), max(stamp.changed for stamp in self.stamps)
        files = f"{len(self.stamps):,} files, " if len(self.stamps) > 1 else ""
        when = dt.datetime.fromtimestamp(last // 10**9, dt.UTC)
        return f"{self.label} ({files}{size:,} bytes, written {when:%Y-%m-%d %H:%M} UTC)"

    def mark(self) -> str:
        """Give a digest of the names and bytes of all files. Raises SourceError."""
        return marks.content(self)

    def unchanged(self) -> None:
        """Raise SourceError when a file is no longer the one that was opened, or is not alone any more."""
        for stamp in self.stamps:
            try:
                same = Stamp.of(stamp.path) == stamp
            except OSError:
                same = False
            if not same:
                raise SourceError(f"{self.label}: {stamp.path.name} was written to while it was read; try again")
        if find(self.label, self.roots[0], self.roots[1:]).files != self.files:
            raise SourceError(f"{self.label}: files came while it was read; try again")


class Named(Protocol):
    """A file of a table, on this machine or in a store."""

    @property
    def name(self) -> str:
        """Its name without the folders."""
        ...

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        """Open it for reading."""
        ...


class Where(Protocol):
    """The files of one table, wherever they are: a Place, or the objects of a store."""

    @property
    def label(self) -> str:
        """The path as it was declared."""
        ...

    @property
    def parquet(self) -> bool:
        """Whether they are Parquet."""
        ...

    @property
    def files(self) -> Sequence[Named]:
        """The files, sorted."""
        ...

    def told(self) -> str:
        """Say how many files and bytes there are, and when the last of them was written."""
        ...

    def mark(self) -> str:
        """Tell the content apart from that at another time. Raises SourceError."""
        ...

    def unchanged(self) -> None:
        """Raise SourceError when it is no longer what was opened."""
        ...


def delta(label: str, roots: Sequence[Path]) -> Path | None:
    """Give the folder of a Delta table, by its log; None: it is none. Raises SourceError."""
    try:
        folder = (roots[0] / label).resolve()
        if not (folder / "_delta_log").is_dir():
            return None
        inside = tuple(root.resolve() for root in roots)
        _inside((folder / "_delta_log").resolve(), inside, label)
        return _inside(folder, inside, label)
    except (OSError, ValueError, RuntimeError):  # `find` says what is the matter with it
        return None


def find(label: str, root: Path, roots: Sequence[Path] = ()) -> Place:
    """Give the files of a path: a file, every CSV or Parquet file of a folder, or a glob. Raises SourceError.

    `label` is relative to `root`, or absolute; every file must lie in `root` or one of `roots`, links followed.
    """
    inside = tuple(folder.resolve() for folder in (root, *roots))
    try:
        named = _named(label, root, inside)
        _at_rest(label, {root / label, *(path.parent for path in named)})
        found = sorted({_inside(path.resolve(strict=True), inside, label) for path in named})
        stamps = tuple(Stamp.of(path) for path in found)
    except OSError as error:
        raise SourceError(f"{label}: cannot be read: {error.strerror or 'not a path'}") from None
    except (ValueError, RuntimeError):  # a NUL in the path; links that lead in a circle
        raise SourceError(f"{label}: is not a path to a file") from None
    return Place(label, stamps, _parquet(label, found), (root, *roots))


def dated(label: str, root: Path, roots: Sequence[Path] = ()) -> Dated | None:
    """Choose among the dated folders that Customer Insights wrote; None: there is none. Raises SourceError."""
    path = root / label
    try:
        if not path.is_dir() or not exported.dated([entry.name for entry in path.iterdir() if entry.is_dir()]):
            return None
        _inside(path.resolve(), tuple(folder.resolve() for folder in (root, *roots)), label)
        names = [entry.relative_to(path).as_posix() for entry in path.rglob("*") if entry.is_file()]
        return exported.newest(label, path.resolve().name, names, lambda name: _bytes(path / name))
    except OSError as error:
        raise SourceError(f"{label}: cannot be read: {error.strerror or 'not a path'}") from None


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _named(label: str, root: Path, inside: Sequence[Path]) -> list[Path]:
    path = root / label
    if path.is_dir():
        _inside(path.resolve(), inside, label)
        return [entry for entry in path.iterdir() if entry.is_file() and entry.name.lower().endswith((*CSV, *PARQUET))]
    if path.exists() or not GLOB & set(label):
        return [path]
    plain = next(index for index, part in enumerate(path.parts) if GLOB & set(part))
    base = Path(*path.parts[:plain])
    _inside(base.resolve(), inside, label)
    return [entry for entry in base.glob(str(Path(*path.parts[plain:]))) if entry.is_file()]


def _at_rest(label: str, folders: Collection[Path]) -> None:
    """Raise SourceError when somebody says that the files are being written, which are by half what they will be."""
    for folder, sign in itertools.product(sorted(folders), REFRESHING):
        if (folder / sign).exists():
            raise SourceError(f"{label}: is being refreshed, as {sign} beside it says; try again when that is gone")


def _inside(path: Path, inside: Sequence[Path], label: str) -> Path:
    if not any(path.is_relative_to(folder) for folder in inside):
        raise SourceError(f"{label}: leads out of the project's folder; name the place in Project.spec.dataRoots")
    return path


def _parquet(label: str, files: Sequence[Path]) -> bool:
    """Tell whether the files are Parquet; refuse none, a mixture, and names that the engine would take for a glob."""
    endings = {path.name.lower().endswith(PARQUET) for path in files}
    if not endings:
        raise SourceError(f"{label}: there is no CSV or Parquet file here")
    if len(endings) > 1:
        raise SourceError(f"{label}: holds CSV and Parquet files; name one kind, as in {label.rstrip('/')}/*.csv")
    for path in files:
        if not path.is_file():
            raise SourceError(f"{label}: {path.name} is not a file")
    parquet = endings.pop()
    if parquet and any(GLOB & set(str(path)) for path in files):
        raise SourceError(f"{label}: the engine cannot read Parquet under a name with '*', '?' or '['; rename it")
    return parquet
