"""How far a run of a runbook has come: kept in the ticket's history, and nowhere else.

So it can be left and taken up another day, by another person, on another host that has the desk.
An action is written down before it is done and after; one without an end was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Literal

from incidents.changes import Record
from incidents.desk import Desk
from incidents.errors import RefusedError
from incidents.history import Entry
from incidents.runbook import Runbook, Seen, Situation, Step, Tool, Tools, fingerprint
from incidents.shop_hours import open_shops
from incidents.tickets import Actor, Ticket
from inventory.operations import ShopHours

TOPIC = "runbook"
Event = Literal["begun", "doing", "did", "seen", "done", "skipped", "forced"]


@dataclass(frozen=True, slots=True)
class StepState:
    """How far one step has come."""

    state: Literal["open", "done", "skipped"] = "open"
    doing: bool = False
    """Its action was begun and nobody knows how it ended."""
    good: bool | None = None
    """What its last probe said; None: none was made."""
    data: tuple[tuple[str, str], ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One runbook applied to one ticket."""

    name: str
    steps: dict[str, StepState]
    began_ns: int
    fingerprint: str
    last: int
    """Number of the newest entry of the history that it rests on."""

    @property
    def current(self) -> str:
        """Id of the first step that is open; empty when all is done."""
        return next((name for name, one in self.steps.items() if one.state == "open"), "")


def run_of(name: str, runbook: Runbook, entries: Iterable[Entry]) -> Run | None:
    """The run of a runbook that a ticket's history tells of; None: it was not begun."""
    run: Run | None = None
    for entry in entries:
        change = entry.change
        if not isinstance(change, Record) or change.topic != TOPIC:
            continue
        data = dict(change.data)
        if data.get("runbook") != name:
            continue
        if data["event"] == "begun":
            steps = {step.id: StepState() for step in runbook.step}
            run = Run(name, steps, entry.recorded_ns, data["fingerprint"], entry.number)
        elif run is not None and data.get("step", "") in run.steps:
            steps = dict(run.steps)
            steps[data["step"]] = _after(steps[data["step"]], data, change.text)
            run = replace(run, steps=steps, last=entry.number)
    return run


def _after(step: StepState, data: dict[str, str], text: str) -> StepState:
    found = tuple((k[5:], v) for k, v in data.items() if k.startswith("seen."))
    match data["event"]:
        case "doing":
            return replace(step, doing=True)
        case "did":
            # What was probed before the action says nothing about after it.
            return replace(step, doing=False, good=None, data=found or step.data, text=text)
        case "seen":
            return replace(step, good=data.get("good") == "yes", data=found or step.data, text=text)
        case "done":
            return replace(step, state="done", text=text)
        case "skipped":
            return replace(step, state="skipped", text=text)
    return step


class Guide:
    """Leads one person through one runbook of one ticket."""

    def __init__(
        self,
        desk: Desk,
        ticket_id: str,
        name: str,
        runbook: Runbook,
        who: Actor,
        tools: Tools,
        *,
        shop_hours: tuple[ShopHours, ...] = (),
        zones: dict[str, str | tzinfo] | None = None,
    ) -> None:
        """`zones`: PAS -> its time zone. Nothing is written before `begin`."""
        self._desk = desk
        self._id = desk.ticket(ticket_id).id
        self._name = name
        self._book = runbook
        self._who = who
        self._tools = tools
        self._shop_hours = shop_hours
        self._zones = zones or {}

    @property
    def ticket(self) -> Ticket:
        """The ticket as it is now."""
        return self._desk.ticket(self._id)

    @property
    def run(self) -> Run | None:
        """How far it has come, whoever did it."""
        return run_of(self._name, self._book, self._desk.history(self._id))

    def begin(self, *, force: str = "") -> Run:
        """Begin, or go on with what was begun; `RefusedError` in shop hours without `force`.

        A ticket that was reopened after all steps were done goes through them again. `force` is
        the written reason for doing it all the same.
        """
        with self._desk.transaction("beginning a runbook"):
            run, reopened = self.run, self.ticket.reopened_ns
            if run is not None and not run.current and reopened and reopened[-1] >= run.began_ns:
                run = None
            if run is not None and run.fingerprint != fingerprint(self._book):
                raise RefusedError(
                    f"runbook {self._name}",
                    "its steps were changed since it was begun",
                    "finish it with the pasprobe that it was begun with, or comment the ticket",
                )
            self._shops_are_closed(force)
            if run is None:
                self._write("begun", "", self._book.title, fingerprint=fingerprint(self._book))
            return self._going_on()

    def act(self, step_id: str, *, force: str = "") -> Seen:
        """Do the step's action; written down before and after."""
        step = self._open_step(step_id)
        self._shops_are_closed(force)
        if step.action is None:
            raise RefusedError(f"step {step_id}", "it has no action of ours", "do it, then say so")
        tool = self._tool(step.action)
        self._write("doing", step_id, step.action)
        seen = tool(self._situation(step))
        self._write("did", step_id, seen.text, seen, good="yes" if seen.good else "no")
        return seen

    def probe(self, step_id: str) -> Seen:
        """Look whether the step's check holds."""
        step = self._open_step(step_id)
        if step.probe is None:
            raise RefusedError(f"step {step_id}", "nothing of it can be probed", "look yourself")
        seen = self._tool(step.probe)(self._situation(step))
        self._write("seen", step_id, seen.text, seen, good="yes" if seen.good else "no")
        return seen

    def done(self, step_id: str, record: str = "", *, force: str = "") -> Run:
        """The step is done and its check holds; `RefusedError` where that was not seen."""
        with self._desk.transaction("a step of a runbook"):
            step = self._open_step(step_id)
            self._shops_are_closed(force)
            if step.role is not None and self._who.role != step.role:
                raise RefusedError(
                    f"step {step_id}", f"only the {step.role} may take it", "let them do it"
                )
            state = self._state(step_id)
            if step.probe is not None and state.good is not True:
                raise RefusedError(
                    f"step {step_id}",
                    "its check was not made" if state.good is None else "its check does not hold",
                    "check again, or skip the check with a written reason",
                )
            if step.record is not None and not record.strip():
                raise RefusedError(f"step {step_id}", "it has no record", f"write: {step.record}")
            self._write("done", step_id, record.strip() or state.text or step.check)
            return self._going_on()

    def skip(self, step_id: str, reason: str) -> Run:
        """Go on without the step or without its check, for a written reason."""
        with self._desk.transaction("a step of a runbook"):
            step = self._open_step(step_id)
            if not reason.strip():
                raise RefusedError(f"step {step_id}", "no reason is given", "write it")
            if step.role is not None and self._who.role != step.role:
                raise RefusedError(
                    f"step {step_id}", f"only the {step.role} may skip it", "let them do it"
                )
            self._write("skipped", step_id, reason.strip())
            return self._going_on()

    def _open_step(self, step_id: str) -> Step:
        run = self._going_on()
        if run.current != step_id:
            what = f"the next step is {run.current}" if run.current else "all its steps are done"
            raise RefusedError(f"step {step_id}", what, "take the steps in their order")
        return next(step for step in self._book.step if step.id == step_id)

    def _state(self, step_id: str) -> StepState:
        return self._going_on().steps[step_id]

    def _situation(self, step: Step) -> Situation:
        seen = {name: dict(one.data) for name, one in self._going_on().steps.items()}
        return Situation(self.ticket, step, seen)

    def _tool(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            raise RefusedError(
                f"runbook {self._name}",
                f"{name} cannot be done here: the configuration has nothing for it",
                "do and check it yourself, then skip the check with a written reason",
            )
        return tool

    def _shops_are_closed(self, force: str) -> None:
        if not self._book.outside_shop_hours:
            return
        now_ns = self._desk.clock()
        there = open_shops(self._shop_hours, self._zones, self.ticket.pas, now_ns)
        if not there:
            return
        if not force.strip():
            raise RefusedError(
                f"runbook {self._name}",
                f"shops are open ({', '.join(there)}), and it interrupts the service (2)",
                "wait until they close, or give --force with the reason",
            )
        self._write("forced", "", f"in shop hours ({', '.join(there)}): {force.strip()}")

    def _write(
        self, event: Event, step_id: str, text: str, seen: Seen | None = None, **more: str
    ) -> None:
        data = {"runbook": self._name, "event": event, "step": step_id, **more}
        if seen is not None:
            data |= {f"seen.{key}": value for key, value in seen.data.items()}
        self._desk.change(self._id, self._who, Record(TOPIC, text, tuple(data.items())))

    def _going_on(self) -> Run:
        run = self.run
        if run is None:
            raise RefusedError(f"runbook {self._name}", "it was not begun", "begin it")
        return run
