"""The contractual and the technical report for 100 PAS as HTML.

100 PAS with basic connectivity, IP QoS, VoIP and network security; each with measurements of every
day of the period (histograms of 60 bins), an outage, and in the month its hourly use of the
bandwidth. The inputs are made in memory; measured is everything after they were read: evaluation,
document, page.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

from analysis.catalogue_rows import load_catalogue
from analysis.documents.language import language
from analysis.documents.material import Material
from analysis.documents.periodic import periodic_document
from analysis.documents.render_html import render_html
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.inputs import Inputs
from analysis.evaluation.result_json import result_object
from analysis.facts import Facts, Ticket, UsageRow, Where
from analysis.readings import readings_of
from analysis.traffic import DayTraffic, PathTraffic
from inventory.calendars import working_days
from inventory.clocks import day_bounds
from inventory.models import Configuration, Contract, Pas, ServiceEntry
from inventory.periods import Period, parse_period

NAME = "report_pages"
GOALS: dict[str, tuple[str, float]] = {
    "contractual report as HTML (s)": ("<=", 10),
    "technical report as HTML (s)": ("<=", 10),
}

PAS: Final = 100
ZONE: Final = "Europe/Rome"
HOUR_NS: Final = 3_600_000_000_000
SERVICES: Final = ("ip-base", "ip-qos", "voip", "security-standard")
PAIRED: Final = ("ip-qos", "voip")
SEED: Final = 7
AS_OF_NS: Final = day_bounds(date(2012, 1, 1), ZONE)[0]


def run_once() -> dict[str, float | str]:
    """Both reports, one after the other."""
    long, long_octets, lines = _measure(parse_period("2011-2"), "contractual")
    short, short_octets, _ = _measure(parse_period("2011-06"), "technical")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000
    return {
        "PAS": PAS,
        "lines of the evaluation": lines,
        "contractual report as HTML (s)": round(long, 2),
        "contractual page (MB)": round(long_octets / 1e6, 1),
        "technical report as HTML (s)": round(short, 2),
        "technical page (MB)": round(short_octets / 1e6, 1),
        "peak memory (GB)": round(memory, 2),
    }


def _measure(period: Period, kind: Literal["contractual", "technical"]) -> tuple[float, int, int]:
    inputs = _inputs(period)
    begin = time.monotonic()
    result = evaluate(inputs)
    document = periodic_document(Material(inputs, result), kind, result_object(result))
    page = render_html(document, language("it"))
    return time.monotonic() - begin, len(page.encode()), len(result.lines)


def _inputs(period: Period) -> Inputs:
    configuration = Configuration(
        contract=Contract(administration="Example", country="IT", timezone=ZONE),
        pas=tuple(
            Pas(id=_name(number), country="IT", timezone=ZONE, profile="high", services=_entries())
            for number in range(PAS)
        ),
    )
    return Inputs(
        configuration=configuration,
        catalogue=load_catalogue(),
        facts=Facts(tickets=tuple(_tickets(period)), usage=tuple(_usage(period))),
        traffic=tuple(_traffic(period)),
        gaps=(),
        outages_seen=(),
        period=period,
        as_of_ns=AS_OF_NS,
        readings=readings_of(configuration),
        calendars={"IT": working_days(configuration, "IT", range(2010, 2014))},
        zones={ZONE: ZoneInfo(ZONE)},
    )


def _name(number: int) -> str:
    return f"site-{number % PAS:03}"


def _entries() -> tuple[ServiceEntry, ...]:
    return tuple(
        ServiceEntry(
            id=service, level="L2", window="extended", fee=Decimal(1000), start=date(2010, 1, 1)
        )
        for service in SERVICES
    )


def _traffic(period: Period) -> Iterator[PathTraffic]:
    seeded = random.Random(SEED)
    days = [period.begin + timedelta(n) for n in range((period.end - period.begin).days)]
    for number in range(PAS):
        for service in ("ip-base", *PAIRED):
            peer = _name(number + 1) if service in PAIRED else ""
            yield PathTraffic(
                path=f"{_name(number)}/{service}",
                service=service,
                pas=_name(number),
                peer=peer,
                endpoint="" if peer else "qxn",
                source="probe",
                limit_ns=(150 if service == "voip" else 300) * 1_000_000,
                days=tuple(_day(day, seeded) for day in days),
            )


def _day(day: date, seeded: random.Random) -> DayTraffic:
    histogram = tuple((number, seeded.randrange(1, 500)) for number in range(60, 120))
    received = sum(count for _, count in histogram)
    sent = received + seeded.randrange(200)
    return DayTraffic(
        day=day.isoformat(), planned=1440, trains=1440, valid=1440, invalid={}, sent=sent,
        received=received, within_limit=received - seeded.randrange(200), judged=received,
        jitter_sum_ns=5_000_000 * 1440, jitter_count=1440, jitter_over=seeded.randrange(5),
        sent_all=sent, received_all=received, histogram=histogram,
    )  # fmt: skip


def _tickets(period: Period) -> Iterator[Ticket]:
    begin = day_bounds(period.begin, ZONE)[0]
    for number in range(PAS):
        opened = begin + number * 5 * HOUR_NS
        yield Ticket(
            where=Where("tickets.csv", number + 2), id=f"T-{number}", services=("ip-base",),
            pas=(_name(number),), severity="blocking", opened_ns=opened, reported_ns=opened,
            responded_ns=opened + HOUR_NS // 2, restored_ns=opened + 2 * HOUR_NS,
            closed_ns=opened + 3 * HOUR_NS, affected=1, cause="cable cut", component="",
            severity_provider=None, severity_administration=None, expected_ns=None, comment="",
        )  # fmt: skip


def _usage(period: Period) -> Iterator[UsageRow]:
    if period.kind != "month":
        return
    begin = day_bounds(period.begin, ZONE)[0]
    hours = 24 * (period.end - period.begin).days
    for number in range(PAS):
        for hour in range(hours):
            at = begin + hour * HOUR_NS
            yield UsageRow(
                Where("usage.csv", 2), "ip-base", _name(number), "", at, at + HOUR_NS,
                Decimal((hour * 7 + number) % 97), Decimal((hour * 3 + number) % 89),
            )  # fmt: skip
