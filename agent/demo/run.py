"""What `pasprobe demo` measures: five access points in one configuration, four of them emulated.

Our end is a PAS of profile high. Behind a lab link each stands a PAS of profile high, medium, base
and base-satellite; the medium one breaks its limits. The path of a PAS as ip-base is its access
link; the same link carries a voip pair with our end. Nothing here is special to the demo but the
far ends: configuration, assignments, engine, records and spool are those of the agent.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.daemon.assignments import Assignment, plan_record
from agent.daemon.schedule import Schedule, random_phase_ns
from agent.demo.far_side import HOST
from agent.engine.loop import Engine
from agent.engine.timing import GRACE_NS, GRID_NS, monotonic_now_ns, on_grid
from agent.errors import ProbeError
from agent.kernel.clock import SystemClock, realtime_offset_ns
from agent.kernel.sockets import open_icmp
from agent.samples import TrainSamples
from agent.summary import sample_record, summarise
from inventory.models import Agent, Configuration, Contract, Method, Pas, Train
from inventory.models import Path as ProbePath
from inventory.services import Profile
from inventory.values import HostPort
from timeseries.records import Record
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME
from timeseries.store_files import STORE_NAME

MS = 1_000_000
SECOND_NS = 1_000 * MS
MARK = ".pasprobe-demo"
"""The file by which a folder of an earlier demo is known."""
COVERAGE_PERCENT = Decimal(80)
"""Of a path's trains that must be valid: one in twenty, as the contract has it, would let two short
stalls of a busy laptop spoil half a minute."""
AHEAD_NS = 200 * MS
LOOKAHEAD_NS = 500 * MS
TURN_S = 0.0003
"""While measuring, the thread that sends gets the interpreter back after so long."""
SHOW_EVERY_NS = 150 * MS
SHOW_GAP_NS = 4 * MS
"""Progress is shown when no packet is due for so long."""

_IP_BASE = Train(packets=25, spacing_ns=20 * MS, every_ns=SECOND_NS, timeout_ns=2 * SECOND_NS)
_VOICE = Train(
    packets=25, spacing_ns=20 * MS, every_ns=SECOND_NS, timeout_ns=2 * SECOND_NS, size=172, dscp=46
)
"""G.711 as RTP carries it: 172 octets of UDP payload each 20 ms, expedited forwarding."""


@dataclass(frozen=True, slots=True)
class Site:
    """One access point of the demo."""

    pas: str
    country: str
    timezone: str
    profile: Profile
    link: str = ""
    """Preset of the lab link in front of it; empty for our own end."""


HOME = Site("roma-01", "IT", "Europe/Rome", "high")
FAR = (
    Site("bruxelles-01", "BE", "Europe/Brussels", "high", "high"),
    Site("washington-01", "US", "America/New_York", "medium", "medium-breach"),
    Site("buenos-aires-01", "AR", "America/Argentina/Buenos_Aires", "base", "base"),
    Site("nairobi-01", "KE", "Africa/Nairobi", "base-satellite", "base-satellite"),
)


SEED = 1
"""Of the links: which packets are lost and delayed is decided by it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the measurement is."""

    elapsed_ns: int
    total_ns: int
    sent: int
    answered: int
    trains: int
    """Trains that are finished."""


def introduction(seconds: int, refusal: str) -> list[str]:
    """What is about to happen, a line each."""
    lines = [f"{HOME.pas} ({HOME.profile}) measures four access points behind emulated links:"]
    lines += [f"  {site.pas}: profile {site.profile}, link {site.link}" for site in FAR]
    if refusal:
        lines.append(f"without ICMP: {refusal}")
    lines.append(f"measuring for {seconds} s, 25 packets a second each way as ip-base and as voip")
    return lines


def notes(refusal: str) -> list[str]:
    """What a reader of the demo's report must know."""
    breach = ", ".join(site.pas for site in FAR if site.link.endswith("-breach"))
    told = [
        f"Everything here happened on one host, {HOST}: the four far access points are STAMP "
        "reflectors, each behind a link of the lab that adds delay, jitter and loss. Packets, "
        f"stamps and records are real; distance is not. {breach} has a link made to breach its "
        "limits.",
        "Both ends of every one-way delay read the same clock, so its error is 0 by construction "
        "(flag same-clock), whether that clock is synchronised or not. Between two hosts both "
        "clocks must be synchronised, or one-way limits are not judged.",
        f"{COVERAGE_PERCENT} % of the planned trains must be valid for a verdict here, because the "
        "demo is short; a contract asks for 95 % unless it says otherwise.",
    ]
    if refusal:
        told.append(f"The ICMP path of {HOME.pas} was left out: {refusal}.")
    return told


def icmp_refusal() -> str:
    """Why this user may send no ICMP; empty where it may."""
    try:
        probe = open_icmp(4)
    except ProbeError as error:
        return str(error)
    probe.sock.close()
    return ""


def configuration(ports: dict[str, int], data_dir: Path, *, icmp: bool) -> Configuration:
    """The demo as a configuration; `ports`: where the link of each far PAS is reached."""
    paths = []
    if icmp:
        paths.append(_path(f"{HOME.pas}/ip-base", HOME, "icmp", "ip-base", target=HOST))
    for site in FAR:
        access = {"target": HOST, "port": ports[site.pas], "follow_up": True}
        paths.append(_path(f"{site.pas}/ip-base", site, "stamp", "ip-base", **access))
        pair = {"peer": site.pas, "follow_up": True}
        paths.append(_path(f"{HOME.pas}/voip/{site.pas}", HOME, "stamp", "voip", **pair))
    return Configuration(
        agent=Agent(name=HOME.pas, data_dir=data_dir),
        contract=Contract(
            administration="Demo",
            country=HOME.country,
            timezone=HOME.timezone,
            min_coverage=COVERAGE_PERCENT,
        ),
        pas=tuple(
            Pas(
                id=site.pas,
                country=site.country,
                timezone=site.timezone,
                profile=site.profile,
                reflector=HostPort(HOST, ports[site.pas]) if site.link else None,
            )
            for site in (HOME, *FAR)
        ),
        paths=tuple(paths),
    )


def _path(identifier: str, site: Site, method: Method, service: str, **far_end: Any) -> ProbePath:
    train = _VOICE if service == "voip" else _IP_BASE
    return ProbePath(
        id=identifier, pas=site.pas, service=service, method=method, train=train, **far_end
    )


def claim(folder: Path) -> None:
    """Make the folder ready for a demo's records: new, empty, or emptied of an earlier demo.

    Raises ProbeError for a folder with anything else in it, InUseError while another demo runs in
    it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MARK).exists() and any(folder.iterdir()):
            raise ProbeError(
                f"{folder} is not empty and was not made by `pasprobe demo`: give a new or empty "
                "folder with --output"
            )
        if (folder / SPOOL_NAME).exists():
            Spool(folder / SPOOL_NAME).close()  # refuses while somebody writes it
        for old in folder.glob(f"{SPOOL_NAME}*"):
            old.unlink()
        if (folder / STORE_NAME).exists():
            shutil.rmtree(folder / STORE_NAME)
        (folder / MARK).write_text("Made by pasprobe demo, which replaces what it finds here.\n")
    except OSError as error:
        raise ProbeError(
            f"{error.filename or folder}: {error.strerror}; give a folder that can be written with "
            "--output"
        ) from None


def measure(
    wanted: Iterable[Assignment],
    seconds: int,
    spool: Spool,
    show: Callable[[Progress], None],
    seed: int | None = None,
) -> None:
    """Send the trains of these assignments for so many seconds and spool what they come to.

    Far ends are literal addresses on this host: both ends of a STAMP train read one clock. The
    spool is written in a thread of its own, for a packet does not wait for the disk.
    """
    assigned = {one.plan.path: _same_clock(one) for one in wanted}
    rng = random.Random(seed)
    engine = Engine()
    turn_s = sys.getswitchinterval()
    sys.setswitchinterval(TURN_S)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool") as writer:
        try:
            _run(engine, assigned, seconds * SECOND_NS, rng, _Keeper(assigned, spool, writer), show)
        finally:
            engine.close()
            sys.setswitchinterval(turn_s)


def _same_clock(assignment: Assignment) -> Assignment:
    if assignment.plan.method != "stamp":
        return assignment
    return replace(assignment, context=replace(assignment.context, same_clock=True))


class _Keeper:
    """Turns finished trains into records and spools them, behind the engine's back."""

    def __init__(
        self, assigned: dict[str, Assignment], spool: Spool, writer: ThreadPoolExecutor
    ) -> None:
        self.trains = 0
        self._assigned = assigned
        self._spool = spool
        self._writer = writer
        self._last: Future[object] = writer.submit(int)

    def put(self, records: Sequence[Record]) -> None:
        """Spool these."""
        self._after(self._spool.append, records)

    def keep(self, finished: Sequence[TrainSamples]) -> None:
        """Summarise these trains and spool them."""
        self.trains += len(finished)
        self._after(self._summarise, finished)

    def settle(self) -> None:
        """Wait for the last write."""
        self._last.result()

    def _after(self, work: Callable[[Any], object], what: object) -> None:
        """Have this done; an error of what was done before comes up here."""
        if self._last.done():
            self._last.result()
        self._last = self._writer.submit(work, what)

    def _summarise(self, finished: Sequence[TrainSamples]) -> None:
        records: list[Record] = []
        for samples in finished:
            context = self._assigned[samples.plan.path].context
            records += [summarise(samples, context), sample_record(samples, context.agent)]
        self._spool.append(records)


def _run(
    engine: Engine,
    assigned: dict[str, Assignment],
    total_ns: int,
    rng: random.Random,
    keeper: _Keeper,
    show: Callable[[Progress], None],
) -> None:
    begin_ns = on_grid(monotonic_now_ns() + AHEAD_NS)
    utc_offset_ns = realtime_offset_ns(SystemClock())
    longest_ns = max(one.duration_ns for one in assigned.values()) + GRACE_NS
    last_start_ns = begin_ns + total_ns - longest_ns
    schedule = Schedule()
    plans = []
    for path, one in assigned.items():
        phase_ns = random_phase_ns(one.every_ns, GRID_NS, rng)
        schedule.add(path, begin_ns + phase_ns, one.every_ns)
        plans.append(plan_record(one, begin_ns + utc_offset_ns, active=True, phase_ns=phase_ns))
    keeper.put(plans)
    shown_ns = 0
    while True:
        now_ns = monotonic_now_ns()
        taken = schedule.take(now_ns, min(now_ns + LOOKAHEAD_NS, last_start_ns))
        starts = [(slot.path, slot.start_ns) for slot in taken.slots]
        starts += [(late.path, start) for late in taken.overruns for start in late.starts]
        if starts:
            engine.add(
                [(replace(assigned[p].plan, address=assigned[p].host), at) for p, at in starts]
            )
        if not engine.busy and now_ns > last_start_ns:
            break
        if finished := engine.step(now_ns + SHOW_EVERY_NS):
            keeper.keep(finished)
        now_ns = monotonic_now_ns()
        due_ns = engine.next_due_ns
        if now_ns - shown_ns > SHOW_EVERY_NS and (due_ns is None or due_ns - now_ns > SHOW_GAP_NS):
            shown_ns = now_ns
            show(Progress(now_ns - begin_ns, total_ns, engine.sent, engine.answered, keeper.trains))
    end_ns = last_start_ns + 1 + utc_offset_ns
    keeper.put([plan_record(one, end_ns, active=False) for one in assigned.values()])
    keeper.settle()
