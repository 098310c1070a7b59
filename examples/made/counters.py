"""Calls, messages, the call centre and the use of the bandwidth, as systems would count them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from made.places import Entry, days, dice, sample_days, share

CALL_COLUMNS = ("service", "start", "end", "attempts", "successes")
MESSAGE_COLUMNS = ("service", "start", "end", "messages", "within_limit")
CENTRE_COLUMNS = ("start", "end", "attempts", "lost", "late", "received", "wait_s")
USAGE_COLUMNS = ("service", "pas", "peer", "start", "end", "in_percent", "out_percent")

_FAILED = {"voip": 12_800, "video-collaboration": 5_200, "video-conference": 11_400}
"""Attempts that failed, per million."""
_HOURS = {
    "voip": range(8, 19),
    "video-collaboration": (9, 11, 15),
    "video-conference": (10, 14, 16),
}
_MESSAGES = {"email": (9_000, 5_400), "unified-messaging": (1_100, 13_200)}
"""A day's messages on a working day, and those too late, per million."""
_BUSY = {
    date(2011, 5, 12): (21, 6, 9),
    date(2011, 6, 6): (27, 8, 12),
    date(2011, 6, 16): (24, 7, 10),
    date(2011, 8, 4): (22, 7, 10),
}
"""Days of an outage at the call centre: attempts, lost, late (the lost ones included)."""


def calls() -> Iterator[dict[str, object]]:
    """The rows of calls.csv: an hour each; on Saturdays and Sundays voice alone, and little."""
    for service, hours in _HOURS.items():
        for day in days():
            weekend = day.weekday() > 4
            if weekend and service != "voip":
                continue
            for hour in hours:
                key = (service, day, hour)
                if service == "voip":
                    attempts = 3 + dice(5, *key) if weekend else 60 + dice(90, *key)
                else:
                    attempts = 6 + dice(9, *key)
                yield {
                    "service": service,
                    "start": f"{day}T{hour:02}:00",
                    "end": f"{day}T{hour + 1:02}:00",
                    "attempts": attempts,
                    "successes": attempts - share(attempts, _FAILED[service], "failed", *key),
                }


def messages() -> Iterator[dict[str, object]]:
    """The rows of messages.csv: a day each."""
    for service, (usual, late) in _MESSAGES.items():
        for day in days():
            count = (usual if day.weekday() < 5 else usual // 12) + dice(usual // 9, service, day)
            yield {
                "service": service,
                "start": f"{day}T00:00",
                "end": f"{day + timedelta(days=1)}T00:00",
                "messages": count,
                "within_limit": count - share(count, late, "late", service, day),
            }


def contact_centre() -> Iterator[dict[str, object]]:
    """The rows of contact_centre.csv: quiet days, and those of an outage, when all call at once."""
    for day in days():
        usual = (5 if day.weekday() < 5 else 1) + dice(5, "centre", day)
        attempts, lost, late = _BUSY.get(day, (usual, 0, 0))
        wait = 44 + dice(60, "wait", day) if lost else 6 + dice(14, "wait", day)
        yield {
            "start": f"{day}T00:00",
            "end": f"{day + timedelta(days=1)}T00:00",
            "attempts": attempts,
            "lost": lost,
            "late": late,
            "received": attempts - lost // 4,  # the others hung up before they got in
            "wait_s": f"{wait}.{dice(10, 'tenth', day)}",
        }


def usage(contract: dict[tuple[str, str], Entry]) -> Iterator[dict[str, object]]:
    """The rows of usage.csv: every hour of the window, in one week (pairs: two days) a month."""
    at_pas = [pas for service, pas in contract if service == "ip-base"]
    ends = sorted(pas for service, pas in contract if service == "ip-qos")
    for pas in at_pas:
        for day in sample_days(0, 7):
            yield from _hours(contract["ip-base", pas], "ip-base", "", day)
    for number, one in enumerate(ends):
        for other in ends[number + 1 :]:
            # So that each of them is the near end of a pair.
            pas, peer = (one, other) if (number + ends.index(other)) % 2 else (other, one)
            for day in sample_days(1, 2):
                yield from _hours(contract["ip-qos", pas], "ip-qos", peer, day)


def _hours(entry: Entry, service: str, peer: str, day: date) -> Iterator[dict[str, object]]:
    if not entry.runs(day):
        return
    at, closes = entry.opens(day), entry.closes(day)
    while at < closes:
        local = at.astimezone(entry.zone)
        key = (service, entry.pas, peer, local.isoformat())
        percent = _load(local, service) + dice(120, "in", *key)
        back = percent * (35 + dice(20, "out", *key)) // 100
        until = (at + timedelta(hours=1)).astimezone(entry.zone)
        yield {
            "service": service, "pas": entry.pas, "peer": peer,
            "start": f"{local:%Y-%m-%dT%H:%M}", "end": f"{until:%Y-%m-%dT%H:%M}",
            "in_percent": f"{percent // 10}.{percent % 10}",
            "out_percent": f"{back // 10}.{back % 10}",
        }  # fmt: skip
        at += timedelta(hours=1)


def _load(local: datetime, service: str) -> int:
    """Tenths of a percent: a morning and an afternoon with a lunch between them."""
    if local.weekday() > 4:
        return 30
    shape = {8: 300, 9: 520, 10: 640, 11: 660, 12: 480, 13: 410, 14: 600, 15: 640, 16: 560, 17: 400}
    base = shape.get(local.hour, 60 if local.hour < 7 or local.hour > 20 else 200)
    return base * 3 // 4 if service == "ip-qos" else base
