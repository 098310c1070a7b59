"""What is due when: reports and committees, as functions of dates (annex 8.3; procedure, 3).

- The technical report on the 15th and the contractual one on the 20th (annex, lines 611 and 612),
  the supervision report five working days after the month (procedure, 3.1.3).
- The surveillance committee (3.2): on request of a partner, at most once a month, dispensed with
  after a month without an incident; two attendees are obligatory.
- The maintenance committee (3.3): once a year, in person.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from incidents.errors import RefusedError
from inventory.calendars import WorkingDays
from inventory.clocks import add_months
from inventory.periods import four_months_of, month_of, preceding

Committee = Literal["surveillance", "maintenance"]
Kind = Literal["technical", "contractual", "supervision", "surveillance", "maintenance"]
State = Literal["due", "overdue", "done", "requested", "may-be-requested", "dispensed", "held"]
TECHNICAL_DAY = 15
CONTRACTUAL_DAY = 20
SUPERVISION_WORKING_DAYS = 5
ATTENDEES = ("roc", "platform-manager")
"""Who must be there (3.2): our account's responsible, the provider's of our platform."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Meeting:
    """A committee that was asked for, or took place."""

    committee: Committee
    day: date
    state: Literal["requested", "held"]
    by: str
    """Who asked, or kept the minutes."""
    attendees: tuple[str, ...] = ()
    in_person: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the agenda."""

    day: date
    """The last day in time, or the day of the meeting."""
    kind: Kind
    about: str
    """Period of the report, month or year of the committee."""
    state: State
    note: str = ""


def agenda(
    today: date,
    until: date,
    calendar: WorkingDays,
    *,
    sent: Collection[tuple[str, str, str]] = (),
    clients: Sequence[str] = (),
    meetings: Sequence[Meeting] = (),
    months_with_incidents: Collection[str] = (),
    start: date | None = None,
) -> tuple[Entry, ...]:
    """What falls due from a month before `today`, if it is not done, to `until`, by date.

    `sent`: (kind, period, client) of the reports that were delivered; only a supervision report is
    of a client, and each of `clients` gets one (3.1.1). `start`: the contract's first day;
    nothing is reported about what ended before it.
    """
    entries = []
    month = month_of(add_months(today, -1))
    while month.begin <= until:
        before = preceding(month)
        if start is None or before.end > start:
            entries += _reports(month.begin, before.text, calendar, today, sent, clients)
        entries += _surveillance(month.text, before.text, today, meetings, months_with_incidents)
        month = month_of(month.end)
    entries += _maintenance(today, until, meetings, start)
    shown = [
        entry
        for entry in entries
        if entry.day <= until and (entry.day >= today or entry.state == "overdue")
    ]
    return tuple(sorted(shown, key=lambda entry: (entry.day, entry.kind)))


def check_request(
    day: date, meetings: Sequence[Meeting], months_with_incidents: Collection[str]
) -> str:
    """Whether a surveillance committee may be asked for; a note where it could be dispensed with.

    Raises `RefusedError` where the month of `day` has one already (3.2).
    """
    month = month_of(day)
    for meeting in meetings:
        if meeting.committee == "surveillance" and month.begin <= meeting.day < month.end:
            raise RefusedError(
                f"a surveillance committee on {day}",
                f"{month} has one on {meeting.day}, and there is at most one a month (3.2)",
                f"ask for a day from {month.end} on",
            )
    before = preceding(month)
    if before.text in months_with_incidents:
        return ""
    return f"no incident in {before}: it may be dispensed with (3.2)"


def check_held(meeting: Meeting, meetings: Sequence[Meeting]) -> None:
    """`RefusedError` where a meeting does not count: who was missing, not in person, a second."""
    month = month_of(meeting.day)
    for other in meetings:
        if (other.committee, other.state) == ("surveillance", "held") == (
            meeting.committee, meeting.state,
        ) and month.begin <= other.day < month.end:  # fmt: skip
            raise RefusedError(
                f"the surveillance committee on {meeting.day}",
                f"{month} had one on {other.day}, and there is at most one a month (3.2)",
                "correct its --day",
            )
    subject = f"the {meeting.committee} committee on {meeting.day}"
    missing = [role for role in ATTENDEES if role not in meeting.attendees]
    if meeting.committee == "surveillance" and missing:
        raise RefusedError(
            subject,
            f"{' and '.join(missing)} must be there (3.2)",
            "hold it again, or name who was there with --attendee",
        )
    if meeting.committee == "maintenance" and not meeting.in_person:
        raise RefusedError(subject, "it is a meeting in person (3.3)", "say --in-person if it was")


def _reports(
    begin: date,
    about: str,
    calendar: WorkingDays,
    today: date,
    sent: Collection[tuple[str, str, str]],
    clients: Sequence[str],
) -> list[Entry]:
    """What is due in the month that begins so, about the period before it."""
    fifth = calendar.nth_after(begin - _DAY, SUPERVISION_WORKING_DAYS)
    due: list[tuple[Kind, str, date, str]] = [
        ("technical", about, begin.replace(day=TECHNICAL_DAY), ""),
        *(("supervision", about, fifth, client) for client in clients),
    ]
    third = four_months_of(begin)
    if third.begin == begin:
        due.append(("contractual", preceding(third).text, begin.replace(day=CONTRACTUAL_DAY), ""))
    return [
        Entry(
            day,
            kind,
            period,
            "done" if (kind, period, client) in sent else "overdue" if day < today else "due",
            client,
        )
        for kind, period, day, client in due
    ]


def _surveillance(
    month: str,
    before: str,
    today: date,
    meetings: Sequence[Meeting],
    months_with_incidents: Collection[str],
) -> list[Entry]:
    """The committee about the month before; without a request only that there may be one."""
    of_month = [
        m for m in meetings if m.committee == "surveillance" and month_of(m.day).text == month
    ]
    if of_month:
        meeting = max(of_month, key=lambda m: m.state == "held")
        who = "by telephone; obligatory: " + ", ".join(ATTENDEES)
        return [Entry(meeting.day, "surveillance", before, meeting.state, who)]
    if month_of(today).text != month:
        return []
    last = month_of(today).end - _DAY
    if before in months_with_incidents:
        return [Entry(last, "surveillance", before, "may-be-requested")]
    return [Entry(last, "surveillance", before, "dispensed", f"no incident in {before}")]


def _maintenance(
    today: date, until: date, meetings: Sequence[Meeting], start: date | None
) -> list[Entry]:
    """Within a year of the last one; of the contract's start where there was none."""
    ours = [m for m in meetings if m.committee == "maintenance"]
    held = [m.day for m in ours if m.state == "held"]
    entries = [Entry(m.day, "maintenance", str(m.day.year), m.state, "in person") for m in ours]
    asked = any(m.state == "requested" and m.day >= today for m in ours)
    origin = max(held, default=start)
    due = date(today.year, 12, 31) if origin is None else add_months(origin, 12)
    if not asked and due <= until:
        state: State = "overdue" if due < today else "due"
        entries.append(Entry(due, "maintenance", str(due.year), state, "in person"))
    return entries
