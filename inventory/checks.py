"""Rules that hold between the tables of a configuration, as pure functions.

They read `Item`s, the tables as far as they could be understood, so that one wrong key in a table
does not hide what else is wrong with it: a value that is missing here is unknown, and a rule that
needs it holds its peace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from inventory.applications import own_path
from inventory.models import smallest_stamp
from inventory.services import SERVICES
from inventory.toml_lines import Place
from inventory.values import format_duration


@dataclass(frozen=True, slots=True)
class Item:
    """One table of the configuration, by the names of its model's fields."""

    table: str
    """Its key in TOML: `path` for each `[[path]]`."""
    fields: Mapping[str, Any]
    """What could be understood, defaults included."""
    known: bool = True
    """False: some of it could not be understood."""

    def get(self, field: str) -> Any:
        """The value of a field; None where it is absent or was not understood."""
        return self.fields.get(field)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found, at a place within its item."""

    item: Item
    place: Place
    message: str
    remedy: str


Tables = Mapping[str, Sequence[Item]]
Rule = Callable[[Tables], Iterator[Finding]]


def nearest(word: str, words: Sequence[str]) -> str:
    """`did you mean "..."?`, or the words there are, or nothing where there are none."""
    match = get_close_matches(word, words, n=1)
    if match:
        return f'did you mean "{match[0]}"?'
    return "there are: " + ", ".join(words) if words else ""


def ids_are_unique(tables: Tables) -> Iterator[Finding]:
    """Two tables of a kind never have the same id; a calendar's is its country."""
    for table, field in (
        ("pas", "id"),
        ("path", "id"),
        ("device", "id"),
        ("party", "id"),
        ("webhook", "id"),
        ("server", "id"),
        ("client", "name"),
        ("calendar", "country"),
    ):
        seen: set[str] = set()
        for item in tables.get(table, ()):
            name = item.get(field)
            if name in seen:
                yield Finding(
                    item,
                    (field,),
                    f'{field} = "{name}" stands twice',
                    "give each its own, or remove one",
                )
            elif name is not None:
                seen.add(name)


def references_lead_somewhere(tables: Tables) -> Iterator[Finding]:
    """A table that names another names one that is there."""
    for table, field, other in (
        ("path", "pas", "pas"),
        ("path", "peer", "pas"),
        ("agent", "pas", "pas"),
        ("device", "pas", "pas"),
        ("server", "pas", "pas"),
        ("shop_hours", "pas", "pas"),
        ("maintenance", "pas", "pas"),
        ("contact", "party", "party"),
        ("notices", "own", "party"),
        ("notices", "provider", "party"),
    ):
        ids = [item.get("id") for item in tables.get(other, ())]
        if None in ids:  # one whose id was not understood may be the one meant
            continue
        for item in tables.get(table, ()):
            value = item.get(field)
            for index, name in enumerate(value if isinstance(value, tuple) else [value]):
                if name is not None and name not in ids:
                    place = (field, index) if isinstance(value, tuple) else (field,)
                    yield Finding(
                        item,
                        place,
                        f'{field} = "{name}": there is no such [[{other}]]',
                        nearest(name, ids) or f'add a [[{other}]] with id = "{name}"',
                    )


def interfaces_have_a_device(tables: Tables) -> Iterator[Finding]:
    """`interface = "device/name"` names a device, where this host knows devices at all."""
    ids = [item.get("id") for item in tables.get("device", ())]
    if not ids or None in ids:
        return
    for item in tables.get("pas", ()):
        for index, entry in enumerate(item.get("services") or ()):
            device = (entry.interface or "").partition("/")[0]
            if device and device not in ids:
                yield Finding(
                    item,
                    ("services", index, "interface"),
                    f'interface = "{entry.interface}": there is no [[device]] "{device}"',
                    nearest(device, ids),
                )


def services_suit_their_pas(tables: Tables) -> Iterator[Finding]:
    """What each `[[pas]]` lists, the annex offers to its profile, at that level and window."""
    for item in tables.get("pas", ()):
        seen: set[tuple[str, object]] = set()
        for index, entry in enumerate(item.get("services") or ()):
            place: Place = ("services", index)
            rule = SERVICES.get(entry.id)
            if rule is None:
                yield Finding(
                    item,
                    (*place, "id"),
                    f'unknown service "{entry.id}"',
                    nearest(entry.id, [s for s in SERVICES if SERVICES[s].per_pas]),
                )
                continue
            if not rule.per_pas:
                yield Finding(
                    item,
                    (*place, "id"),
                    f"{entry.id} is charged as a whole, not per PAS (annex {rule.section})",
                    "list it in [contract] services",
                )
                continue
            where = f"(annex {rule.section}, {rule.lines})"
            profile = item.get("profile")
            if profile is not None and profile not in rule.profiles:
                yield Finding(
                    item,
                    (*place, "id"),
                    f'a PAS of profile "{profile}" may not have {entry.id} {where}',
                    f"the service is for profile {' or '.join(rule.profiles)}",
                )
            if entry.level not in rule.levels:
                has = f"has no level {entry.level}" if entry.level else "needs a level"
                yield Finding(
                    item,
                    (*place, "level"),
                    f"{entry.id} {has} {where}",
                    "write level = " + " or ".join(f'"{level}"' for level in rule.levels),
                )
            if entry.window is None:
                yield Finding(
                    item,
                    (*place, "window"),
                    f"{entry.id} names no delivery window, and the annex has no default (line 111)",
                    'write window = "normal" (08:00-20:00) or "extended" (00:00-24:00)',
                )
            if (entry.id, entry.start) in seen:
                yield Finding(
                    item,
                    (*place, "id"),
                    f"{entry.id} stands twice from the same start",
                    "give the later entry the start from which it holds",
                )
            seen.add((entry.id, entry.start))


def contract_services_are_charged_as_a_whole(tables: Tables) -> Iterator[Finding]:
    """`[contract] services` lists what no PAS can have for itself."""
    whole = [s for s, rule in SERVICES.items() if not rule.per_pas]
    for item in tables.get("contract", ()):
        for index, entry in enumerate(item.get("services") or ()):
            if entry.id not in SERVICES:
                remedy = nearest(entry.id, whole)
                message = f'unknown service "{entry.id}"'
            elif entry.id not in whole:
                remedy = "list it in services of each [[pas]] that has it"
                message = f"{entry.id} is charged per PAS"
            else:
                continue
            yield Finding(item, ("services", index, "id"), message, remedy)


def paths_measure_what_is_there(tables: Tables) -> Iterator[Finding]:
    """The service of a path is known, and both its ends have it where it is for pairs."""
    listed = {i.get("id"): i.get("services") for i in tables.get("pas", ())}
    has = {pas: {e.id for e in entries} for pas, entries in listed.items() if entries is not None}
    reflectors = {
        i.get("id"): i.get("reflector") is not None or not i.known for i in tables.get("pas", ())
    }
    for item in tables.get("path", ()):
        service, pas, peer = item.get("service"), item.get("pas"), item.get("peer")
        if service is not None and service not in SERVICES:
            yield Finding(
                item,
                ("service",),
                f'unknown service "{service}"',
                nearest(service, [s for s in SERVICES if SERVICES[s].per_pas]),
            )
        elif service is not None and not SERVICES[service].per_pas:
            yield Finding(
                item,
                ("service",),
                f"{service} has no packets to measure (annex {SERVICES[service].section})",
                "measure for a service of the PAS, as ip-base",
            )
        elif service is not None:
            pair = SERVICES[service].between_pas
            for field, end in (("pas", pas), ("peer", peer if pair else None)):
                services = has.get(end)
                if services is not None and service not in services:
                    yield Finding(
                        item,
                        ("service",) if field == "pas" else (field,),
                        f'{field} "{end}" does not have the service {service}',
                        f'add {{ id = "{service}", ... }} to services of that [[pas]]',
                    )
        if peer is not None and peer == pas:
            yield Finding(item, ("peer",), "the peer is the PAS itself", "name the other PAS")
        elif peer in reflectors and not reflectors[peer]:
            yield Finding(
                item,
                ("peer",),
                f'peer "{peer}" has no reflector, so its address is not known',
                'add reflector = "host:862" to that [[pas]]',
            )


def applications_can_be_checked(tables: Tables) -> Iterator[Finding]:
    """Each application's check has a PAS and a service that are there, and a name of its own."""
    listed = {item.get("id"): item.get("services") for item in tables.get("pas", ())}
    paths = {item.get("id") for item in tables.get("path", ())}
    for item in tables.get("client", ()):
        names: set[str] = set()
        for index, one in enumerate(item.get("applications") or ()):
            place: Place = ("applications", index)
            client = item.get("name")
            if one.name in names or (client and own_path(client, one.name) in paths):
                yield Finding(
                    item,
                    (*place, "name"),
                    f'name = "{one.name}": its checks would be told by a path id that is taken',
                    "give it another name",
                )
            names.add(one.name)
            if one.pas is not None and one.pas not in listed and None not in listed:
                yield Finding(
                    item,
                    (*place, "pas"),
                    f'pas = "{one.pas}": there is no such [[pas]]',
                    nearest(one.pas, [name for name in listed if name])
                    or f'add a [[pas]] with id = "{one.pas}"',
                )
            if one.service is None:
                continue
            rule, services = SERVICES.get(one.service), listed.get(one.pas)
            if rule is None:
                message = f'unknown service "{one.service}"'
                remedy = nearest(one.service, list(SERVICES))
            elif one.pas is None:
                message = f"{one.service} fails at a PAS, and none is named"
                remedy = "write pas, or leave service out"
            elif (
                rule.per_pas
                and services is not None
                and one.service not in {entry.id for entry in services}
            ):
                message = f'pas "{one.pas}" does not have the service {one.service}'
                remedy = "name a service that it has, or leave service out"
            else:
                continue
            yield Finding(item, (*place, "service"), message, remedy)


def trains_fit(tables: Tables) -> Iterator[Finding]:
    """A train is over before the next begins, and its packets can hold what they must."""
    for item in tables.get("path", ()):
        train = item.get("train")
        if train is None:
            continue
        lasts = train.packets * train.spacing_ns + train.timeout_ns
        if lasts > train.every_ns:
            yield Finding(
                item,
                ("train",),
                f"the train lasts {format_duration(lasts)} (packets x spacing + timeout), "
                f"longer than its interval of {format_duration(train.every_ns)}",
                "fewer packets, shorter spacing or timeout, or a longer every",
            )
        if item.get("method") != "stamp" or "size" not in train.model_fields_set:
            continue
        authenticated = item.get("auth_key") is not None
        smallest = smallest_stamp(
            authenticated=authenticated, follow_up=item.get("follow_up") is True
        )
        if train.size < smallest:
            kind = "authenticated STAMP" if authenticated else "STAMP"
            if item.get("follow_up"):
                kind += " with follow-up telemetry"
            yield Finding(
                item,
                ("train", "size"),
                f"size = {train.size} is too small for {kind}",
                f"write size = {smallest} or more, or leave it out",
            )


RULES: tuple[Rule, ...] = (
    ids_are_unique,
    references_lead_somewhere,
    interfaces_have_a_device,
    services_suit_their_pas,
    contract_services_are_charged_as_a_whole,
    paths_measure_what_is_there,
    applications_can_be_checked,
    trains_fit,
)
