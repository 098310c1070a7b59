"""Reads the facts folder, and says everything that is wrong in it at once (`docs/facts.md`).

A file may be absent; a name that means nothing here is a mistake, because a misspelt file would
silently be no evidence. Times and counters are held against the contract and the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from datetime import tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from analysis.catalogue_rows import Catalogue
from analysis.errors import FactProblem, FactsError
from analysis.facts import Facts, ItemTable
from analysis.facts_contract import Known
from analysis.facts_csv import free_table
from analysis.facts_requests import read_requests
from analysis.facts_rows import (
    read_actions,
    read_calls,
    read_contact_centre,
    read_deliveries,
    read_exclusions,
    read_messages,
    read_traffic,
    read_usage,
)
from analysis.facts_tickets import read_tickets
from inventory.checks import nearest
from inventory.models import Configuration

FILES = (
    "traffic.csv",
    "tickets.csv",
    "requests.csv",
    "calls.csv",
    "messages.csv",
    "contact_centre.csv",
    "deliveries.csv",
    "exclusions.csv",
    "usage.csv",
    "actions.csv",
)
ITEMS = "items"
_T = TypeVar("_T")
_Reader = Callable[[str, bytes, Known, list[FactProblem]], tuple[_T, ...]]


def read_facts(
    folder: Path,
    configuration: Configuration,
    catalogue: Catalogue,
    *,
    zones: Mapping[str, tzinfo] = MappingProxyType({}),
    taken: Container[str] = frozenset(),
) -> Facts:
    """All facts of a folder; `FactsError` with every problem where there is any.

    `zones` replaces time zones of this host by their names, as an archive froze them; `taken` has
    the ids of tickets that the incident desk holds. Reads files and changes nothing.
    """
    contents, problems = _contents(folder)
    if configuration.contract is None:
        remedy = "add [contract] with administration, country and timezone"
        problems.append(
            FactProblem(str(folder), None, "", "facts need a contract, and there is none", remedy)
        )
        raise FactsError(tuple(problems))
    known = Known(configuration, catalogue, zones)

    def table(name: str, read: _Reader[_T]) -> tuple[_T, ...]:
        return read(name, contents[name], known, problems) if name in contents else ()

    facts = Facts(
        traffic=table("traffic.csv", read_traffic),
        tickets=table("tickets.csv", lambda *seen: read_tickets(*seen, taken=taken)),
        requests=table("requests.csv", read_requests),
        calls=table("calls.csv", read_calls),
        messages=table("messages.csv", read_messages),
        contact_centre=table("contact_centre.csv", read_contact_centre),
        deliveries=table("deliveries.csv", read_deliveries),
        exclusions=table("exclusions.csv", read_exclusions),
        usage=table("usage.csv", read_usage),
        actions=table("actions.csv", read_actions),
        items=tuple(
            item
            for name, content in contents.items()
            if name.startswith(f"{ITEMS}/")
            and (item := _item(name, content, known, problems)) is not None
        ),
    )
    if problems:
        raise FactsError(tuple(sorted(dict.fromkeys(problems), key=_place)))
    return facts


def _place(problem: FactProblem) -> tuple[bool, int, str, int]:
    """In the order of the design's list of files, then by line."""
    order = FILES.index(problem.file) if problem.file in FILES else len(FILES)
    return problem.line is not None, order, problem.file, problem.line or 0


def _contents(folder: Path) -> tuple[dict[str, bytes], list[FactProblem]]:
    """The bytes of every file that has a meaning, by its name within the folder."""
    problems: list[FactProblem] = []
    contents: dict[str, bytes] = {}
    for entry in _entries(folder, str(folder), problems):
        if entry.name == ITEMS and entry.is_dir():
            for item in _entries(entry, ITEMS, problems):
                _read(item, f"{ITEMS}/{item.name}", item.suffix == ".csv", contents, problems)
        else:
            _read(entry, entry.name, entry.name in FILES, contents, problems)
    return contents, problems


def _entries(folder: Path, name: str, problems: list[FactProblem]) -> list[Path]:
    """What lies in a folder, without what editors and version control hide there."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        problems.append(
            FactProblem(name, None, "", f"cannot be read ({error.strerror})", "correct its name")
        )
        return []
    return [e for e in found if not e.name.startswith(".") and not e.name.endswith(("~", ".md"))]


def _read(
    file: Path, name: str, known: bool, contents: dict[str, bytes], problems: list[FactProblem]
) -> None:
    if not known:
        inside = name.startswith(f"{ITEMS}/")
        remedy = (
            "name it <service>.<item>.csv"
            if inside
            else nearest(name, (*FILES, ITEMS)) + ", or move it elsewhere"
        )
        said = name if name.isprintable() else ascii(name)
        problems.append(FactProblem(said, None, "", "no fact has a file of this name", remedy))
        return
    try:
        contents[name] = file.read_bytes()
    except OSError as error:
        problems.append(
            FactProblem(name, None, "", f"cannot be read ({error.strerror})", "correct its mode")
        )


def _item(name: str, content: bytes, known: Known, problems: list[FactProblem]) -> ItemTable | None:
    """A report item that is printed as the table it is."""
    words = name.removeprefix(f"{ITEMS}/").removesuffix(".csv").split(".")
    service, item = words[0], ".".join(words[1:])
    found = known.catalogue.service(service)
    items = (
        [] if found is None else [i.id for i in found.contractual_report + found.technical_report]
    )
    if found is None:
        message = f'there is no service "{service}"'
        remedy = nearest(service, [s.id for s in known.catalogue.services])
    elif item not in items:
        message = f'no report of {service} has an item "{item}"'
        remedy = nearest(item, list(dict.fromkeys(items)))
    elif service not in known.services:
        message = f"the contract does not list {service}"
        remedy = "add it to services of the [[pas]] or of [contract], or remove the file"
    else:
        header, rows = free_table(name, content, problems)
        return ItemTable(name, service, item, header, rows)
    problems.append(FactProblem(name, None, "", message, remedy))
    return None
