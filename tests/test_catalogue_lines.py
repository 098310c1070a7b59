"""The catalogue against the lines of the annex that it cites, where the annex is at hand."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from analysis.catalogue_rows import LimitRow, Parameter, PenaltyRow, Service, load_catalogue

OF_CHAPTER_2 = {130, 134, 135}
"""What it asks of every contractual report."""


def every_parameter() -> list[tuple[Service, Parameter]]:
    return [(s, parameter) for s in load_catalogue().services for parameter in s.parameters]


@pytest.fixture(scope="module")
def annex() -> list[str]:
    """The lines of the annex, where it is at hand; line 1 is at index 1."""
    folder = os.environ.get("PASPROBE_REFERENCE")
    default = Path(__file__).parents[2] / "shared" / "reference"
    file = (Path(folder) if folder else default) / "004_80c1bcb612ea7488.txt"
    if not file.exists():
        pytest.skip("the annex is not here (set PASPROBE_REFERENCE to its folder)")
    return ["", *file.read_text(encoding="utf-8").split("\n")]


def heading_before(annex: list[str], number: int) -> str:
    """The numbered heading that a line stands under; footnotes are numbered too."""
    for line in reversed(annex[:number]):
        if re.match(r"\d(\.\d)* (?!Il servizio|La chiusura)\D", line) and "|" not in line:
            return line
    raise AssertionError(f"no heading above line {number}")


def test_every_row_of_the_annex_that_sets_a_limit_is_cited_once(annex: list[str]) -> None:
    begin, end = annex.index("3.1.2 Livelli di servizio e penali"), len(annex)
    rows = [
        number
        for number in range(begin, end)
        if "|" in annex[number]
        and "Livelli di servizio e penali" in heading_before(annex, number)
        and not annex[number].startswith("Parametro")
        and annex[number]
        not in ("Funzionalità di Unified Messaging | ||", "Componente di Asset Management | ||")
    ]
    cited = Counter(line for _, one in every_parameter() for line in one.lines)
    assert rows == sorted(cited)
    assert set(cited.values()) == {1}


def test_every_item_of_the_report_lists_is_cited_once(annex: list[str]) -> None:
    def listed(word: str) -> list[int]:
        return [
            number
            for number, line in enumerate(annex)
            if line.endswith("|") and word in heading_before(annex, number).lower()
        ]

    for word, of in (("contrattuale", "contractual_report"), ("tecnico", "technical_report")):
        cited = Counter(
            line
            for service in load_catalogue().services
            for item in getattr(service, of)
            for line in item.lines
            if line not in OF_CHAPTER_2
        )
        broken = {310} if word == "tecnico" else set()  # its item ends on 311
        assert sorted(cited) == sorted({*listed(f"report {word}"), *broken})
        assert set(cited.values()) == {1}


def test_a_parameter_stands_under_the_clause_it_cites(annex: list[str]) -> None:
    for service, one in every_parameter():
        assert one.clause.startswith(service.section)
        if one.clause == "3.1.2":
            continue  # two headings are glued in line 138 (G10)
        for line in one.lines:
            assert heading_before(annex, line).startswith(f"{one.clause} "), (service.id, one.id)


ORDINALS = {"2": "secondo giorno lavorativo", "4": "quarto giorno", "6": "sesto giorno"}
UNITS = {
    "ms": "{} ms",
    "seconds": "{} secondi",
    "minutes": "{} minuti",
    "hours": "{} ore",
    "percent": "{}%",
    "solar-days": "giorno {} (",
}
STEPS = {
    "ms": "ogni millisecondo in eccesso",
    "hour": "ogni ora",
    "quarter-hour": "ogni quarto d’ora",
    "working-day": "ogni giorno",
    "solar-day": "ogni giorno di ritardo",
    "event": "ogni evento di mancato rispetto",
}
OF = {
    "pas": "del valore del PAS",
    "pair": "del valore della coppia di PAS",
    "all-pas": "del valore complessivo dei PAS",
    "level": "del valore complessivo dei PAS di tipo",
    "service": "del valore del PAS",
    "pas-all-services": "del valore del PAS",
    "waiting-time": "si maggiora del 10%",
    "euro": "",
}


def limit_words(row: LimitRow) -> str:
    value = str(row.value)
    if row.unit == "working-days":
        if "severity" in row.when:
            return ORDINALS.get(value, "entro il giorno lavorativo successivo")
        return f"Entro {value} giorni"
    if row.unit == "months":
        return f"{value} mes"
    return UNITS[row.unit].format(value)


def rate_words(row: PenaltyRow) -> list[str]:
    if row.unit == "euro":
        return [f"{row.rate} euro per {STEPS[row.per]}"]
    step = f"{row.step}%" if row.per == "percent-point" else STEPS[row.per]
    if row.basis == "waiting-time":
        return [OF[row.basis], "ogni punto percentuale"]
    return [f"{row.rate}% {OF[row.basis]}", step]


def spelled(text: str) -> str:
    """Decimal points, and no space before a percent sign."""
    return re.sub(r"(\d),(\d)", r"\1.\2", text).replace(" %", "%").replace("Euro", "euro")


def test_every_figure_stands_in_the_line_it_cites(annex: list[str]) -> None:
    for service, one in every_parameter():
        for row in one.limits:
            text = spelled(annex[row.line])
            place = (service.id, one.id, row)
            assert re.search(rf"(?<![\d.]){re.escape(limit_words(row))}", text), place
            if row.target_share is not None:
                assert f"{row.target_share}%" in text, place
            for key, sign in (("level", "{}"), ("bandwidth", "{} Mbps")):
                if key in row.when:
                    wanted = sign.format(row.when[key]).replace("<=", "≤ ").replace(">=", "≥ ")
                    assert wanted in text, place
            if row.when.get("option"):
                assert "Help Desk on-site" in text, place
        for cost in one.penalties:
            text = spelled(annex[cost.line])
            for words in rate_words(cost):
                assert words in text, (service.id, one.id, cost)
