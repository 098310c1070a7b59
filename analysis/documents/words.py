"""The vocabulary of lines, tickets and requests as messages, and columns that many tables share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from analysis.catalogue_rows import load_catalogue
from analysis.documents.content import Badge, Column, Message, Text, msg
from analysis.lines import Status

STATUS: Mapping[Status, Badge] = {
    Status.MET: Badge(msg("met"), "good"),
    Status.NOT_MET: Badge(msg("not met"), "bad"),
    Status.INSUFFICIENT: Badge(msg("insufficient"), "unsure"),
    Status.NO_DATA: Badge(msg("no data"), "unsure"),
}
SEVERITY: Mapping[str, Message] = {
    "blocking": msg("blocking"),
    "non-blocking": msg("non-blocking"),
}
OUTCOME: Mapping[str, Message] = {
    "done": msg("done"),
    "rejected": msg("rejected"),
    "pending": msg("pending"),
}
SOURCE: Mapping[str, Message] = {
    "probe": msg("probe"),
    "system": msg("system"),
    "manual": msg("manual record"),
}
"""Where a figure came from ([R-9.1-2])."""
BASIS: Mapping[str, Message] = {
    "pas": msg("fee of the PAS"),
    "pair": msg("fee of the pair of PAS"),
    "all-pas": msg("fee of all PAS of the service"),
    "level": msg("fee of all PAS of the level"),
    "service": msg("fee of the service"),
    "pas-all-services": msg("fee of all services of the PAS"),
    "waiting-time": msg("penalty for waiting time"),
    "euro": msg("amount in euro"),
}


def service(identifier: str) -> Text:
    """The name of a service, for people; an id that the catalogue does not have stays."""
    return _services().get(identifier, identifier)


@cache
def _services() -> Mapping[str, Message]:
    return {one.id: msg(one.name) for one in load_catalogue().services if one.name}


ALL_PAS = msg("whole service")
PAS = Column("pas", msg("PAS"))
PEER = Column("peer", msg("peer"))
SERVICE = Column("service", msg("service"))
PARAMETER = Column("parameter", msg("parameter"))
LEVEL = Column("level", msg("level"))
SEVERITY_COLUMN = Column("severity", msg("severity"))
COUNT = Column("count", msg("number"), numeric=True)
EURO = Column("penalty_eur", msg("penalty"), numeric=True)
