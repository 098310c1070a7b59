"""`status --history`: slots that add up to the records, and characters that say what was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.daemon.assignments import Judgement
from agent.daemon.history import (
    HOUR_NS,
    History,
    Slot,
    Window,
    history,
    path_history,
    slots,
    window,
)
from agent.daemon.history_view import STEP_LEAST, axis, heights, line, marks, tables
from timeseries import histogram
from timeseries.embedded import EmbeddedStore
from timeseries.quarters import quarters
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, PlanRecord, Record, RollupRecord, TrainRecord
from timeseries.rollup import QUARTER_NS, quarter_of, rollup
from timeseries.spool import Spool

MS = 1_000_000
MINUTE_NS = 60 * 10**9
D0 = 20_400 * 86_400 * 10**9
LIMITS = Judgement(delay_share_percent=Decimal(95), loss_percent=Decimal(1), jitter_ns=20 * MS)
ROLLUP = RollupRecord(
    "here", "p", "here", "ip-base", "", "", D0, 15, 15, 15, (), 150, 150, 0, 0, 0, 150,
    300 * MS, "rtt", 15 * MS, 15, 0, 0, ((148, 150),), (), (), 0, None,
)  # fmt: skip


def train(start_ns: int, path: str = "a", rtt_ms: int = 10, lost: int = 0) -> TrainRecord:
    """Ten packets of one delay, some of them lost."""
    received, delay = 10 - lost, rtt_ms * MS
    figures = DelayFigures()
    if received:
        bin_ = next(i for i, bound in enumerate(histogram.BOUNDS_NS) if delay <= bound)
        figures = DelayFigures(
            delay, delay, delay, delay, delay, delay, 0, 0,
            within_limit=received if rtt_ms <= 300 else 0, histogram=((bin_, received),),
        )  # fmt: skip
    return TrainRecord(
        "here", path, "here", "ip-base", "", "", "icmp", "127.0.0.1", "127.0.0.1", start_ns, 10, 10,
        received, lost, 0, 0, 0, 0, 0, 300 * MS, "rtt", figures, None, None, None, False, None,
        None, True, (), (), 10, received, 0, 0, 0, 0, True, 1, (), (),
    )  # fmt: skip


def plan(start_ns: int, path: str = "a") -> PlanRecord:
    return PlanRecord("here", path, start_ns, True, MINUTE_NS, 10, 300 * MS, "here", "ip-base")


@given(
    st.integers(D0, D0 + 10**16),
    st.integers(1, 744),
    st.one_of(st.none(), st.integers(24, 300)),
)
def test_the_last_slot_holds_the_present_and_all_hours_are_there(
    now_ns: int, hours: int, most: int | None
) -> None:
    frame = window(now_ns, hours, most)
    assert frame.start_ns(frame.count - 1) <= now_ns < frame.to_ns
    assert frame.from_ns <= now_ns - hours * HOUR_NS + frame.slot_ns
    assert frame.from_ns % frame.slot_ns == 0
    assert frame.slot_ns % QUARTER_NS == 0
    if most is None:
        assert frame.slot_ns == QUARTER_NS
    else:
        assert frame.count <= max(most, -(-hours // 24))


@pytest.mark.parametrize(
    ("most", "minutes", "count"), [(None, 15, 96), (96, 15, 96), (95, 30, 48), (24, 60, 24)]
)
def test_a_narrow_terminal_gets_longer_slots(most: int | None, minutes: int, count: int) -> None:
    frame = window(D0 + 7 * MINUTE_NS, 24, most)
    assert (frame.slot_ns, frame.count) == (minutes * MINUTE_NS, count)


def test_slots_are_the_sums_of_their_quarters() -> None:
    frame = Window(D0, 2 * QUARTER_NS, 3)
    rollups = [
        ROLLUP,
        replace(
            ROLLUP, start_ns=D0 + QUARTER_NS, received=147, within_limit=100, valid=14,
            jitter_sum_ns=5 * MS, jitter_count=5, rtt_histogram=((148, 100), (200, 47)),
        ),
        replace(ROLLUP, start_ns=D0 + 4 * QUARTER_NS),
        replace(ROLLUP, start_ns=D0 - QUARTER_NS),
        replace(ROLLUP, start_ns=D0 + 6 * QUARTER_NS),
    ]  # fmt: skip
    now_ns = D0 + 4 * QUARTER_NS + 5 * MINUTE_NS
    found = slots(frame, rollups, [plan(D0 - MINUTE_NS)], now_ns)
    first, second, third = found
    assert (first.trains, first.valid, first.sent, first.received) == (30, 29, 300, 297)
    assert (first.within, first.judged, first.jitter_ns) == (250, 297, 1 * MS)
    assert first.within_percent == Fraction(25_000, 297)
    assert first.loss_percent == 1
    assert first.rtt == ((148, 250), (200, 47))
    assert first.delay_ns(50) == histogram.BOUNDS_NS[148]
    assert first.delay_ns(95) == histogram.BOUNDS_NS[200]
    # Nothing on record although it was planned; and what is still to come was not due yet.
    assert (second.trains, second.planned, second.loss_percent) == (0, 30, None)
    assert (third.trains, third.planned) == (15, 5)


def test_a_one_way_limit_is_judged_by_both_directions() -> None:
    one = replace(
        ROLLUP, limit_on="one-way", within_limit=None, one_way_received=100,
        one_way_within_limit=150,
    )  # fmt: skip
    (slot,) = slots(Window(D0, QUARTER_NS, 1), [one], [], D0)
    assert slot.within_percent == 75
    (unjudged,) = slots(Window(D0, QUARTER_NS, 1), [replace(ROLLUP, within_limit=None)], [], D0)
    assert unjudged.within_percent is None


@given(st.lists(st.one_of(st.none(), st.integers(10_000, 10**10)), max_size=40))
def test_higher_blocks_are_longer_delays(medians: Sequence[int | None]) -> None:
    found = heights(medians)
    pairs = [(m, h) for m, h in zip(medians, found, strict=True) if m is not None and h is not None]
    assert [m is None for m in medians] == [h is None for h in found]
    assert [h for _, h in sorted(pairs)] == sorted(h for _, h in pairs)
    assert all(0 <= h <= 7 for _, h in pairs)
    if pairs:
        assert min(h for _, h in pairs) == 0
        if max(m for m, _ in pairs) >= STEP_LEAST**8 * min(m for m, _ in pairs):
            assert max(h for _, h in pairs) == 7


def test_the_coarseness_of_a_histogram_is_no_mountain() -> None:
    bounds = histogram.BOUNDS_NS
    assert heights([bounds[150], bounds[151], bounds[154]]) == [0, 0, 0]
    assert heights([10 * MS, 13 * MS, None, 50 * MS]) == [0, 1, None, 7]


def slot(**changes: Any) -> Slot:
    full = Slot(D0, 15, 15, 15, 150, 150, 150, 150, 0, 0, ((148, 150),))
    return replace(full, **changes)


def test_each_kind_of_quarter_has_its_character() -> None:
    found = (
        slot(),
        slot(received=149, rtt=((148, 149),)),
        slot(received=100, rtt=((220, 100),)),
        slot(received=0, rtt=(), within=0, judged=0),
        slot(valid=0, sent=0, received=0, within=0, judged=0, rtt=()),
        slot(trains=0, valid=0, sent=0, received=0, within=0, judged=0, rtt=()),
        slot(planned=0, trains=0, valid=0, sent=0, received=0, within=0, judged=0, rtt=()),
    )
    row = path_history("p", 300 * MS, found, LIMITS)
    assert line(found) == "▁▁█×?· "
    assert row.missed == ((), (), ("loss",), ("loss",), (), (), ())
    assert marks(row) == " l!!"


def test_the_hours_stand_over_the_line() -> None:
    day = axis(Window(D0, QUARTER_NS, 96))
    assert day.startswith("00  01  02  03")
    assert len(day) == 96
    assert axis(Window(D0, HOUR_NS, 24)) == "00    06    12    18    "
    assert axis(Window(D0, 24 * HOUR_NS, 10)) == "08  12  16"


def printed(past: History, width: int = 140) -> str:
    from rich.console import Console

    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        for part in tables(past):
            console.print(part)
    return capture.get()


def test_people_get_a_line_and_its_marks_below_each_other() -> None:
    found = tuple(slot(received=150 - lost, rtt=((148, 150 - lost),)) for lost in (0, 1, 30, 0))
    past = History(Window(D0, QUARTER_NS, 4), (path_history("roma/ip", None, found, LIMITS),))
    text = printed(past).splitlines()
    assert text[0].rstrip() == "2025-11-08 00:00 to 2025-11-08 01:00 UTC, one character: 15 min"
    row = next(number for number, one in enumerate(text) if "roma/ip" in one)
    at = text[row].index("▁▁▁▁")
    assert text[row + 1][at : at + 4] == " l! "
    assert text[row].split()[-2:] == ["5.17", "60/60"]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_line_fits_the_terminal_that_it_was_made_for(tmp_path: Path, width: int) -> None:
    from analysis.catalogue_rows import load_catalogue
    from inventory.load import load

    configure(tmp_path)
    now_ns = D0 + 7 * MINUTE_NS
    begin = D0 - 24 * HOUR_NS
    trains = [train(begin + k * 5 * MINUTE_NS, rtt_ms=1500 + k, lost=9) for k in range(288)]
    stored(tmp_path / "data", [plan(begin), *trains], now_ns)
    configuration = load(tmp_path / "pasprobe.toml", environ={}).configuration
    past = history(configuration, tmp_path / "data", load_catalogue(), 24, now_ns, width=width)
    text = printed(past, width)
    assert "…" not in text
    whole = line(past.paths[0].slots)
    assert len(whole) == past.window.count
    assert f" {whole} " in text
    assert max(map(len, text.splitlines())) <= width


def stored(folder: Path, records: Sequence[Record], now_ns: int) -> None:
    with Spool(folder / "spool.sqlite") as spool:
        store = EmbeddedStore(folder, spool)
        spool.append(records)
        store.roll_up(now_ns)
        store.flush()


def test_quarters_that_are_not_rolled_up_yet_are_added_up_from_trains(tmp_path: Path) -> None:
    trains = [train(D0 + k * MINUTE_NS, path) for k in range(40) for path in ("a", "b")]
    plans: list[Record] = [plan(D0), plan(D0, "b")]
    # Two quarters are rolled up, the third is not over.
    stored(tmp_path, [*plans, *trains], D0 + 40 * MINUTE_NS)
    reader = EmbeddedReader(tmp_path, threads=1)
    assert len(list(reader.rollups("a"))) == 2
    found = quarters(reader, "a", D0 + MINUTE_NS, D0 + 40 * MINUTE_NS)
    assert [(one.start_ns, one.trains, one.planned) for one in found] == [
        (D0, 15, 15),
        (D0 + QUARTER_NS, 15, 15),
        (D0 + 2 * QUARTER_NS, 10, 15),
    ]
    mine = [one for one in trains if one.path == "a"]
    whole = rollup(mine, [plan(D0)], D0 + 2 * QUARTER_NS, "a")
    assert found[-1] == whole
    # Another agent's copied store ends before: its newest quarter too is the sum of its trains.
    theirs = [replace(one, agent="other") for one in trains if one.path == "b"][:20]
    stored(tmp_path / "copy", theirs, D0 + 20 * MINUTE_NS)
    both = EmbeddedReader([tmp_path, tmp_path / "copy"], threads=1)
    found = quarters(both, ["a", "b"], D0, D0 + 40 * MINUTE_NS)
    assert [(one.start_ns, one.agent, one.path, one.trains) for one in found] == [
        (D0, "here", "a", 15),
        (D0, "here", "b", 15),
        (D0, "other", "b", 15),
        (D0 + QUARTER_NS, "here", "a", 15),
        (D0 + QUARTER_NS, "here", "b", 15),
        (D0 + QUARTER_NS, "other", "b", 5),
        (D0 + 2 * QUARTER_NS, "here", "a", 10),
        (D0 + 2 * QUARTER_NS, "here", "b", 10),
    ]


def test_without_any_roll_up_the_trains_alone_tell(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.sqlite") as spool:
        spool.append([train(D0 + k * MINUTE_NS) for k in range(20)])
    found = quarters(EmbeddedReader(tmp_path, threads=1), None, D0, D0 + HOUR_NS)
    assert [one.trains for one in found] == [15, 5]


PASPROBE = str(Path(sys.executable).with_name("pasprobe"))
CONFIGURATION = """
[agent]
name = "here"
data_dir = "data"
[[pas]]
id = "here"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{ id = "ip-base", level = "L3", window = "normal" }]
"""


def status(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PASPROBE, "status", *words],
        cwd=folder, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def configure(folder: Path) -> None:
    path = '[[path]]\nid = "{}"\npas = "here"\nservice = "ip-base"\ntarget = "127.0.0.1"\n'
    text = CONFIGURATION + path.format("a") + path.format("silent")
    (folder / "pasprobe.toml").write_text(text)


def test_the_command_shows_a_day_and_the_numbers_behind_it(tmp_path: Path) -> None:
    configure(tmp_path)
    now_ns = time.time_ns()
    first = quarter_of(now_ns) - 8 * QUARTER_NS
    trains = [
        train(first + k * MINUTE_NS, rtt_ms=80 if k < 15 else 10, lost=5 if 30 <= k < 45 else 0)
        for k in range(90)
    ]
    # An agent of another name has measured here once.
    former = replace(trains[0], agent="former", start_ns=first - MINUTE_NS)
    stored(tmp_path / "data", [plan(first), former, *trains], first + 75 * MINUTE_NS + MINUTE_NS)

    shown = status(tmp_path, "--history", "--hours", "3")
    assert shown.returncode == 1, shown.stderr  # no agent runs
    assert "has never run" in shown.stdout
    assert "one character: 15 min" in shown.stdout
    lines = shown.stdout.splitlines()
    place = next(number for number, one in enumerate(lines) if one.startswith(" a "))
    row, under = lines[place : place + 2]
    start = row.index("█")
    assert row[start : start + 6] == "█▁▁▁▁▁"
    assert under[start : start + 6].rstrip() == "  !"
    assert row.split()[-1].startswith("90/")

    answer = json.loads(status(tmp_path, "--history", "--json").stdout)
    past = answer["history"]
    assert past["slot_minutes"] == 15
    by_path = {one["path"]: one["slots"] for one in past["paths"]}
    assert len(by_path["a"]) == len(by_path["silent"]) == 96
    assert sum(one["sent"] for one in by_path["a"]) == 900
    assert sum(one["lost"] for one in by_path["a"]) == 75
    bad = [one for one in by_path["a"] if one["missed"]]
    assert [(one["start_ns"], one["loss_percent"]) for one in bad] == [(first + 2 * QUARTER_NS, 50)]
    assert not any(one["trains"] or one["planned"] for one in by_path["silent"])
    assert all(one["rtt_p50_ms"] is None for one in by_path["silent"])


def test_hours_without_history_is_a_wrong_call(tmp_path: Path) -> None:
    configure(tmp_path)
    done = status(tmp_path, "--hours", "3")
    assert done.returncode == 2
    assert "--history" in done.stderr


def test_a_host_that_never_measured_has_an_empty_history(tmp_path: Path) -> None:
    configure(tmp_path)
    done = status(tmp_path, "--history")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "silent" in done.stdout
