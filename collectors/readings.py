"""From the raw answers of one poll to records. Pure: the same answers give the same records.

Nothing is kept that was not asked for, and an answer of another type than its figure is counted and
left out.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from collectors.asking import Answers, Choice, Plan, words
from collectors.counters import (
    Clock,
    Continuity,
    Step,
    counted,
    follow,
    most_octets,
    most_packets,
    rate,
)
from collectors.snmp import Value
from timeseries.records import DeviceSampleRecord

_INT64 = range(-(2**63), 2**63)

SENSOR_UNITS = {
    3: "V", 4: "V", 5: "A", 6: "W", 7: "Hz", 8: "Cel", 9: "%", 10: "1/min", 11: "m3/min",
}  # fmt: skip
"""EntitySensorDataType of RFC 3433 (and of Cisco's own MIB) -> unit; what is no measure is left."""
_NO_SCALE = 9
"""EntitySensorDataScale `units`; each step is three powers of ten."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A counter as it was read."""

    value: int
    index: str
    mib: str
    began: int
    """ifCounterDiscontinuityTime, 0 where there is none."""
    device_ns: int
    """By the device's clock, since the first poll."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the next poll is compared with."""

    clock: Clock | None = None
    device_ns: int = 0
    counters: Mapping[tuple[str, str], Reading] = field(default_factory=dict)
    speeds: Mapping[str, int] = field(default_factory=dict)
    """Interface -> bit/s."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What one poll comes to."""

    records: tuple[DeviceSampleRecord, ...]
    baseline: Baseline
    step: Step
    wrong_types: Mapping[str, int]
    """Field -> answers that were of another type than their figure."""


@dataclass(frozen=True, slots=True)
class Row:
    """One answer of a figure."""

    instance: str
    index: str
    value: Value


def rows_of(choice: Choice, answers: Answers) -> Iterator[Row]:
    """The answers of one figure, with the names of their rows."""
    variant = choice.variant
    if variant.kind == "scalar":
        if variant.oid in answers.scalars:
            yield Row("", "", answers.scalars[variant.oid])
        return
    wanted = None
    if variant.where is not None:
        column = answers.columns.get(variant.where[0], {})
        wanted = {index for index, value in column.items() if value in variant.where[1]}
    names = answers.names.get(variant.of, {})
    for index, value in answers.columns.get(variant.oid, {}).items():
        if wanted and index not in wanted:
            continue
        rest = index
        if variant.last is not None:
            rest, _, last = index.rpartition(".")
            if last != str(variant.last):
                continue
        if variant.first:
            if words(value):
                yield Row("", index, value)
                return
            continue
        yield Row(names.get(index, f"index {index}") if variant.of else rest, index, value)


def read(plan: Plan, answers: Answers, before: Baseline, *, agent: str, device: str) -> Readings:
    """The records of one poll, and what the next one is compared with."""
    step = follow(before.clock, answers.clock)
    if answers.unsteady:
        step = Step(Continuity.RESTARTED, 0, "it began anew while it was asked")
    same = step.continuity is Continuity.SAME
    device_ns = before.device_ns + step.elapsed_ns
    maker = _Maker(agent, device, answers)
    choices = plan.due(full=answers.full)
    speeds = {**before.speeds, **_speeds(choices, answers)}
    began = _began(choices, answers)
    counters: dict[tuple[str, str], Reading] = dict(before.counters) if same else {}
    for choice in choices:
        if choice.figure.measure == "rate":
            _rates(maker, choice, counters, began, speeds, device_ns, step if same else None)
        else:
            _FIGURES[choice.figure.measure](maker, choice)
    if answers.macs is not None or answers.vlans_failed:
        note = "; ".join(answers.vlans_failed)
        maker.add("mac_addresses", "", answers.macs, unit="1", note=note)
    maker.add("reachable", "", 1, unit="1", text="yes")
    if answers.response_ns is not None:
        maker.add("response_time", "", answers.response_ns, unit="s", scale=-9)
    maker.add("wrong_types", "", sum(maker.wrong.values()), unit="1")
    clock = answers.clock
    if before.clock is not None:  # one request may have failed to say it
        clock = replace(
            clock,
            serial=clock.serial or before.clock.serial,
            engine_id=clock.engine_id or before.clock.engine_id,
        )
    if answers.unsteady:  # its uptime is half of the old run and half of the new
        clock = replace(clock, uptime=None, boots=None, engine_s=None)
    baseline = Baseline(
        clock=clock,
        device_ns=device_ns,
        counters={} if answers.unsteady else counters,
        speeds=speeds,
    )
    return Readings(tuple(maker.records), baseline, step, maker.wrong)


def unreachable(at_ns: int, why: str, *, agent: str, device: str) -> DeviceSampleRecord:
    """The record of a poll that was not answered; `why` names a kind of error and no secret."""
    return DeviceSampleRecord(
        agent, device, "reachable", "", at_ns, 0, "no", "1", note=why
    )  # fmt: skip


@dataclass(slots=True)
class _Maker:
    """Collects the records of one poll."""

    agent: str
    device: str
    answers: Answers
    records: list[DeviceSampleRecord] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        figure: str,
        instance: str,
        value: int | None,
        *,
        unit: str = "",
        scale: int = 0,
        text: str = "",
        amount: int | None = None,
        interval_ns: int = 0,
        note: str = "",
    ) -> None:
        if value is not None and value not in _INT64:
            self.wrong[figure] += 1
            return
        self.records.append(
            DeviceSampleRecord(
                agent=self.agent,
                device=self.device,
                figure=figure,
                instance=instance,
                start_ns=self.answers.at_ns,
                value=value,
                text=text,
                unit=unit,
                scale=scale,
                amount=amount,
                interval_ns=interval_ns,
                note=note,
            )
        )

    def numbers(self, choice: Choice) -> Iterator[tuple[Row, int]]:
        """Those answers that are numbers."""
        for row in rows_of(choice, self.answers):
            if isinstance(row.value, int):
                yield row, row.value
            else:
                self.wrong[choice.figure.field] += 1

    def texts(self, choice: Choice) -> Iterator[tuple[Row, str]]:
        """Those that are words."""
        for row in rows_of(choice, self.answers):
            if isinstance(row.value, int):
                self.wrong[choice.figure.field] += 1
            else:
                yield row, words(row.value)


def _gauge(maker: _Maker, choice: Choice) -> None:
    figure, variant = choice.figure, choice.variant
    for row, value in maker.numbers(choice):
        full = variant.bits == 32 and value == 2**32 - 1
        maker.add(
            figure.field,
            row.instance,
            value * variant.factor,
            unit=figure.unit,
            scale=variant.scale,
            note="at the end of its 32 bits" if full else "",
        )


def _state(maker: _Maker, choice: Choice) -> None:
    states = dict(choice.figure.states)
    for row, value in maker.numbers(choice):
        maker.add(choice.figure.field, row.instance, value, text=states.get(value, str(value)))


def _text(maker: _Maker, choice: Choice) -> None:
    for row, said in maker.texts(choice):
        text = meaning(choice, said)
        if text:
            maker.add(choice.figure.field, row.instance, None, text=text)


def meaning(choice: Choice, said: str) -> str:
    """What a text means: by its variant's pattern or list of words; empty where it fits neither."""
    variant = choice.variant
    if variant.words:
        return dict(variant.words).get(said, "")
    if variant.pattern:
        found = re.search(variant.pattern, said)
        return found[1] if found else ""
    return said


def _rows(maker: _Maker, choice: Choice) -> None:
    count = sum(1 for _ in rows_of(choice, maker.answers))
    maker.add(choice.figure.field, "", count, unit=choice.figure.unit)


def _sum(maker: _Maker, choice: Choice) -> None:
    total = sum(value for _, value in maker.numbers(choice))
    maker.add(choice.figure.field, "", total, unit=choice.figure.unit)


def _peers(maker: _Maker, choice: Choice) -> None:
    found = Counter(
        peer for row in rows_of(choice, maker.answers) if (peer := peer_name(row.value))
    )
    for peer, count in sorted(found.items()):
        maker.add(choice.figure.field, peer, count, unit=choice.figure.unit)


def peer_name(value: Value) -> str:
    """An address or a name as text; addresses come as 4 or 16 octets or in words."""
    if isinstance(value, bytes) and len(value) in (4, 16):
        # "10.1" is four octets too: printable ones that are an address in words stay words.
        text = words(value)
        if not (text.isascii() and text.isprintable() and len(text) == len(value)):
            return str(ipaddress.ip_address(value))
    return "" if isinstance(value, int) else words(value)


def _marked(maker: _Maker, choice: Choice) -> None:
    for row, said in maker.texts(choice):
        if choice.variant.mark in said:
            number = int(row.index.rpartition(".")[2])
            maker.add(choice.figure.field, "", number, text=row.instance)


def _sensor(maker: _Maker, choice: Choice) -> None:
    kinds, scales, precisions = (
        maker.answers.columns.get(oid, {}) for oid in choice.variant.companions
    )
    for row, value in maker.numbers(choice):
        kind, scale = kinds.get(row.index), scales.get(row.index)
        precision = precisions.get(row.index)
        unit = SENSOR_UNITS.get(kind, "") if isinstance(kind, int) else ""
        if unit and isinstance(scale, int) and isinstance(precision, int):
            exponent = (scale - _NO_SCALE) * 3 - precision
            maker.add(choice.figure.field, row.instance, value, unit=unit, scale=exponent)


_FIGURES = {
    "gauge": _gauge,
    "state": _state,
    "text": _text,
    "rows": _rows,
    "sum": _sum,
    "peers": _peers,
    "marked": _marked,
    "sensor": _sensor,
}


def _of(choices: tuple[Choice, ...], name: str, answers: Answers) -> Iterator[tuple[Row, int]]:
    for choice in choices:
        if choice.figure.field == name:
            for row in rows_of(choice, answers):
                if isinstance(row.value, int):
                    yield row, row.value * 10 ** max(0, choice.variant.scale)


def _speeds(choices: tuple[Choice, ...], answers: Answers) -> dict[str, int]:
    return {row.instance: value for row, value in _of(choices, "speed", answers)}


def _began(choices: tuple[Choice, ...], answers: Answers) -> dict[str, int]:
    return {row.instance: value for row, value in _of(choices, "discontinuity", answers)}


def _rates(
    maker: _Maker,
    choice: Choice,
    counters: dict[tuple[str, str], Reading],
    began: Mapping[str, int],
    speeds: Mapping[str, int],
    device_ns: int,
    step: Step | None,
) -> None:
    """The rates of one figure; `step` None: there is nothing to compare with."""
    figure, variant = choice.figure, choice.variant
    for row, value in maker.numbers(choice):
        key = (figure.field, row.instance)
        now = Reading(value, row.index, variant.mib, began.get(row.instance, 0), device_ns)
        before = counters.get(key)
        counters[key] = now
        amount, why = None, "first reading"
        if before is not None and step is not None:
            amount, why = _amount(choice, before, now, speeds.get(row.instance, 0))
        elapsed_ns = 0 if before is None else device_ns - before.device_ns
        maker.add(
            figure.field,
            row.instance,
            None if amount is None else rate(amount, variant.factor, variant.scale, elapsed_ns),
            unit=figure.unit,
            scale=variant.scale,
            amount=amount,
            interval_ns=0 if amount is None else elapsed_ns,
            note=why,
        )


def _amount(
    choice: Choice, before: Reading, now: Reading, speed_bps: int
) -> tuple[int | None, str]:
    if before.index != now.index:
        return None, "the interface has moved to another index"
    if before.mib != now.mib:
        return None, "another counter is read now"
    if before.began != now.began:
        return None, "the device began to count anew"
    elapsed_ns = now.device_ns - before.device_ns
    if elapsed_ns <= 0:
        return None, "no time has passed on the device"
    octets = choice.variant.factor == 8
    most = (most_octets if octets else most_packets)(speed_bps, elapsed_ns)
    found = counted(before.value, now.value, bits=choice.variant.bits, most=most)
    return found.amount, found.why
