"""What a merged Parquet file says of itself: that each identity is in it once.

Adding up has to know that no record is there twice, and finding out costs more than the sums. The
merge has every record in its hands anyway: it counts the identities and writes into the footer, as
a key and its value, what it found. A file without that is read as before, with the search.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timeseries import duck
from timeseries.codec import IDENTITY

ROW_GROUP = 16_384
_KEY = b"pasprobe.each-once"
_LAST_OCTETS = 16_384
"""Of the footer: keys and values stand at its end, behind them an octet or four for each column."""


@dataclass(frozen=True, slots=True)
class EachOnce:
    """No identity is in the file twice."""

    agents: frozenset[str]
    """Whose records are in it."""
    schema: int
    """The newest version of the schema among them."""


def write(connection: Any, kind: str, source: str, path: Path) -> None:
    """Copy the records of a kind, a table or a query in brackets, to the Parquet file of a day.

    `source` is read twice and has to say the same each time. Parquet's second set of encodings
    keeps times as differences: a tenth less to store, and less to read.
    """
    options = "PARQUET_VERSION v2"
    if kind in ("trains", "rollups"):  # what is added up
        names = ", ".join(IDENTITY[kind])
        records, identities, agents, schema = connection.execute(
            "SELECT sum(records), count(*), list(DISTINCT agent), max(schema) FROM (SELECT"
            f" count(*) AS records, max(schema) AS schema, {names} FROM {source} GROUP BY {names})"
        ).fetchone()
        if records == identities:
            said = json.dumps({"agents": sorted(agents), "schema": schema})
            options += f", KV_METADATA {{'{_KEY.decode()}': {duck.literal(said)}}}"
    duck.copy_to_parquet(connection, source, path, ROW_GROUP, options)


def each_once(path: Path) -> EachOnce | None:
    """What the file says; None: nothing, or it is damaged or gone.

    DuckDB could be asked, but takes apart the whole footer for it, a hundred times as long.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8))
            length = int.from_bytes(file.read(4), "little")
            file.seek(max(0, size - 8 - min(length, _LAST_OCTETS)))
            footer = file.read()
    except OSError:
        return None
    try:
        return _said_in(footer)
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _said_in(footer: bytes) -> EachOnce | None:
    # Thrift's compact protocol: a string is 0x18, its length (seven bits an octet), its octets.
    key = b"\x18" + bytes([len(_KEY)]) + _KEY + b"\x18"
    place = footer.rfind(key)  # the last one: a path may be called so
    if place < 0:
        return None
    place += len(key)
    length = shift = 0
    while footer[place] & 0x80:
        length |= (footer[place] & 0x7F) << shift
        shift += 7
        place += 1
    length |= footer[place] << shift
    said = json.loads(footer[place + 1 : place + 1 + length])
    return EachOnce(frozenset(said["agents"]), int(said["schema"]))
