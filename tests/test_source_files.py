"""The source `files` over real files: everything is read, exactly, or there is an error and nobody is read."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import os
import tempfile
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.errors import PredicateRefused, SourceError
from reconciler.core.model import Segment, Source
from reconciler.core.reads import Files, MembershipTable, ProfileTable
from reconciler.sources import pipes
from reconciler.sources.files import FilesSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.core import ports

DATA = Path(os.environ.get("RECONCILER_DATA", Path(__file__).parents[2] / "shared" / "data"))
ADVENTURE = DATA / "adventureworks-customers.csv"
EVERYBODY = Segment("everybody", "s", where="TRUE")


def ruled(where: str, name: str = "x") -> Segment:
    return Segment(name, "s", where=where)


def kept(member: str) -> Segment:
    return Segment(f"kept-{member}", "s", member=member)


def port(made: FilesSource) -> ports.Source:
    """Let the type checker judge that it is what the flow asks for."""
    return made


def source(folder: Path, path: str = "p.csv", memberships: str | None = None, **how: Any) -> FilesSource:
    held = None if memberships is None else MembershipTable(memberships, "id", "segment")
    how.setdefault("id", "id")
    return FilesSource(Source("s", Files(ProfileTable(path, **how), held)), folder, threads=2)


def read(
    made: FilesSource, segments: Sequence[Segment] = (EVERYBODY,), columns: Sequence[str] = (), *, apart: bool = False
) -> list[Any]:
    try:
        return sorted(row for chunk in made.members(segments, columns, apart=apart) for row in chunk)
    finally:
        made.close()


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(folder: Path, name: str, query: str) -> None:
    connection = duckdb.connect()
    connection.execute(f"COPY ({query}) TO '{folder / name}' (FORMAT parquet)")
    connection.close()


def fails(
    made: FilesSource, columns: Sequence[str] = (), segments: Sequence[Segment] = (EVERYBODY,), *, apart: bool = False
) -> str:
    with pytest.raises(SourceError) as raised:
        read(made, segments, columns, apart=apart)
    message = str(raised.value)
    assert "\n" not in message
    assert raised.value.__cause__ is None, "a foreign error may quote data"
    return message


# AdventureWorks


@pytest.mark.skipif(
    not ADVENTURE.exists(), reason="the AdventureWorks file is not here; RECONCILER_DATA names its folder"
)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_adventure_works_is_read_whole_and_its_example_predicate_works(encoding: str) -> None:
    with ADVENTURE.open(encoding=encoding, newline="") as text:
        people = list(csv.DictReader(text))
    made = port(source(DATA, ADVENTURE.name, id="CustomerKey", encoding=encoding))
    columns = [name for name in people[0] if name]
    assert list(made.columns()) == columns
    owners = ruled("HomeOwner = 'Y' AND TotalChildren >= 2")
    rich = ruled("TRY_CAST(REPLACE(TRIM(AnnualIncome), ',', '') AS INTEGER) >= 100000")
    assert made.count([EVERYBODY]) == len(people) == 18_148
    rows = {str(row[0]): row[1:] for chunk in made.members([owners, rich, EVERYBODY], columns) for row in chunk}
    made.close()
    assert len(rows) == 18_148
    for person in people:
        mask = 4
        mask |= person["HomeOwner"] == "Y" and int(person["TotalChildren"]) >= 2
        mask |= (int(person["AnnualIncome"].strip().replace(",", "")) >= 100_000) << 1
        assert rows[person["CustomerKey"]] == (mask, *(person[name] or None for name in columns))


@pytest.mark.skipif(
    not ADVENTURE.exists(), reason="the AdventureWorks file is not here; RECONCILER_DATA names its folder"
)
def test_the_wrong_encoding_and_a_value_that_is_no_number_are_one_line() -> None:
    made = source(DATA, ADVENTURE.name, id="CustomerKey")
    assert "not utf-8 text; declare the encoding" in fails(made, ["FirstName", "EmailAddress"])
    made = source(DATA, ADVENTURE.name, id="CustomerKey", encoding="latin-1")
    asked = [EVERYBODY, ruled("AnnualIncome > 60000", "rich"), ruled("TotalChildren > 1", "parents")]
    assert fails(made, [], asked) in fails(made, [], asked, apart=True)
    message = fails(made, [], asked, apart=True)
    assert message.startswith("segment rich: ")
    assert "AnnualIncome holds a value" in message
    assert "TRY_CAST(AnnualIncome AS DOUBLE)" in message
    assert "000" not in message


# Any table, written and read back

CELL = st.text(
    st.sampled_from("aZ09 ,;\t\"'\n\r|é€😀ßﷺ\\#-") | st.characters(exclude_categories=["Cs", "Cc"]), max_size=8
)
ENCODINGS = ["utf-8", "utf-16", "utf-16-le", "utf-8-sig", "utf-32", "latin-1", "cp1252", "shift_jis", "gb18030"]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(st.lists(CELL.filter(bool), max_size=4, unique_by=lambda name: name.encode().lower()))
    names = [name for name in names if name.lower() != "id"]
    rows = draw(st.lists(st.lists(CELL, min_size=len(names), max_size=len(names)), max_size=12))
    return names, rows


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(ENCODINGS),
    zipped=st.booleans(),
    header=st.booleans(),
)
def test_csv_is_read_back_exactly(
    table: tuple[list[str], list[list[str]]],
    delimiter: str,
    quoting: Any,
    end: str,
    encoding: str,
    zipped: bool,  # noqa: FBT001  # hypothesis hands it over
    header: bool,  # noqa: FBT001  # same
) -> None:
    def kept_by(text: str) -> str:
        survived = text.encode(encoding.replace("latin-1", "ascii"), errors="ignore")
        return survived.decode(encoding.replace("latin-1", "ascii")).replace("\ufeff", "")

    names = [kept_by(name) or f"n{position}" for position, name in enumerate(table[0])]
    if len({name.encode().lower() for name in names}) < len(names) or "id" in names:
        names = [f"n{position}" for position in range(len(names))]
    rows = [[kept_by(cell) for cell in row] for row in table[1]]
    out = io.StringIO(newline="")
    everything = [["id", *names]] * header + [[str(number), *row] for number, row in enumerate(rows)]
    if any("\r" in cell for row in everything for cell in row):
        quoting = csv.QUOTE_ALL  # the writer would leave a lone CR bare
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows(everything)
    content = out.getvalue().encode(encoding)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, "p.csv.gz" if zipped else "p.csv", gzip.compress(content, 1) if zipped else content)
        made = source(
            folder,
            "p.csv.gz" if zipped else "p.csv",
            encoding=encoding,
            delimiter=delimiter,
            header=header,
            columns=() if header else ("id", *names),
        )
        expected = sorted(
            ((str(number), 1, *(cell or None for cell in row)) for number, row in enumerate(rows)), key=str
        )
        found = [row for chunk in made.members([EVERYBODY], names) for row in chunk]
        made.close()
        assert sorted(found, key=str) == expected


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.none() | CELL,
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.booleans(),
            st.none() | st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 30)),
            st.none() | st.decimals(-(10**9), 10**9, places=2),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 30)),  # noqa: DTZ001  # a plain TIMESTAMP
        ),
        max_size=10,
    )
)
def test_parquet_is_read_back_exactly(rows: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        connection = duckdb.connect()
        connection.execute(
            "CREATE TABLE t (id BIGINT, s VARCHAR, i BIGINT, b BOOLEAN, d DATE, m DECIMAL(18,2), f DOUBLE, w TIMESTAMP)"
        )
        for number, row in enumerate(rows):
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [number, *row])
        connection.execute(f"COPY t TO '{place}/p.parquet'")
        connection.close()
        made = source(Path(place), "p.parquet")
        found = [row for chunk in made.members([EVERYBODY], list("sibdmfw")) for row in chunk]
        made.close()
    assert sorted(found, key=str) == sorted(((str(number), 1, *row) for number, row in enumerate(rows)), key=str)


# What is half a file, or not the file it should be


@pytest.mark.parametrize(
    "content",
    [
        'id,name\n1,one\n2,"tw',
        'id,name\n1,one\n2,"two\nthree\n',
        "id,name\n1,one\n2",
        "id,name\n1,one\n2,two,too\n",
        'id,name\n1,"one"x\n2,two\n',
        b"id,name\n1,one\n2,\xff\n",
        b"id,name\n1,one\n2,\xc3",
        "",
        "\n",
        ",,\n1,2,3\n",
        "id,name\n1," + "x" * 3_000_000 + "\n",
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_file_that_is_broken_is_an_error(tmp_path: Path, content: str | bytes) -> None:
    write(tmp_path, "p.csv", content)
    assert "two" not in fails(source(tmp_path), ["name"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_cutting_a_file_inside_quotes_is_seen_wherever_it_is(tmp_path: Path, encoding: str) -> None:
    rows = "".join(f'{number},"line one\nline two"\n' for number in range(5_000))
    whole = ("id,name\n" + rows).encode(encoding)
    wide = 2 if encoding == "utf-16" else 1
    for end in range(len(whole) - 12 * wide, len(whole) - 3 * wide, wide):
        write(tmp_path, "p.csv", whole[:end])
        assert "read by half" in fails(source(tmp_path, encoding=encoding))


@pytest.mark.parametrize("cut", [1, 8, 9, 100, 1_000])
def test_a_compressed_file_that_is_cut_short_is_an_error(tmp_path: Path, cut: int) -> None:
    content = gzip.compress(("id,name\n" + "".join(f"{number},n\n" for number in range(30_000))).encode())
    write(tmp_path, "p.csv.gz", content[:-cut])
    assert "cut short" in fails(source(tmp_path, "p.csv.gz"))


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("latin-1", b"id,name\n1,\x93quoted\x94\n"),
        ("cp1252", b"id,name\n1,\x81\n"),
        ("utf-16", "id,name\n1,x\n".encode("utf-16") + b"\x00"),
        ("utf-16", b"id,name\n1,x\n2"),
        ("ascii", "id,name\n1,é\n".encode()),
        ("shift_jis", b"id,name\n1,\x81"),
    ],
)
def test_bytes_that_the_encoding_does_not_have_are_an_error(tmp_path: Path, encoding: str, content: bytes) -> None:
    write(tmp_path, "p.csv", content)
    assert "p.csv" in fails(source(tmp_path, encoding=encoding), ["name"])


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "hex", "undefined", "", "utf-8\0"])
def test_an_encoding_that_is_none_is_refused_with_examples(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "p.csv", "id\n1\n")
    if encoding:
        assert "utf-8, latin-1, cp1252 or utf-16" in fails(source(tmp_path, encoding=encoding))
    else:
        assert read(source(tmp_path, encoding=encoding)) == [("1", 1)]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_file_that_is_written_to_while_it_is_read_is_an_error(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "p.csv", "id,name\n" + "".join(f"{number},n\n" for number in range(20_000)))
    made = source(tmp_path, encoding=encoding)
    chunks = made.members([EVERYBODY], ["name"])
    assert len(next(chunks)) > 0
    with path.open("a") as out:
        out.write("20000,late\n")
    with pytest.raises(SourceError, match="was written to while it was read"):
        list(chunks)
    with pytest.raises(SourceError, match="was written to while it was read"):
        made.count([EVERYBODY])
    made.close()


def test_a_file_that_is_replaced_is_an_error_too(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", "id\n1\n2\n")
    made = source(tmp_path)
    assert list(made.columns()) == ["id"]
    os.utime(write(tmp_path, "new", "id\n1\n3\n"), ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    (tmp_path / "new").replace(path)
    assert "was written to" in fails(made)


def test_broken_parquet_is_an_error(tmp_path: Path) -> None:
    parquet(tmp_path, "p.parquet", "SELECT range AS id FROM range(10)")
    whole = (tmp_path / "p.parquet").read_bytes()
    write(tmp_path, "p.parquet", whole[:-5])
    assert "not a whole Parquet file" in fails(source(tmp_path, "p.parquet"))


# Headers and columns


def test_empty_header_cells_are_no_columns(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id,,name,,\n1,x,one,y,\n")
    made = source(tmp_path)
    assert made.columns() == {"id": "VARCHAR", "name": "VARCHAR"}
    assert read(made, columns=["name", "NAME"]) == [("1", 1, "one", "one")]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("broken", ["\n", "\r\n", "\r", "\n\r\n"], ids=repr)
def test_a_line_break_inside_a_name_or_a_value_is_not_the_end_of_a_line(
    tmp_path: Path, broken: str, end: str, encoding: str
) -> None:
    rows = f'1,"x{broken}"{end}2,"{broken}"{end}3,z'
    write(tmp_path, "p.csv", f'id,"na{broken}me"{end}{rows}{end}')
    write(tmp_path, "q.csv", rows)
    expected = [("1", 1, f"x{broken}"), ("2", 1, broken), ("3", 1, "z")]
    assert read(source(tmp_path, encoding=encoding), columns=[f"na{broken}me"]) == expected
    bare = source(tmp_path, "q.csv", encoding=encoding, header=False, columns=("id", "name"))
    assert read(bare, columns=["name"]) == expected


@pytest.mark.parametrize("ends", [("\n", "\r\n"), ("\r\n", "\n"), ("\n", "\r"), ("\r\n", "\r")], ids=repr)
def test_a_file_that_mixes_line_ends_is_an_error_and_a_folder_that_does_is_not(
    tmp_path: Path, ends: tuple[str, str]
) -> None:
    write(tmp_path, "p.csv", f"id,name{ends[0]}1,x{ends[0]}2,y{ends[1]}3,z{ends[0]}")
    assert "mixes line ends" in fails(source(tmp_path))
    write(tmp_path, "in/a.csv", f"id,name{ends[0]}1,x{ends[0]}")
    write(tmp_path, "in/b.csv", f"id,name{ends[1]}2,y{ends[1]}")
    assert read(source(tmp_path, "in"), columns=["name"]) == [("1", 1, "x"), ("2", 1, "y")]


def test_values_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", 'id,name,more\n007," 60,000 ",\n')
    assert read(source(tmp_path), columns=["name", "more"]) == [("007", 1, " 60,000 ", None)]


@pytest.mark.parametrize(
    ("content", "how", "says"),
    [
        ("id,name,NAME\n1,2,3\n", {}, "columns 2 and 3 have the same name"),
        ("key,name\n1,2\n", {}, "there is no column 'id' for id"),
        ("id,name\n1,2\n", {"types": {"nam": "DATE"}}, "no column 'nam' for types; did you mean name?"),
        ("id,name\n1,2\n", {"types": {"name": "INTEGER); DROP"}}, "cannot be of the type"),
        ("id,name\n1,2\n", {"delimiter": "||"}, "the delimiter is one character"),
        ("1,2\n", {"header": False}, "needs columns"),
        ("1,2,3\n", {"header": False, "columns": ("id", "name")}, "too few or too many cells"),
        ("id,name\n1,2\n", {"columns": ("id", "nom")}, "the header is not what columns says"),
        ("id,name\n1,2\n,3\n", {}, "a profile has no id"),
        ('id,name\n1,2\n"",3\n', {}, "a profile has no id"),
    ],
)
def test_what_is_ambiguous_or_missing_is_refused(tmp_path: Path, content: str, how: dict[str, Any], says: str) -> None:
    write(tmp_path, "p.csv", content)
    assert says in fails(source(tmp_path, **how), ["name"])
    with pytest.raises(SourceError):
        source(tmp_path, **how).count([EVERYBODY])


def test_a_missing_column_has_its_nearest_named(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id,EmailAddress\n1,x\n")
    assert "no column 'EmailAdress' for the match; did you mean EmailAddress?" in fails(
        source(tmp_path), ["EmailAdress"]
    )


def test_declared_types_are_cast(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id,n,d,b,m\n1, 12 ,2020-02-29,true,1.50\n2,,,,\n")
    made = source(tmp_path, types={"N": "int", "d": "DATE", "b": "boolean", "m": "decimal(10, 2)"})
    assert made.columns() == {"id": "VARCHAR", "n": "INTEGER", "d": "DATE", "b": "BOOLEAN", "m": "DECIMAL(10,2)"}
    assert made.count([ruled("n = 12 AND d < CURRENT_DATE AND b")]) == 1
    assert read(made, columns=["n", "d", "b", "m"]) == [
        ("1", 1, 12, dt.date(2020, 2, 29), True, Decimal("1.50")),
        ("2", 1, None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("to", "value"),
    [("INTEGER", "60,000 "), ("INTEGER", "2.5"), ("TINYINT", "300"), ("DATE", "31/12/1999"), ("DOUBLE", "x")],
)
def test_a_value_that_is_not_of_its_type_fails_the_read_and_is_not_shown(tmp_path: Path, to: str, value: str) -> None:
    write(tmp_path, "p.csv", f'id,bad,good\n1,,a\n2,"{value}",b\n')
    message = fails(source(tmp_path, types={"bad": to}), ["bad"])
    assert message == f"p.csv: column 'bad' holds a value that is not of its type {to}"
    assert read(source(tmp_path, types={"bad": to}), columns=["good"]) == [("1", 1, "a"), ("2", 1, "b")]


def test_types_of_parquet_that_python_has_not_come_as_text_or_not_at_all(tmp_path: Path) -> None:
    parquet(
        tmp_path,
        "p.parquet",
        "SELECT 1.0::DOUBLE AS id, UUID '00000000-0000-0000-0000-000000000001' AS u, TIME '10:00' AS t, "
        "TIMESTAMPTZ '2020-01-01 02:00:00+02' AS z, 3::HUGEINT AS h, [1] AS l, 'x'::BLOB AS b",
    )
    made = source(tmp_path, "p.parquet")
    assert read(made, columns=["u", "t", "z"]) == [
        ("1.0", 1, "00000000-0000-0000-0000-000000000001", "10:00:00", dt.datetime(2020, 1, 1))  # noqa: DTZ001  # in UTC
    ]
    for column in "lb":
        assert "which cannot be sent" in fails(source(tmp_path, "p.parquet"), [column])


# Places


def test_a_folder_and_a_glob_hold_many_files(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, f"in/part-{number}.csv", f"id,name\n{number},n{number}\n")
    write(tmp_path, "in/notes.md", "not data")
    write(tmp_path, "in/deeper/part-9.csv", "id,name\n9,n9\n")
    rows = [(str(number), 1, f"n{number}") for number in range(3)]
    assert read(source(tmp_path, "in"), columns=["name"]) == rows
    assert read(source(tmp_path, "in/part-[01].csv"), columns=["name"]) == rows[:2]
    assert read(source(tmp_path, "in/**/*.csv"), columns=["name"]) == [*rows, ("9", 1, "n9")]
    assert read(source(tmp_path, "in", encoding="cp1252"), columns=["name"]) == rows
    assert read(source(tmp_path, str(tmp_path / "in")), columns=["name"]) == rows


@pytest.mark.parametrize(
    "name",
    [
        "a b.csv",
        "part *.csv",
        "part ?.csv",
        "it's.csv",
        "part [1].csv",
        "é.csv",
        "x%20y.csv",
        '"q".csv',
        "semi;colon.csv",
    ],
)
def test_odd_file_names_are_names(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "id\n1\n")
    write(tmp_path, "part 1.csv", "id\n2\n")
    assert read(source(tmp_path, name)) == [("1", 1)]


@pytest.mark.parametrize(
    ("files", "path", "says"),
    [
        ({"a.csv": "id\n1\n", "b.csv": "id,name\n1,2\n"}, ".", "b.csv has other columns than a.csv"),
        ({"a.csv": "id,name\n1,2\n", "b.csv": "name,id\n1,2\n"}, ".", "b.csv has other columns than a.csv"),
        ({"a.csv": "id\n1\n", "b.parquet": "x"}, ".", "holds CSV and Parquet files"),
        ({"a.md": ""}, ".", "there is no CSV or Parquet file"),
        ({"a.md": ""}, "*.csv", "there is no CSV or Parquet file"),
        ({}, "none.csv", "cannot be read: No such file"),
        ({}, "x\0y.csv", "is not a path"),
        ({}, "https://example.com/x.csv", "no such place is read"),
        ({"a.csv": "id\n1\n"}, "a.csv/b.csv", "cannot be read"),
    ],
)
def test_a_path_that_leads_nowhere_good(tmp_path: Path, files: dict[str, str], path: str, says: str) -> None:
    for name, content in files.items():
        write(tmp_path, name, content)
    assert says in fails(source(tmp_path, path))


def test_parquet_files_of_one_folder_have_the_same_columns(tmp_path: Path) -> None:
    parquet(tmp_path, "a.parquet", "SELECT 1 AS id, 'x' AS name")
    parquet(tmp_path, "b.parquet", "SELECT 2 AS id, 3 AS name")
    assert "b.parquet has other columns than a.parquet" in fails(source(tmp_path, "."))


@pytest.mark.parametrize(
    "path", ["../out/p.csv", "../out", "../out/*.csv", "link.csv", "linked", "linked/*.csv", "*.csv", "{out}"]
)
def test_nothing_outside_the_project_is_read_unless_its_place_is_named(tmp_path: Path, path: str) -> None:
    write(tmp_path, "out/p.csv", "id\n1\n")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.csv").symlink_to(tmp_path / "out" / "p.csv")
    (root / "linked").symlink_to(tmp_path / "out")
    path = path.format(out=tmp_path / "out" / "p.csv")
    assert "leads out of the project's folder" in fails(source(root, path))
    declared = Source("s", Files(ProfileTable(path, "id")))
    assert read(FilesSource(declared, root, (tmp_path / "out",))) == [("1", 1)]


# Segments


def test_null_is_not_in_the_segment_and_masks_tell_who_is_where(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id,n\n1,1\n2,2\n3,\n4,4\n")
    segments = [ruled("n >= 2"), ruled("NOT n >= 2"), ruled("n IS NULL"), ruled("n = 4")]
    assert read(source(tmp_path), segments) == [("1", 2), ("2", 1), ("3", 4), ("4", 9)]
    assert read(source(tmp_path), segments[:1]) == [("2", 1), ("4", 1)]
    assert read(source(tmp_path), []) == []
    assert source(tmp_path).count([]) == 0


def test_memberships_are_joined_by_id_and_counted_once(tmp_path: Path) -> None:
    parquet(tmp_path, "p.parquet", "SELECT range AS id, 'n' || range AS name FROM range(5)")
    write(tmp_path, "m.csv", "segment,id\nA,1\nA,1\nA,2\nB,2\nB,02\nA,99\na,3\nC,\n,4\n")
    segments = [kept("A"), kept("B"), ruled("id = 4"), kept("A")]
    assert read(source(tmp_path, "p.parquet", "m.csv"), segments) == [("1", 9), ("2", 11), ("4", 4)]
    assert read(source(tmp_path, "p.parquet", "m.csv"), segments[:2], ["name"]) == [("1", 1, "n1"), ("2", 3, "n2")]
    made = source(tmp_path, "p.parquet", "m.csv")
    assert made.count(segments) == 3
    assert made.count([kept("C")]) == 0
    assert [made.recognises(kept(name)) for name in ("A", "B", "C", "a", "b", "A ", "")] == [True] * 4 + [False] * 3
    assert made.recognises(ruled("id = 1"))
    made.close()


def test_names_that_the_engine_could_confuse_are_kept_apart(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "k,w0,m,s,p,text_,v\n1,a,b,c,d,5,f\n")
    write(tmp_path, "m.csv", 'segment,id\n"it\'s",1\n')
    made = source(tmp_path, memberships="m.csv", id="k")
    segments = [
        kept("it's"),
        ruled("w0 = 'a' AND m = 'b' AND s = 'c' AND p = 'd' AND TRIM(text_) = 5"),
        kept("x' OR '1"),
    ]
    assert read(made, segments, ["s", "m"]) == [("1", 3, "c", "b")]


@pytest.mark.parametrize("many", [60, 61, 62, 63, 64, 120, 121, 200])
def test_any_number_of_segments_fits_the_mask(tmp_path: Path, many: int) -> None:
    write(tmp_path, "p.csv", "id\n" + "".join(f"{number}\n" for number in range(many + 5)))
    write(tmp_path, "m.csv", "id,segment\n" + "".join(f"{number},s{number}\n" for number in range(many)))
    segments = [kept(f"s{number}") if number % 3 == 0 else ruled(f"id = '{number}'") for number in range(many)]
    expected = sorted((str(number), 1 << number) for number in range(many))
    assert read(source(tmp_path, memberships="m.csv"), segments) == expected


def test_memberships_that_cannot_be_read_stop_only_who_needs_them(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id\n1\n")
    for held, says in (("none.csv", "none.csv: cannot be read"), (None, "keeps no memberships")):
        made = source(tmp_path, memberships=held)
        assert made.count([EVERYBODY]) == 1
        for ask in (made.check, made.recognises, lambda segment, made=made: made.count([segment])):
            with pytest.raises(SourceError, match=says):
                ask(kept("A"))
        made.close()


def test_half_read_memberships_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id\n1\n")
    write(tmp_path, "m.csv", 'id,segment\n1,A\n2,"B')
    assert fails(source(tmp_path, memberships="m.csv"), [], [kept("A")]).startswith("p.csv: ") is False
    with pytest.raises(SourceError, match=r"m\.csv"):
        source(tmp_path, memberships="m.csv").recognises(kept("A"))


# Streams


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_other_questions_do_not_end_a_stream_and_it_may_be_left_early(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "p.csv", "id,name\n" + "".join(f"{number},n\n" for number in range(60_000)))
    made = source(tmp_path, encoding=encoding)
    stream = made.members([EVERYBODY], ["name"])
    first = len(next(stream))
    assert made.count([ruled("id < 10")]) == 10
    made.check(ruled("name = 'x'"))
    assert first + sum(len(chunk) for chunk in stream) == 60_000
    left = made.members([EVERYBODY], ["name"])
    next(left)
    left.close()  # type: ignore[attr-defined]  # an iterator to the port, a generator here
    assert [thread for thread in threading.enumerate() if thread.name.startswith("decode-")] == []
    assert made.count([EVERYBODY]) == 60_000
    made.close()
    made.close()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_source_may_be_closed_in_mid_stream(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "p.csv", "id,name\n" + "".join(f"{number},{'n' * 50}\n" for number in range(60_000)))
    made = source(tmp_path, encoding=encoding)
    stream = made.members([EVERYBODY], ["name"])
    next(stream)
    made.close()
    stream.close()  # type: ignore[attr-defined]  # as above
    assert [thread for thread in threading.enumerate() if thread.name.startswith("decode-")] == []


def test_a_scan_that_takes_too_long_is_stopped_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id,name\n" + "".join(f"{number},{'ab' * 200}\n" for number in range(20_000)))
    slow = ruled(" OR ".join(f"REGEXP_MATCHES(name, '(a?b?){{30}}c{number}')" for number in range(50)))
    made = FilesSource(Source("s", Files(ProfileTable("p.csv", "id"))), tmp_path, threads=1, timeout=0.05)
    with pytest.raises(SourceError, match=r"was stopped after 0\.05 s"):
        list(made.members([slow], []))
    made.close()


def test_too_little_memory_is_one_line(tmp_path: Path) -> None:
    parquet(tmp_path, "p.parquet", "SELECT md5(range::VARCHAR) AS id FROM range(300000)")
    made = FilesSource(Source("s", Files(ProfileTable("p.parquet", "id"))), tmp_path, threads=1, memory="8MB")
    with pytest.raises(SourceError, match="more memory than its limit of 8MB"):
        made.count([EVERYBODY])
    made.close()


@pytest.fixture
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def test_decoding_leaves_nothing_on_disk(tmp_path: Path, spools: Path) -> None:
    write(tmp_path, "p.csv", "id,name\n" + "".join(f"{number},n\n" for number in range(9_000)))
    made = source(tmp_path, encoding="cp1252")
    stream = made.members([EVERYBODY], ["name"])
    next(stream)
    assert all(path.is_dir() or path.is_fifo() for path in spools.rglob("*"))
    assert len(list(stream)) > 0
    made.close()


def test_a_pipe_that_nobody_opens_is_taken_down(tmp_path: Path, spools: Path) -> None:
    path = write(tmp_path, "p.csv", "id\n1\n")
    how = pipes.Decoding("cp1252", ",", header=True, width=1)
    with pytest.raises(SourceError, match="stop"), pipes.flowing([path, path], how, spools, "p.csv"):
        raise SourceError("stop")
    assert [thread for thread in threading.enumerate() if thread.name.startswith("decode-")] == []


def test_more_pipes_than_threads_are_refused(tmp_path: Path) -> None:
    for number in range(65):
        write(tmp_path, f"in/{number}.csv", f"id\n{number}\n")
    assert "more than 64 files" in fails(source(tmp_path, "in", encoding="cp1252"))
    assert len(read(source(tmp_path, "in"))) == 65


def test_memberships_with_too_many_names_or_without_their_columns_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id\n1\n")
    write(tmp_path, "m.csv", "id,segment\n" + "".join(f"1,s{number}\n" for number in range(100_000)))
    with pytest.raises(SourceError, match="names 100,000 segments or more"):
        source(tmp_path, memberships="m.csv").recognises(kept("s1"))
    write(tmp_path, "n.csv", "id,segmnt\n1,A\n")
    with pytest.raises(SourceError, match="did you mean segmnt"):
        source(tmp_path, memberships="n.csv").check(kept("A"))


def test_nothing_that_is_read_is_in_a_predicates_refusal(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id,name\n1,somebody@example.com\n")
    for where in ("CAST(name AS INTEGER) = 1", "STRPTIME(name, '%Y') > CURRENT_DATE", "LOWER(name) = 1"):
        made = source(tmp_path)
        with pytest.raises(PredicateRefused) as refused:
            read(made, [ruled(where)])
        assert "somebody" not in str(refused.value)
        assert refused.value.__suppress_context__


def test_a_predicate_that_nobody_can_meet_finds_nobody_in_a_file_that_is_decoded_too(tmp_path: Path) -> None:
    write(tmp_path, "p.csv", "id,name\n1,Zoë\n".encode("cp1250"))
    made = source(tmp_path, encoding="cp1250")
    assert made.count([ruled("1 = 0")]) == 0
    assert list(made.members([ruled("name = NULL")], ["name"])) == []
    assert read(made, [ruled("name = 'Zoë'")]) == [("1", 1)]
