"""The desk's state machines: every pair of state and step, roles, times, closing, annex 3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from incidents.annex_3 import ANNEX_3, FIN
from incidents.changes import (
    Accept,
    Analyse,
    Change,
    Clear,
    Close,
    Comment,
    Corrective,
    Declare,
    Dismiss,
    ProviderReport,
    Redate,
    Reopen,
    Report,
    Respond,
    Restore,
    SaySeverity,
    Update,
    Validate,
    Withdraw,
)
from incidents.desk import Desk, open_desk
from incidents.errors import RefusedError
from incidents.tickets import Actor, AlertState, NewAlert, NewTicket, Role, State, Ticket

MINUTE = 60_000_000_000
BEGAN = 1_780_000_000_000_000_000
OPERATOR, ROC = Actor("desk", "operator"), Actor("roc", "roc")
PROVIDER, CUSTOMER = Actor("hotline", "provider"), Actor("customer", "administration")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    ticks = iter(range(BEGAN + MINUTE, BEGAN + 10_000 * MINUTE, MINUTE))
    return open_desk(tmp_path, clock=lambda: next(ticks))


def new(**more: object) -> NewTicket:
    return NewTicket(("ip-base",), "line cut", "blocking", BEGAN, ("roma-01",), **more)  # type: ignore[arg-type]


TO: dict[State, list[Change]] = {
    State.OPENED: [],
    State.REPORTED: [Report()],
    State.RESPONDED: [Report(), Respond("fibre cut", BEGAN)],
    State.RESTORED: [Report(), Respond("fibre cut", BEGAN), Restore()],
    State.VALIDATED: [Report(), Respond("fibre cut", BEGAN), Restore(), Validate()],
    State.CLOSED: [
        Report(), Respond("fibre cut", BEGAN), Restore(), Validate(), Accept("the customer"),
        ProviderReport("report.pdf"), Corrective("line repaired"), Close(),
    ],
    State.WITHDRAWN: [Withdraw("the agent was down")],
}  # fmt: skip
STEPS: dict[str, Change] = {
    "report": Report(),
    "respond": Respond("fibre cut", BEGAN),
    "restore": Restore(),
    "reopen": Reopen("it fails again"),
    "validate": Validate(),
    "accept": Accept("the customer"),
    "close": Close(),
    "withdraw": Withdraw("the agent was down"),
}
BECOMES = {
    "opened": {"report": "reported", "restore": "restored", "withdraw": "withdrawn"},
    "reported": {"respond": "responded", "restore": "restored", "withdraw": "withdrawn"},
    "responded": {"respond": "responded", "restore": "restored", "withdraw": "withdrawn"},
    "restored": {
        "respond": "restored", "reopen": "responded", "validate": "validated",
        "withdraw": "withdrawn",
    },
    "validated": {"respond": "validated", "reopen": "responded", "accept": "validated"},
    "closed": {},
    "withdrawn": {},
}  # fmt: skip
"""Written down a second time, from the issue and the procedure (1.7, 2.3)."""


def brought_to(desk: Desk, state: State) -> Ticket:
    ticket = desk.open(new(), OPERATOR)
    for change in TO[state]:
        ticket = desk.change(ticket.id, ROC, change)
    assert ticket.state is state
    return ticket


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(STEPS))
def test_each_step_in_each_state_leads_where_the_table_says_or_is_refused(
    desk: Desk, state: State, step: str
) -> None:
    ticket = brought_to(desk, state)
    before = desk.history(ticket.id)
    expected = BECOMES[state.value].get(step)
    if expected is None:
        with pytest.raises(RefusedError) as refused:
            desk.change(ticket.id, ROC, STEPS[step])
        assert refused.value.reason
        assert refused.value.remedy
        assert desk.ticket(ticket.id) == ticket
        assert desk.history(ticket.id) == before
    else:
        assert desk.change(ticket.id, ROC, STEPS[step]).state.value == expected


def test_a_report_may_come_after_the_restoration(desk: Desk) -> None:
    ticket = desk.open(new(), OPERATOR)
    desk.change(ticket.id, OPERATOR, Restore())
    ticket = desk.change(ticket.id, OPERATOR, Report())
    assert ticket.state is State.RESTORED
    ticket = desk.change(ticket.id, OPERATOR, Reopen("no"))
    assert ticket.state is State.REPORTED
    assert ticket.restored_ns is None


@pytest.mark.parametrize(
    "role", ["operator", "provider", "administration", "call-centre", "system"]
)
def test_nobody_but_the_roc_validates(desk: Desk, role: Role) -> None:
    ticket = brought_to(desk, State.RESTORED)
    with pytest.raises(RefusedError, match="may not validate"):
        desk.change(ticket.id, Actor("somebody", role), Validate())
    assert desk.change(ticket.id, ROC, Validate()).state is State.VALIDATED


def test_closing_names_everything_that_is_missing_and_a_waiver_is_the_rocs(desk: Desk) -> None:
    ticket = brought_to(desk, State.VALIDATED)
    with pytest.raises(RefusedError) as refused:
        desk.change(ticket.id, OPERATOR, Close())
    for missing in ("has not accepted", "provider's report", "corrective procedure"):
        assert missing in refused.value.reason
    for change in (ProviderReport("not theirs", waived=True), Corrective("none", waived=True)):
        with pytest.raises(RefusedError, match="may not waive"):
            desk.change(ticket.id, OPERATOR, change)
        desk.change(ticket.id, ROC, change)
    with pytest.raises(RefusedError, match="no text is given"):
        desk.change(ticket.id, ROC, Corrective(" ", waived=True))
    with pytest.raises(RefusedError) as refused:
        desk.change(ticket.id, OPERATOR, Close())
    assert refused.value.reason == "the customer has not accepted it (--accepted-by)"
    desk.change(ticket.id, OPERATOR, Accept("Ms A"))
    assert desk.change(ticket.id, OPERATOR, Close()).state is State.CLOSED


def test_reopening_takes_acceptance_and_validation_back(desk: Desk) -> None:
    ticket = brought_to(desk, State.VALIDATED)
    desk.change(ticket.id, OPERATOR, Accept("Ms A"))
    ticket = desk.change(ticket.id, CUSTOMER, Reopen("tills fail again"))
    assert (ticket.restored_ns, ticket.validated_ns, ticket.accepted_ns) == (None, None, None)


def test_the_administrations_severity_prevails_and_only_it_is_not_the_providers_to_say(
    desk: Desk,
) -> None:
    ticket = desk.open(new(), OPERATOR)
    ticket = desk.change(ticket.id, PROVIDER, SaySeverity("provider", "non-blocking"))
    assert ticket.severity == "non-blocking"
    ticket = desk.change(ticket.id, CUSTOMER, SaySeverity("administration", "blocking"))
    assert (ticket.severity, ticket.severity_provider) == ("blocking", "non-blocking")
    with pytest.raises(RefusedError, match="speaks for the provider"):
        desk.change(ticket.id, PROVIDER, SaySeverity("administration", "non-blocking"))


def test_times_that_cannot_be_are_refused(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="future"):
        desk.open(
            NewTicket(("ip-base",), "x", "blocking", BEGAN + 20_000 * MINUTE, ("roma-01",)),
            OPERATOR,
        )
    ticket = desk.open(new(), OPERATOR)
    cases: list[tuple[Change, str]] = [
        (Restore(BEGAN - 1), "before it was opened"),
        (Restore(BEGAN + 20_000 * MINUTE), "future"),
    ]
    for change, words in cases:
        with pytest.raises(RefusedError, match=words):
            desk.change(ticket.id, OPERATOR, change)
    desk.change(ticket.id, OPERATOR, Report(BEGAN + 2))
    with pytest.raises(RefusedError, match="before it was reported"):
        desk.change(ticket.id, OPERATOR, Respond("x", BEGAN, BEGAN + 1))
    desk.change(ticket.id, OPERATOR, Restore(BEGAN + 5))
    with pytest.raises(RefusedError, match="it was restored before that"):
        desk.change(ticket.id, OPERATOR, Redate(BEGAN + 6, "late trains"))
    assert desk.change(ticket.id, OPERATOR, Redate(BEGAN - 7, "late trains")).opened_ns == BEGAN - 7


def test_a_second_answer_corrects_the_diagnosis_and_not_the_time_of_the_first(desk: Desk) -> None:
    ticket = brought_to(desk, State.RESPONDED)
    first = ticket.responded_ns
    ticket = desk.change(ticket.id, OPERATOR, Respond("power supply", BEGAN + MINUTE))
    assert (ticket.diagnosis, ticket.expected_ns) == ("power supply", BEGAN + MINUTE)
    assert ticket.responded_ns == first


def test_a_closed_ticket_takes_comments_and_the_rocs_corrections_with_a_reason(desk: Desk) -> None:
    ticket = brought_to(desk, State.CLOSED)
    desk.change(ticket.id, PROVIDER, Comment("for the record"))
    with pytest.raises(RefusedError, match="only the ROC"):
        desk.change(ticket.id, OPERATOR, Update(cause="other", reason="x"))
    with pytest.raises(RefusedError, match="needs a reason"):
        desk.change(ticket.id, ROC, Update(cause="other"))
    assert desk.change(ticket.id, ROC, Update(cause="other", reason="x")).cause == "other"


ALERT_STEPS: dict[str, Callable[[], Analyse | Declare | Dismiss | Clear]] = {
    "analyse": lambda: Analyse("a line of the carrier"),
    "declare": lambda: Declare("INC-000001"),
    "dismiss": lambda: Dismiss("no PAS was disturbed"),
    "clear": lambda: Clear(BEGAN + MINUTE),
}
ALERT_BECOMES = {
    ("raised", "analyse"): "analysed",
    ("raised", "clear"): "raised",
    ("analysed", "analyse"): "analysed",
    ("analysed", "declare"): "declared",
    ("analysed", "dismiss"): "dismissed",
    ("analysed", "clear"): "analysed",
    ("declared", "clear"): "declared",
    ("dismissed", "clear"): "dismissed",
}
ALERT_TO = {
    "raised": [], "analysed": ["analyse"], "declared": ["analyse", "declare"],
    "dismissed": ["analyse", "dismiss"],
}  # fmt: skip


@pytest.mark.parametrize("state", list(AlertState))
@pytest.mark.parametrize("step", list(ALERT_STEPS))
def test_an_alert_is_analysed_before_it_is_declared_or_dismissed(
    desk: Desk, state: AlertState, step: str
) -> None:
    alert = desk.raise_alert(NewAlert("k", "train", "5 of 5 lost", BEGAN), OPERATOR)
    for before in ALERT_TO[state.value]:
        alert = desk.change_alert(alert.id, OPERATOR, ALERT_STEPS[before]())
    assert alert.state is state
    expected = ALERT_BECOMES.get((state.value, step))
    if expected is None:
        with pytest.raises(RefusedError):
            desk.change_alert(alert.id, OPERATOR, ALERT_STEPS[step]())
        assert desk.alert(alert.id) == alert
    else:
        assert desk.change_alert(alert.id, OPERATOR, ALERT_STEPS[step]()).state.value == expected


def test_every_box_of_annex_3_leads_to_a_box_and_all_lead_to_the_end() -> None:
    boxes = {box.name: box for box in ANNEX_3}
    assert len(boxes) == len(ANNEX_3) == 21
    for box in ANNEX_3:
        assert box.served_by
        assert box.then
        assert {answer for answer, _ in box.then} in ({""}, {"oui", "non"})
        assert box.name.endswith("?") == (len(box.then) == 2)
        for _, following in box.then:
            assert following == FIN or following in boxes
    reached, waiting = {FIN}, [ANNEX_3[0].name]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [following for _, following in boxes[name].then]
    assert reached == {FIN, *boxes}
    ends = {FIN}
    for _ in boxes:
        ends |= {box.name for box in ANNEX_3 if ends & {following for _, following in box.then}}
    assert ends == reached
