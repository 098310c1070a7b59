"""The report items that are printed as they are delivered: `items/<service>.<item>.csv`.

Times are local to the contract. A table whose first column is a time and that has figures is read
as a series; the sample days are two of each month.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from made.places import days, dice, sample_days

Table = list[dict[str, object]]

_GATES = {
    "security-standard": ("milano-01", "tokyo-01", "cairo-01"),
    "security-strong": ("roma-01", "bruxelles-01", "washington-01"),
}
_PROTOCOLS = {"tcp/https": 900, "tcp/smtp": 140, "udp/dns": 22, "icmp": 3}
"""Megabytes of a busy hour."""
_VOICE = {"roma-01": 310, "milano-01": 160, "tokyo-01": 120, "washington-01": 130, "cairo-01": 45,
          "buenos-aires-01": 60}  # fmt: skip
_VIDEO = {
    "video-collaboration": ("roma-01", "milano-01", "tokyo-01", "washington-01"),
    "video-conference": ("roma-01", "milano-01", "bruxelles-01"),
}
_MAILBOXES = ("registry", "contract-office", "press", "helpdesk", "visas", "archive", "library",
              "payroll")  # fmt: skip
_RULES = (
    ("permit", "tcp", "any", "192.0.2.80", "https", "2010-10-01"),
    ("permit", "tcp", "198.51.100.0/24", "192.0.2.25", "smtp", "2010-10-01"),
    ("permit", "udp", "192.0.2.0/24", "192.0.2.53", "dns", "2010-11-15"),
    ("permit", "tcp", "203.0.113.64/26", "192.0.2.90", "sftp", "2011-05-10"),
    ("permit", "icmp", "192.0.2.8", "any", "echo", "2010-10-01"),
    ("deny", "ip", "any", "any", "any", "2010-10-01"),
)
_INCIDENTS = {
    "security-standard": (
        ("I-301", "2011-05-24T02:11", "milano-01", "port scan from 203.0.113.200", "low",
         "source blocked for a day", "closed"),
        ("I-302", "2011-06-30T16:40", "cairo-01", "guessing of passwords at the web mail",
         "medium", "account locked, user told", "closed"),
        ("I-303", "2011-07-19T09:05", "tokyo-01", "a workstation asks for a known bad name",
         "medium", "workstation rebuilt", "closed"),
        ("I-304", "2011-08-23T22:30", "milano-01", "port scan from 2001:db8:ffff::66", "low",
         "source blocked for a day", "closed"),
    ),
    "security-strong": (
        ("I-401", "2011-05-20T03:12", "roma-01", "flood of requests to the registry", "high",
         "rate limited after 11 minutes", "closed"),
        ("I-402", "2011-06-25T14:40", "washington-01", "exploit of an old web module tried",
         "high", "source blocked after 34 minutes", "closed"),
        ("I-403", "2011-07-28T19:20", "roma-01", "port scan from 203.0.113.7", "low",
         "source blocked for a day", "closed"),
        ("I-404", "2011-08-12T11:05", "bruxelles-01", "mail with a harmful attachment", "medium",
         "removed after 15 minutes", "closed"),
    ),
}  # fmt: skip


def items() -> dict[str, Table]:
    """Name without `.csv` -> its rows, columns in the order of the first one."""
    found: dict[str, Table] = {}
    for service, gates in _GATES.items():
        found[f"{service}.rules-in-force"] = list(_rules(gates))
        found[f"{service}.firewall-resources"] = list(_resources(service, gates))
        found[f"{service}.traffic-by-protocol"] = list(_protocols(service))
        found[f"{service}.access-log"] = list(_accesses(service, gates))
        found[f"{service}.security-incidents"] = [
            dict(zip(("id", "detected_at", "gate", "what", "severity", "done", "state"), row,
                     strict=True))
            for row in _INCIDENTS[service]
        ]  # fmt: skip
    found["voip.call-records"] = list(_voice_calls())
    found["voip.traffic-statistics"] = list(_voice_traffic())
    for service, ends in _VIDEO.items():
        found[f"{service}.call-records"] = list(_video_calls(service, ends))
    found["video-conference.conference-resources"] = list(_conference_resources())
    found["email.mailbox-statistics"] = list(_mailboxes())
    found["system-management.summary-charts"] = list(_servers())
    return found


def _at(day: date, hour: int, minute: int = 0) -> str:
    return f"{day}T{hour:02}:{minute:02}"


def _busy(hour: int) -> int:
    """Percent of the busiest hour."""
    return 100 if 9 <= hour <= 17 else 55 if 7 <= hour <= 20 else 12


def _sampled() -> Iterator[tuple[date, int]]:
    for day in sample_days(2, 2):
        for hour in range(24):
            yield day, hour


def _rules(gates: tuple[str, ...]) -> Iterator[dict[str, object]]:
    for gate in gates:
        for number, (action, protocol, source, destination, port, since) in enumerate(_RULES, 1):
            yield {
                "gate": gate, "rule": f"{gate.split('-')[0]}/{number}", "action": action,
                "protocol": protocol, "source": source, "destination": destination,
                "service": port, "in_force_since": since,
            }  # fmt: skip


def _resources(service: str, gates: tuple[str, ...]) -> Iterator[dict[str, object]]:
    for gate in gates:
        for day, hour in _sampled():
            key, busy = (service, gate, day, hour), _busy(hour)
            yield {
                "at": _at(day, hour),
                "gate": gate,
                "cpu_percent": 4 + busy * 46 // 100 + dice(9, "cpu", *key),
                "memory_percent": 52 + busy * 12 // 100 + dice(3, "memory", *key),
                "sessions": 40 + busy * 21 + dice(200, "sessions", *key),
                "throughput_mbps": f"{busy * 2 // 10 + dice(4, 'mbps', *key)}."
                f"{dice(10, 'tenth', *key)}",
            }


def _protocols(service: str) -> Iterator[dict[str, object]]:
    for protocol, busiest in _PROTOCOLS.items():
        for day, hour in _sampled():
            key = (service, protocol, day, hour)
            passed = busiest * _busy(hour) * (80 + dice(41, "passed", *key)) // 1000
            dropped = passed * (2 + dice(12, "dropped", *key)) // 1000
            yield {
                "at": _at(day, hour),
                "protocol": protocol,
                "allowed_mb": f"{passed // 10}.{passed % 10}",
                "dropped_mb": f"{dropped // 10}.{dropped % 10}",
            }


def _accesses(service: str, gates: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """Without a column of figures: a log is no series."""
    users = ("operator-a", "operator-b", "backup", "unknown")
    for index, day in enumerate(days()):
        if index % 5 != len(service) % 5:
            continue
        key = (service, day)
        user = users[dice(4, "user", *key)]
        foreign = f"203.0.113.{130 + dice(90, 'address', *key)}"
        yield {
            "at": _at(day, 6 + dice(16, "hour", *key), dice(60, "minute", *key)),
            "gate": gates[dice(len(gates), "gate", *key)],
            "user": user,
            "from": foreign if user == "unknown" else f"192.0.2.{8 + dice(4, 'host', *key)}",
            "by": "ssh" if dice(3, "by", *key) else "https",
            "outcome": "refused" if user == "unknown" else "admitted",
        }


def _voice_calls() -> Iterator[dict[str, object]]:
    """An extract: one call of every second day."""
    for index, day in enumerate(days()):
        if index % 2 or day.weekday() > 4:
            continue
        pas = list(_VOICE)[dice(len(_VOICE), "from", day)]
        if pas == "cairo-01" and day >= date(2011, 8, 1):
            pas = "roma-01"
        account = f"acc-{1000 + dice(60, 'account', day)}"
        terminal = f"{pas}/phone-{10 + dice(40, 'phone', day)}"
        called = f"ext {20 + dice(70, 'area', day)}-{1000 + dice(900, 'number', day)}"
        yield _call("voip", day, account, terminal, called)


def _video_calls(service: str, ends: tuple[str, ...]) -> Iterator[dict[str, object]]:
    for index, day in enumerate(days()):
        if index % 4 or day.weekday() > 4:
            continue
        first = dice(len(ends), "first", service, day)
        other = (first + 1 + dice(len(ends) - 1, "other", service, day)) % len(ends)
        terminal = f"{ends[first]}/room-{1 + dice(3, 'room', service, day)}"
        called = f"{ends[other]}/room-{1 + dice(3, 'called', service, day)}"
        yield _call(service, day, "", terminal, called)


def _call(service: str, day: date, account: str, terminal: str, called: str) -> dict[str, object]:
    begin = 9 * 60 + dice(500, "begin", service, day)
    seconds = 40 + dice(1500, "length", service, day)
    end = begin + seconds // 60
    row: dict[str, object] = {"start": _at(day, *divmod(begin, 60))}
    if account:
        row["account"] = account
    return row | {
        "terminal": terminal,
        "called": called,
        "end": f"{_at(day, *divmod(end, 60))}:{seconds % 60:02}",
        "duration": f"0:{seconds // 60:02}:{seconds % 60:02}",
    }


def _voice_traffic() -> Iterator[dict[str, object]]:
    for pas, busiest in _VOICE.items():
        for day, hour in _sampled():
            if pas == "cairo-01" and day >= date(2011, 8, 1):
                continue
            into = busiest * _busy(hour) * (80 + dice(41, "into", pas, day, hour)) // 1000
            out = into * (92 + dice(17, "out", pas, day, hour)) // 100
            yield {
                "at": _at(day, hour),
                "pas": pas,
                "in_mb": f"{into // 10}.{into % 10}",
                "out_mb": f"{out // 10}.{out % 10}",
            }


def _conference_resources() -> Iterator[dict[str, object]]:
    for day, hour in _sampled():
        calls = dice(7, "calls", day, hour) if _busy(hour) == 100 else 0
        yield {
            "at": _at(day, hour),
            "cpu_percent": 5 + calls * 9 + dice(4, "cpu", day, hour),
            "memory_percent": 38 + calls * 4 + dice(3, "memory", day, hour),
            "calls": calls,
            "throughput_mbps": calls * 4 + dice(2, "mbps", day, hour),
        }


def _mailboxes() -> Iterator[dict[str, object]]:
    for month in range(5, 9):
        for name in _MAILBOXES:
            key = (name, month)
            yield {
                "month": f"2011-{month:02}",
                "mailbox": f"{name}@example.org",
                "web": 20 + dice(300, "web", *key),
                "pop": dice(40, "pop", *key),
                "imap": 400 + dice(2600, "imap", *key),
                "sent_mb": 15 + dice(400, "sent", *key),
                "received_mb": 60 + dice(1900, "received", *key),
            }


def _servers() -> Iterator[dict[str, object]]:
    for month in range(5, 9):
        yield {
            "month": f"2011-{month:02}",
            "servers_managed": 36 + dice(3, "servers", month),
            "patches_installed": 40 + dice(80, "patches", month),
            "backups_done": 1080 + dice(30, "backups", month),
            "backups_failed": dice(6, "failed", month),
        }
