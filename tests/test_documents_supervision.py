"""The supervision report of a client and the report of an incident."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from analysis.desk_tickets import desk_since_ns
from analysis.documents.checks import supervised
from analysis.documents.content import Document, Grid, Message, Number
from analysis.documents.incident import incident_documents, lasting
from analysis.documents.incident_trail import trail_item
from analysis.documents.language import language
from analysis.documents.material import Material
from analysis.documents.render_data import render_csv
from analysis.documents.render_html import render_html
from analysis.documents.supervision import (
    Check,
    Supervision,
    rate_percent,
    runs_down,
    supervision_document,
)
from analysis.errors import ReportError
from analysis.evaluation.asked import Asked, gathered
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.inputs import Inputs
from analysis.facts import Facts
from analysis.lines import Gap
from incidents.changes import DeclareToProvider, Record, Restore, Update
from incidents.desk import open_desk
from incidents.tickets import Actor, NewAlert, NewTicket
from incidents.watch_state import Memory, recall, remember
from inventory.models import Influxdb
from inventory.models import Path as MeasuredPath
from inventory.operations import Application, Client, Server
from timeseries.reader import Reader
from timeseries.records import PlanRecord, TrainRecord

CONTRACT = Path(__file__).parents[1] / "examples" / "contract"
ROME = ZoneInfo("Europe/Rome")
MINUTE = 60_000_000_000


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ROME).timestamp()) * 1_000_000_000


def no_server(_: Influxdb) -> Reader:
    raise AssertionError("nobody asks for a server here")


@pytest.fixture(scope="module")
def june() -> Inputs:
    asked = Asked("2011-06", CONTRACT / "pasprobe.toml", as_of="2011-09-25")
    return gathered(asked, os.environ, no_server)


class Trains:
    """A store with trains of one path a minute: (minute, received, valid)."""

    def __init__(self, path: str, trains: list[tuple[int, int, bool]], planned: int) -> None:
        self._path, self._trains, self._planned = path, trains, planned

    def plans(self, path: str, from_ns: int = 0, to_ns: int = 0) -> Iterator[PlanRecord]:
        if path == self._path and self._planned and from_ns < to_ns:
            start, minutes = ns("2011-06-01T00:00"), self._planned
            yield PlanRecord("a", path, start, True, MINUTE, 1, None)
            yield PlanRecord("a", path, start + minutes * MINUTE, False, MINUTE, 1, None)

    def trains(self, path: str, from_ns: int = 0, to_ns: int = 0) -> Iterator[TrainRecord]:
        if path != self._path:
            return
        for minute, received, valid in self._trains:
            start = ns("2011-06-01T00:00") + minute * MINUTE
            if from_ns <= start < to_ns:
                train = SimpleNamespace(start_ns=start, received=received, valid=valid)
                yield cast(TrainRecord, train)


CLIENT = Client(
    name="shops",
    report_to=("ops@example.org",),
    applications=(
        Application(name="tills", host="192.0.2.77", check="icmp"),
        Application(name="web", host="192.0.2.77", check="tcp:443"),
    ),
)
PATH = MeasuredPath(id="milano-01/tills", pas="milano-01", service="ip-base", target="192.0.2.77")


def supervision(
    june: Inputs,
    trains: Collection[tuple[int, int, bool]],
    *,
    client: Client = CLIENT,
    facts: Facts | None = None,
    path: str = PATH.id,
    planned: int = 0,
) -> Supervision:
    configuration = june.configuration.model_copy(update={"paths": (PATH,), "clients": (client,)})
    return supervised(
        configuration, client, june.period, june.facts if facts is None else facts,
        cast(Reader, Trains(path, list(trains), planned)), zone=ROME, calendars=june.calendars,
        as_of_ns=june.as_of_ns,
    )  # fmt: skip


def table(document: Document, item: str, name: str) -> list[tuple[Any, ...]]:
    return next(
        list(one.rows)
        for section in document.sections
        for each in section.items
        if each.id == item
        for one in each.tables
        if one.name == name
    )


def test_the_rate_is_the_share_of_answered_checks_and_spoiled_ones_do_not_count(
    june: Inputs,
) -> None:
    trains = [(0, 10, True), (1, 1, True), (2, 0, True), (3, 0, False), (4, 10, True)]

    document = supervision_document(supervision(june, trains))

    first, second = table(document, "rates", "rates")
    assert first[:3] == ("tills", "192.0.2.77", "icmp")
    assert first[3:5] == (4, 4)
    assert first[5] == Number(Fraction(75), "percent", "down")
    assert first[6:8] == (1, Number(Fraction(2), "minutes", "up"))
    # Nobody checked the port, and the report says so.
    assert second[3:6] == (0, 0, None)
    rates = next(i for s in document.sections for i in s.items if i.id == "rates")
    assert rates.missing
    note = rates.notes[0]
    assert isinstance(note, Message)
    assert note.values["names"] == "web"


def test_a_port_is_checked_by_trains_of_its_own_and_missing_ones_are_told(june: Inputs) -> None:
    trains = [(0, 1, True), (1, 0, True), (2, 1, True)]
    document = supervision_document(supervision(june, trains, path="check/shops/web", planned=10))
    first, second = table(document, "rates", "rates")
    assert first[3:6] == (0, 0, None)
    assert second[2:6] == ("tcp:443", 3, 10, Number(Fraction(200, 3), "percent", "down"))
    rates = next(i for s in document.sections for i in s.items if i.id == "rates")
    notes = [note.values["names"] for note in rates.notes if isinstance(note, Message)]
    assert notes == ["tills", "web (3/10)"]


def test_an_interruption_lasts_to_the_next_answer() -> None:
    def checks(marks: str) -> list[Check]:
        return [Check(number, mark == "+") for number, mark in enumerate(marks)]

    assert runs_down(checks("++--+-+")) == [(2, 4), (5, 6)]
    assert runs_down(checks("--")) == [(0, 1)]
    assert runs_down(checks("")) == []
    assert rate_percent(checks("")) is None
    assert rate_percent(checks("++-")) == Fraction(200, 3)


def test_the_graph_has_every_day_of_the_month_in_local_time(june: Inputs) -> None:
    # 23:59 local of the last of June, and the first minute of July.
    last = 30 * 24 * 60 - 1
    document = supervision_document(
        supervision(june, [(0, 1, True), (last, 0, True), (last + 1, 1, True)])
    )

    graph = next(i for s in document.sections for i in s.items if i.id == "graph")
    grid = next(chart for chart in graph.charts if isinstance(chart, Grid))
    assert len(grid.columns) == 30
    assert grid.rows[0].classes[0] == 0
    assert grid.rows[0].classes[29] == 3
    assert set(grid.rows[0].classes[1:29]) == {None}


def test_it_is_addressed_to_the_client_and_due_five_working_days_after_the_month(
    june: Inputs,
) -> None:
    facts = {
        getattr(name, "id", name): value
        for name, value in supervision_document(supervision(june, [])).facts
    }

    assert facts["to"] == ("ops@example.org",)
    # 1 July 2011 was a Friday.
    assert facts["due on"] == date(2011, 7, 7)


def test_its_incidents_are_those_of_the_sites_of_its_applications(june: Inputs) -> None:
    found = supervision(june, []).incidents
    wanted = {
        t.id
        for t in june.facts.tickets
        if "milano-01" in t.pas
        and t.opened_ns < ns("2011-07-01T00:00")
        and (t.closed_ns or june.as_of_ns) >= ns("2011-06-01T00:00")
    }

    assert {ticket.id for ticket in found} == wanted
    assert wanted


def test_a_server_of_the_application_ties_its_site_to_the_client(june: Inputs) -> None:
    server = Server(id="s", pas="roma-01", production="192.0.2.200", spare="192.0.2.99")
    client = CLIENT.model_copy(
        update={"applications": (Application(name="a", host="192.0.2.99", check="icmp"),)}
    )
    configuration = june.configuration.model_copy(update={"servers": (server,), "paths": ()})

    found = supervised(
        configuration, client, june.period, june.facts, None, zone=ROME,
        calendars=june.calendars, as_of_ns=june.as_of_ns,
    )  # fmt: skip

    assert all("roma-01" in ticket.pas for ticket in found.incidents)
    assert found.incidents


@pytest.mark.parametrize(
    ("since", "says", "missing"),
    [
        (None, "No incident desk was kept in this month", True),
        ("2011-07-02T00:00", "No incident desk was kept in this month", True),
        ("2011-06-10T09:30", "Whether nothing happened before that is not on record", True),
        ("2011-05-31T09:30", "No incident reached into this month", False),
    ],
)
def test_a_calm_month_is_told_from_one_that_nobody_looked_at(
    june: Inputs, since: str | None, says: str, missing: bool
) -> None:
    seen = supervision(june, [(0, 1, True), (1, 0, True)], facts=Facts())
    kept = replace(seen, desk_since_ns=None if since is None else ns(since))

    item = supervision_document(kept).sections[0].items[0]

    words = [language("en").text(note) for note in item.notes]
    assert item.missing is missing
    assert any(says in word for word in words)
    assert words[-1].startswith("1 of 2 checks of the applications stayed without an answer")


def test_incidents_of_other_clients_show_that_somebody_hands_them_over(june: Inputs) -> None:
    elsewhere = replace(june.facts, tickets=tuple(
        t for t in june.facts.tickets if "milano-01" not in t.pas))  # fmt: skip

    item = supervision_document(supervision(june, [], facts=elsewhere)).sections[0].items[0]

    assert not item.missing


def test_a_supervision_report_is_about_a_month() -> None:
    four = gathered(
        Asked("2011-2", CONTRACT / "pasprobe.toml", as_of="2011-09-25"), os.environ, no_server
    )
    with pytest.raises(ReportError, match="a month such as"):
        supervision(four, [])


def test_it_is_written_in_french(june: Inputs) -> None:
    page = render_html(
        supervision_document(supervision(june, [(0, 1, True), (1, 0, True)])), language("fr")
    )

    assert "Rapport de supervision" in page
    assert "Taux de disponibilité" in page
    assert ' lang="en"' not in page


def test_each_incident_closed_in_the_period_has_its_report(june: Inputs) -> None:
    material = Material(june, evaluate(june))

    documents = incident_documents(material)

    wanted = {
        f"incident-{t.id}"
        for t in june.facts.tickets
        if t.closed_ns is not None
        and ns("2011-06-01T00:00") <= t.closed_ns < ns("2011-07-01T00:00")
    }
    assert {document.name for document in documents} == wanted
    assert wanted
    for document in documents:
        page = render_html(document, language("fr"))
        assert ' lang="en"' not in page
        steps = [row[0].id for row in next(
            t.rows for t in document.sections[0].items[0].tables if t.name == "trail")]  # fmt: skip
        assert [s for s in steps if s != "restoration expected"] == [
            "fault opened", "reported", "return notice", "service restored", "closed",
        ]  # fmt: skip


def test_the_report_shows_what_the_trains_saw_meanwhile(june: Inputs) -> None:
    ticket = next(t for t in june.facts.tickets if t.pas and t.closed_ns and t.restored_ns)
    assert ticket.restored_ns is not None
    seen = Gap("p", ticket.services[0], ticket.pas[0], ticket.opened_ns, ticket.restored_ns, "lost")
    before = replace(seen, start_ns=0, end_ns=ticket.opened_ns)
    elsewhere = replace(seen, pas="nowhere")
    inputs = replace(june, outages_seen=(seen, before, elsewhere))

    (document,) = incident_documents(Material(inputs, evaluate(june)), ticket.id)

    rows = table(document, "trains", "seen")
    assert len(rows) == 1
    assert rows[0][2].ns == ticket.opened_ns


def test_a_page_names_the_service_and_its_data_keep_the_id(june: Inputs) -> None:
    ticket = next(t for t in june.facts.tickets if t.pas and t.services == ("ip-base",))
    (document,) = incident_documents(Material(june, evaluate(june)), ticket.id)

    page = render_html(document, language("it"))
    csv = dict(render_csv(document))["incident.extent.extent.csv"]

    assert "Connettività base" in page
    assert ">ip-base<" not in page
    assert "ip-base" in csv


@pytest.mark.parametrize(
    ("seconds", "text"), [(22, "22 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_a_length_of_time_has_the_unit_that_one_expects(seconds: int, text: str) -> None:
    shown = language("en").number(lasting(seconds * 1_000_000_000))
    assert shown.replace("\u00a0", " ") == text


def test_the_trail_of_the_desk_says_what_an_update_wrote(tmp_path: Path) -> None:
    who = Actor("somebody", "operator")
    with open_desk(tmp_path) as desk:
        new = NewTicket(("ip-base",), "x", "blocking", 1_700_000_000 * 10**9, ("roma-01",))
        ticket = desk.open(new, who)
        desk.change(ticket.id, who, Update(provider_ticket="4711"))
        desk.change(ticket.id, who, Record("escalation", "level 1 is told"))
        entries = desk.history(ticket.id)

    rows = trail_item(entries, ROME).tables[0].rows

    assert [row[3] for row in rows] == ["x", "provider_ticket = 4711", "level 1 is told"]
    assert cast(Message, rows[2][2]).id == "escalation"


def test_a_desk_is_kept_since_its_first_entry_or_watch(tmp_path: Path) -> None:
    assert desk_since_ns(None) is None
    with open_desk(tmp_path, clock=lambda: 7) as desk:
        assert desk_since_ns(tmp_path) is None
        desk.raise_alert(NewAlert("k", "person", "x", 1), Actor("somebody", "operator"))
        assert desk_since_ns(tmp_path) == 7
        with desk.transaction() as connection:
            remember(connection, recall(connection), Memory(began_ns=3))
    assert desk_since_ns(tmp_path) == 3


def test_the_report_says_how_much_of_the_guaranteed_restoration_was_used(
    june: Inputs, tmp_path: Path
) -> None:
    fact = next(t for t in june.facts.tickets if t.pas and t.restored_ns)
    assert fact.restored_ns is not None
    who = Actor("somebody", "operator")
    opened = NewTicket(fact.services, "x", fact.severity, fact.opened_ns, fact.pas)
    with open_desk(tmp_path) as desk:
        ticket = desk.open(opened, who)
        desk.change(ticket.id, who, DeclareToProvider(fact.opened_ns + MINUTE))
        desk.change(ticket.id, who, Restore(fact.opened_ns + 31 * MINUTE))
        entries = desk.history(ticket.id)
    material = Material(june, evaluate(june))

    (document,) = incident_documents(material, fact.id, {fact.id: entries})

    said = {cast(Message, name).id: value for name, value in document.facts}
    shown = language("en").cell(said["guaranteed restoration (GTR)"]).replace("\u00a0", " ")
    assert shown == "kept: 30 min of 4 h"
