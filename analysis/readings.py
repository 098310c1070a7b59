"""How unclear places of the annex are read, in words for a report, and the switches among them.

Another reading gives other figures, so every report names those it rests on. Where the annex
settles little, `[contract.readings]` of the configuration chooses, as `A2 = "R2"`. The numbers are
those of the project's list of readings; lines are those of the annex.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType

from analysis.errors import ContractError, ContractProblem
from inventory.models import Configuration

PACKET_READINGS: Mapping[str, str] = {
    "A1": "A deviation counts as many steps as it holds: whole steps, and the rest by the bands "
    "of line 125.",
    "A2": "The printed bound (2.49, 0.49, 0.249, 0.049, 0.0249) still rounds to nothing; anything "
    "above it is one step more, on the exact value.",
    "A3": "The deviation is rounded, not the measured percentage; all arithmetic is exact.",
    "A4": "A deviation to the favourable side is no step and no credit.",
    "A6": "Packets of the whole period are pooled; nothing is rounded before the deviation.",
    "A7": "Where nothing was counted there is no value and no penalty: no data.",
    "D1": "The share within a delay limit is of the packets received; a lost packet counts as "
    "lost, and not again as too slow.",
    "D2": "A limit is kept by a figure equal to it.",
    "D3": "Base means terrestrial: a pair with a base-satellite PAS belongs to “altri casi”.",
    "D5": "Jitter is the mean of the readings; a reading is the mean absolute delay variation of "
    "consecutive received packets of one train (RFC 3393), on the round trip. Only completed "
    "milliseconds of excess are steps.",
    "D11": "A one-way limit is held against one-way delays, both directions pooled; round trips "
    "are never halved.",
}
"""What the verdicts on trains alone rest on (the page of a measurement)."""

READINGS: Mapping[str, str] = {
    **PACKET_READINGS,
    "A5": "The bands for 5 % and 0.05 % are there, and no parameter uses them; times, milliseconds "
    "and euro have no rounding band.",
    "A6": "Counters of the whole period are pooled; nothing is rounded before the deviation, and "
    "no mean of monthly figures is taken.",
    "B1": "Restoration and response run in hours of the delivery window on all seven days; other "
    "limits in hours run in window hours on working days of the country.",
    "B2": "Day zero is the local date of the report (after the close of the normal window that of "
    "the next opening); the limit is the end of the n-th working day after it.",
    "B3": "Only completed hours and quarters of an hour beyond the limit are charged; a limit that "
    "is just reached is kept.",
    "B4": "Days in excess are the working dates after the limit's date up to that of the closure; "
    "in the normal window a closure before 08:00 is taken at the previous closing.",
    "B5": "The delivery window is set for each PAS and service; what lies outside it does not "
    "count. A pair has the window of the originating PAS.",
    "B6": "Windows are local time of the PAS; lengths are real time, so a change of the clocks "
    "makes a day of 23 or 25 hours.",
    "B7": "Limits in days are working days, by date.",
    "B8": "Minutes are those that pass inside the delivery window, on all seven days.",
    "B9": "Holidays are those of the PAS's country, or of the contract's for what has no PAS.",
    "C1": "Only blocking outages make a service unavailable, in the overall figure too.",
    "C2": "An outage lasts from fault opening to restoration for availability; the time of "
    "restoration runs from report to closure.",
    "C3": "Outages of one PAS that overlap count once.",
    "C4": "An outage over the end of a period is split there; an open one counts to the end.",
    "C5": "What ended inside a period is measured over the time that it was there, which the annex "
    "does not settle.",
    "C6": "Nothing is excluded but what was agreed and is listed.",
    "C7": "Overall availability weighs each PAS by its window, and not by its fee.",
    "C8": "The severity is the agreed one; in a dispute the Administration's.",
    "C9": "Availability in chapter 7 is that of the monitoring system; outages of workstations, "
    "devices and servers have restoration times only.",
    "C10": "Spelling variants of a limit (99.9, 99,9) are the same number and the same rule.",
    "C11": "Availability costs a share of the fee of the one PAS; late restoration one of all PAS "
    "of the level.",
    "C12": "A level belongs to a PAS for one service.",
    "C13": "Penalties of one outage under several parameters add up.",
    "D4": "Two medium PAS have no delay limit in video collaboration (line 368): no penalty.",
    "D6": "The value of a pair is the sum of the fees of its two PAS.",
    "D7": "What is measured for each pair and charged on all PAS is charged for each pair, and "
    "the pairs add up.",
    "D8": "The end point belongs to the measurement. Without a second PAS of the contract no pair "
    "class applies.",
    "D9": "Lost packets are those of both directions inside the window, those during outages "
    "included.",
    "D10": "Guaranteed bandwidth has no penalty of its own: its cell points to delay and loss.",
    "D12": "Attempts and successes of calls come as counted; only failures of network and service "
    "are failures.",
    "D13": "Messages up to the size count, 1 kByte = 1000 bytes; each leg is one; what was never "
    "delivered was not in time.",
    "E1": "An event is one ticket at one level.",
    "E2": "“Valore complessivo dei PAS” is the sum over the PAS of that service of this "
    "Administration, of that level where one is named.",
    "E3": "Days or hours follow the severity: L3 blocking is charged by the hour, all other "
    "levels by the day.",
    "E4": "Restoration of e-mail is the share of outages restored in time, both severities "
    "together; 100 % is due.",
    "E5": "Unified Messaging is charged on the fee of e-mail, and its outages count for it alone.",
    "E6": "Each late request is an event; each excess is rounded down for itself, then summed.",
    "E7": "Where the limit is in hours and the penalty in days, days are the working dates after "
    "that on which the limit ran out.",
    "E8": "An event belongs to the period in which it is closed; an open one is pending.",
    "E9": "Waiting for the Administration's acceptance of a closure counts.",
    "E10": "“Valore limite”, “valore di target” and “limite” are the same limit; in chapter 7 the "
    "value of the PAS is the fee of the service.",
    "E11": "With help desk on site the limits are shorter and the rate is the same.",
    "E12": "Where the annex does not say since when, time runs from the receipt of the request.",
    "F1": "A lost call has waited, and is a waiting event too.",
    "F2": "A lost call was not answered and waited more than 60 s; the share is of all attempts.",
    "F3": "Each point of lost calls above 2 % adds 10 % of the penalty for waiting, without "
    "compounding; points by the band for 1 %.",
    "F4": "With help desk on site 300 EUR take the place of 100; 60 minutes are in time.",
    "F5": "Months are calendar months, clamped to the end of a shorter one, the due date included; "
    "between 8 and 10 Mbps there is no limit.",
    "F6": "The value in provisioning is the fee of all services of the PAS.",
    "F7": "Delay in provisioning is in solar days; a due date on a holiday stays.",
    "F8": "A late report costs by the working day, for each report; its due date does not move.",
    "F9": "A day of delay in provisioning is charged in the period in which it lies.",
    "G1": "There is no cap.",
    "G2": "The base is the net fee of four months that each section names.",
    "G3": "Each line is rounded to the cent, half a cent up; the total is the sum of the lines.",
    "G4": "Penalties begin by the start of the service, for a later PAS by its own.",
    "G5": "The first whole period is one that begins after the day of the start.",
    "G6": "No contractual report is due for a first period that is not whole.",
    "G7": "A period can be computed again at any time, with the same result.",
    "G8": "Everything is for one Administration.",
    "G9": "Reports give the annex's items and, beyond them, what the penalties need.",
    "G10": "Damaged places of the text are transcribed by hand.",
    "G11": "The electronic sending of a report stops its clock.",
    "G12": "Terms that the annex does not define are names, and no limit comes from them.",
}
"""Number of the reading -> what it says where no switch is set otherwise."""

SWITCHES: Mapping[str, tuple[str, ...]] = {
    "A2": ("R1", "R2", "R6"),
    "B8": ("window", "working"),
    "C1": ("blocking", "all"),
    "D1": ("received", "sent"),
    "D9": ("include", "exclude"),
    "F8": ("working", "calendar"),
    "F9": ("due", "delivery"),
}
"""Reading -> what `[contract.readings]` may say; the first is the default."""

_OTHERWISE: Mapping[tuple[str, str], str] = {
    ("A2", "R2"): "What is left of a deviation counts as a step from half a step on, on the exact "
    "value.",
    ("A2", "R6"): "A deviation is rounded half up to the decimals of the printed bound (2, 2, 3, "
    "3, 4); up to that bound it then rounds to nothing.",
    ("B8", "working"): "Minutes are those that pass inside the delivery window on working days of "
    "the country.",
    ("C1", "all"): "In the overall figure outages of both severities make a service unavailable; "
    "in that of one PAS only blocking ones do.",
    ("D1", "sent"): "The share within a delay limit is of the packets sent: a lost packet is too "
    "slow, besides being lost.",
    ("D9", "exclude"): "Lost packets are those of both directions inside the window, without the "
    "time of blocking outages.",
    ("F8", "calendar"): "A late report costs by the calendar day, for each report; its due date "
    "does not move.",
    ("F9", "delivery"): "All days of delay in provisioning are charged in the period of the "
    "delivery.",
}
_TABLE = "[contract.readings]"


@dataclass(frozen=True, slots=True)
class Readings:
    """The switches of one contract."""

    chosen: Mapping[str, str] = field(default_factory=dict)
    """What the contract sets; whatever is not in here has its default."""

    def __getitem__(self, reading: str) -> str:
        """The value of a switch; KeyError for a reading that has none."""
        return self.chosen.get(reading, SWITCHES[reading][0])

    def text(self, reading: str) -> str:
        """What is read, under the switch as it is set; KeyError for an unknown reading."""
        return _OTHERWISE.get((reading, self.chosen.get(reading, "")), READINGS[reading])

    def told(self, readings: Iterable[str]) -> dict[str, str]:
        """Number -> text, the value of a switch before it, in the order of the list.

        As `R1: The printed bound ...`. KeyError for an unknown reading.
        """
        wanted = sorted(set(readings), key=_place)
        return {
            one: f"{self[one]}: {self.text(one)}" if one in SWITCHES else self.text(one)
            for one in wanted
        }


def readings_of(configuration: Configuration) -> Readings:
    """The switches of a configuration, defaults where it says nothing.

    Raises ContractError with every switch that there is not, and every value that one has not.
    """
    said = configuration.contract.readings if configuration.contract else {}
    problems = [problem for key, value in said.items() if (problem := _problem(key, value))]
    if problems:
        raise ContractError(tuple(problems))
    return Readings(MappingProxyType(dict(said)))


def _problem(key: str, value: str) -> ContractProblem | None:
    if key not in SWITCHES:
        meant = get_close_matches(key, SWITCHES, 1)
        why = "has no switch" if key in READINGS else "is no reading"
        remedy = f"{meant[0]} is meant?" if meant and key not in READINGS else "remove it;"
        return ContractProblem(_TABLE, f"{key} {why}", f"{remedy} switches: {', '.join(SWITCHES)}")
    if value not in SWITCHES[key]:
        values = " or ".join(f'"{one}"' for one in SWITCHES[key])
        return ContractProblem(_TABLE, f"{key} cannot be {value!r}", f"write {key} = {values}")
    return None


def _place(reading: str) -> tuple[str, int]:
    return reading[0], int(reading[1:])
