"""From trains to tickets: one device, one ticket; silences; maintenance; restarts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from incidents.changes import Comment, Reopen
from incidents.desk import Desk, open_desk
from incidents.signs import DeviceSign
from incidents.tickets import AlertState, State
from incidents.watch import Watch

SECOND = 10**9
NOON = int(datetime(2026, 5, 4, 10, tzinfo=UTC).timestamp()) * SECOND


class Scene:
    """A desk that watches a store in memory, second by second."""

    def __init__(
        self, folder: Path, tools: Any, pas: int, devices: dict[str, list[int]], **more: Any
    ):
        self.tools = tools
        self.now = NOON
        self.desk = open_desk(folder, clock=lambda: self.now)
        self.store = tools.Store()
        self.configuration = tools.configuration(pas, devices, **more)
        self.events: list[DeviceSign] = []
        self.names = [path.id for path in self.configuration.paths]
        self.agent_of = dict.fromkeys(self.names, "a")
        self.watch = self.anew()

    def anew(self) -> Watch:
        self.watch = Watch(
            self.desk, self.store, self.configuration,
            events=lambda after: [one for one in self.events if one.at_ns > after],
        )  # fmt: skip
        return self.watch

    def begin(self) -> None:
        self.store.planned = [
            self.tools.plan(name, NOON - 60 * SECOND, self.agent_of[name]) for name in self.names
        ]

    def second(self, letters: dict[str, str] | str = "G") -> None:
        """One train of each path (space: none), and a look when it is over."""
        for name in self.names:
            letter = letters if isinstance(letters, str) else letters.get(name, "G")
            if letter != " ":
                record = self.tools.train(name, self.now, letter, self.agent_of[name])
                self.store.kept.append(record)
        self.now += SECOND
        self.watch.look(self.now - SECOND // 2)

    def seconds(self, text: str) -> None:
        for letter in text:
            self.second(letter)


@pytest.fixture
def scene(tmp_path: Path, incident_trains: Any) -> Iterator[Any]:
    made: list[Scene] = []

    def make(pas: int = 1, devices: dict[str, list[int]] | None = None, **more: Any) -> Scene:
        made.append(Scene(tmp_path, incident_trains, pas, devices or {}, **more))
        made[-1].begin()
        return made[-1]

    yield make
    for one in made:
        one.desk.close()


def only(desk: Desk) -> Any:
    (ticket,) = desk.tickets()
    return ticket


def test_lost_trains_become_a_ticket_that_their_end_restores(scene: Any) -> None:
    s = scene()
    s.seconds("GGGLL")
    ticket = only(s.desk)
    assert (ticket.state, ticket.severity, ticket.pas) == (State.OPENED, "blocking", ("p0",))
    assert ticket.opened_ns == NOON + 3 * SECOND
    s.seconds("LLGGG")
    ticket = only(s.desk)
    assert (ticket.state, ticket.restored_ns) == (State.RESTORED, NOON + 7 * SECOND)
    (alert,) = s.desk.alerts()
    assert (alert.state, alert.ticket) == (AlertState.DECLARED, ticket.id)
    assert alert.finding


def test_the_trains_that_decided_are_attached(scene: Any) -> None:
    s = scene()
    s.seconds("GLL")
    (evidence,) = only(s.desk).evidence
    rows = json.loads(s.desk.content(evidence))
    assert rows[-1]["start_ns"] == NOON + 2 * SECOND
    assert rows[-1]["received"] == 0


def test_what_fails_again_soon_reopens_its_ticket(scene: Any) -> None:
    s = scene()
    s.seconds("GLLGGGGLL")
    ticket = only(s.desk)
    assert (ticket.state, ticket.restored_ns) == (State.OPENED, None)
    assert any(isinstance(entry.change, Reopen) for entry in s.desk.history(ticket.id))


def test_a_thousand_pas_behind_one_device_are_one_ticket(scene: Any) -> None:
    s = scene(1000, {"pix": list(range(1000))})
    s.seconds("GG")
    s.second("L")
    s.second("L")
    ticket = only(s.desk)
    assert (len(ticket.pas), ticket.device, ticket.affected) == (1000, "pix", 1000)
    assert len(s.desk.alerts(ticket=ticket.id)) == 1000
    s.seconds("GGG")
    assert only(s.desk).state is State.RESTORED


def test_pas_behind_different_devices_are_different_tickets(scene: Any) -> None:
    s = scene(6, {"north": [0, 1, 2], "south": [3, 4]})
    s.seconds("GGLL")
    found = {ticket.device: ticket.pas for ticket in s.desk.tickets()}
    assert found == {"north": ("p0", "p1", "p2"), "south": ("p3", "p4"), "": ("p5",)}


def test_more_pas_behind_the_device_join_its_ticket(scene: Any) -> None:
    s = scene(3, {"pix": [0, 1, 2]})
    s.seconds("G")
    for _ in range(2):
        s.second({"p0/x": "L", "p1/x": "L"})
    for _ in range(2):
        s.second("L")
    assert only(s.desk).pas == ("p0", "p1", "p2")


def test_an_event_of_the_device_joins_the_outage_that_it_explains(scene: Any) -> None:
    s = scene(2, {"pix": [0, 1]})
    s.events.append(DeviceSign("pix", "unreachable", "", "raised", "no answer", NOON + SECOND))
    s.seconds("GG")
    assert s.desk.tickets() == ()  # production is not disturbed: a person decides
    assert [alert.state for alert in s.desk.alerts()] == [AlertState.ANALYSED]
    s.seconds("LL")
    ticket = only(s.desk)
    assert (ticket.device, len(ticket.alerts)) == ("pix", 3)


def test_announced_maintenance_is_shown_and_hides_nothing(scene: Any) -> None:
    work = {
        "pas": ["p0"], "start": datetime(2026, 5, 4, 9, tzinfo=UTC),
        "end": datetime(2026, 5, 4, 11, tzinfo=UTC), "reason": "new fibre",
    }  # fmt: skip
    s = scene(maintenance=[work])
    s.seconds("GLL")
    ticket = only(s.desk)
    comments = [e.change.text for e in s.desk.history(ticket.id) if isinstance(e.change, Comment)]
    assert any("new fibre" in text for text in comments)
    assert "new fibre" in s.desk.alerts()[0].finding


def test_an_agent_silent_for_two_intervals_is_a_suspected_outage(scene: Any) -> None:
    s = scene()
    s.seconds("GGG  ")
    assert s.desk.tickets() == ()
    s.seconds("  ")
    ticket = only(s.desk)
    assert ticket.summary.startswith("suspected")
    assert ticket.opened_ns == NOON + 3 * SECOND  # the first train that is missing


def backlog(s: Any, letters: str, first: int) -> None:
    """The spool of an agent that is back hands over what it measured."""
    for n, letter in enumerate(letters, first):
        s.store.kept.append(s.tools.train("p0/x", NOON + n * SECOND, letter))


def test_late_trains_confirm_a_suspected_outage_and_date_it(scene: Any) -> None:
    s = scene()
    s.seconds("GGG     ")  # nothing is heard of 3 to 7
    s.second("G")  # what is new comes before the backlog
    assert only(s.desk).state is State.OPENED
    backlog(s, "GLLLL", 3)
    s.seconds("GG")
    ticket = only(s.desk)
    assert (ticket.opened_ns, ticket.state) == (NOON + 4 * SECOND, State.RESTORED)
    assert ticket.restored_ns == NOON + 8 * SECOND
    assert {alert.source for alert in s.desk.alerts(ticket=ticket.id)} == {"silence", "train"}


def test_an_agent_that_was_down_is_no_outage(scene: Any) -> None:
    s = scene()
    s.seconds("GGG      ")
    s.store.planned.append(s.tools.plan("p0/x", NOON + 9 * SECOND - 1))
    s.seconds("GG")
    ticket = only(s.desk)
    assert ticket.state is State.WITHDRAWN
    assert "agent-down" in str(s.desk.history(ticket.id)[-1].change)


def test_good_trains_in_the_spool_are_no_outage(scene: Any) -> None:
    s = scene()
    s.seconds("GGG      ")
    backlog(s, "GGGGGG", 3)
    s.second("G")
    ticket = only(s.desk)
    assert ticket.state is State.WITHDRAWN
    assert "way to the store" in str(s.desk.history(ticket.id)[-1].change)


def test_a_watch_that_begins_anew_repeats_nothing(scene: Any) -> None:
    s = scene(3, {"pix": [0, 1, 2]})
    for letter in "GGLLLLGGGG":
        s.second(letter)
        s.anew()
        s.watch.look(s.now)
    ticket = only(s.desk)
    assert ticket.state is State.RESTORED
    assert len(s.desk.alerts()) == 3


def test_what_failed_while_nobody_watched_is_found(scene: Any) -> None:
    s = scene()
    s.seconds("GG")
    backlog(s, "LLLGGGG", 2)
    s.now += 7 * SECOND
    s.anew()
    s.seconds("GG")
    ticket = only(s.desk)
    assert (ticket.opened_ns, ticket.restored_ns) == (NOON + 2 * SECOND, NOON + 5 * SECOND)
