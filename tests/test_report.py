"""The report page: complete in itself, readable by everyone, and never kinder than its figures."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from analysis.catalogue_rows import load_catalogue
from analysis.errors import ReportError
from analysis.evidence import Evidence, distribution, gather, self_accusation
from analysis.measurement import Measurement
from analysis.plots import MUCH_LOSS, NO_LOSS, SOME_LOSS, Column, Labels, smoke_plot
from analysis.report import columns, render, write_report
from analysis.verdict import judge_all
from analysis.verdict_text import exact, result_object, summary_line, verdict_table
from inventory.models import Agent, Configuration, Contract, Pas
from inventory.models import Path as ProbePath
from inventory.values import HostPort
from timeseries import histogram
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, PlanRecord, TrainRecord
from timeseries.rollup import rollup
from timeseries.spool import Spool

MS = 1_000_000
SECOND = 1_000 * MS
BEGIN = 1_700_000_100 * SECOND  # 2023-11-14T22:15:00Z, the start of a quarter
SVG = "{http://www.w3.org/2000/svg}"


def figures(low_ms: float, median_ms: float, high_ms: float, packets: int) -> DelayFigures:
    import numpy as np

    delays = np.array([int(low_ms * MS)] + [int(median_ms * MS)] * (packets - 2))
    delays = np.append(delays, int(high_ms * MS))
    return DelayFigures(
        min_ns=int(low_ms * MS), mean_ns=int(median_ms * MS), p50_ns=int(median_ms * MS),
        p95_ns=int(median_ms * MS), p99_ns=int(high_ms * MS), max_ns=int(high_ms * MS),
        stddev_ns=MS, ipdv_mean_ns=2 * MS, within_limit=packets, histogram=histogram.counts(delays),
    )  # fmt: skip


def train(path: str, number: int, **changes: object) -> TrainRecord:
    """A train of 20 packets, one of which got lost on the way there; one every second."""
    base = TrainRecord(
        agent="roma-01", path=path, pas="roma-01", service="ip-base", peer="", endpoint="",
        method="stamp", target="192.0.2.1", address="192.0.2.1", start_ns=BEGIN + number * SECOND,
        planned=20, sent=20, received=19, lost=1, late=0, duplicates=0, reordered=0, corrupted=0,
        spoofed=0, limit_ns=300 * MS, limit_on="rtt", rtt=figures(18, 20, 60, 19), forward=None,
        backward=None, one_way_error_ns=None, one_way_judged=False, lost_forward=1,
        lost_backward=0, valid=True, reasons=(), flags=("clock-unsynchronised",), tx_kernel=20,
        rx_kernel=19, t3_kernel=18, lateness_max_ns=number * MS, local_drops=0, clock_step_ns=-70,
        clock_synchronised=False, clock_error_ns=None, icmp_errors=(), send_errors=(),
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def all_lost(path: str, number: int) -> TrainRecord:
    return train(
        path, number, received=0, lost=20, rtt=DelayFigures(within_limit=0), rx_kernel=0,
        t3_kernel=0, lost_forward=None, lost_backward=None,
    )  # fmt: skip


def spoiled(path: str, number: int) -> TrainRecord:
    return train(
        path,
        number,
        valid=False,
        reasons=("overrun",),
        received=3,
        lost=17,
        rx_kernel=3,
        t3_kernel=2,
    )


PLAN = PlanRecord("roma-01", "p", BEGIN, True, SECOND, 20, 300 * MS)
STOP = replace(PLAN, start_ns=BEGIN + 10 * SECOND, active=False)


def measurement(trains: list[TrainRecord], administration: str = "Example") -> Measurement:
    configuration = Configuration(
        agent=Agent(name="roma-01", data_dir="data"),
        contract=Contract(administration=administration, country="IT", timezone="Europe/Rome"),
        pas=(
            Pas(id="roma-01", country="IT", timezone="Europe/Rome", profile="high"),
            Pas(
                id="nairobi-01", country="KE", timezone="Africa/Nairobi", profile="base-satellite",
                reflector=HostPort("192.0.2.9", 862),
            ),
        ),
        paths=(
            ProbePath(id="p", pas="roma-01", service="ip-base", target="192.0.2.1"),
            ProbePath(
                id="pair", pas="roma-01", service="voip", peer="nairobi-01", method="stamp"
            ),
        ),
    )  # fmt: skip
    evidence = {
        path: Evidence(
            path,
            (rollup(trains, [PLAN, STOP], BEGIN, path),),
            tuple(t for t in trains if t.path == path),
        )
        for path in ("p", "pair")
    }
    verdicts = judge_all(configuration, load_catalogue(), evidence)
    return Measurement(
        configuration,
        load_catalogue(),
        BEGIN,
        BEGIN + 10 * SECOND,
        evidence,
        verdicts,
        ("A note.",),
    )


TRAINS = [train("p", n) for n in range(8)] + [all_lost("p", 8), spoiled("p", 9)]
WHOLE = [*TRAINS[:9], train("p", 9)]
"""The same without a spoiled train: as much as was planned."""


class Outline(HTMLParser):
    """What a page refers to, its tags and its ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.described: list[str] = []
        self.lang = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset"):
                self.references.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")
            if name == "aria-labelledby":
                self.described += (value or "").split()
            if (tag, name) == ("html", "lang"):
                self.lang = value or ""


@pytest.fixture(scope="module")
def page() -> str:
    return render(measurement(TRAINS), "A report")


def test_the_page_needs_nothing_beside_it(page: str) -> None:
    outline = Outline(page)
    assert outline.references == []
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & set(outline.tags)
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(", page)


def test_ids_are_unique_and_every_label_points_to_one(page: str) -> None:
    outline = Outline(page)
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.described) <= set(outline.ids)
    assert outline.lang == "en"


def test_every_plot_has_a_title_and_says_its_figures_in_words(page: str) -> None:
    plots = [ET.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(plots) == 1  # the pair has no train, so no plot
    assert plots[0].get("role") == "img"
    assert plots[0].findtext(f"{SVG}title") == "p: delay, round trip"
    said = plots[0].findtext(f"{SVG}desc")
    assert said == (
        "9 trains. Delays from 18.00 to 60.00 ms, median 20.00 ms; lost 28 of 180 packets. "
        "The limit is 300 ms."
    )


def test_the_page_tells_times_in_utc_and_at_the_pas(page: str) -> None:
    text = " ".join(page.split())
    assert "22:15:00 to 22:15:10 UTC" in text
    assert "2023-11-14 23:15:00 to 23:15:10 (Europe/Rome, UTC+01:00)" in text


def test_a_path_without_records_says_so_and_has_no_verdict(page: str) -> None:
    assert "No train of this path is on record." in page
    assert page.count("no train is on record") == 3


def test_the_page_accuses_its_agent(page: str) -> None:
    row = re.search(r'scope="row">p<small>(.*?)</small></th>(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    assert row[1] == "clock-unsynchronised 10"
    assert re.findall(r"<td[^>]*>(.*?)</td>", row[2]) == [
        "9 of 10", "overrun 1", "100.0 %", "100.0 %", "94.1 %", "4.000", "9.000", "0",
        "not synchronised<small>moved ≤ 0.000 ms</small>",
    ]  # fmt: skip


def test_what_the_configuration_says_is_text_and_never_markup() -> None:
    page = render(measurement(TRAINS, "<script>alert(1)</script> & Co"), "A <b>report</b>")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in page
    assert "<b>" not in page


def test_the_page_names_the_readings_it_rests_on(page: str) -> None:
    named = re.findall(r"<dt>([A-Z]\d+)</dt>", page)
    assert {"A1", "A2", "A3", "A4", "D1", "D2", "D3", "D5"} <= set(named)


def _luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb (WCAG 2.1)."""
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(2 * one for one in digits)
    channels = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_all_text_stands_out_from_its_paper(page: str) -> None:
    colours = set(re.findall(r"[;{\s]color:\s*(#[0-9a-f]+)", page))
    colours |= set(re.findall(r'<text[^>]*fill="(#[0-9a-f]+)"', page))
    assert len(colours) > 3
    for paper in ("#fff", "#fdf0f1", "#eff8f2"):
        for ink in colours:
            contrast = (_luminance(paper) + 0.05) / (_luminance(ink) + 0.05)
            assert contrast >= 4.5, f"{ink} on {paper}"


def test_the_report_takes_its_place_whole_and_a_wrong_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_report(measurement(TRAINS), "A report", file)
    assert file.read_text().rstrip().endswith("</html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(ReportError, match=r"missing/report\.html: No such file"):
        write_report(measurement(TRAINS), "A report", tmp_path / "missing" / "report.html")


def test_evidence_is_what_the_store_gives_back(tmp_path: Path) -> None:
    rolled = rollup(TRAINS, [PLAN, STOP], BEGIN, "p")
    with Spool(tmp_path / "spool.sqlite") as spool:
        spool.append([PLAN, *TRAINS, train("q", 1), STOP, rolled])
    found = gather(EmbeddedReader(tmp_path), ["p", "none"], BEGIN + SECOND, BEGIN + 9 * SECOND)
    assert found["p"] == Evidence("p", (rolled,), tuple(TRAINS[1:9]))
    assert found["none"] == Evidence("none", (), ())


def test_percentiles_of_a_period_come_from_the_packets_and_stay_within_what_was_seen() -> None:
    evidence = Evidence("p", (), (train("p", 0), train("p", 1, rtt=figures(30, 40, 45, 19))))
    known = distribution(evidence, "rtt")
    assert known is not None
    assert (known.packets, known.min_ns, known.max_ns) == (38, 18 * MS, 60 * MS)
    middle = dict(known.percentiles_ns)[50]
    assert 20 * MS <= middle <= Fraction(105, 100) * 30 * MS
    assert distribution(evidence, "forward") is None


def test_an_agent_that_did_nothing_has_nothing_to_say() -> None:
    own = self_accusation(Evidence("p", (), ()))
    assert (own.trains, own.lateness_max_ns, own.t3_kernel) == (0, 0, None)


LABELS = Labels("x", "Title <&>", "Text")


def column(number: int, **changes: object) -> Column:
    base = Column(
        BEGIN + number * SECOND, BEGIN + (number + 1) * SECOND, 18 * MS, 20 * MS, 25 * MS, 60 * MS,
        200, 0,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def drawn(*shown: Column, limit: Decimal | None = Decimal(300)) -> ET.Element:
    return ET.fromstring(smoke_plot(shown, LABELS, limit_ms=limit, loss_limit_percent=Decimal(1)))


@pytest.mark.parametrize(
    ("lost", "colour"), [(0, NO_LOSS), (1, SOME_LOSS), (2, SOME_LOSS), (3, MUCH_LOSS)]
)
def test_the_median_has_the_colour_of_its_loss(lost: int, colour: str) -> None:
    group = drawn(column(0, lost=lost)).findall(f"{SVG}g")[-1]
    fills = [box.get("fill") for box in group.findall(f"{SVG}rect")]
    assert fills.count(colour) == (2 if lost else 1)  # the median, and the bar of the loss
    assert not ({NO_LOSS, SOME_LOSS, MUCH_LOSS} - {colour}) & set(fills)


def test_a_train_that_lost_everything_is_a_full_bar_without_a_median() -> None:
    nothing = column(1, min_ns=None, p50_ns=None, p95_ns=None, max_ns=None, lost=200)
    groups = drawn(column(0, lost=20), nothing).findall(f"{SVG}g")
    heights = [[float(b.get("height", 0)) for b in g.findall(f"{SVG}rect")] for g in groups]
    assert len(heights[-1]) == 1
    assert heights[-1][0] == pytest.approx(10 * heights[-2][-1], abs=0.1)
    assert "lost 200 of 200" in (groups[-1].findtext(f"{SVG}title") or "")


def test_a_train_that_does_not_count_is_a_frame_only() -> None:
    group = drawn(column(0, valid=False, lost=200)).findall(f"{SVG}g")[-1]
    (frame,) = group.findall(f"{SVG}rect")
    assert frame.get("fill") == "none"
    assert "not counted" in (group.findtext(f"{SVG}title") or "")


def test_the_limit_is_drawn_where_its_delay_is() -> None:
    picture = drawn(column(0, max_ns=300 * MS))
    (line,) = (p for p in picture.findall(f"{SVG}path") if p.get("stroke-dasharray") == "7 4")
    outer = picture.findall(f"{SVG}g")[-1].findall(f"{SVG}rect")[0]
    assert f",{outer.get('y')}" in (line.get("d") or "")
    assert "limit 300 ms" in [text.text for text in picture.iter(f"{SVG}text")]
    without = drawn(column(0), limit=None)
    assert not any("limit" in (text.text or "") for text in without.iter(f"{SVG}text"))


@pytest.mark.parametrize("span", [1, 7, 60, 3600, 86_400, 40 * 86_400])
def test_any_span_of_time_has_a_few_labels_and_everything_stays_inside(span: int) -> None:
    shown = [
        column(0, end_ns=BEGIN + span * SECOND // 2, min_ns=-50_000, max_ns=9 * SECOND),
        column(0, start_ns=BEGIN + span * SECOND // 2, end_ns=BEGIN + span * SECOND),
    ]
    picture = drawn(*shown)
    times = [t.text for t in picture.iter(f"{SVG}text") if re.match(r"\d\d:\d\d", t.text or "")]
    assert len(times) <= 10
    for box in picture.iter(f"{SVG}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert x >= 0
        assert x + float(box.get("width", 0)) <= 780
        assert y >= 0
        assert y + float(box.get("height", 0)) <= 268


def test_a_plot_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one column"):
        smoke_plot([], LABELS, limit_ms=None, loss_limit_percent=None)


def test_columns_are_as_wide_as_the_usual_interval() -> None:
    gap = [train("p", n) for n in (0, 1, 2, 7)]
    widths = {c.end_ns - c.start_ns for c in columns(Evidence("p", (), tuple(gap)), "rtt")}
    assert widths == {SECOND}


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [("98.999999", "98.99", "99.00"), ("99", "99.00", "99.00"), ("1/3", "0.33", "0.34")],
)
def test_figures_are_rounded_once_and_in_the_direction_asked(
    value: str, down: str, up: str
) -> None:
    assert str(exact(Fraction(value), Decimal("0.01"), ROUND_FLOOR)) == down
    assert str(exact(Fraction(value), Decimal("0.01"), ROUND_CEILING)) == up


def test_the_terminal_shows_deviation_and_steps_within_eighty_columns() -> None:
    from rich.console import Console

    shown = measurement(WHOLE)
    written = StringIO()
    console = Console(width=80, file=written)
    console.print(verdict_table(shown.verdicts))
    text = written.getvalue()
    assert "…" not in text
    assert re.search(r"packet-loss +14\.50 % +≤ 1 % +not met", text)
    assert re.search(r"\+13\.50 % +135 steps", text)


def test_the_longest_words_fit_too() -> None:
    from rich.console import Console

    written = StringIO()
    Console(width=80, file=written).print(verdict_table(measurement(TRAINS).verdicts))
    assert written.getvalue().count("insufficient") == 2
    assert "…" not in written.getvalue()


def test_for_machines_there_are_exact_counts_and_decimal_strings() -> None:
    result = result_object(measurement(WHOLE))
    loss = next(v for v in result["verdicts"] if v["parameter"] == "packet-loss")
    assert loss["counted"] == {"part": 29, "whole": 200}
    assert (loss["measured"], loss["deviation"]) == ("14.500000", "13.500000")
    assert (loss["outcome"], loss["steps"]) == ("not met", 135)
    assert result["agent"]["p"]["reasons"] == {}
    assert result["summary"] == summary_line(measurement(WHOLE).verdicts)
    assert "Limits broken by roma-01." in result["summary"]
