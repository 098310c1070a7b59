"""The plot on a terminal: every mark at its place, gaps as gaps, within its width and height."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries import histogram
from timeseries.embedded import EmbeddedStore
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, PlanRecord, TrainRecord
from timeseries.spool import Spool
from timeseries.terminal_plot import MARGIN, Scale, plot

MS = 1_000_000
MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
D0 = 20_400 * DAY_NS
"""2025-11-08."""
UTC = ZoneInfo("UTC")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def figures(delays_ms: Iterable[float], limit_ms: int = 300) -> DelayFigures:
    delays = sorted(int(one * MS) for one in delays_ms)
    if not delays:
        return DelayFigures(within_limit=0)
    bounds = histogram.BOUNDS_NS
    bins: dict[int, int] = {}
    for delay in delays:
        bin_ = next((i for i, bound in enumerate(bounds) if delay <= bound), len(bounds))
        bins[bin_] = bins.get(bin_, 0) + 1
    middle = delays[len(delays) // 2]
    return DelayFigures(
        delays[0], middle, middle, delays[-1], delays[-1], delays[-1], 0, 0,
        within_limit=sum(one <= limit_ms * MS for one in delays),
        histogram=tuple(sorted(bins.items())),
    )  # fmt: skip


def train(start_ns: int, delays_ms: Iterable[float] = (12.0,) * 10, **changes: Any) -> TrainRecord:
    """Ten packets, of which those with a delay came back."""
    rtt = figures(delays_ms)
    received = histogram.size(rtt.histogram)
    made = TrainRecord(
        "roma", "p", "roma-01", "ip-base", "", "", "icmp", "t", "192.0.2.1", start_ns, 10, 10,
        received, 10 - received, 0, 0, 0, 0, 0, 300 * MS, "rtt", rtt, None, None, None, False,
        None, None, True, (), (), 10, received, 0, 0, 0, 0, True, 1, (), (),
    )  # fmt: skip
    return replace(made, **changes)


Make = Callable[[Iterable[TrainRecord]], EmbeddedReader]


@pytest.fixture
def reader_of(tmp_path: Path) -> Make:
    """A reader of a real spool that has these trains."""

    def make(trains: Iterable[TrainRecord]) -> EmbeddedReader:
        with Spool(tmp_path / "spool.sqlite") as spool:
            spool.append(trains)
        return EmbeddedReader(tmp_path, threads=1)

    return make


def day(minutes: Iterable[int] = range(0, 1440, 5), **changes: Any) -> list[TrainRecord]:
    return [train(D0 + minute * MINUTE_NS, **changes) for minute in minutes]


def drawn(reader: EmbeddedReader, **options: Any) -> list[str]:
    given = {"width": 82, "height": 20, "colour": False, "zone": UTC, **options}
    begin, end = given.pop("from_ns", D0), given.pop("to_ns", D0 + DAY_NS)
    return plot(reader, "p", begin, end, **given).splitlines()


def strip(text: list[str]) -> str:
    """The loss strip, one character a column."""
    (found,) = (one for one in text if one.strip().startswith("loss│"))
    return found.partition("│")[2]


def chart(text: list[str]) -> list[str]:
    """The rows of the chart, without the axis."""
    end = next(number for number, one in enumerate(text) if one.strip().startswith("loss│"))
    return [re.split("[│┤]", one, maxsplit=1)[1] for one in text[1:end]]


def test_a_quiet_day_is_one_unbroken_line(reader_of: Make) -> None:
    text = drawn(reader_of(day()))
    assert text[0] == "p  2025-11-08 00:00 to 2025-11-09 00:00 UTC"
    lines = [row for row in chart(text) if row.strip()]
    assert len(lines) == 1
    assert len(lines[0]) == 82 - MARGIN
    assert " " not in lines[0]
    assert strip(text).strip() == ""
    assert "median 12 ms" in " ".join(text[-2:])
    assert "lost 0 of 2880 (0.00 %)" in " ".join(text[-2:])


def test_it_keeps_to_its_width_and_height(reader_of: Make) -> None:
    reader = reader_of(day(delays_ms=(3.0, 12.0, 290.0)))
    for width, height in ((40, 12), (82, 24), (200, 50), (41, 13)):
        for zone in (UTC, ZoneInfo("Asia/Kathmandu")):
            text = drawn(reader, width=width, height=height, zone=zone)
            assert len(text) == height
            assert max(map(len, text)) <= width


def test_a_peak_stands_at_its_hour_and_its_height(reader_of: Make) -> None:
    trains = day()
    trains[144:156] = [train(one.start_ns, (20.0,) * 10) for one in trains[144:156]]  # 12 to 13 h
    rows = chart(drawn(reader_of(trains)))
    columns = 82 - MARGIN
    top = next(row for row in rows if row.strip())
    at = [column for column, one in enumerate(top) if one != " "]
    assert min(at) == 12 * columns // 24
    assert max(at) <= 13 * columns // 24
    assert max(at) - min(at) >= 2
    # The rest of the day lies below.
    low = [row for row in rows if row.strip()][-1]
    assert low[:10].strip()
    assert low[-10:].strip()


def test_the_95th_percentile_is_told_apart_from_the_median(reader_of: Make) -> None:
    text = drawn(reader_of(day(delays_ms=(12.0,) * 8 + (18.0, 18.0))), colour=True)
    coloured = "\n".join(text)
    assert "\x1b[36m" in coloured  # the median
    assert "\x1b[33m" in coloured  # the percentile
    rows = [row for row in chart([ESCAPES.sub("", one) for one in text]) if row.strip()]
    assert len(rows) == 2


DOT_PLACES = {"1": (0, 0), "2": (0, 1), "3": (0, 2), "7": (0, 3),
              "4": (1, 0), "5": (1, 1), "6": (1, 2), "8": (1, 3)}  # fmt: skip
"""Column and row of each dot by the number that Unicode's names give it."""


def dots(rows: list[str]) -> dict[int, list[int]]:
    """The rows of dots, from above, that are set in each column of dots."""
    found: dict[int, list[int]] = {}
    for row, line in enumerate(rows):
        for column, one in enumerate(line):
            if one == " ":
                continue
            for number in unicodedata.name(one).removeprefix("BRAILLE PATTERN DOTS-"):
                x, y = DOT_PLACES[number]
                found.setdefault(2 * column + x, []).append(4 * row + y)
    return {x: sorted(ys) for x, ys in sorted(found.items())}


def test_a_rising_delay_is_a_rising_line_without_a_hole(reader_of: Make) -> None:
    trains = [train(D0 + k * 5 * MINUTE_NS, (10.0 + k / 28.8,) * 10) for k in range(288)]
    found = dots(chart(drawn(reader_of(trains))))
    assert list(found) == list(range(2 * (82 - MARGIN)))
    for x in range(1, len(found)):
        before, now = found[x - 1], found[x]
        assert min(now) <= min(before)
        assert now == list(range(now[0], now[-1] + 1))
        assert now[-1] >= before[0] - 1, "the line is broken"
    assert found[0][-1] - found[len(found) - 1][0] > 30


def test_losses_stand_below_their_hour_and_grow_with_their_share(reader_of: Make) -> None:
    trains = day()
    for first, last, back in ((60, 72, 9), (120, 132, 5), (180, 192, 0)):
        trains[first:last] = [train(t.start_ns, (12.0,) * back) for t in trains[first:last]]
    text = drawn(reader_of(trains))
    found = strip(text).ljust(82 - MARGIN)
    columns = 82 - MARGIN
    five, ten, fifteen = (hour * columns // 24 + 1 for hour in (5, 10, 15))
    assert (found[five], found[ten], found[fifteen]) == ("▄", "▆", "█")
    assert found[: five - 2].strip() == ""
    assert f"lost {12 + 60 + 120} of 2880 (6.67 %)" in " ".join(text[-2:])


def test_an_hour_without_records_is_a_gap_and_one_that_the_host_spoiled_says_so(
    reader_of: Make,
) -> None:
    trains = day([*range(0, 360, 5), *range(720, 1440, 5)])
    trains = [
        replace(t, valid=False, reasons=("local-drops",)) if t.start_ns >= D0 + 18 * HOUR_NS else t
        for t in trains
    ]
    text = drawn(reader_of(trains))
    columns = 82 - MARGIN
    found = strip(text)
    assert set(found[columns // 4 + 1 : columns // 2 - 1]) == {"·"}
    assert set(found[columns * 3 // 4 + 1 :]) == {"?"}
    (row,) = (one for one in chart(text) if one.strip())
    assert row[columns // 4 + 1 : columns // 2 - 1].strip() == ""
    assert len(row) <= columns * 3 // 4 + 1
    assert "72 spoiled by the agent's host" in " ".join(text[-2:])


def test_trains_that_are_rarer_than_columns_leave_no_false_gaps(reader_of: Make) -> None:
    begin = D0 + 8 * HOUR_NS
    trains = [train(begin + k * 10 * MINUTE_NS) for k in range(12)]
    del trains[6:8]
    text = drawn(reader_of(trains), from_ns=begin, to_ns=begin + 2 * HOUR_NS, width=200)
    columns = 200 - MARGIN
    found = strip(text).ljust(columns)
    assert "·" not in found[: columns // 2 - columns // 12 - 1]
    assert set(found[columns // 2 : columns * 2 // 3 - 1]) == {"·"}


def test_delays_far_apart_get_a_logarithmic_axis(reader_of: Make) -> None:
    text = drawn(reader_of(day(delays_ms=(0.3,) * 8 + (250.0, 250.0))), height=24)
    labels = [one.split("┤")[0].strip() for one in text if "┤" in one]
    assert labels[0] == "500 ms"
    assert labels[-1] == "0.2 ms"
    assert len(labels) > 4


def test_the_limit_is_drawn_where_it_is_within_the_scale(reader_of: Make) -> None:
    rows = chart(drawn(reader_of(day(delays_ms=(200.0,) * 8 + (400.0, 400.0)))))
    (row,) = (one for one in rows if "┈" in one)
    assert row == "┈" * (82 - MARGIN)
    text = drawn(reader_of(day(delays_ms=(12.0,))))
    assert not any("┈" in one for one in text)
    assert "limit 300 ms" in " ".join(text[-2:])


def test_the_hours_are_utc_and_local(reader_of: Make) -> None:
    reader = reader_of(day())
    text = drawn(reader, zone=ZoneInfo("Europe/Rome"))
    utc, local = (next(one for one in text if one.strip().startswith(n)) for n in ("UTC", "CET"))
    assert utc.split()[:3] == ["UTC", "00:00", "03:00"]
    assert local.split()[:3] == ["CET", "01:00", "04:00"]
    assert utc.index("12:00") == local.index("13:00") == MARGIN + (82 - MARGIN) // 2
    assert not any("CET" in one for one in drawn(reader))


def test_a_week_is_drawn_from_roll_ups_and_what_came_after_them(tmp_path: Path) -> None:
    plans = [PlanRecord("roma", "p", D0, True, 10 * MINUTE_NS, 10, 300 * MS, "roma-01")]
    trains = [train(D0 + k * 10 * MINUTE_NS) for k in range(7 * 144)]
    with Spool(tmp_path / "spool.sqlite") as spool:
        store = EmbeddedStore(tmp_path, spool)
        spool.append([*plans, *trains])
        store.roll_up(D0 + 7 * DAY_NS - 20 * MINUTE_NS)
    reader = EmbeddedReader(tmp_path, threads=1)
    assert len(list(reader.rollups("p"))) == 7 * 96 - 2
    text = drawn(reader, to_ns=D0 + 7 * DAY_NS)
    (row,) = (one for one in chart(text) if one.strip())
    assert " " not in row
    assert len(row) == 82 - MARGIN
    assert f"{7 * 144} trains" in " ".join(text[-2:])
    assert "11-09" in "".join(text)
    # Where the trains have expired, the roll-ups still tell.
    with Spool(tmp_path / "kept" / "spool.sqlite") as spool:
        spool.append(reader.rollups("p"))
    old = drawn(EmbeddedReader(tmp_path / "kept", threads=1), to_ns=D0 + 7 * DAY_NS)
    kept = sum(one.trains for one in reader.rollups("p"))
    assert f"{kept} trains" in " ".join(old[-2:])


def test_colour_changes_no_character(reader_of: Make) -> None:
    reader = reader_of(day(delays_ms=(5.0, 12.0, 40.0)))
    plain, coloured = drawn(reader), drawn(reader, colour=True)
    assert "\x1b" not in "".join(plain)
    assert [ESCAPES.sub("", one) for one in coloured] == plain


def test_a_name_cannot_speak_to_the_terminal(reader_of: Make) -> None:
    reader = reader_of(day(path="\x1b[2Jp"))
    text = plot(reader, "\x1b[2Jp", D0, D0 + DAY_NS, width=80, height=20, colour=False, zone=UTC)
    assert "\x1b" not in text
    assert text.startswith("?[2Jp")


def test_a_path_that_never_answered_is_all_loss(reader_of: Make) -> None:
    text = drawn(reader_of(day(delays_ms=())))
    assert set(strip(text)) == {"█"}
    assert not any(row.strip() for row in chart(text))
    assert "lost 2880 of 2880 (100.00 %)" in " ".join(text[-2:])


def test_nothing_to_draw_and_no_room_are_said(reader_of: Make) -> None:
    reader = reader_of(day())
    with pytest.raises(StoreError, match=r"'p' has no trains from 2025-11-09 00:00"):
        drawn(reader, from_ns=D0 + DAY_NS, to_ns=D0 + 2 * DAY_NS)
    with pytest.raises(StoreError, match="40 columns and 12 lines, here are 30 and 20"):
        drawn(reader, width=30)


@given(
    st.integers(1, 10**9),
    st.integers(2, 10**10),
    st.booleans(),
    st.integers(1, 200),
    st.lists(st.integers(0, 10**11), min_size=2, max_size=20),
)
def test_longer_delays_are_never_drawn_lower(
    low_ns: int, span_ns: int, logarithmic: bool, rows: int, delays: list[int]
) -> None:
    scale = Scale(low_ns, low_ns + span_ns, logarithmic, ())
    found = [scale.row(delay, rows) for delay in sorted(delays)]
    assert found == sorted(found, reverse=True)
    assert all(0 <= row < rows for row in found)
    assert scale.row(low_ns, rows) == rows - 1
    assert scale.row(low_ns + span_ns, rows) == 0
