"""Packets of the example, a row a day and path; what was sent into an outage is lost.

Figures are per million of the packets, as a mean over the period. Where nothing is said of a path
it keeps its limits; `QUALITY` has the paths that do not, and why one would notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from made.places import BEGIN, END, Entry, days, dice, share

COLUMNS = (
    "service", "pas", "peer", "start", "end", "sent", "received", "within_limit", "jitter_ms",
    "jitter_readings", "jitter_over", "endpoint",
)  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """How one path does."""

    lost: int
    """Per million of the packets sent."""
    slow: int
    """Per million of the packets received."""
    jitter_us: int = 0
    """Mean of the jitter readings, microseconds; 0: no readings."""
    over: int = 0
    """Readings above the limit, per million."""
    since: date = BEGIN
    until: date = END
    """The days on which it is so, until excluded; on others the path is as usual."""


USUAL = {
    "ip-base": Quality(2_400, 3_100),
    "ip-qos": Quality(1_800, 2_600),
    "voip": Quality(1_500, 2_900, 9_400, 3_000),
    "video-collaboration": Quality(260, 3_300, 8_100, 2_000),
    "video-conference": Quality(210, 2_700, 6_900, 1_500),
}
QUALITY = {
    # A line that is too slow at noon, one that loses in June, a satellite just below 99 %.
    ("ip-base", "milano-01", ""): Quality(3_000, 18_000),
    ("ip-base", "tokyo-01", ""): Quality(
        46_000, 4_000, since=date(2011, 6, 1), until=date(2011, 7, 1)
    ),
    ("ip-base", "buenos-aires-01", ""): Quality(6_500, 11_000),
    ("ip-qos", "cairo-01", "roma-01"): Quality(4_000, 16_500),
    ("ip-qos", "milano-01", "tokyo-01"): Quality(13_600, 5_000),
    ("voip", "roma-01", "tokyo-01"): Quality(2_000, 21_000, 12_300, 9_000),
    ("voip", "tokyo-01", "roma-01"): Quality(2_200, 19_500, 12_100, 8_000),
    ("voip", "milano-01", "washington-01"): Quality(2_100, 4_000, 23_600, 700_000),
    ("voip", "washington-01", "milano-01"): Quality(2_100, 4_000, 22_900, 650_000),
    ("voip", "buenos-aires-01", "cairo-01"): Quality(9_000, 6_000, 38_900, 420_000),
    ("voip", "cairo-01", "buenos-aires-01"): Quality(9_000, 6_000, 38_500, 410_000),
    ("video-collaboration", "roma-01", "washington-01"): Quality(4_300, 5_000, 9_000, 4_000),
    ("video-collaboration", "washington-01", "roma-01"): Quality(4_500, 5_000, 9_100, 4_000),
    ("video-collaboration", "milano-01", "tokyo-01"): Quality(300, 24_000, 12_000, 9_000),
    ("video-collaboration", "tokyo-01", "milano-01"): Quality(300, 22_000, 22_600, 640_000),
    ("video-collaboration", "tokyo-01", "roma-01"): Quality(300, 7_000, 22_900, 660_000),
    ("video-collaboration", "roma-01", "tokyo-01"): Quality(300, 7_000, 21_900, 600_000),
    ("video-conference", "bruxelles-01", "milano-01"): Quality(3_100, 17_500, 22_400, 640_000),
    ("video-conference", "milano-01", "bruxelles-01"): Quality(2_900, 16_900, 21_900, 620_000),
}
LOSSY = {("voip", "cairo-01"): 12_600}
"""A PAS that loses whatever call it is in: packets per million."""
NOT_BOTH_WAYS = "ip-qos"
"""Round trips: one direction of a pair is enough."""
CALLS = ("voip", "video-collaboration", "video-conference")
"""Packets of calls in progress, so there are none on Saturdays and Sundays."""


@dataclass(frozen=True)
class Outage:
    """From fault to restoration, UTC."""

    begin: datetime
    end: datetime


def outages(
    tickets: Sequence[dict[str, str]], contract: dict[tuple[str, str], Entry]
) -> dict[tuple[str, str], list[Outage]]:
    """(service, PAS) -> its blocking outages."""
    found: dict[tuple[str, str], list[Outage]] = {}
    for ticket in tickets:
        if ticket["severity"] != "blocking" or not ticket["pas"]:
            continue
        for service in ticket["service"].split(";"):
            for pas in ticket["pas"].split(";"):
                if (service, pas) in contract:
                    zone = contract[service, pas].zone
                    outage = Outage(
                        _utc(ticket["opened_at"], zone), _utc(ticket["restored_at"], zone)
                    )
                    found.setdefault((service, pas), []).append(outage)
    return found


def traffic(
    contract: dict[tuple[str, str], Entry], down: dict[tuple[str, str], list[Outage]]
) -> Iterator[dict[str, object]]:
    """The rows of traffic.csv."""
    for service in USUAL:
        ends = [pas for one, pas in contract if one == service]
        for pas in ends:
            for peer in [""] if service == "ip-base" else ends:
                if peer == pas or (service == NOT_BOTH_WAYS and pas > peer):
                    continue
                yield from _path(contract, down, service, pas, peer)


def _path(
    contract: dict[tuple[str, str], Entry],
    down: dict[tuple[str, str], list[Outage]],
    service: str,
    pas: str,
    peer: str,
) -> Iterator[dict[str, object]]:
    here = contract[service, pas]
    there = contract.get((service, peer), here)
    cuts = down.get((service, pas), []) + (down.get((service, peer), []) if peer else [])
    for day in days():
        if not (here.runs(day) and there.runs(day)):
            continue
        if service in CALLS and day.weekday() > 4:
            continue
        begin, end = here.opens(day), here.closes(day)
        quality = _quality(service, pas, peer, day)
        key = (service, pas, peer, day)
        seconds = int((end - begin).total_seconds())
        lost_s = sum(
            max(0, int((min(end, cut.end) - max(begin, cut.begin)).total_seconds())) for cut in cuts
        )
        up_s = max(0, seconds - lost_s)
        if service in CALLS:  # 50 packets a second, some minutes of calls; none while it is down
            up = sent = 3_000 * (4 + dice(9, "calls", *key)) * up_s // seconds
            if not sent:
                continue
        else:  # a train of 10 packets a minute, down or not (D9)
            sent = seconds // 6
            up = sent * up_s // seconds
        received = up - share(up, quality.lost, "lost", *key)
        row: dict[str, object] = {
            "service": service, "pas": pas, "peer": peer,
            "start": _local(begin, here.zone), "end": _local(end, here.zone),
            "sent": sent, "received": received,
            "within_limit": received - share(received, quality.slow, "slow", *key),
            "endpoint": "" if peer else "qxn",
        }  # fmt: skip
        readings = received // 100 if quality.jitter_us else 0
        if readings:
            jitter_us = quality.jitter_us * (850 + dice(301, "jitter", *key)) // 1000
            row["jitter_ms"] = f"{jitter_us // 1000}.{jitter_us % 1000:03}"
            row["jitter_readings"] = readings
            row["jitter_over"] = share(readings, quality.over, "over", *key)
        yield row


def _quality(service: str, pas: str, peer: str, day: date) -> Quality:
    known = QUALITY.get((service, pas, peer), USUAL[service])
    quality = known if known.since <= day < known.until else USUAL[service]
    lost = max(LOSSY.get((service, end), quality.lost) for end in (pas, peer))
    return replace(quality, lost=max(lost, quality.lost))


def _utc(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")
