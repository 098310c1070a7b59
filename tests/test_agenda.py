"""Reports and committees: when they are due, what the procedure allows (3.1.3, 3.2, 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from incidents.agenda import (
    CONTRACTUAL_DAY,
    TECHNICAL_DAY,
    Entry,
    Meeting,
    agenda,
    check_request,
)
from incidents.agenda_book import keep, meetings, months_with_incidents, reports_sent
from incidents.changes import Restore
from incidents.desk import Desk, open_desk
from incidents.errors import RefusedError
from incidents.outbox import Outbox
from incidents.tickets import Actor, NewTicket
from inventory.calendars import WorkingDays

PARIS = ZoneInfo("Europe/Paris")
CALENDAR = WorkingDays(
    "FR", frozenset({5, 6}), frozenset({date(2027, 1, 1)}), date(2025, 1, 1), date(2028, 12, 31)
)
BOTH = ("roc", "platform-manager")


def due(today: date, until: date, **keys: object) -> list[tuple[str, str, str, str]]:
    entries = agenda(today, until, CALENDAR, **{"clients": ["Leclerc"], **keys})  # type: ignore[arg-type]
    return [(e.day.isoformat(), e.kind, e.about, e.state) for e in entries]


def test_the_reports_of_a_new_year_are_due_by_their_days() -> None:
    start = date(2026, 12, 1)
    found = due(date(2027, 1, 2), date(2027, 1, 31), months_with_incidents={"2026-12"}, start=start)
    assert found == [
        # New Year's Day and a weekend: the fifth working day is the 8th.
        ("2027-01-08", "supervision", "2026-12", "due"),
        ("2027-01-15", "technical", "2026-12", "due"),
        ("2027-01-20", "contractual", "2026-3", "due"),
        ("2027-01-31", "surveillance", "2026-12", "may-be-requested"),
    ]


def test_a_report_that_was_not_sent_stays_until_it_is() -> None:
    today, until = date(2026, 11, 23), date(2026, 11, 25)
    assert ("2026-11-15", "technical", "2026-10", "overdue") in due(today, until)
    sent = {("technical", "2026-10", ""), ("supervision", "2026-10", "Leclerc"),
            ("supervision", "2026-09", "Leclerc"), ("technical", "2026-09", "")}  # fmt: skip
    assert due(today, until, sent=sent) == []


def test_each_client_gets_its_own_supervision_report(desk: Desk) -> None:
    box = Outbox(desk)
    for key in ("supervision/2026-10/supervision-A/B-2026-10-0123", "technical/2026-10/t-x-4567"):
        message = box.put(
            f"report/{key}", purpose="report", channel="mail", subject="x", content=b"x",
            addresses=["a@example.net"],
        )  # fmt: skip
        box.mark(message, ["a@example.net"], "accepted", "250 ok")
    sent = reports_sent(box)
    assert sent == {("supervision", "2026-10", "A/B"), ("technical", "2026-10", "")}
    today, until = date(2026, 11, 23), date(2026, 11, 25)
    entries = agenda(today, until, CALENDAR, sent=sent, clients=["A/B", "Leclerc"])
    late = [(e.kind, e.note) for e in entries if e.about == "2026-10" and e.state == "overdue"]
    assert late == [("supervision", "Leclerc")]


def test_nothing_is_due_about_a_time_before_the_contract() -> None:
    found = due(date(2026, 11, 2), date(2026, 12, 31), start=date(2026, 11, 1))
    assert [entry for entry in found if entry[1] in ("technical", "supervision")] == [
        ("2026-12-07", "supervision", "2026-11", "due"),
        ("2026-12-15", "technical", "2026-11", "due"),
    ]


def test_after_a_month_without_incident_the_committee_is_dispensed_with() -> None:
    (entry,) = (
        e for e in agenda(date(2026, 11, 2), date(2026, 11, 30), CALENDAR)
        if e.kind == "surveillance"
    )  # fmt: skip
    assert (entry.state, entry.note) == ("dispensed", "no incident in 2026-10")
    assert "dispensed with" in check_request(date(2026, 11, 12), (), ())
    assert check_request(date(2026, 11, 12), (), {"2026-10"}) == ""


def test_the_maintenance_committee_is_yearly() -> None:
    held = Meeting("maintenance", date(2025, 11, 20), "held", "roc", BOTH, in_person=True)
    found = due(date(2026, 11, 23), date(2026, 12, 1), meetings=[held])
    assert ("2026-11-20", "maintenance", "2026", "overdue") in found
    asked = Meeting("maintenance", date(2026, 11, 30), "requested", "roc")
    found = due(date(2026, 11, 23), date(2026, 12, 1), meetings=[held, asked])
    assert [e for e in found if e[1] == "maintenance"] == [
        ("2026-11-30", "maintenance", "2026", "requested")
    ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, clock=lambda: 1_795_600_000 * 10**9) as opened:  # 2026-11-25
        yield opened


def test_there_is_one_surveillance_committee_a_month(desk: Desk) -> None:
    keep(desk, Meeting("surveillance", date(2026, 12, 3), "requested", "provider"), PARIS)
    with pytest.raises(RefusedError, match="at most one a month"):
        keep(desk, Meeting("surveillance", date(2026, 12, 20), "requested", "roc"), PARIS)
    keep(desk, Meeting("surveillance", date(2026, 12, 3), "held", "roc", BOTH), PARIS)
    with pytest.raises(RefusedError, match="had one on 2026-12-03"):
        keep(desk, Meeting("surveillance", date(2026, 12, 17), "held", "roc", BOTH), PARIS)
    assert [m.state for m in meetings(desk)] == ["requested", "held"]
    entries = agenda(date(2026, 12, 1), date(2026, 12, 31), CALENDAR, meetings=meetings(desk))
    assert Entry(
        date(2026, 12, 3), "surveillance", "2026-11", "held",
        "by telephone; obligatory: roc, platform-manager",
    ) in entries  # fmt: skip


@pytest.mark.parametrize(
    ("meeting", "reason"),
    [
        (
            Meeting("surveillance", date(2026, 12, 3), "held", "roc", ("roc", "guest")),
            "platform-manager must be there",
        ),
        (Meeting("maintenance", date(2026, 12, 3), "held", "roc", BOTH), "in person"),
    ],
)
def test_a_committee_without_those_who_must_be_there_is_refused(
    desk: Desk, meeting: Meeting, reason: str
) -> None:
    with pytest.raises(RefusedError, match=reason):
        keep(desk, meeting, PARIS)
    assert meetings(desk) == ()


def test_an_incident_counts_in_every_month_it_reaches_into(desk: Desk) -> None:
    now = desk.clock()
    who = Actor("somebody", "operator")
    new = NewTicket(("ip-base",), "x", "blocking", now - 30 * 86_400 * 10**9)
    ticket = desk.open(new, who)
    desk.change(ticket.id, who, Restore(now - 23 * 86_400 * 10**9))
    assert months_with_incidents(desk, PARIS) == {"2026-10", "2026-11"}


def test_the_days_of_the_reports_are_those_of_the_annex() -> None:
    from analysis.rules import report_deadline

    assert (TECHNICAL_DAY, CONTRACTUAL_DAY) == (
        report_deadline.TECHNICAL_DAY,
        report_deadline.CONTRACTUAL_DAY,
    )
