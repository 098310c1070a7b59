"""Translations are complete in both languages; no figure is printed kinder than it is."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract
from hypothesis import given
from hypothesis import strategies as st

from analysis import documents, readings
from analysis.catalogue_rows import load_catalogue
from analysis.documents.content import Message, Moment, Money, Number, Said, msg
from analysis.documents.language import CODES, Code, language, rounded, translations

FOREIGN: tuple[Code, ...] = ("it", "fr")
PLACE = re.compile(r"\{\w+\}")
NBSP = "\u00a0"


def of_the_code() -> set[str]:
    """The ids in the calls of `msg` in the source, as babel finds them."""
    found = set()
    folder = Path(documents.__file__).parent
    for file in folder.glob("*.py"):
        for _, identifier, _, _ in extract(
            "python", BytesIO(file.read_bytes()), keywords={"msg": None}
        ):
            assert isinstance(identifier, str)
            found.add(identifier)
    return found


def of_the_page() -> set[str]:
    page = (resources.files("analysis") / "pages" / "sla.html.j2").read_text(encoding="utf-8")
    return set(re.findall(r'say\("([^"]+)"', page))


def of_the_catalogue() -> set[str]:
    found = set()
    for service in load_catalogue().services:
        found.add(service.name)
        found |= {parameter.name for parameter in service.parameters}
        found |= {i.text for i in (*service.contractual_report, *service.technical_report)}
    return found


def of_the_readings() -> set[str]:
    known = readings.Readings()
    found = {known.text(reading) for reading in readings.READINGS}
    for switch, values in readings.SWITCHES.items():
        found |= {readings.Readings({switch: value}).text(switch) for value in values}
    return found


@pytest.mark.parametrize("code", FOREIGN)
@pytest.mark.parametrize("source", [of_the_code, of_the_page, of_the_catalogue, of_the_readings])
def test_every_text_has_its_translation(code: Code, source: object) -> None:
    assert callable(source)
    wanted = source()

    assert len(wanted) > 4
    assert sorted(wanted - set(translations(code))) == []


def test_both_languages_translate_the_same_texts_with_the_same_places() -> None:
    assert list(translations("it")) == list(translations("fr"))
    for code in FOREIGN:
        for identifier, text in translations(code).items():
            assert sorted(PLACE.findall(identifier)) == sorted(PLACE.findall(text)), identifier


@pytest.mark.parametrize("code", CODES)
def test_a_text_is_filled_with_its_values(code: Code) -> None:
    text = language(code).text(msg("{count} of {all}", count=3, all=1234))

    assert "3" in text
    assert "{" not in text
    assert text != "{count} of {all}"


@pytest.mark.parametrize(
    ("english", "italian"),
    [
        (
            "3 steps x 0.2 % x 12000.00 EUR = 72.00 EUR",
            f"3 scatti × 0,2{NBSP}% × 12.000,00 EUR = 72,00 EUR",
        ),
        (
            "due 2011-09-20, delivered 2011-09-22",
            "previsto il 20/09/2011, consegnato il 22/09/2011",
        ),
        (
            "p/1: no valid trains from 2011-05-03T10:15+02:00 to 2011-05-03T11:00+02:00, "
            "agent silent",
            "p/1: nessun treno valido dal 03/05/2011 10:15 al 03/05/2011 11:00, agente silenzioso",
        ),
        (
            "cairo-01: the fee changes in the period: fees are weighted by days",
            "cairo-01: il canone cambia nel periodo: i canoni si pesano per giorni",
        ),
        (
            "packet-loss: nothing measured for a-1 and b-2, c-3 and d-4",
            "packet-loss: nulla di misurato per a-1 e b-2, c-3 e d-4",
        ),
    ],
)
def test_the_engine_s_texts_are_translated_by_pattern_with_local_figures(
    english: str, italian: str
) -> None:
    assert language("it").text(Said(english)) == italian


def test_a_text_without_translation_stays_english_and_is_known_to() -> None:
    unknown = Said("Something that no catalogue of messages has")

    for code in FOREIGN:
        assert language(code).text(unknown) == unknown.text
        assert not language(code).translates(unknown)
        assert language(code).translates(msg("not met"))
    assert language("en").translates(unknown)


@pytest.mark.parametrize(
    ("code", "money", "percent", "day", "moment"),
    [
        ("en", f"12,877.55{NBSP}€", f"98.75{NBSP}%", "2011-05-03", "2011-05-03 10:15"),
        ("it", f"12.877,55{NBSP}€", f"98,75{NBSP}%", "03/05/2011", "03/05/2011 10:15"),
        ("fr", f"12\u202f877,55{NBSP}€", f"98,75{NBSP}%", "03/05/2011", "03/05/2011 10:15"),
    ],
)
def test_figures_stand_as_the_language_writes_them(
    code: Code, money: str, percent: str, day: str, moment: str
) -> None:
    here = language(code)

    assert here.cell(Money(Decimal("12877.55"))) == money
    assert here.cell(Number(Fraction("98.75"), "percent")) == percent
    assert here.cell(date(2011, 5, 3)) == day
    at = Moment(1_304_410_500_000_000_000, ZoneInfo("Europe/Rome"))
    assert here.cell(at) == moment
    assert here.cell(("a", 2, None)) == "a; 2; "


@given(
    value=st.fractions(min_value=-1000, max_value=1000, max_denominator=10**7),
    unit=st.sampled_from(["percent", "ms", "hours", "minutes", ""]),
)
def test_a_rounded_figure_lies_on_the_side_that_was_asked_for(value: Fraction, unit: str) -> None:
    down = Fraction(rounded(Number(value, unit, "down")))
    up = Fraction(rounded(Number(value, unit, "up")))
    nearest = Fraction(rounded(Number(value, unit)))

    assert down <= value <= up
    assert nearest in (down, up)
    assert abs(nearest - value) <= min(value - down, up - value)


def test_a_share_just_below_its_limit_is_not_printed_as_the_limit() -> None:
    just_below = Fraction(99) - Fraction(1, 10**9)

    assert rounded(Number(just_below, "percent", "down")) == Decimal("98.9999")
    assert rounded(Number(Fraction(1) + Fraction(1, 10**9), "percent", "up")) == Decimal("1.0001")
    assert rounded(Number(Fraction(99), "percent", "down")) == Decimal(99)


def test_a_message_is_a_value() -> None:
    assert msg("met") == Message("met", {})
