"""The contractual report (four months) and the technical report (a month).

Every item of the annex's lists for every service, then what a reader needs to judge them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from analysis.catalogue_rows import Service
from analysis.documents import basis_items, own_items
from analysis.documents.content import (
    Cell,
    Document,
    Item,
    Moment,
    Money,
    Said,
    Section,
    Text,
    msg,
)
from analysis.documents.corrections import corrections
from analysis.documents.devices_section import devices_section
from analysis.documents.items import build_item
from analysis.documents.material import Material, service_name
from analysis.errors import ReportError
from analysis.lines import Status

Kind = Literal["contractual", "technical"]
_TITLES: Mapping[Kind, Text] = {
    "contractual": msg("Contractual report (four months)"),
    "technical": msg("Technical report (monthly)"),
}


def periodic_document(material: Material, kind: Kind, data: Mapping[str, Any]) -> Document:
    """The document of one administration and period; `data` is the evaluation's JSON.

    Raises `ReportError` where the period is of the other kind.
    """
    _check(material, kind)
    result = material.result
    broken = sum(line.status is Status.NOT_MET for line in result.lines)
    sections = [
        _first(material, kind),
        *(_service(material, kind, service) for service in material.services),
        *_devices(material, kind),
        _last(material),
    ]
    items = [item for section in sections[1:-1] for item in section.items if item.place]
    missing = sum(item.missing for item in items)
    facts: list[tuple[Text, Cell]] = [
        (msg("administration"), result.administration),
        (msg("period"), _dates(material)),
        (msg("due on"), due(material, kind)),
        (msg("delivered"), _delivered(material, kind)),
        (msg("evaluated up to"), Moment(result.as_of_ns, material.zone)),
        (msg("lines not met"), msg("{count} of {all}", count=broken, all=len(result.lines))),
        (msg("items without data"), msg("{count} of {all}", count=missing, all=len(items))),
    ]
    if kind == "contractual":
        facts.append((msg("penalties"), Money(result.total_eur)))
        summary = msg("Penalties of the period: {total}.", total=Money(result.total_eur))
    else:
        summary = msg("Lines not met: {count}. No penalty belongs to a month.", count=broken)
    return Document(
        kind=kind,
        name=f"{kind}-{material.period}",
        title=_TITLES[kind],
        addressee=result.administration,
        period=_dates(material),
        facts=tuple(facts),
        summary=summary,
        broken=bool(broken),
        sections=tuple(sections),
        data=data,
    )


def _check(material: Material, kind: Kind) -> None:
    wanted = "four-months" if kind == "contractual" else "month"
    if material.period.kind != wanted:
        remedy = (
            'give a four-month period such as "2011-2"'
            if kind == "contractual"
            else 'give a month such as "2011-05"'
        )
        raise ReportError(f"a {kind} report is not about {material.period}: {remedy}")


def _dates(material: Material) -> Text:
    period = material.period
    last = date.fromordinal(period.end.toordinal() - 1)
    return msg("{name}: {begin} to {end}", name=str(period), begin=period.begin, end=last)


def due(material: Material, kind: Kind) -> date:
    """The day on which the report is due (lines 123 and 124)."""
    for report in material.inputs.catalogue.definitions.reports:
        if report.id == kind:
            return material.period.end.replace(day=report.due_day)
    raise KeyError(kind)


def _delivered(material: Material, kind: Kind) -> Cell:
    """From `deliveries.csv`, which is the record of deliveries."""
    found = [
        Moment(row.delivered_ns, material.zone)
        for row in material.inputs.facts.deliveries
        if row.report == kind and row.period == str(material.period)
    ]
    return min(found, key=lambda at: at.ns) if found else msg("not on record")


def _first(material: Material, kind: Kind) -> Section:
    items: list[Item | None] = [own_items.sums(material, euro=kind == "contractual")]
    if material.previous is not None:
        items.append(corrections(material, material.previous))
    items.append(own_items.not_met(material, euro=kind == "contractual"))
    if kind == "technical":
        items += [own_items.actions(material), own_items.expected(material)]
    return Section("summary", msg("Summary"), tuple(item for item in items if item is not None))


def _service(material: Material, kind: Kind, service: Service) -> Section:
    wanted = service.contractual_report if kind == "contractual" else service.technical_report
    items = [build_item(material, service, item) for item in wanted]
    ahead = own_items.outlook(material, service)
    return Section(
        service.id,
        service_name(service),
        (*items, ahead) if ahead is not None else tuple(items),
        _contracted(material, service),
    )


def _devices(material: Material, kind: Kind) -> tuple[Section, ...]:
    """The technical report's own section on what was polled."""
    if kind != "technical":
        return ()
    shown = [
        service
        for service in material.services
        if any(item.kind == "firewall-resources" for item in service.technical_report)
    ]
    found = devices_section(material, shown)
    return () if found is None else (found,)


def _contracted(material: Material, service: Service) -> Text:
    entries = material.entries.get(service.id, ())
    if entries:
        return msg("Annex, section {section}. {count} PAS.", section=service.section,
                   count=len(entries))  # fmt: skip
    return msg("Annex, section {section}. Charged as a whole.", section=service.section)


def _last(material: Material) -> Section:
    items = [
        basis_items.warnings(material),
        basis_items.gaps(material),
        basis_items.invalid_trains(material),
        basis_items.exclusions(material),
        basis_items.readings(material),
        Item("seals", msg("Seals of the measurements"), notes=_seals(material)),
    ]
    heading = msg("What the figures rest on")
    return Section("basis", heading, tuple(item for item in items if item is not None))


def _seals(material: Material) -> tuple[Text, ...]:
    if not material.seals:
        return (msg("No store was read: all figures come from the facts."),)
    return tuple(Said(line) for line in material.seals)
