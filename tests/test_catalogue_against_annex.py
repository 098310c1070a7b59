"""Each number of the catalogue against the second transcription of the annex, both ways.

`annex_second_transcription.toml` was made without the catalogue, and
`test_second_transcription_in_annex.py` holds it to the annex, figure by figure. A slip of a digit
in either of the two is a difference here, with service, parameter and line.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analysis.catalogue_rows import LimitRow, PenaltyRow, load_catalogue
from analysis.steps import THRESHOLDS
from inventory.periods import Period, parse_period
from inventory.services import ALL_PROFILES

SECOND: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("annex_second_transcription.toml").read_text(encoding="utf-8")
)
R_2_5 = (("r-2-5-outages", (134,)), ("r-2-5-late", (135,)))
"""Each outage with its times; each outage restored late."""
R_2_3 = ("r-2-3-penalties", (130,))
"""The calculation of the penalties, for a list that does not name it (G9)."""

Row = tuple[object, ...]


def when(row: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(row.items()))


def limit(place: Row, row: LimitRow) -> Row:
    share = "" if row.target_share is None else str(row.target_share)
    return (*place, row.line, when(row.when), str(row.value), row.unit, share)


def penalty(place: Row, row: PenaltyRow) -> Row:
    cost = (str(row.rate), row.unit, row.per, str(row.step), row.basis)
    return (*place, row.line, when(row.when), *cost)


def catalogue_rows() -> Counter[Row]:
    return Counter(
        written
        for service in load_catalogue().services
        for parameter in service.parameters
        for written in (
            *(limit((service.id, parameter.id, "limit"), row) for row in parameter.limits),
            *(penalty((service.id, parameter.id, "penalty"), row) for row in parameter.penalties),
        )
    )


def second_rows() -> Counter[Row]:
    found: list[Row] = []
    for parameter in SECOND["parameter"]:
        place = (parameter["service"], parameter["id"])
        for row in parameter.get("limits", ()):
            value = (row["value"], row["unit"], row.get("share", ""))
            found.append((*place, "limit", row["line"], when(row["when"]), *value))
        for row in parameter.get("penalties", ()):
            cost = tuple(row[key] for key in ("rate", "unit", "per", "step", "basis"))
            found.append((*place, "penalty", row["line"], when(row["when"]), *cost))
    return Counter(found)


def numbered(items: Iterable[int | list[int]]) -> list[tuple[int, ...]]:
    return [tuple(item) if isinstance(item, list) else (item,) for item in items]


def test_the_annex_has_18_services_77_parameters_143_limits_and_110_penalties() -> None:
    services = load_catalogue().services
    parameters = [parameter for service in services for parameter in service.parameters]
    limits = [row for parameter in parameters for row in parameter.limits]
    penalties = [row for parameter in parameters for row in parameter.penalties]
    assert [len(each) for each in (services, parameters, limits, penalties)] == [18, 77, 143, 110]


def test_services_were_read_alike_twice() -> None:
    first = {
        s.id: (s.section, s.windows, s.levels, s.profiles, s.value_basis, s.fee_of)
        for s in load_catalogue().services
    }
    assert first == {
        s["id"]: (
            s["section"],
            tuple(s["windows"]),
            tuple(s["levels"]),
            tuple(s.get("profiles", ALL_PROFILES)),
            s["value"]["kind"],
            s.get("fee_of", ""),
        )
        for s in SECOND["service"]
    }


def test_parameters_stand_in_the_same_order_at_the_same_place() -> None:
    first = [
        (service.id, parameter.id, parameter.clause, list(parameter.lines))
        for service in load_catalogue().services
        for parameter in service.parameters
    ]
    second = [(p["service"], p["id"], p["clause"], p["lines"]) for p in SECOND["parameter"]]
    assert sorted(first) == sorted(second)
    assert first == second


def test_every_number_of_the_catalogue_was_written_a_second_time() -> None:
    assert sorted(catalogue_rows() - second_rows()) == []


def test_every_number_of_the_second_transcription_is_in_the_catalogue() -> None:
    assert sorted(second_rows() - catalogue_rows()) == []


def slips(row: Row) -> list[Row]:
    """The row with each of its numbers off by one in the last decimal."""
    value_and_share, rate_and_step = (5, 7), (5, 8)
    numbers = value_and_share if row[2] == "limit" else rate_and_step
    return [
        (*row[:n], str(Decimal(str(row[n])) + Decimal(1).scaleb(exponent)), *row[n + 1 :])
        for n in numbers
        if row[n] != "" and isinstance(exponent := Decimal(str(row[n])).as_tuple().exponent, int)
    ]


def test_a_slip_in_the_last_digit_of_any_number_shows() -> None:
    second = second_rows()
    made = [slip for row in catalogue_rows() for slip in slips(row)]
    shares = sum(1 for row in second if row[2] == "limit" and row[7] != "")
    assert len(made) == 143 + shares + 2 * 110
    assert [slip for slip in made if slip in second] == []


@pytest.mark.parametrize("report", ["contractual", "technical"])
def test_report_items_are_as_many_at_the_same_lines(report: str) -> None:
    for second in SECOND["service"]:
        service = load_catalogue().service(second["id"])
        assert service is not None
        items = service.contractual_report if report == "contractual" else service.technical_report
        own = numbered(second[report])
        assert [item.lines for item in items[: len(own)]] == own, second["id"]
        rest = [] if report == "technical" else [*R_2_5]
        if report == "contractual" and "calculation" not in second:
            rest.append(R_2_3)
        assert [(item.id, item.lines) for item in items[len(own) :]] == rest, second["id"]
        assert len({item.id for item in items}) == len(items)


def test_windows_are_the_hours_of_line_111() -> None:
    second = SECOND["windows"]
    assert {
        w.id: (w.begin_hour, w.end_hour, w.line) for w in load_catalogue().definitions.windows
    } == {
        name: (int(second[name]["opens"]), int(second[name]["closes"]), second["line"])
        for name in ("normal", "extended")
    }


def test_levels_are_those_of_chapter_1() -> None:
    definitions = load_catalogue().definitions
    levels = {level["id"]: level for level in SECOND["level"]}
    assert [level.id for level in definitions.levels] == list(levels)
    for level in definitions.levels:
        second = levels[level.id]
        available = level.availability
        assert (str(available.value), available.unit, available.target_share, available.line) == (
            second["value"],
            "percent",
            None,
            second["line"],
        )
        assert [
            (row.when["severity"], str(row.value), row.unit, str(row.target_share), row.line)
            for row in level.restoration
        ] == [
            (row["when"]["severity"], row["value"], row["unit"], row["share"], row["line"])
            for row in second["restoration"]
        ]


def test_rounding_bands_are_those_of_line_125() -> None:
    bands = load_catalogue().definitions.rounding
    second = {Decimal(row["step"]): Decimal(row["nothing_up_to"]) for row in SECOND["rounding"]}
    assert {band.step: band.up_to for band in bands} == second
    assert len(bands) == len(SECOND["rounding"])
    assert {band.line for band in bands} == {row["line"] for row in SECOND["rounding"]}
    assert second == THRESHOLDS


def test_every_step_in_percentage_points_has_a_rounding_band() -> None:
    steps = {
        row.step
        for service in load_catalogue().services
        for parameter in service.parameters
        for row in parameter.penalties
        if row.per == "percent-point"
    }
    assert steps == {Decimal("0.1"), Decimal("0.5"), Decimal(1)}
    assert steps < THRESHOLDS.keys()


def months_in(period: Period) -> int:
    return (period.end.year - period.begin.year) * 12 + period.end.month - period.begin.month


def test_reports_are_about_the_periods_and_due_on_the_days_of_chapter_1() -> None:
    reports = {report.id: report for report in load_catalogue().definitions.reports}
    assert set(reports) == set(SECOND["periods"])
    for name, period in SECOND["periods"].items():
        assert reports[name].months == int(period["months"])
    for due in SECOND["report_day"]:
        report = reports[due["report"]]
        assert (report.due_day, list(report.due_months)) == (int(due["day"]), due["months"])
    for name, report in reports.items():
        lines = {d["line"] for d in SECOND["report_day"] if d["report"] == name}
        assert report.line in lines
        deadline = load_catalogue().parameter("reporting", f"{name}-report-deadline")
        assert deadline is not None
        assert [row.value for row in deadline.limits] == [Decimal(report.due_day)]


def test_periods_are_as_long_as_chapter_1_says() -> None:
    for text, name in (
        ("2011-2", "contractual"),
        ("2012-1", "contractual"),
        ("2011-05", "technical"),
    ):
        assert months_in(parse_period(text)) == int(SECOND["periods"][name]["months"])
