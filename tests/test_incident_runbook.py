"""Runbooks: what the procedure lists, in order, with checks, resumable, not in shop hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from incidents.changes import Record, Reopen, Restore
from incidents.desk import Desk, open_desk
from incidents.errors import IncidentError, RefusedError
from incidents.runbook import Seen, Situation, parse, runbook_of, runbooks, suited
from incidents.runbook_state import Guide
from incidents.tickets import Actor, NewTicket
from inventory.operations import ShopHours

MONDAY_NOON = int(datetime(2026, 5, 4, 10, tzinfo=UTC).timestamp()) * 10**9
PERSON = Actor("anna", "operator")
ROC = Actor("rita", "roc")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, clock=lambda: MONDAY_NOON) as one:
        new = NewTicket(
            ("ip-base",), "down", "blocking", MONDAY_NOON - 10**9, pas=("p0",), kind="server"
        )
        one.open(new, PERSON)
        yield one


@dataclass
class Hands:
    """Tools that say what they are told to, and count."""

    good: bool = True
    done: list[str] = field(default_factory=list)

    def __call__(self, situation: Situation) -> Seen:
        self.done.append(situation.step.id)
        return Seen(self.good, f"seen at {situation.step.id}", {"mac": "02:00:00:00:00:01"})


def guide(desk: Desk, name: str, hands: Any, who: Actor = PERSON, **more: Any) -> Guide:
    names = {s.probe for b in runbooks().values() for s in b.step} | {
        s.action for b in runbooks().values() for s in b.step
    }
    return Guide(desk, "1", name, runbook_of(name), who, dict.fromkeys(names, hands), **more)


def test_each_action_that_the_procedure_lists_is_one_step() -> None:
    counted = {name: len(book.step) for name, book in runbooks().items()}
    assert counted == {
        "server-to-spare": 5,
        "server-restoration": 4,
        "server-to-nominal": 5,
        "pix-partner": 3,
        "pix-central": 5,
        "partner-pix": 1,
        "switch": 2,
        "validation": 1,
        "return-to-service": 2,
    }
    assert [name for name, book in runbooks().items() if book.assistance] == ["partner-pix"]
    assert [name for name, book in runbooks().items() if book.outside_shop_hours] == [
        "server-to-nominal"
    ]


def test_each_step_has_the_party_that_the_procedure_names() -> None:
    parties = {
        name: "".join("b" if len(s.party) > 1 else s.party[0][0] for s in runbook_of(name).step)
        for name in ("server-to-spare", "server-restoration", "server-to-nominal", "pix-partner",
                     "pix-central")
    }  # fmt: skip
    assert parties == {
        "server-to-spare": "boppo",  # both, operator, provider, provider, operator
        "server-restoration": "pppo",
        "server-to-nominal": "ooppo",
        "pix-partner": "pop",
        "pix-central": "pppop",
    }


def test_a_ticket_gets_the_runbooks_of_its_kind(desk: Desk) -> None:
    assert suited(desk.ticket("1"))[:3] == (
        "server-restoration", "server-to-nominal", "server-to-spare",
    )  # fmt: skip


def test_a_check_is_not_passed_over_without_a_written_reason(desk: Desk) -> None:
    hands = Hands(good=False)
    one = guide(desk, "server-to-spare", hands)
    one.begin()
    with pytest.raises(RefusedError, match="its check was not made"):
        one.done("identify")
    one.probe("identify")
    with pytest.raises(RefusedError, match="its check does not hold"):
        one.done("identify")
    with pytest.raises(RefusedError, match="no reason is given"):
        one.skip("identify", "  ")
    assert one.skip("identify", "the server is known").current == "configure-spare"
    assert "the server is known" in str(desk.history("INC-000001")[-1].change)


def test_steps_are_taken_in_their_order(desk: Desk) -> None:
    one = guide(desk, "server-to-spare", Hands())
    one.begin()
    with pytest.raises(RefusedError, match="the next step is identify"):
        one.probe("start")


def test_a_reopened_ticket_goes_through_the_steps_again(desk: Desk) -> None:
    one = guide(desk, "validation", Hands(), ROC)
    one.begin()
    desk.change("1", PERSON, Restore())
    assert one.skip("validate", "seen at the till").current == ""
    assert one.begin().current == "", "all is done"
    desk.change("1", PERSON, Reopen("the till freezes again"))
    assert one.begin().current == "validate"
    assert one.begin().current == "validate", "it is gone on with"


def test_it_is_gone_on_with_on_another_day_and_by_somebody_else(tmp_path: Path, desk: Desk) -> None:
    one = guide(desk, "pix-partner", Hands())
    one.begin()
    one.act("restore")
    one.probe("restore")
    one.done("restore")
    with open_desk(tmp_path, clock=lambda: MONDAY_NOON + 86_400 * 10**9) as later:
        other = guide(later, "pix-partner", Hands(), Actor("bea", "operator"))
        assert other.begin().current == "conference"
        other.probe("conference")
        with pytest.raises(RefusedError, match="it has no record"):
            other.done("conference")
        other.done("conference", "three parties, 10:40 to 11:05")
        assert other.done("report", "attached").current == ""
    trail = [e.change for e in desk.history("INC-000001") if isinstance(e.change, Record)]
    assert [dict(change.data)["event"] for change in trail] == [
        "begun", "doing", "did", "seen", "done", "seen", "done", "done",
    ]  # fmt: skip


def test_an_action_that_was_killed_is_seen_as_interrupted(desk: Desk) -> None:
    class Killed(BaseException):
        pass

    def killed(situation: Situation) -> Seen:
        raise Killed(situation.step.id)

    one = guide(desk, "pix-partner", killed)
    one.begin()
    with pytest.raises(Killed):
        one.act("restore")
    run = guide(desk, "pix-partner", Hands()).begin()
    assert (run.current, run.steps["restore"].doing) == ("restore", True)


def test_a_probe_of_before_the_action_does_not_count(desk: Desk) -> None:
    one = guide(desk, "pix-partner", Hands())
    one.begin()
    one.probe("restore")
    one.act("restore")
    with pytest.raises(RefusedError, match="its check was not made"):
        one.done("restore")


SHOP = ShopHours(pas="p0", days=("mon",), opens="09:00", closes="20:00")


def test_nobody_swaps_back_in_shop_hours_without_force(desk: Desk) -> None:
    more = {"shop_hours": (SHOP,), "zones": {"p0": "Europe/Rome"}}
    one = guide(desk, "server-to-nominal", Hands(), **more)
    with pytest.raises(RefusedError, match="shops are open"):
        one.begin()
    assert one.run is None
    assert one.begin(force="the shop is shut today").current == "stop"
    assert "the shop is shut today" in str([e.change for e in desk.history("INC-000001")])
    # What interrupts nothing is not refused.
    assert guide(desk, "server-to-spare", Hands(), **more).begin().current == "identify"


def test_shops_that_are_closed_by_their_own_clock_hinder_nothing(desk: Desk) -> None:
    early = SHOP.model_copy(update={"closes": "12:00"})  # it is 12:00 in Rome, 10:00 UTC
    more = {"shop_hours": (early,), "zones": {"p0": "Europe/Rome"}}
    assert guide(desk, "server-to-nominal", Hands(), **more).begin().current == "stop"


def test_only_the_roc_validates(desk: Desk) -> None:
    one = guide(desk, "validation", Hands())
    one.begin()
    one.probe("validate")
    with pytest.raises(RefusedError, match="only the roc"):
        one.done("validate", "works")
    assert guide(desk, "validation", Hands(), ROC).done("validate", "works").current == ""


def test_a_wrong_file_names_its_key() -> None:
    text = 'title = "x"\nkind = ""\nclause = "1"\n[[step]]\nid = "a"\nparty = ["nobody"]\n'
    with pytest.raises(IncidentError, match=r"mine\.toml, step\.0\.party"):
        parse("mine.toml", text)
