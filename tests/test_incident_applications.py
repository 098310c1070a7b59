"""Checks of applications become alerts; some of them tickets, some explain others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.desk_tickets import check_desk_ticket
from incidents.desk import Desk, open_desk
from incidents.evidence import targets
from incidents.signs import DeviceSign
from incidents.tickets import SYSTEM, AlertState, NewTicket, State
from incidents.watch import Watch
from inventory.load import load

SECOND = 10**9
NOON = int(datetime(2026, 5, 4, 10, tzinfo=UTC).timestamp()) * SECOND
TILLS = "check/shops/tills"


class Scene:
    """Two PAS, and an application that is checked from the first."""

    def __init__(self, folder: Path, tools: Any, application: dict[str, str], pas: int = 2) -> None:
        self.tools, self.now, self.store = tools, NOON, tools.Store()
        self.desk: Desk = open_desk(folder, clock=lambda: self.now)
        one = {
            "name": "tills", "host": "192.0.2.80", "check": "tcp:443", "every": "1s",
            "timeout": "200ms", **application,
        }  # fmt: skip
        self.configuration = tools.configuration(
            pas, {"pix": [0]} if pas else {}, client=[{"name": "shops", "applications": [one]}]
        )
        self.events: list[DeviceSign] = []
        self.names = [*(path.id for path in self.configuration.paths), TILLS]
        self.store.planned = [tools.plan(name, NOON - 60 * SECOND) for name in self.names]
        self.watch = Watch(
            self.desk, self.store, self.configuration,
            events=lambda after: [one for one in self.events if one.at_ns > after],
        )  # fmt: skip

    def second(self, tills: str, line: str = "G", look: bool = True) -> None:
        for name in self.names:
            letter = tills if name == TILLS else line if name == "p0/x" else "G"
            self.store.kept.append(self.tools.train(name, self.now, letter))
        self.now += SECOND
        if look:
            self.watch.look(self.now - SECOND // 2)

    def alert(self, source: str) -> Any:
        (found,) = [one for one in self.desk.alerts() if one.source == source]
        return found


@pytest.fixture
def scene(tmp_path: Path, incident_trains: Any) -> Iterator[Any]:
    made: list[Scene] = []

    def make(pas: int = 2, **application: str) -> Scene:
        """Keys of the application; `pas`: how many PAS there are."""
        where = {"pas": "p0"} if pas else {}
        made.append(Scene(tmp_path, incident_trains, {**where, **application}, pas))
        return made[-1]

    yield make
    for one in made:
        one.desk.close()


def test_an_application_whose_service_is_named_is_a_ticket_until_it_answers(scene: Any) -> None:
    s = scene(service="system-management")
    for letter in "GGLL":
        s.second(letter)
    (ticket,) = s.desk.tickets()
    assert (ticket.summary, ticket.kind, ticket.client) == (
        "tills does not answer", "server", "shops",
    )  # fmt: skip
    assert (ticket.services, ticket.pas) == (("system-management",), ("p0",))
    assert (ticket.severity, ticket.opened_ns) == ("blocking", NOON + 2 * SECOND)
    assert list(targets(ticket, s.configuration).values()) == ["192.0.2.80"]
    (evidence,) = ticket.evidence
    assert evidence.kind == "trains"
    for letter in "LGGG":
        s.second(letter)
    (ticket,) = s.desk.tickets()
    assert (ticket.state, ticket.restored_ns) == (State.RESTORED, NOON + 5 * SECOND)


def test_an_application_without_a_service_is_left_to_a_person(scene: Any) -> None:
    s = scene()
    for letter in "GLL":
        s.second(letter)
    alert = s.alert("application")
    assert alert.text == "tills of shops does not answer: 2 checks failed"
    assert (alert.state, alert.pas, alert.services) == (AlertState.ANALYSED, ("p0",), ())
    assert s.desk.tickets() == ()
    for letter in "GGG":
        s.second(letter)
    assert s.alert("application").cleared_ns == NOON + 3 * SECOND


def test_behind_a_cut_line_one_without_a_service_is_part_of_the_line_s_ticket(scene: Any) -> None:
    s = scene()
    for letter in "GLL":
        s.second(letter, letter)
    (ticket,) = s.desk.tickets()
    assert s.alert("application").ticket == s.alert("train").ticket == ticket.id
    assert (ticket.services, ticket.summary) == (("ip-base",), "outage of p0")


def test_what_fails_and_comes_back_with_its_line_is_no_outage_of_its_own(scene: Any) -> None:
    s = scene(service="system-management")
    for letter in "GLLLL":
        s.second(letter, letter)
    assert s.alert("application").state is AlertState.ANALYSED
    for letter in "LGGG":
        s.second(letter, "G")
    (ticket,) = s.desk.tickets()
    assert (ticket.services, ticket.state) == (("ip-base",), State.RESTORED)
    assert ticket.restored_ns == NOON + 5 * SECOND
    alert = s.alert("application")
    assert (alert.state, alert.reason) == (
        AlertState.DISMISSED, "it failed and came back with its line",
    )  # fmt: skip


def test_what_still_fails_when_its_line_is_back_is_an_outage_of_its_own(scene: Any) -> None:
    s = scene(service="system-management")
    for letter in "GLLL":
        s.second("L", letter)
    s.second("L", "G")
    assert [ticket.kind for ticket in s.desk.tickets()] == ["line"]
    for _ in range(2):
        s.second("L", "G")
    found = {ticket.kind: (ticket.services, ticket.state) for ticket in s.desk.tickets()}
    assert found == {
        "line": (("ip-base",), State.RESTORED),
        "server": (("system-management",), State.OPENED),
    }


def test_until_its_line_is_seen_good_nobody_knows_which_of_the_two_fails(scene: Any) -> None:
    s = scene(service="system-management")
    s.second("G")
    for _ in range(2):
        s.names.remove("p0/x")  # its next train is still to come
        s.second("L")
        s.names.insert(0, "p0/x")
    assert s.alert("application").state is AlertState.ANALYSED
    assert s.desk.tickets() == ()
    s.second("L")
    (ticket,) = s.desk.tickets()
    assert ticket.services == ("system-management",)


def test_a_line_that_fails_later_is_another_incident(scene: Any) -> None:
    s = scene(service="system-management")
    for letter in "GLLL":
        s.second(letter)
    for letter in "LL":
        s.second("L", letter)
    kinds = {ticket.kind: ticket.services for ticket in s.desk.tickets()}
    assert kinds == {"server": ("system-management",), "line": ("ip-base",)}


def test_what_only_explains_is_not_waited_for(scene: Any) -> None:
    s = scene()
    for letter in "GLL":
        s.second("L", letter)
    for _ in range(3):
        s.second("L", "G")
    (ticket,) = s.desk.tickets()
    assert s.alert("application").ticket == ticket.id
    assert s.alert("application").cleared_ns is None
    assert (ticket.state, ticket.restored_ns) == (State.RESTORED, NOON + 3 * SECOND)


def test_an_agent_that_only_checks_is_missed_and_disturbs_no_service(scene: Any) -> None:
    s = scene(pas=0)
    s.second("G")
    s.now += 10 * SECOND
    s.watch.look(s.now)
    assert s.alert("silence").state is AlertState.ANALYSED
    assert s.desk.tickets() == ()


def test_what_failed_behind_a_silent_agent_says_nothing_of_its_line(scene: Any) -> None:
    s = scene(service="system-management")
    s.second("G")
    began = s.now
    s.now += 10 * SECOND
    s.watch.look(s.now)
    (suspected,) = s.desk.tickets()
    s.now = began
    for letter in "LLLLLGGGGG":
        s.second(letter, look=False)
    s.second("G")
    assert s.desk.ticket(suspected.id).state is State.WITHDRAWN
    (ticket,) = [one for one in s.desk.tickets() if one.id != suspected.id]
    assert (ticket.services, ticket.state) == (("system-management",), State.RESTORED)
    assert (ticket.opened_ns, ticket.restored_ns) == (began, began + 5 * SECOND)


def test_an_event_of_a_device_explains_a_degradation_as_well(scene: Any) -> None:
    s = scene()
    s.second("G")
    s.events.append(DeviceSign("pix", "interface-down", "x", "raised", "x is down", s.now))
    for _ in range(3):
        s.second("G", "D")
    (ticket,) = s.desk.tickets()
    assert (ticket.severity, ticket.pas) == ("non-blocking", ("p0",))
    s.second("G", "D")
    assert s.alert("device").ticket == ticket.id


def test_an_event_during_a_degradation_joins_its_ticket(scene: Any) -> None:
    s = scene()
    for _ in range(3):
        s.second("G", "D")
    s.events.append(DeviceSign("pix", "interface-down", "x", "raised", "x is down", s.now))
    s.second("G", "D")
    (ticket,) = s.desk.tickets()
    assert s.alert("device").ticket == ticket.id


def test_the_ticket_of_an_application_is_a_fact_of_the_contract(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "examples" / "contract" / "pasprobe.toml"
    configuration = load(example, environ={}).configuration
    with open_desk(tmp_path, clock=lambda: NOON) as desk:
        new = NewTicket(("system-management",), "x", "blocking", NOON, pas=("roma-01",))
        check_desk_ticket(desk.open(new, SYSTEM), configuration)
