"""The pages: complete in themselves, well formed, the same figures on paper and as data."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from analysis.charts import svg
from analysis.documents.content import (
    Bars,
    Chart,
    Column,
    Document,
    Grid,
    GridRow,
    Item,
    Lines,
    Moment,
    Money,
    Number,
    Said,
    Section,
    Series,
    Span,
    Spans,
    Table,
    msg,
)
from analysis.documents.files import SUMS_NAME, write_documents, write_media
from analysis.documents.language import CODES, Code, language
from analysis.documents.material import Material
from analysis.documents.periodic import periodic_document
from analysis.documents.plain import instant
from analysis.documents.render_data import render_csv, render_json
from analysis.documents.render_html import SHOWN_ROWS, render_html
from analysis.documents.render_pdf import render_pdf
from analysis.errors import ReportError
from analysis.evaluation.asked import Asked, gathered
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.result_json import line_object, result_object
from analysis.lines import Result
from inventory.models import Influxdb
from timeseries.reader import Reader

CONTRACT = Path(__file__).parents[1] / "examples" / "contract"
VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source"})


def no_server(_: Influxdb) -> Reader:
    raise AssertionError("nobody asks for a server here")


def made_of(period: str, kind: Any) -> tuple[Result, Document]:
    asked = Asked(period, CONTRACT / "pasprobe.toml", as_of="2011-09-25")
    inputs = gathered(asked, os.environ, no_server, each_day=True)
    result = evaluate(inputs)
    material = Material(inputs, result)
    return result, periodic_document(material, kind, result_object(result))


@pytest.fixture(scope="module")
def contractual() -> tuple[Result, Document]:
    return made_of("2011-2", "contractual")


@pytest.fixture(scope="module")
def technical() -> tuple[Result, Document]:
    return made_of("2011-06", "technical")


def small(*tables: Table, charts: tuple[Chart, ...] = (), name: str = "made") -> Document:
    item = Item("thing", msg("Warnings"), "158", (msg("None."),), tables, charts)
    return Document(
        kind="technical", name=name, title=msg("Technical report (monthly)"),
        addressee="Example & <Sons>", period="2011-06", facts=((msg("period"), "2011-06"),),
        summary=msg("Warnings"), broken=False, sections=(Section("one", "One", (item,)),),
        data={"lines": []},
    )  # fmt: skip


class Outline(HTMLParser):
    """Tags that close as they opened, ids, references, headings, tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []
        self.outside: list[str] = []
        self.headings: list[int] = []
        self.tags: list[str] = []
        self.lang = ""
        self.rows: list[int] = []
        self.tables: list[list[int]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "html":
            self.lang = known.get("lang") or ""
        if known.get("id"):
            self.ids.append(known["id"] or "")
        for key in ("aria-labelledby", "aria-describedby", "headers"):
            self.named += (known.get(key) or "").split()
        for key in ("src", "href", "srcset", "data", "poster", "action"):
            value = known.get(key)
            if value and value.startswith("#"):
                self.named.append(value[1:])
            elif value:
                self.outside.append(value)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("which", ["contractual", "technical"])
def test_a_page_is_well_formed_and_needs_nothing_beside_it(
    request: pytest.FixtureRequest, which: str, code: Code
) -> None:
    _, document = request.getfixturevalue(which)

    page = render_html(document, language(code))
    outline = Outline(page)

    assert outline.lang == code
    assert outline.outside == []
    assert "url(" not in page
    assert "@import" not in page
    assert not {"script", "link", "img", "iframe", "object"} & set(outline.tags)
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.named) <= set(outline.ids)
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps)
    for table in outline.tables:
        assert len(set(table)) == 1
    assert page.count("<svg") == page.count('role="img"')


def test_what_others_wrote_cannot_become_markup() -> None:
    table = Table("t", "<b>", (Column("a", "<i>"),), (("<script>alert(1)</script>",),))
    chart = Lines("<u>", "&", ("<s>",), (Series("<q>", (Fraction(1),)),), "")

    page = render_html(small(table, charts=(chart,)), language("it"))

    assert "script" not in Outline(page).tags
    for word in ("<b>", "<i>", "<u>", "<s>", "<q>", "<Sons>"):
        assert word not in page


@pytest.mark.parametrize("which", ["contractual", "technical"])
@pytest.mark.parametrize("code", ["it", "fr"])
def test_the_sample_is_translated_to_the_last_text(
    request: pytest.FixtureRequest, which: str, code: Code
) -> None:
    """What stays English is marked as English; on these pages nothing does."""
    page = render_html(request.getfixturevalue(which)[1], language(code))

    foreign = re.findall(r'<[^>]+ lang="en">([^<]*)', page)
    assert foreign == []


def test_an_english_text_in_another_language_is_marked_as_english() -> None:
    table = Table("t", "c", (Column("a", "a"),), ((Said("nobody knows this"),), ("a name",)))

    page = render_html(small(table), language("it"))

    assert re.findall(r'<[^>]+ lang="en">([^<]*)', page) == ["nobody knows this"]


def test_a_long_table_is_cut_on_the_page_and_whole_in_the_data() -> None:
    rows = tuple((f"row {number}",) for number in range(SHOWN_ROWS + 7))
    document = small(Table("t", "c", (Column("a", "a"),), rows))

    page = render_html(document, language("en"))
    ((_, text),) = render_csv(document)

    assert f"row {SHOWN_ROWS - 1}<" in page
    assert f"row {SHOWN_ROWS}<" not in page
    assert "7 more rows" in page
    assert len(text.splitlines()) == len(rows) + 1


CHARTS: tuple[Chart, ...] = (
    Grid("g", "d", ("1", "2"), (GridRow("r", (0, None)), GridRow("s", (3, 1))), ("a", "b")),
    Lines("l", "d", ("1", "2", "3"),
          (Series("x", (Fraction(1), None, Fraction(3))), Series("y", (None, None, None))), "ms",
          Decimal(20)),
    Lines("log", "d", ("1", "2", "3"), (Series("x", (Fraction(1, 50), None, Fraction(0))),), "ms",
          Decimal(300), logarithmic=True),
    Lines("flat", "d", ("1",), (Series("x", (Fraction(0),)),), "percent"),
    Bars("b", "d", ("a long word indeed", "2"), (Series("x", (Fraction(0), Fraction(7))),), ""),
    Spans("s", "d", (Span("r", Fraction(1), Fraction(2), Fraction(30)),), "hours"),
    Spans("none", "d", (Span("r", Fraction(0), Fraction(0), Fraction(0)),), "hours"),
)  # fmt: skip


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: f"{type(chart).__name__}-{chart.title}")
@pytest.mark.parametrize("width", [470, 780])
def test_a_chart_is_an_image_with_a_name_and_stays_inside_its_frame(
    chart: Chart, width: int
) -> None:
    picture = ET.fromstring(svg(chart, "c1", language("it"), width))

    assert picture.attrib["role"] == "img"
    named = picture.attrib["aria-labelledby"].split()
    ids = {element.attrib.get("id") for element in picture.iter()}
    assert set(named) <= ids
    _, _, wide, high = map(float, picture.attrib["viewBox"].split())
    assert wide == width
    for element in picture.iter():
        for x, y in re.findall(r"M([-\d.]+) ([-\d.]+)", element.attrib.get("d", "")):
            assert -1 <= float(x) <= wide
            assert -1 <= float(y) <= high


def test_a_logarithmic_axis_keeps_small_and_large_apart() -> None:
    values = (Fraction(2), Fraction(20), Fraction(200))
    picture = svg(
        Lines("l", "d", ("1", "2", "3"), (Series("x", values),), "ms", logarithmic=True),
        "c", language("en"),
    )  # fmt: skip

    line = next(d for d in re.findall(r' d="(M[^"]+)"', picture) if d.count("L") == 2)
    heights = [float(point.split()[1]) for point in line[1:].split("L")]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert heights[0] > heights[1] > heights[2]


def test_cells_of_a_grid_are_told_apart_without_colour() -> None:
    one = svg(Grid("g", "d", ("1",), (GridRow("r", (1,)),), ()), "c", language("en"))
    three = svg(Grid("g", "d", ("1",), (GridRow("r", (3,)),), ()), "c", language("en"))

    heights = [
        {float(height) for height in re.findall(r"v([\d.]+)h-", picture)}
        for picture in (one, three)
    ]
    assert min(heights[0]) < max(heights[0])
    assert len(heights[1]) == 1


def test_the_pdf_is_made_from_the_page_and_is_tagged() -> None:
    table = Table("t", "c", (Column("a", "a"),), (("x",), ("y",)))

    octets = render_pdf(render_html(small(table, charts=CHARTS[:2]), language("it")))

    inside = octets + b"".join(
        zlib.decompress(stream)
        for stream in re.findall(rb"FlateDecode.*?stream\n(.*?)\nendstream", octets, re.DOTALL)
    )
    assert octets.startswith(b"%PDF-1.")
    for mark in (b"/StructTreeRoot", b"/Marked true", b"/Lang (it)", b"pdfuaid"):
        assert mark in inside


def test_a_page_that_reaches_outside_gives_no_pdf() -> None:
    with pytest.raises(ReportError, match=r"example\.org"):
        render_pdf('<html><body><img src="http://example.org/x.png"></body></html>')


@pytest.mark.parametrize("which", ["contractual", "technical"])
def test_csv_and_json_have_the_lines_as_the_evaluation_prints_them(
    request: pytest.FixtureRequest, which: str
) -> None:
    result, document = request.getfixturevalue(which)

    as_json = json.loads(render_json(document, "it"))
    as_csv = dict(render_csv(document))

    wanted = [line_object(line) for line in result.lines]
    assert as_json["lines"] == wanted
    assert as_json["total_eur"] == f"{result.total_eur}"
    rows = list(csv.DictReader(io.StringIO(as_csv["lines.csv"])))
    assert len(rows) == len(wanted)
    for row, line in zip(rows, wanted, strict=True):
        for key, value in line.items():
            said = "; ".join(value) if isinstance(value, list) else value
            assert row[key].removeprefix("'") == ("" if said is None else str(said)), key


def test_every_table_of_the_page_and_its_data_is_in_csv_and_json(
    contractual: tuple[Result, Document],
) -> None:
    _, document = contractual
    as_csv = dict(render_csv(document))
    as_json = json.loads(render_json(document, "it"))

    names = {
        f"{section.id}.{item.id}.{table.name}.csv": len(table.rows)
        for section in document.sections
        for item in section.items
        for table in item.tables
    }
    assert set(names) | {"lines.csv"} == set(as_csv)
    for name, count in names.items():
        assert len(list(csv.reader(io.StringIO(as_csv[name])))) == count + 1, name
    counts = [
        len(table["rows"])
        for section in as_json["sections"]
        for item in section["items"]
        for table in item["tables"]
    ]
    assert counts == list(names.values())


def test_data_are_exact_and_the_same_in_every_language() -> None:
    zone = ZoneInfo("Europe/Rome")
    table = Table(
        "t", msg("Warnings"),
        (Column("share", "x"), Column("euro", "x"), Column("at", "x"), Column("said", "x")),
        ((Number(Fraction(1, 3), "percent", "up"), Money(Decimal("1234.5")),
          Moment(1_304_410_500_123_456_000, zone), msg("not met")),),
    )  # fmt: skip
    document = small(table)

    ((_, text),) = render_csv(document)
    row = json.loads(render_json(document, "it"))["sections"][0]["items"][0]["tables"][0]["rows"][0]

    third = "0.33333333333333333333"
    assert text.splitlines() == [
        "share[percent],euro,at,said",
        f"{third},1234.50,2011-05-03T10:15:00.123456+02:00,not met",
    ]
    assert row["share"] == {"value": third, "unit": "percent"}
    assert row["said"] == "not met"


def test_an_instant_is_written_with_its_offset() -> None:
    at = int(datetime(2011, 12, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000_000

    assert instant(Moment(at, ZoneInfo("Asia/Tokyo"))) == "2011-12-01T21:00:00+09:00"


@pytest.mark.parametrize("text", ["=1+1", "+1", "@x", "-cmd", "\tx"])
def test_a_text_is_no_formula_in_a_spreadsheet(text: str) -> None:
    document = small(Table("t", "c", (Column("a", "a"), Column("n", "n")), ((text, -5),)))

    ((_, written),) = render_csv(document)

    row = list(csv.reader(io.StringIO(written)))[1]
    assert row == [f"'{text}", "-5"]


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    table = Table("t", "c", (Column("a", "a"),), (("x",),))
    written = write_documents([small(table)], language("fr"), ("html", "json", "csv"), tmp_path)

    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "made.fr.html",
        "made.json",
        "made.tables/one.thing.t.csv",
    ]
    assert not list(tmp_path.rglob(".*"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportError, match="can be written"):
        write_documents([small(table)], language("fr"), ("json",), tmp_path / "file")


def test_the_folder_for_media_has_all_formats_an_index_and_checksums(tmp_path: Path) -> None:
    import hashlib

    table = Table("t", "c", (Column("a", "a"),), (("x",),))
    documents = [small(table), replace(small(table), name="other")]

    write_media(documents, language("it"), tmp_path)

    files = {p.relative_to(tmp_path).as_posix(): p for p in tmp_path.rglob("*") if p.is_file()}
    assert {"index.html", SUMS_NAME, "made.it.html", "made.it.pdf", "made.json",
            "made.tables/one.thing.t.csv", "other.it.pdf"} <= set(files)  # fmt: skip
    assert all(name.isascii() for name in files)
    sums = dict(reversed(line.split("  ")) for line in files[SUMS_NAME].read_text().splitlines())
    assert set(sums) == set(files) - {SUMS_NAME}
    for name, digest in sums.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest
    index = Outline(files["index.html"].read_text())
    assert set(index.outside) == set(files) - {"index.html", SUMS_NAME}
