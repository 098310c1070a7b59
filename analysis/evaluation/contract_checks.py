"""What keeps a contract from being charged, all of it at once and each by name.

`inventory.load` refuses the same levels, profiles and services in a file, with the line; a
configuration made in Python or read from an archive comes past here alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from analysis.catalogue_rows import Catalogue
from analysis.catalogue_types import Service
from analysis.errors import ContractError, ContractProblem
from analysis.evaluation.contract import Row, needs_fee, rows_of, spans
from analysis.readings import readings_of
from inventory.models import Configuration, Pas, ServiceEntry
from inventory.services import SERVICES


def check_contract(configuration: Configuration, catalogue: Catalogue) -> None:
    """Raise `ContractError` with everything that is missing or contradicts itself."""
    problems = tuple(_problems(configuration, catalogue))
    if problems:
        raise ContractError(problems)


def _problems(configuration: Configuration, catalogue: Catalogue) -> Iterator[ContractProblem]:
    if configuration.contract is None:
        yield ContractProblem(
            "[contract]",
            "there is none, so nothing can be charged",
            "write [contract] with administration, country, timezone and services",
        )
        return
    try:
        readings_of(configuration)
    except ContractError as error:
        yield from error.problems
    yield from _strangers(configuration)
    for service in catalogue.services:
        for pas, rows in rows_of(configuration, service.id):
            place = _place(pas, service.id)
            for row in rows:
                yield from _row(place, service, pas, row)
            yield from _overlaps(place, rows)
            if service.fee_of:
                yield from _borrowed_fee(place, service, configuration, rows)


def _strangers(configuration: Configuration) -> Iterator[ContractProblem]:
    for pas in configuration.pas:
        for entry in pas.services:
            rule = SERVICES.get(entry.id)
            if rule is None or not rule.per_pas:
                yield ContractProblem(
                    _place(pas, entry.id),
                    "is no service that a PAS can have",
                    "correct the id, or list it in [contract] services",
                )
    for row in configuration.contract.services if configuration.contract else ():
        rule = SERVICES.get(row.id)
        if rule is None or rule.per_pas:
            yield ContractProblem(
                _place(None, row.id),
                "is no service that is charged as a whole",
                "correct the id, or list it in services of each [[pas]] that has it",
            )


def _row(place: str, service: Service, pas: Pas | None, row: Row) -> Iterator[ContractProblem]:
    if row.start is None:
        yield ContractProblem(
            place, "has no start", 'write start = "YYYY-MM-DD": penalties begin by it (line 621)'
        )
    if row.fee is None and needs_fee(service):
        yield ContractProblem(
            place, "has no fee", 'write fee = "0.00": EUR net for four months (line 126)'
        )
    if not isinstance(row, ServiceEntry):
        return
    if row.window is None:
        yield ContractProblem(
            place,
            "has no delivery window, and the annex has no default (line 111)",
            'write window = "normal" (08:00-20:00) or "extended" (00:00-24:00)',
        )
    if row.level not in service.levels:
        has = f"has no level {row.level}" if row.level else "needs a level"
        yield ContractProblem(
            place,
            f"{has} (annex {service.section})",
            "write level = " + " or ".join(f'"{level}"' for level in service.levels),
        )
    if pas is not None and pas.profile not in service.profiles:
        yield ContractProblem(
            place,
            f'is not offered to profile "{pas.profile}" (annex {service.section})',
            f"the service is for profile {' or '.join(service.profiles)}",
        )


def _overlaps(place: str, rows: tuple[Row, ...]) -> Iterator[ContractProblem]:
    chain = spans(rows)
    for (_, first, last), (_, after, _) in pairwise(chain):
        if after == first or (last is not None and last >= after):
            until = "the same start" if after == first else f"{last}"
            yield ContractProblem(
                place,
                f"two rows overlap: one from {first} to {until}, the next from {after}",
                "end the earlier one the day before, or leave its end out",
            )


def _borrowed_fee(
    place: str, service: Service, configuration: Configuration, rows: tuple[Row, ...]
) -> Iterator[ContractProblem]:
    others = [span for _, mine in rows_of(configuration, service.fee_of) for span in spans(mine)]
    for _, first, last in spans(rows):
        if not any(
            (end is None or end >= first) and (last is None or begin <= last)
            for _, begin, end in others
        ):
            yield ContractProblem(
                place,
                f"is charged on the fee of {service.fee_of}, which the contract does not list "
                f"from {first} on",
                f"add {service.fee_of} with its fee to [contract] services",
            )


def _place(pas: Pas | None, service: str) -> str:
    return f"[contract] services, {service}" if pas is None else f"[[pas]] {pas.id}, {service}"
