"""Sources that changed, did not, or are changing: what tells a schedule to read them, and what keeps it from it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import SourceError
from reconciler.core.model import Segment, Source
from reconciler.core.reads import Files, MembershipTable, ProfileTable
from reconciler.sources.files import FilesSource

if TYPE_CHECKING:
    from pathlib import Path

EVERYBODY = Segment("everybody", "profiles", where="TRUE")
KEPT = Segment("kept", "profiles", member="kept")
TODAY = Segment("today", "profiles", where="CAST(since AS DATE) <= CURRENT_DATE")
SAID = Segment("said", "profiles", where="since = 'CURRENT DATE'")


def folder(root: Path) -> Path:
    (root / "people").mkdir(parents=True)
    for name in ("a", "b"):
        (root / "people" / f"{name}.csv").write_text(f"id,since\n{name},2020-01-01\n")
    (root / "kept.csv").write_text("id,segment\na,kept\n")
    return root


def source(root: Path, path: str = "people") -> FilesSource:
    return FilesSource(
        Source("profiles", Files(ProfileTable(path, "id"), MembershipTable("kept.csv", "id", "segment"))), root
    )


def mark(root: Path, *segments: Segment) -> str | None:
    opened = source(root)
    try:
        return opened.mark(segments or (EVERYBODY,))
    finally:
        opened.close()


def test_a_mark_is_of_what_is_in_the_files_and_not_of_where_and_when_they_were_written(tmp_path: Path) -> None:
    here = folder(tmp_path / "here")
    there = shutil.copytree(here, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert mark(here) == mark(there) is not None
    (there / "people" / "b.csv").write_text("id,since\nb,2020-01-02\n")
    assert mark(here) != mark(there)
    shutil.copyfile(here / "people" / "b.csv", there / "people" / "b.csv")
    assert mark(here) == mark(there)
    (there / "people" / "c.csv").write_text("id,since\n")
    assert mark(here) != mark(there)


def test_memberships_count_where_they_are_read(tmp_path: Path) -> None:
    root = folder(tmp_path)
    before = mark(root, EVERYBODY), mark(root, KEPT)
    (root / "kept.csv").write_text("id,segment\nb,kept\n")
    assert mark(root, EVERYBODY) == before[0]
    assert mark(root, KEPT) != before[1]


def test_what_depends_on_the_day_has_no_mark(tmp_path: Path) -> None:
    root = folder(tmp_path)
    assert mark(root, TODAY) is None
    assert mark(root, EVERYBODY, TODAY) is None
    assert mark(root, SAID) is not None


@pytest.mark.parametrize("path", ["people", "people/*.csv"])
def test_files_that_come_while_others_are_read_are_an_error(tmp_path: Path, path: str) -> None:
    root = folder(tmp_path)
    opened = source(root, path)
    assert opened.count([EVERYBODY]) == 2
    (root / "people" / "c.csv").write_text("id,since\nc,2020-01-01\n")
    with pytest.raises(SourceError, match="files came while it was read"):
        opened.count([EVERYBODY])
    with pytest.raises(SourceError, match="files came while it was read"):
        opened.mark([EVERYBODY])
    opened.close()


@pytest.mark.parametrize("path", ["people", "people/*.csv", "people/a.csv"])
@pytest.mark.parametrize("sign", ["_temporary", "_refreshing"])
def test_a_folder_that_is_being_written_is_not_read(tmp_path: Path, path: str, sign: str) -> None:
    root = folder(tmp_path)
    opened = source(root, path)
    opened.columns()
    (root / "people" / sign).mkdir()
    with pytest.raises(SourceError, match=f"is being refreshed, as {sign}"):
        opened.count([EVERYBODY])
    opened.close()
    with pytest.raises(SourceError, match=f"is being refreshed, as {sign}"):
        source(root, path).columns()
