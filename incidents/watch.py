"""The desk's look at the store: trains, silences and events of devices become alerts and tickets.

One look is one transaction of the desk: what was taken in, the alerts and the tickets are written
together or not at all, so a kill between any two steps loses none and repeats none. Evidence that
takes time (a traceroute) is gathered afterwards, see `incidents.evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from incidents.alerts import clear, date_back, declare, note, settle
from incidents.correlation import Topology
from incidents.desk import Desk
from incidents.detection import PathState, Turn, alone, fold
from incidents.evidence import trains_file
from incidents.signs import DeviceSign, device_alert, silence_alert, train_alert, train_key
from incidents.silence import Finding, Gap, Rhythm, complete, restarted_in, silent_since
from incidents.tickets import SYSTEM, Alert, Ticket
from incidents.watch_state import Memory, copied, recall, remember
from incidents.watched import Rules, Watched, rules_of, watched
from inventory.limits import LimitSource
from inventory.models import Configuration
from timeseries.reader import Reader
from timeseries.records import PlanRecord, TrainRecord

_HOUR_NS = 3_600_000_000_000

LATE_EVENTS_NS = _HOUR_NS
"""So late an agent's event of a device may reach the store after a newer one of another agent."""


@dataclass(slots=True)
class Look:
    """What one look changed."""

    raised: list[Alert] = field(default_factory=list)
    cleared: list[Alert] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    """Opened, joined, restored or withdrawn."""

    def __bool__(self) -> bool:
        return bool(self.raised or self.cleared or self.tickets)


class Watch:
    """Looks at one store for one desk; only one process may watch."""

    def __init__(
        self,
        desk: Desk,
        reader: Reader,
        configuration: Configuration,
        rules: Rules | None = None,
        events: Callable[[int], Sequence[DeviceSign]] = lambda _: (),
        limits: LimitSource | None = None,
    ) -> None:
        """`rules`: else those of the configuration; `events`: those of devices after an instant,
        ascending; `limits`: those of the contract, that trains are held against, too."""
        self._desk = desk
        self._reader = reader
        self._configuration = configuration
        self._rules = rules or rules_of(configuration)
        self._events = events
        self._topology = Topology.of(configuration)
        self._paths = watched(configuration, self._rules, limits)
        with desk.transaction("beginning to watch") as connection:
            self._memory = recall(connection)

    def look(self, now_ns: int) -> Look:
        """Take in what is new; raises what the store and the desk raise, and then nothing is."""
        memory = copied(self._memory)
        memory.began_ns = memory.began_ns or now_ns - self._back_ns()
        plans = self._plans()
        agents = {identity: plan for identity, plan in plans.items() if plan.active}
        trains = self._new_trains(memory, agents)
        # What a silent agent was told by its devices comes with its backlog.
        late_ns = [memory.events_ns - LATE_EVENTS_NS, *(g.from_ns for g in memory.gaps.values())]
        signs = self._events(max(memory.began_ns, min(late_ns)))
        found = Look()
        with self._desk.transaction("watching") as connection:
            self._take_trains(memory, agents, trains, found)
            self._take_silences(memory, agents, now_ns, found)
            self._take_events(memory, signs, found)
            self._declare(memory, found)
            self._keep_trains(found, trains)
            self._end_silences(memory, agents, now_ns, found)
            found.tickets += settle(self._desk, found.cleared)
            remember(connection, self._memory, memory)
        self._memory = memory
        return found

    def _declare(self, memory: Memory, found: Look) -> None:
        found.tickets += declare(
            self._desk, self._configuration, self._topology, self._rules.correlation,
            lambda alert: self._alone(memory, alert),
        )  # fmt: skip

    def _alone(self, memory: Memory, alert: Alert) -> bool:
        """Whether an application fails while a line of its PAS is good."""
        # Of a line that is not measured any more nothing is known.
        lines = [
            memory.paths[path.id]
            for path in self._paths.values()
            if not path.application and set(path.pas) & set(alert.pas) and path.id in memory.paths
            if memory.paths[path.id].last_ns > alert.first_ns - 3 * path.every_ns
        ]
        state = memory.paths.get(dict(alert.data).get("path", ""), PathState())
        over, failures = alert.cleared_ns is not None, self._rules.bounds.lost[0]
        return alone(state, alert.first_ns, over=over, lines=lines, failures=failures)

    # Trains

    def _back_ns(self) -> int:
        """How far a first look goes back: as many trains as a judgement needs."""
        bounds = self._rules.bounds
        trains = max(bounds.lost[1], bounds.degraded[1]) + 1
        longest = max((path.every_ns for path in self._paths.values()), default=0)
        return trains * longest

    def _plans(self) -> dict[tuple[str, str], PlanRecord]:
        """The newest plan of each path of the configuration, by (agent, path)."""
        plans = sorted(self._reader.plans(), key=lambda plan: plan.start_ns)
        return {(plan.agent, plan.path): plan for plan in plans if plan.path in self._paths}

    def _new_trains(
        self, memory: Memory, agents: Iterable[tuple[str, str]]
    ) -> dict[str, list[TrainRecord]]:
        """Trains not taken in yet, by path; those of a silent agent wait for its backlog."""
        heard = [path for agent, path in agents if agent not in memory.gaps]
        newest = max((state.last_ns for state in memory.paths.values()), default=0)
        # One path that stopped long ago does not make every look read a year.
        floor = max(memory.began_ns, newest - _HOUR_NS)
        since = {p: max(memory.paths.get(p, PathState()).last_ns + 1, floor) for p in heard}
        found: dict[str, list[TrainRecord]] = {}
        if since:
            for train in self._reader.trains(None, min(since.values())):
                if train.start_ns >= since.get(train.path, train.start_ns + 1):
                    found.setdefault(train.path, []).append(train)
        return found

    def _take_trains(
        self,
        memory: Memory,
        agents: Iterable[tuple[str, str]],
        trains: dict[str, list[TrainRecord]],
        found: Look,
    ) -> None:
        agent_of = {path: agent for agent, path in agents}
        for name, new in trains.items():
            before = memory.paths.get(name, PathState())
            agent = agent_of[name]
            every = self._paths[name].every_ns
            starts = sorted({train.start_ns for train in new})
            late = self._rules.patience.intervals * every + every // 2
            if before.last_ns and starts and starts[0] - before.last_ns > late:
                # It was silent while nobody watched, or its backlog comes after what is new.
                memory.gaps.setdefault(agent, Gap(agent, before.last_ns))
                continue
            memory.paths[name], turns = fold(name, before, new, self._paths[name].bounds)
            self._take_turns(turns, found)

    def _take_turns(self, turns: Iterable[Turn], found: Look) -> None:
        for turn in turns:
            path = self._paths[turn.path]
            if turn.state == "raised":
                new = train_alert(turn, path, self._configuration)
                disturbs = "; production is disturbed" if path.services else ""
                words = f"measured by an agent of ours{disturbs}"
                found.raised.append(note(self._desk, new, words))
            else:
                text = "it answers again" if path.application else "trains are good again"
                alert = clear(self._desk, train_key(turn), turn.at_ns, text)
                if alert is not None:
                    found.cleared.append(alert)

    def _keep_trains(self, found: Look, trains: dict[str, list[TrainRecord]]) -> None:
        """The trains of this look that a new alert rests on, with its ticket."""
        of_ticket: dict[str, list[TrainRecord]] = {}
        for alert in found.raised:
            ticket = self._desk.alert(alert.id).ticket
            path = dict(alert.data).get("path", "")
            if ticket and path in trains:
                of_ticket.setdefault(ticket, []).extend(trains[path])
        for ticket, records in of_ticket.items():
            name, content = trains_file(records)
            self._desk.attach(ticket, SYSTEM, "trains", name, content)

    # Silence

    def _rhythms(
        self, agents: dict[tuple[str, str], PlanRecord]
    ) -> dict[str, tuple[Rhythm, list[Watched]]]:
        paths: dict[str, list[Watched]] = {}
        for agent, name in agents:
            paths.setdefault(agent, []).append(self._paths[name])
        return {
            agent: (
                Rhythm(
                    min(path.every_ns for path in mine),
                    max(path.tail_ns for path in mine),
                    len(mine),
                ),
                mine,
            )
            for agent, mine in paths.items()
        }

    def _take_silences(
        self, memory: Memory, agents: dict[tuple[str, str], PlanRecord], now_ns: int, found: Look
    ) -> None:
        for agent, (rhythm, mine) in self._rhythms(agents).items():
            if agent in memory.gaps:
                continue
            # The start of an agent takes its time, and its first train a random phase.
            begun = max(
                plan.start_ns + plan.phase_ns + rhythm.every_ns
                for (name, _), plan in agents.items()
                if name == agent
            )
            heard = max(
                (memory.paths[p.id].last_ns for p in mine if p.id in memory.paths), default=0
            )
            last_ns = max(heard, begun, memory.began_ns)
            if silent_since(last_ns, now_ns, rhythm, self._rules.patience) is None:
                continue
            memory.gaps[agent] = Gap(agent, last_ns)
            new = silence_alert(
                agent, last_ns, last_ns + rhythm.every_ns, mine, self._configuration
            )
            words = f"{self._rules.patience.intervals} intervals without a train"
            found.raised.append(note(self._desk, new, words))

    def _end_silences(
        self, memory: Memory, agents: dict[tuple[str, str], PlanRecord], now_ns: int, found: Look
    ) -> None:
        """Judge the backlog of agents that are back, in the order in which it was measured."""
        rhythms = self._rhythms(agents)
        for agent, gap in list(memory.gaps.items()):
            if agent not in rhythms:
                continue
            rhythm, mine = rhythms[agent]
            names = [path.id for path in mine]
            trains = [
                train
                for train in self._reader.trains(names, gap.from_ns + 1)
                if train.agent == agent
            ]
            if not trains:
                continue
            if not gap.heard_ns:
                gap = memory.gaps[agent] = replace(gap, heard_ns=now_ns)
            plans = list(self._reader.plans(names, gap.from_ns + 1))
            if complete(gap, now_ns, trains, plans, rhythm, self._rules.patience):
                self._judge(memory, gap, trains, plans, found)

    def _judge(
        self,
        memory: Memory,
        gap: Gap,
        trains: list[TrainRecord],
        plans: list[PlanRecord],
        found: Look,
    ) -> None:
        turns: list[Turn] = []
        by_path: dict[str, list[TrainRecord]] = {}
        for train in trains:
            by_path.setdefault(train.path, []).append(train)
        for name, mine in by_path.items():
            before = memory.paths.get(name, PathState())
            memory.paths[name], more = fold(name, before, mine, self._paths[name].bounds)
            turns += more
        # What an application did says nothing of the line.
        line = [turn for turn in turns if not self._paths[turn.path].application]
        lost = [turn for turn in line if turn.state == "raised" and turn.severity == "blocking"]
        over = [turn.at_ns for turn in line if turn.state == "cleared"]
        # An outage that was known before the silence went on through it.
        known = any(turn.state == "cleared" and turn.severity == "blocking" for turn in line)
        if lost or known:
            finding, words = Finding.OUTAGE, "its spool shows lost trains: the outage is confirmed"
        elif restarted_in(gap, trains, plans):
            finding, words = Finding.AGENT_DOWN, "the agent was down: it was started anew"
        else:
            finding, words = (
                Finding.UNHEARD,
                ("its spool shows good trains: only the way to the store was cut"),
            )
        self._declare_raised(memory, line, by_path, found)
        first_good = min(train.start_ns for train in trains)
        at_ns = max(over, default=first_good)
        alert = clear(
            self._desk, f"silence/{gap.agent}/{gap.from_ns}", at_ns, f"{finding}: {words}"
        )
        if alert is not None:
            found.cleared.append(alert)
            if lost and alert.ticket:
                first_ns = min(
                    one.first_ns
                    for one in self._desk.alerts(ticket=alert.ticket)
                    if one.source == "train"
                )
                date_back(self._desk, {alert.ticket: first_ns}, words)
        self._take_turns([turn for turn in line if turn.state == "cleared"], found)
        del memory.gaps[gap.agent]
        # So a suspicion that was none is withdrawn before an application could confirm it.
        found.tickets += settle(self._desk, found.cleared)
        applications = [turn for turn in turns if turn not in line]
        self._declare_raised(memory, applications, by_path, found)
        self._take_turns([turn for turn in applications if turn.state == "cleared"], found)

    def _declare_raised(
        self,
        memory: Memory,
        turns: Iterable[Turn],
        trains: dict[str, list[TrainRecord]],
        found: Look,
    ) -> None:
        raised = Look()
        self._take_turns([turn for turn in turns if turn.state == "raised"], raised)
        self._declare(memory, found)
        self._keep_trains(raised, trains)
        found.raised += raised.raised

    # Devices

    def _take_events(self, memory: Memory, signs: Sequence[DeviceSign], found: Look) -> None:
        for sign in sorted(signs, key=lambda one: one.at_ns):
            what = f"{sign.device}/{sign.kind}/{sign.instance}"
            if sign.at_ns <= memory.events.get(what, 0):
                continue
            memory.events[what] = sign.at_ns
            new = device_alert(sign, self._topology, self._configuration)
            if sign.state == "raised":
                found.raised.append(note(self._desk, new, f"told by the device: {sign.kind}"))
            if sign.state == "cleared" or sign.momentary:
                self._clear_device(sign, found)
            memory.events_ns = max(memory.events_ns, sign.at_ns)

    def _clear_device(self, sign: DeviceSign, found: Look) -> None:
        """The end of an event names no beginning: the one that goes on of this kind is meant."""
        begin = f"device/{sign.device}/{sign.kind}/{sign.instance}/"
        for alert in self._desk.alerts(cleared=False):
            if alert.key.startswith(begin):
                cleared = clear(self._desk, alert.key, sign.since_ns or sign.at_ns, sign.text)
                if cleared is not None:
                    found.cleared.append(cleared)
