"""What a device has: every known figure with its present value, or why it is not there.

Which profile fits is told by sysObjectID and sysDescr, which variant of a figure by the objects
themselves: a release note is never believed. Done at first contact, after a restart and now and
then, because a table that is empty today (no tunnel is up) may have rows tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from collectors.asking import (
    VLAN_STATES,
    Answers,
    Asker,
    Choice,
    Columns,
    Plan,
    columns_of,
    get_all,
    scalars_of,
    words,
)
from collectors.counters import Clock
from collectors.profiles import Figure, Profile, Variant, profile, profile_for
from collectors.readings import SENSOR_UNITS, meaning, peer_name, rows_of
from collectors.snmp import Session, Value

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0"
INTERFACE = "interface"
"""The naming of the rows that are interfaces (`profiles/interfaces.toml`)."""
_LONG_NAME = re.compile(r"^([A-Z][a-z])[A-Za-z-]+(?=\d)")
_SHOWN = 8
_EMPTY_IS_A_COUNT = ("rows", "peers", "sum")


@dataclass(frozen=True, slots=True)
class Found:
    """One figure of a device, or one row of it."""

    field: str
    mib: str
    """MODULE::object; of a figure that is not there, all that were tried."""
    oid: str
    index: str
    instance: str
    value: str
    """As people read it; empty where the figure is not there."""
    unit: str
    why_absent: str = ""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What was found out."""

    plan: Plan
    found: tuple[Found, ...]
    description: str
    object_id: str
    interfaces: tuple[str, ...] = ()
    """Their names."""

    @property
    def missing(self) -> tuple[Found, ...]:
        """The figures that the device has not got."""
        return tuple(one for one in self.found if one.why_absent)


async def discover(
    session: Session,
    *,
    profile_name: str | None = None,
    platform: str = "",
    wall_ns: Callable[[], int] = lambda: 0,
) -> Discovered:
    """Ask a device for every object of its profile, once.

    Raises a `SnmpError`; `ProfileError` for a `profile_name` that does not exist.
    """
    asked_for = None if profile_name is None else profile(profile_name)
    who = await session.get([SYS_DESCR, SYS_OBJECT_ID])
    description, object_id = words(who.get(SYS_DESCR)), words(who.get(SYS_OBJECT_ID))
    chosen = asked_for or profile_for(object_id, description, platform)
    every = [Choice(figure, one) for figure in chosen.figures for one in figure.variants]
    scalars = await get_all(session, scalars_of(every))
    columns = await session.walk(columns_of(every))
    plan = plan_of(chosen, scalars, columns)
    asker = Asker(session, plan, wall_ns=wall_ns)
    names = await asker.ask_names(columns)
    answers = Answers(wall_ns(), Clock(0), scalars, columns, names, True, session.response_ns)
    found = tuple(_table(chosen, plan, answers))
    interfaces = tuple(names.get(INTERFACE, {}).values())
    return Discovered(plan, found, description, object_id, interfaces)


def unknown_interfaces(named: Iterable[str], there: Collection[str]) -> tuple[str, ...]:
    """What is wrong with names of the configuration that no interface has, one text each. Pure.

    A device calls its GigabitEthernet0/1 `Gi0/1`, and that is the name that counts.
    """
    return tuple(
        f'the configuration names its interface "{name}", and it has none of that name'
        f" ({_nearest(name, there)})"
        for name in named
        if name not in there
    )


def _nearest(name: str, there: Collection[str]) -> str:
    if not there:
        return "it tells of no interface at all"
    short = _LONG_NAME.sub(r"\1", name)
    close = [short] if short in there else get_close_matches(name, there, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return "there are: " + ", ".join(sorted(there)[:_SHOWN]) + (", ..." * (len(there) > _SHOWN))


def plan_of(chosen: Profile, scalars: Mapping[str, Value], columns: Columns) -> Plan:
    """The variants that a device has, of answers to all of them. Pure."""
    answers = Answers(0, Clock(0), scalars, columns, {}, True, None)
    modules = {
        one.mib.partition("::")[0]
        for figure in chosen.figures
        for one in figure.variants
        if _says_something(figure, one, answers)
    }
    choices = []
    for figure in chosen.figures:
        for one in figure.variants:
            # A table without rows is a count of 0 where its module is known to the device.
            counts = figure.measure in _EMPTY_IS_A_COUNT and one.mib.partition("::")[0] in modules
            if counts or _says_something(figure, one, answers):
                choices.append(Choice(figure, one))
                break
    fields = {one.figure.field for one in choices}
    by_vlan = (
        chosen.figure("mac_addresses") is not None
        and "mac_addresses" not in fields
        and bool(columns.get(VLAN_STATES))
    )
    return Plan(chosen, tuple(choices), by_vlan)


def _says_something(figure: Figure, variant: Variant, answers: Answers) -> bool:
    return any(_said(Choice(figure, variant), row.value) for row in rows_of(
        Choice(figure, variant), answers
    ))  # fmt: skip


def _said(choice: Choice, value: Value) -> str:
    """The answer as people read it; empty where it is of another type than its figure."""
    measure = choice.figure.measure
    if measure in ("text", "marked"):
        return "" if isinstance(value, int) else meaning(choice, words(value))
    if measure == "peers":
        return peer_name(value)
    if measure == "rows":
        return "a row"
    if not isinstance(value, int):
        return ""
    if measure == "state":
        return dict(choice.figure.states).get(value, str(value))
    if measure == "rate":
        return f"{value} counted"
    return scaled(value * choice.variant.factor, choice.variant.scale)


def scaled(value: int, scale: int) -> str:
    """value * 10 ** scale, exactly, for people."""
    if scale >= 0:
        return str(value * 10**scale)
    sign, digits = ("-", -value) if value < 0 else ("", value)
    whole, part = divmod(digits, 10**-scale)
    fraction = str(part).zfill(-scale).rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _table(chosen: Profile, plan: Plan, answers: Answers) -> Iterable[Found]:
    of = {one.figure.field: one for one in plan.choices}
    for figure in chosen.figures:
        choice = of.get(figure.field)
        if choice is not None:
            yield from _rows(choice, answers)
        elif figure.field == "mac_addresses" and plan.by_vlan:
            yield Found(
                figure.field, "BRIDGE-MIB::dot1dTpFdbPort", "1.3.6.1.2.1.17.4.3.1.2", "", "",
                "counted VLAN by VLAN, once a quarter of an hour", "1",
            )  # fmt: skip
        else:
            tried = ", ".join(dict.fromkeys(one.mib for one in figure.variants))
            yield Found(
                figure.field, tried, figure.variants[0].oid, "", "", "", figure.unit,
                _why_absent(figure, answers),
            )  # fmt: skip


def _rows(choice: Choice, answers: Answers) -> Iterable[Found]:
    figure, variant = choice.figure, choice.variant
    rows = list(rows_of(choice, answers))
    if figure.measure in ("rows", "sum"):
        numbers = [row.value for row in rows if isinstance(row.value, int)]
        total = len(rows) if figure.measure == "rows" else sum(numbers)
        yield Found(figure.field, variant.mib, variant.oid, "", "", str(total), figure.unit)
        return
    if figure.measure == "peers" and not rows:
        yield Found(figure.field, variant.mib, variant.oid, "", "", "none now", "")
    for row in rows:
        said, unit = _said(choice, row.value), figure.unit
        if figure.measure == "sensor":
            said, unit = _sensed(choice, row.index, row.value, answers)
        elif figure.measure in ("rate", "peers"):
            unit = ""
        if figure.measure == "marked" and variant.mark not in said:
            continue
        why = "" if said else "empty, or of another type than its MIB says"
        yield Found(
            figure.field, variant.mib, variant.oid, row.index, row.instance, said, unit, why
        )


def _sensed(choice: Choice, index: str, value: Value, answers: Answers) -> tuple[str, str]:
    kind, scale, precision = (
        answers.columns.get(oid, {}).get(index) for oid in choice.variant.companions
    )
    if not (
        isinstance(value, int)
        and isinstance(kind, int)
        and isinstance(scale, int)
        and isinstance(precision, int)
    ):
        return "", ""
    return scaled(value, (scale - 9) * 3 - precision), SENSOR_UNITS.get(kind, "")


def _why_absent(figure: Figure, answers: Answers) -> str:
    tried = [(one, list(rows_of(Choice(figure, one), answers))) for one in figure.variants]
    answered = [one for one, rows in tried if rows]
    if not answered:
        columns = all(one.kind == "column" for one, _ in tried)
        return "the table has no rows" if columns else "the device does not have the object"
    types = {type(row.value).__name__ for _, rows in tried for row in rows}
    if figure.measure == "text" and "int" not in types:
        return "the answer is empty, or says nothing that is known"
    kinds = {"int": "a number", "bytes": "octets", "str": "an identifier"}
    told = " and ".join(sorted(kinds[one] for one in types))
    return f"the device answers with {told}, which the MIB does not say"
