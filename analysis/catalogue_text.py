"""The catalogue for people: a table a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.markup import escape
from rich.table import Table

from analysis.catalogue_rows import Catalogue
from analysis.catalogue_types import LimitRow, PenaltyRow


def catalogue_tables(catalogue: Catalogue, service: str | None = None) -> Iterator[Table]:
    """One table for each service, or for the one that is asked for."""
    for one in catalogue.services:
        if service not in (None, one.id):
            continue
        title = f"{one.id}: {one.name or one.id} (annex {one.section})"
        table = Table("parameter", "limit", "penalty", "clause", title=escape(title))
        table.columns[0].no_wrap = True
        for parameter in one.parameters:
            table.add_row(
                parameter.id,
                escape("\n".join(limit_words(row) for row in parameter.limits) or "none"),
                escape("\n".join(penalty_words(row) for row in parameter.penalties) or "none"),
                parameter.place,
                end_section=True,
            )
        yield table


def limit_words(row: LimitRow) -> str:
    """As `high: 99 % within 300 ms`."""
    value = f"{row.value} {_unit(row.unit)}"
    share = "" if row.target_share is None else f"{row.target_share} % within "
    return _when(row.when.values()) + share + value


def penalty_words(row: PenaltyRow) -> str:
    """As `L2: 0.4 % of pas for each 0.1 percent-point`."""
    each = row.per if row.step == 1 else f"{row.step} {row.per}"
    if row.unit == "euro":
        return f"{_when(row.when.values())}{row.rate} EUR for each {each}"
    return f"{_when(row.when.values())}{row.rate} % of {row.basis} for each {each}"


def _when(values: Iterable[str]) -> str:
    words = ", ".join(values)
    return f"{words}: " if words else ""


def _unit(unit: str) -> str:
    return "%" if unit == "percent" else unit
