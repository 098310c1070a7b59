"""From the source of a report item in the catalogue to what stands under it.

`docs/catalogue.md` lists the sources. Every item of the annex's lists gets an `Item`; one without
data says so and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analysis.catalogue_rows import ReportItem, Service
from analysis.documents import (
    items_calls,
    items_devices,
    items_lines,
    items_requests,
    items_tables,
    items_tickets,
    items_traffic,
)
from analysis.documents.content import Item, msg
from analysis.documents.material import Material
from analysis.documents.parts import Parts

Builder = Callable[[Material, Service, ReportItem], Parts]

BUILDERS: Mapping[str, Builder] = {
    "lines": items_lines.lines_item,
    "penalties": items_lines.penalties_item,
    "late-restorations": items_lines.late_restorations,
    "late-requests": items_lines.late_requests,
    "late-responses": items_lines.late_responses,
    "restored-in-time": items_lines.restored_in_time,
    "tickets": items_tickets.tickets_item,
    "outages": items_tickets.tickets_item,
    "outages-late": items_tickets.late_outages,
    "restoration-statistics": items_tickets.restoration_statistics,
    "requests": items_requests.requests_item,
    "interventions": items_requests.interventions,
    "jitter-over": items_traffic.jitter_over,
    "usage": items_traffic.usage,
    "usage-pairs": items_traffic.usage,
    "calls": items_calls.calls,
    "calls-statistics": items_calls.call_statistics,
    "contact-centre": items_calls.contact_centre,
    "items": items_tables.table_item,
    "rules-in-force": items_tables.rules_in_force,
    "firewall-resources": items_devices.firewall_resources,
    "charts": items_tables.summary_charts,
}
"""First word of a source -> who builds it; a test holds it to the catalogue."""


def build_item(material: Material, service: Service, item: ReportItem) -> Item:
    """One item of the annex's list, for one service."""
    parts = BUILDERS[item.kind](material, service, item)
    numbers = ", ".join(str(line) for line in item.lines)
    return Item(
        item.id,
        msg(item.text),
        numbers,
        parts.notes,
        parts.tables,
        parts.charts,
        parts.missing,
    )
