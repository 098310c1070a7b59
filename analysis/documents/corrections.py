"""What a corrected report says against the one before: each changed line and its euro."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from analysis.documents import words
from analysis.documents.content import Cell, Column, Item, Message, Money, Number, Table, Text, msg
from analysis.documents.items_lines import measured
from analysis.documents.material import Material, parameter_name
from analysis.errors import ReportError
from analysis.lines import Line, Status

_KEY = ("service", "pas", "peer", "parameter", "level", "severity", "event")
"""What names a line; its number may move."""

Key = tuple[str, ...]


def corrections(material: Material, previous: Mapping[str, Any]) -> Item:
    """The item that names every change since `previous` (the JSON of `sla evaluate`).

    Raises `ReportError` where that is no result of the same administration and period.
    """
    before = _earlier(material, previous)
    after = {_key_of(line): line for line in material.result.lines}
    rows: list[tuple[Cell, ...]] = []
    changed = Decimal(0)
    for key in dict.fromkeys((*after, *before)):
        old, new = before.get(key), after.get(key)
        row = _change(material, key, old, new)
        if row is not None:
            rows.append(row)
            changed += _euro(new) - _euro_of(old)
    total = material.result.total_eur
    note = msg(
        "Before: {before}. Now: {now}. Difference: {difference}.",
        before=Money(total - changed),
        now=Money(total),
        difference=Money(changed),
    )
    text = msg("Changes since the report before")
    if not rows:
        return Item("corrections", text, notes=(msg("No line has changed."), note))
    total_row: tuple[Cell, ...] = (msg("total"), *[None] * 8, Money(changed))
    table = Table(
        "changes",
        msg("Every line that is new, gone or different."),
        (
            Column("change", msg("change")),
            words.SERVICE,
            words.PAS,
            words.PARAMETER,
            Column("event", msg("event")),
            Column("before", msg("before"), numeric=True),
            Column("now", msg("now"), numeric=True),
            Column("before_eur", msg("penalty before"), numeric=True),
            Column("now_eur", msg("penalty now"), numeric=True),
            Column("difference_eur", msg("difference"), numeric=True),
        ),
        tuple(rows),
        total_row,
    )
    return Item("corrections", text, notes=(note,), tables=(table,))


def _earlier(material: Material, previous: Mapping[str, Any]) -> dict[Key, Mapping[str, Any]]:
    result = material.result
    for key, wanted in (("period", str(result.period)), ("administration", result.administration)):
        if previous.get(key) != wanted:
            raise ReportError(
                f"the earlier result is about {key} {previous.get(key)!r}, not {wanted!r}: give"
                " what `pasprobe sla evaluate --json` printed for the report that is corrected"
            )
    lines = previous.get("lines")
    if not isinstance(lines, Sequence) or not all(isinstance(line, Mapping) for line in lines):
        raise ReportError(
            "the earlier result has no list `lines`: give what `pasprobe sla evaluate --json`"
            " printed"
        )
    found = {tuple(str(line.get(key) or "") for key in _KEY): line for line in lines}
    for line in found.values():
        try:
            _euro_of(line)
        except InvalidOperation:
            raise ReportError(
                f"the earlier result has no amount in {line.get('penalty_eur')!r}"
            ) from None
    return found


def _key_of(line: Line) -> Key:
    return tuple(str(getattr(line, key)) for key in _KEY)


def _euro(line: Line | None) -> Decimal:
    return Decimal(0) if line is None else line.penalty_eur


def _euro_of(line: Mapping[str, Any] | None) -> Decimal:
    return Decimal(0) if line is None else Decimal(str(line.get("penalty_eur") or 0))


def _change(
    material: Material, key: Key, old: Mapping[str, Any] | None, new: Line | None
) -> tuple[Cell, ...] | None:
    same_value = old is not None and new is not None and _same(old, new)
    if same_value and _euro(new) == _euro_of(old):
        return None
    kind = msg("new") if old is None else msg("gone") if new is None else msg("different")
    service, pas, peer, parameter = key[:4]
    rule = material.inputs.catalogue.service(service)
    name = parameter_name(None if rule is None else rule.parameter(parameter), parameter)
    return (
        kind,
        service,
        (f"{pas} → {peer}" if peer else pas) or words.ALL_PAS,
        name,
        key[6],
        None if old is None else _figure(old),
        None if new is None else _now(material, new),
        Money(_euro_of(old)),
        Money(_euro(new)),
        Money(_euro(new) - _euro_of(old)),
    )


def _same(old: Mapping[str, Any], new: Line) -> bool:
    if old.get("status") != str(new.status):
        return False
    before = old.get("measured")
    if before is None or new.measured is None:
        return before is None and new.measured is None
    # A fraction that does not end was written with 12 places at least.
    return abs(Fraction(str(before)) - new.measured) < Fraction(1, 10**9)


def _figure(old: Mapping[str, Any]) -> Cell:
    status = words.STATUS[Status(str(old.get("status")))].text
    if old.get("measured") is None:
        return status
    return _with_status(Number(Fraction(str(old["measured"])), str(old.get("unit") or "")), status)


def _now(material: Material, line: Line) -> Cell:
    status = words.STATUS[line.status].text
    value = measured(material.parameter(line), line)
    return status if value is None else _with_status(value, status)


def _with_status(value: Number, status: Message) -> Text:
    return msg("{value} ({status})", value=value, status=status)
