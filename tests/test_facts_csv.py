"""The form of the facts' CSV: encodings, headers, quotes, and how a time is written."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from analysis.errors import FactProblem
from analysis.facts_cells import parse_instant
from analysis.facts_csv import rows_of
from inventory.values import ValueKindError

COLUMNS = ("service", "start", "end", "attempts", "successes")
HEADER = ",".join(COLUMNS)
QUOTED = ",".join(f'" {name} "' for name in COLUMNS)
ROW = "voip,a,b,2,1"
ROME = ZoneInfo("Europe/Rome")


def read(content: bytes) -> tuple[list[dict[str, str]], list[str]]:
    """The cells of each row, and what is wrong."""
    problems: list[FactProblem] = []
    rows = [row.cells for row in rows_of("calls.csv", content, problems, columns=COLUMNS)]
    assert all(problem.remedy for problem in problems)
    return rows, [str(problem) for problem in problems]


def at(text: str) -> int:
    """UTC nanoseconds of `2011-05-03T07:00` in UTC."""
    seconds = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    return int(seconds) * 1_000_000_000


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{ROW}".encode(),
        f"{HEADER}\r\n{ROW}\r\n".encode(),
        f"{HEADER}\r{ROW}\r".encode(),
        f"\ufeff{HEADER}\n{ROW}".encode(),
        f"\n\n{HEADER}\n\n,,,,\n{ROW}\n\n".encode(),
        f"{QUOTED}\n{ROW}\n".encode(),
    ],
    ids=["LF", "CRLF", "CR", "BOM", "blank lines", "quoted header"],
)
def test_ways_to_write_the_same_table(content: bytes) -> None:
    assert read(content) == (
        [{"service": "voip", "start": "a", "end": "b", "attempts": "2", "successes": "1"}],
        [],
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "calls.csv: it is empty"),
        (b"\n \n", "calls.csv: it is empty"),
        (b"service;start;end\n", "calls.csv:1: its columns are parted by `;`"),
        (b"service\tstart\n", "calls.csv:1: its columns are parted by tabs"),
        ("service,start".encode("utf-16"), "calls.csv: it is UTF-16, not UTF-8"),
        (b"service,start,end,attempts,successes\n\xe9", "calls.csv:2: this is not UTF-8 text"),
        (
            b'service,start,end,attempts,successes\n\nvoip,"2011\nvoip,1\n',
            "calls.csv:3: a quote opens in this row and never closes",
        ),
        (b'service,start,end,attempts,successes\n"a"b', "calls.csv:2: this row is no CSV"),
        (b"service,start,end,attempts,successes\nvoip", "calls.csv:2, start: the row has 1 cells"),
        (b"service,start,end,attempts,successes\n1,,,,,6", "calls.csv:2: the row has 6 cells"),
        (b"service,start,end,attempts\n", "calls.csv:1, successes: the column is missing"),
        (b"service,start,end,attempts,successes,end\n", "calls.csv:1, end: stands twice"),
        (b"service,start,end,attempts,success\n", 'calls.csv:1, success: there is no column "succ'),
    ],
)
def test_what_is_no_such_table_is_refused(content: bytes, problem: str) -> None:
    _, said = read(content)
    assert any(line.startswith(problem) for line in said), said


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2011-10-30T02:30", "2011-10-30T00:30"),  # the first of the two
        ("2011-10-30T02:30+01:00", "2011-10-30T01:30"),
        ("2011-10-30 02:30:00+0200", "2011-10-30T00:30"),
        ("2011-10-30T02:30Z", "2011-10-30T02:30"),
        ("2011-10-29T24:00", "2011-10-29T22:00"),
        ("2011-10-30T03:00", "2011-10-30T02:00"),
    ],
)
def test_local_times_and_offsets(written: str, utc: str) -> None:
    assert parse_instant(written, ROME) == at(utc)


def test_fractions_of_a_second_are_exact() -> None:
    whole = at("2011-05-03T07:00")
    assert parse_instant("2011-05-03T09:00:00.123456789", ROME) == whole + 123_456_789
    assert parse_instant("2011-05-03T09:00:00.5", ROME) == whole + 500_000_000


@pytest.mark.parametrize(
    "written",
    [
        "2011-05-03T25:00", "2011-05-03T24:01", "2011-05-03T09:60", "2011-05-03T09:00:60",
        "2011-02-29T09:00", "0201-05-03T09:00", "9999-12-31T24:00", "2011-05-03T09:00+24:00",
        "2011-W18-2T09:00", "20110503T0900", "2011-05-03X09:00", "٢٠١١-05-03T09:00", "now",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises(ValueKindError) as caught:
        parse_instant(written, ROME)
    assert caught.value.remedy


@pytest.mark.parametrize("minute", ["02:00", "02:30", "02:59:59.999999999"])
def test_no_minute_of_the_hour_that_dst_leaves_out_exists(minute: str) -> None:
    with pytest.raises(ValueKindError, match="does not exist"):
        parse_instant(f"2011-03-27T{minute}", ROME)
    assert parse_instant("2011-03-27T03:00", ROME) == at("2011-03-27T01:00")
    with pytest.raises(ValueKindError, match="does not exist"):  # Samoa left out a whole day
        parse_instant(f"2011-12-30T{minute}", ZoneInfo("Pacific/Apia"))


def test_a_time_needs_a_zone_or_an_offset() -> None:
    assert parse_instant("2011-05-03T09:00+02:00", None) == at("2011-05-03T07:00")
    with pytest.raises(ValueKindError, match="no offset from UTC"):
        parse_instant("2011-05-03T09:00", None)
