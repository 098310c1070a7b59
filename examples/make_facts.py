"""Write the facts of the example contract anew: `python examples/make_facts.py [--output DIR]`.

The same bytes on every machine: events stand in `made/`, counters come from a dice that always
falls alike. A test holds `contract/facts/` to what this makes. It needs nothing but Python and the
time-zone database.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from made import actions, counters, packets, places, records, tables, tickets

HERE = Path(__file__).resolve().parent / "contract" / "facts"
Row = Mapping[str, object]


def facts() -> dict[str, str]:
    """Name within the facts folder -> its CSV."""
    contract = places.entries()
    events = tickets.tickets()
    down = packets.outages(events, contract)
    files = {
        "traffic.csv": _csv(packets.COLUMNS, packets.traffic(contract, down)),
        "tickets.csv": _csv(tickets.COLUMNS, events),
        "requests.csv": _csv(records.REQUEST_COLUMNS, records.requests()),
        "calls.csv": _csv(counters.CALL_COLUMNS, counters.calls()),
        "messages.csv": _csv(counters.MESSAGE_COLUMNS, counters.messages()),
        "contact_centre.csv": _csv(counters.CENTRE_COLUMNS, counters.contact_centre()),
        "usage.csv": _csv(counters.USAGE_COLUMNS, counters.usage(contract)),
        "deliveries.csv": _plain(records.DELIVERIES, records.DELIVERY_COLUMNS),
        "exclusions.csv": _plain(records.EXCLUSIONS, records.EXCLUSION_COLUMNS),
        "actions.csv": _csv(actions.COLUMNS, actions.actions()),
    }
    for name, rows in tables.items().items():
        files[f"items/{name}.csv"] = _csv(tuple(rows[0]), rows)
    return files


def _plain(text: str, columns: tuple[str, ...]) -> str:
    return _csv(columns, records.plain(text, columns))


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def main() -> None:
    """Write every file; what else lies in the folder stays."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=HERE, help="facts folder to write")
    folder: Path = parser.parse_args().output
    for name, text in facts().items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        print(f"{len(text):>8} {file}")


if __name__ == "__main__":
    main()
