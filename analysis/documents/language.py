"""A document in a language: translations from `analysis/locale`, digits and dates as people write.

English is the language of the message ids. The catalogues are read as text (.po) when they are
first needed; there is no compiled form that could be older than its source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Literal, get_args

from analysis.documents.content import (
    Badge,
    Cell,
    Message,
    Moment,
    Money,
    Number,
    Said,
    Text,
    msg,
)

Code = Literal["it", "en", "fr"]
CODES: tuple[Code, ...] = get_args(Code)
_LOCALES: Mapping[Code, str] = {"it": "it_IT", "en": "en_GB", "fr": "fr_FR"}
_PLACE = re.compile(r"\{(\w+)\}")
_LETTERS = 4
"""A message with fewer letters of its own would fit too much to be a pattern."""
_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[+-]\d\d:\d\d")
_SPAN = re.compile(f"{_INSTANT.pattern} to {_INSTANT.pattern}")
_PAIRS = re.compile(r"[\w-]+ and [\w-]+(, [\w-]+ and [\w-]+)*")

UNITS: Mapping[str, Message] = {
    "percent": msg("{value} %"),
    "ms": msg("{value} ms"),
    "seconds": msg("{value} s"),
    "minutes": msg("{value} min"),
    "quarter-hours": msg("{value} quarter hours"),
    "hours": msg("{value} h"),
    "working-days": msg("{value} working days"),
    "solar-days": msg("{value} calendar days"),
    "months": msg("{value} months"),
    "calls": msg("{value} calls"),
    "events": msg("{value} events"),
    "mbps": msg("{value} Mbps"),
    "celsius": msg("{value} °C"),
    "watts": msg("{value} W"),
    "": msg("{value}"),
}
"""Unit of a `Number` -> how it stands beside its value."""
_PLACES: Mapping[str, int] = {"percent": 4, "ms": 3, "seconds": 1, "minutes": 1, "hours": 2}


class Language:
    """One language; `text` and `cell` give what is printed, without markup."""

    def __init__(self, code: Code) -> None:
        from babel import Locale
        from babel.numbers import get_decimal_symbol, get_group_symbol

        self.code: Code = code
        self._locale = Locale.parse(_LOCALES[code])
        self._messages = translations(code)
        self._patterns = _patterns(code)
        self._point = get_decimal_symbol(self._locale)
        self._group = get_group_symbol(self._locale)

    def text(self, text: Text) -> str:
        """A text in this language; without a translation it stays English."""
        if isinstance(text, Message):
            values = {name: self.cell(value) for name, value in text.values.items()}
            return _filled(self._messages.get(text.id) or text.id, values)
        return self._said(text.text) if isinstance(text, Said) else text

    def translates(self, text: Text) -> bool:
        """Whether the text is one that this language has; names and numbers always are."""
        if self.code == "en" or isinstance(text, str):
            return True
        if isinstance(text, Message):
            return text.id in self._messages
        return self._said(text.text) != text.text or text.text in self._messages

    def cell(self, value: Cell) -> str:
        """What stands in one cell of a table."""
        match value:
            case None:
                return ""
            case str() | Message() | Said():
                return self.text(value)
            case Badge():
                return self.text(value.text)
            case Number():
                return self.number(value)
            case Money():
                return f"{self._digits(value.euro.quantize(Decimal('0.01')))}\u00a0€"
            case Moment():
                return self.moment(value)
            case bool():
                raise TypeError("a cell says what is true in words")
            case int():
                return self._digits(Decimal(value))
            case date():
                return self.day(value)
            case tuple():
                return "; ".join(self.cell(one) for one in value)

    def number(self, number: Number) -> str:
        """A figure with its unit, rounded as the number asks for."""
        digits = self._digits(rounded(number))
        pattern = self._messages.get(UNITS[number.unit].id) or UNITS[number.unit].id
        # A figure and its unit stay on one line.
        return pattern.replace("{value} ", "{value}\u00a0").replace("{value}", digits)

    def moment(self, moment: Moment) -> str:
        """Local date and clock time to the minute, to the second where there are seconds."""
        at = datetime.fromtimestamp(moment.ns // 1_000_000_000, UTC).astimezone(moment.zone)
        clock = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
        return f"{self.day(at.date())} {clock}"

    def day(self, day: date) -> str:
        """A date in figures."""
        return f"{day:%d/%m/%Y}" if self.code != "en" else f"{day:%Y-%m-%d}"

    def month(self, day: date) -> str:
        """Month and year in words."""
        from babel.dates import format_skeleton

        return str(format_skeleton("yMMMM", day, locale=self._locale))

    def _digits(self, value: Decimal) -> str:
        """Grouped by thousands."""
        plain = f"{abs(value):f}"
        whole, _, decimals = plain.partition(".")
        if len(whole) > 3:
            whole = f"{int(whole):,}".replace(",", self._group)
        sign = "-" if value < 0 else ""
        return f"{sign}{whole}{self._point}{decimals}" if decimals else f"{sign}{whole}"

    def _said(self, text: str) -> str:
        """An engine's text: as it stands, else by a pattern, else part by part."""
        known = self._messages.get(text)
        if known or self.code == "en":
            return known or text
        for pattern, translated in self._patterns:
            found = pattern.fullmatch(text)
            if found is not None:
                values = {name: self._value(value) for name, value in found.groupdict().items()}
                return _filled(translated, values)
        return self._said_in_parts(text)

    def _said_in_parts(self, text: str) -> str:
        """Sentences after one another, or a name before a sentence; else the text as it is."""
        parts = text.split("; ")
        if len(parts) > 1:
            return "; ".join(self._said(part) for part in parts)
        where, colon, note = text.partition(": ")
        said = self._said(note) if colon else note
        if said == note:
            return text
        return self.text(msg("{where}: {note}", where=where, note=said))

    def _value(self, text: str) -> str:
        """A value inside an engine's text: numbers, dates and places as people write them."""
        if _PLAIN_NUMBER.fullmatch(text):
            return self._digits(Decimal(text))
        if _DAY.fullmatch(text):
            return self.day(date.fromisoformat(text))
        if _INSTANT.fullmatch(text):
            at = datetime.fromisoformat(text)
            return f"{self.day(at.date())} {at:%H:%M}"
        if _SPAN.fullmatch(text):
            begin, end = (self._value(instant) for instant in text.split(" to "))
            return self.text(msg("{begin} to {end}", begin=begin, end=end))
        if _PAIRS.fullmatch(text):
            pairs = (pair.split(" and ") for pair in text.split(", "))
            return ", ".join(
                self.text(msg("{one} and {other}", one=one, other=other)) for one, other in pairs
            )
        return self._said(text)


def rounded(number: Number) -> Decimal:
    """The figure as it is printed: so many places as its unit has, without closing zeros."""
    places = _PLACES.get(number.unit, 2)
    scaled = number.value * 10**places
    floor, exact = scaled.numerator // scaled.denominator, scaled.denominator == 1
    if (number.rounding == "up" and not exact) or (
        number.rounding == "nearest" and scaled - floor >= Fraction(1, 2)
    ):
        floor += 1
    value = Decimal(floor).scaleb(-places)
    trimmed = value.normalize()
    return trimmed.quantize(Decimal(1)) if trimmed == trimmed.to_integral_value() else trimmed


def language(code: Code) -> Language:
    """The language of this code, read once."""
    return _language(code)


@cache
def _language(code: Code) -> Language:
    return Language(code)


@cache
def translations(code: Code) -> Mapping[str, str]:
    """English message id -> text; empty for English. Fuzzy and empty entries do not count."""
    if code == "en":
        return {}
    from babel.messages.pofile import read_po

    found: dict[str, str] = {}
    folder = resources.files("analysis") / "locale" / code
    for place in sorted(folder.iterdir(), key=lambda file: file.name):
        if not place.name.endswith(".po"):
            continue
        with place.open("rb") as file:
            catalogue = read_po(file, locale=code)
        found |= {
            str(entry.id): str(entry.string)
            for entry in catalogue
            if entry.id and entry.string and not entry.fuzzy
        }
    return found


@cache
def _patterns(code: Code) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Message ids with places, as patterns for texts that the engine has filled in already.

    Those with the most fixed text come first, so that a special one goes before a general one.
    """
    found = []
    for identifier, text in translations(code).items():
        fixed = _PLACE.sub("", identifier)
        if fixed == identifier or sum(char.isalpha() for char in fixed) < _LETTERS:
            continue
        parts, seen = [], set()
        for index, piece in enumerate(_PLACE.split(identifier)):
            if index % 2 == 0:
                parts.append(re.escape(piece))
            elif piece in seen:
                parts.append(f"(?P={piece})")
            else:
                seen.add(piece)
                parts.append(f"(?P<{piece}>.+?)")
        found.append((len(fixed), re.compile("".join(parts), re.DOTALL), text))
    found.sort(key=lambda one: -one[0])
    return tuple((pattern, text) for _, pattern, text in found)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text) if values else text
