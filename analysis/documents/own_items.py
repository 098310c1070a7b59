"""Items before the services: sums, what was not met, actions, forecast."""

from __future__ import annotations

from decimal import Decimal

from analysis.catalogue_rows import Service
from analysis.documents import words
from analysis.documents.content import (
    Cell,
    Column,
    Item,
    Money,
    Number,
    Said,
    Table,
    msg,
)
from analysis.documents.items_lines import limit_cell, measured
from analysis.documents.material import Material, parameter_name, service_name
from analysis.documents.parts import trimmed
from analysis.facts import Action
from analysis.lines import Line, Status

_HOUR_NS = 3_600_000_000_000


def sums(material: Material, *, euro: bool) -> Item:
    """Per service how many lines are met, not met, in doubt, and what they cost."""
    rows: list[tuple[Cell, ...]] = []
    for service in material.services:
        lines = [line for line in material.result.lines if line.service == service.id]
        counts = [sum(line.status is status for line in lines) for status in Status]
        cost = sum((line.penalty_eur for line in lines), start=material.result.total_eur * 0)
        rows.append((service_name(service), service.section, *counts, Money(cost)))
    columns = (
        words.SERVICE,
        Column("section", msg("section")),
        *(
            Column(str(status).replace(" ", "-"), words.STATUS[status].text, numeric=True)
            for status in Status
        ),
        words.EURO,
    )
    sums_of = [sum(row[2 + index] for row in rows) for index in range(len(Status))]  # type: ignore[misc]
    total: tuple[Cell, ...] = (msg("total"), None, *sums_of, Money(material.result.total_eur))
    if not euro:
        columns, rows, total = columns[:-1], [row[:-1] for row in rows], total[:-1]
    table = Table(
        "services", msg("Lines of the evaluation by service."), columns, tuple(rows), total
    )
    return Item("services", msg("Services at a glance"), tables=(table,))


def not_met(material: Material, *, euro: bool) -> Item | None:
    """Every line beyond its limit, in one place."""
    broken = [line for line in material.result.lines if line.status is Status.NOT_MET]
    if not broken:
        return None
    columns = (
        Column("number", msg("line"), numeric=True),
        words.SERVICE,
        words.PAS,
        words.PEER,
        words.PARAMETER,
        Column("event", msg("event")),
        Column("measured", msg("measured"), numeric=True),
        Column("limit", msg("limit"), numeric=True),
        Column("deviation", msg("beyond the limit"), numeric=True),
        words.EURO,
    )
    rows = []
    for line in broken:
        parameter = material.parameter(line)
        rows.append(
            (
                line.number,
                line.service,
                line.pas or words.ALL_PAS,
                line.peer,
                parameter_name(parameter, line.parameter),
                line.event,
                measured(parameter, line),
                limit_cell(material, parameter, line),
                None if line.deviation is None else Number(line.deviation, line.unit, "up"),
                Money(line.penalty_eur) if euro else None,
            )
        )
    table = Table("not-met", msg("Every line beyond its limit."), columns, tuple(rows))
    return Item("not-met", msg("What was not met"), tables=(trimmed(table),))


def actions(material: Material) -> Item:
    """Every finding of the month with the actions taken or planned ([R-2-7])."""
    months = str(material.period)
    known = [action for action in material.inputs.facts.actions if action.month == months]
    findings = [line for line in material.result.lines if line.status is Status.NOT_MET]
    rows: list[tuple[Cell, ...]] = []
    used: set[int] = set()
    for line in findings:
        fitting = [action for action in known if answers(action, line)]
        used |= {id(action) for action in fitting}
        rows += [_action_row(material, line, action) for action in fitting]
        if not fitting:
            rows.append(_action_row(material, line, None))
    rows += [
        (None, action.service, None, action.finding, None, None, *_action(action))
        for action in known
        if id(action) not in used
    ]
    text = msg("Actions taken or planned on each finding")
    if not rows:
        return Item(
            "actions", text, "137", (msg("Nothing was beyond its limit; no action is due."),)
        )
    table = Table(
        "actions",
        msg("Findings of the month and what was done about them."),
        (
            Column("number", msg("line"), numeric=True),
            words.SERVICE,
            words.PAS,
            Column("finding", msg("finding")),
            Column("measured", msg("measured"), numeric=True),
            Column("limit", msg("limit"), numeric=True),
            Column("action", msg("action")),
            Column("by", msg("by")),
            Column("due", msg("due on")),
            Column("done", msg("done on")),
        ),
        tuple(rows),
    )
    return Item("actions", text, "137", tables=(table,))


def answers(action: Action, line: Line) -> bool:
    """Whether an action is about a finding: its service (or none), and its parameter or event.

    The warning `finding-without-action` of the evaluation asks the same.
    """
    finding = action.finding.casefold()
    return action.service in ("", line.service) and any(
        name.casefold() in finding for name in (line.parameter, line.event) if name
    )


def _action_row(material: Material, line: Line, action: Action | None) -> tuple[Cell, ...]:
    parameter = material.parameter(line)
    return (
        line.number,
        line.service,
        (f"{line.pas} → {line.peer}" if line.peer else line.pas) or words.ALL_PAS,
        parameter_name(parameter, line.parameter),
        measured(parameter, line),
        limit_cell(material, parameter, line),
        *(_action(action) if action else (msg("no action on record"), None, None, None)),
    )


def _action(action: Action) -> tuple[Cell, ...]:
    return (action.action, action.by, action.due, action.done)


def expected(material: Material) -> Item | None:
    """What the running four-month period will cost if it goes on like this, by service."""
    found = material.result.outlook
    if not found:
        return None
    by_number = {line.number: line for line in material.result.lines}
    sums_of: dict[str, Decimal] = {}
    for one in found:
        service = by_number[one.line].service
        sums_of[service] = sums_of.get(service, Decimal(0)) + one.expected_eur
    table = Table(
        "expected",
        msg("Forecast of the four-month period. A month itself has no penalties."),
        (words.SERVICE, Column("expected_eur", msg("expected penalty"), numeric=True)),
        tuple(
            (service_name(service), Money(sums_of[service.id]))
            for service in material.services
            if service.id in sums_of
        ),
        (msg("total"), Money(sum(sums_of.values(), Decimal(0)))),
    )
    note = msg("Line by line, with the margin left, at the end of each service.")
    return Item("expected", msg("Forecast"), notes=(note,), tables=(table,))


def outlook(material: Material, service: Service) -> Item | None:
    """The forecast of one service line by line, and how much is left until the next step."""
    by_number = {line.number: line for line in material.result.lines}
    rows: list[tuple[Cell, ...]] = []
    for one in material.result.outlook:
        line = by_number[one.line]
        if line.service == service.id:
            rows.append(
                (
                    line.number,
                    (f"{line.pas} → {line.peer}" if line.peer else line.pas) or words.ALL_PAS,
                    parameter_name(material.parameter(line), line.parameter),
                    Said(one.margin) if one.margin else None,
                    Money(one.expected_eur),
                )
            )
    if not rows:
        return None
    table = Table(
        "outlook",
        msg("Forecast of the four-month period, if it goes on like this, and the margin left."),
        (
            Column("number", msg("line"), numeric=True),
            words.PAS,
            words.PARAMETER,
            Column("margin", msg("margin left")),
            Column("expected_eur", msg("expected penalty"), numeric=True),
        ),
        tuple(rows),
    )
    return Item("outlook", msg("Forecast and margins"), tables=(table,))
