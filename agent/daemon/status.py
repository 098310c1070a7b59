"""What `pasprobe status` shows: the agent's own word, and its records of today.

Reads only: the state file, and the records through the store's reader, so it works beside a running
agent, without one, and on a copy of a data directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from fractions import Fraction
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent.daemon.assignments import Judgement
from agent.daemon.reading import assignments
from agent.daemon.state import read_state, running_pid
from inventory.limits import LimitSource
from inventory.models import Configuration, pas_of
from timeseries.reader import EmbeddedReader, PathSummary
from timeseries.records import TrainRecord
from timeseries.spool_file import SPOOL_NAME
from timeseries.store_files import STORE_NAME

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class PathStatus:
    """One path today, in the local time of its PAS."""

    path: str
    target: str
    last: TrainRecord | None
    today: PathSummary | None
    limit_ns: int | None
    breaches: tuple[str, ...]
    """Which limits the sums of today miss."""

    @property
    def within_percent(self) -> Fraction | None:
        """Share of the received packets within the delay limit today."""
        today = self.today
        if today is None or today.within_limit is None or today.received == 0:
            return None
        return Fraction(100 * today.within_limit, today.received)

    @property
    def loss_percent(self) -> Fraction | None:
        """Share of the sent packets that were lost today."""
        today = self.today
        if today is None or today.sent == 0:
            return None
        return Fraction(100 * today.lost, today.sent)

    @property
    def jitter_ns(self) -> int | None:
        """Mean of the trains' mean absolute IPDV today."""
        today = self.today
        if today is None or today.jitter_count == 0:
            return None
        return today.jitter_sum_ns // today.jitter_count


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The agent and all its paths."""

    agent: str
    data_dir: Path
    pid: int | None
    """None: it does not run."""
    state: dict[str, Any] | None
    """What it said last (docs/agent.md); None where it never ran here."""
    paths: tuple[PathStatus, ...]

    @property
    def seen_ns(self) -> int | None:
        """When an agent that does not run was last there (UTC)."""
        if self.state is None:
            return None
        return int(self.state.get("stopped_ns") or self.state["written_ns"])

    @property
    def fine(self) -> bool:
        """The agent runs and no path is in breach today."""
        return self.pid is not None and not any(path.breaches for path in self.paths)


def day_start_ns(zone: str, now_ns: int) -> int:
    """The last local midnight of a time zone, in UTC ns."""
    local = datetime.fromtimestamp(now_ns // 10**9, UTC).astimezone(ZoneInfo(zone))
    midnight = datetime.combine(local.date(), time(), ZoneInfo(zone))
    return int(midnight.timestamp()) * 10**9


def status(
    configuration: Configuration,
    data_dir: Path,
    limits: LimitSource,
    now_ns: int,
) -> AgentStatus:
    """The status of the agent of this configuration; StoreError where records cannot be read."""
    wanted = assignments(configuration, limits, None)
    agent = configuration.agent.name if configuration.agent else ""
    contract = configuration.contract
    zones = {
        path: pas_of(configuration, one.context.pas).timezone
        if one.context.pas
        else contract.timezone
        if contract
        else "UTC"
        for path, one in wanted.items()
    }
    starts = {zone: day_start_ns(zone, now_ns) for zone in set(zones.values())}
    last: dict[str, TrainRecord] = {}
    today: dict[tuple[str, int], PathSummary] = {}
    if starts and has_records(data_dir):
        reader = EmbeddedReader(data_dir, threads=1)
        week_ns = min(starts.values()) - 7 * 86_400 * 10**9
        last = {one.path: one for one in reader.last_trains(week_ns) if one.agent == agent}
        for start_ns in set(starts.values()):
            for one in reader.summary_since(start_ns):
                if one.agent == agent:
                    today[one.path, start_ns] = one
    rows = []
    for path, assignment in wanted.items():
        sums = today.get((path, starts[zones[path]]))
        row = PathStatus(
            path, assignment.host, last.get(path), sums, assignment.context.limit_ns, ()
        )
        breaches = missed_limits(
            assignment.judgement, row.within_percent, row.loss_percent, row.jitter_ns
        )
        rows.append(replace(row, breaches=breaches))
    return AgentStatus(agent, data_dir, running_pid(data_dir), read_state(data_dir), tuple(rows))


def has_records(data_dir: Path) -> bool:
    """Whether there are records at all."""
    return (data_dir / SPOOL_NAME).exists() or (data_dir / STORE_NAME).exists()


def missed_limits(
    judgement: Judgement,
    share_percent: Fraction | None,
    loss_percent: Fraction | None,
    jitter_ns: int | None,
) -> tuple[str, ...]:
    """Which limits these sums miss; a figure that is None misses none."""
    least, most = judgement.delay_share_percent, judgement.loss_percent
    calmest = judgement.jitter_ns
    found = []
    if least is not None and share_percent is not None and share_percent < Fraction(least):
        found.append("delay")
    if most is not None and loss_percent is not None and loss_percent > Fraction(most):
        found.append("loss")
    if calmest is not None and jitter_ns is not None and jitter_ns > calmest:
        found.append("jitter")
    return tuple(found)


def as_json(found: AgentStatus, now_ns: int) -> dict[str, Any]:
    """The object of `status --json`."""
    return {
        "agent": found.agent,
        "data_dir": str(found.data_dir),
        "alive": found.pid is not None,
        "pid": found.pid,
        "dead_since_ns": None if found.pid is not None else found.seen_ns,
        "now_ns": now_ns,
        "fine": found.fine,
        "state": found.state,
        "paths": [_path_json(path) for path in found.paths],
    }


_LAST = {
    "start_ns": "last.start_ns",
    "address": "last.address",
    "sent": "last.sent",
    "received": "last.received",
    "rtt_p50_ms": "last.rtt.p50_ns",
    "rtt_p99_ms": "last.rtt.p99_ns",
    "ipdv_mean_ms": "last.rtt.ipdv_mean_ns",
    "valid": "last.valid",
    "reasons": "last.reasons",
    "flags": "last.flags",
}
_TODAY = {
    "trains": "today.trains",
    "valid": "today.valid",
    "sent": "today.sent",
    "received": "today.received",
    "lost": "today.lost",
    "within_limit": "today.within_limit",
    "within_percent": "within_percent",
    "loss_percent": "loss_percent",
    "ipdv_mean_ms": "jitter_ns",
    "lateness_max_ms": "today.lateness_max_ns",
    "local_drops": "today.local_drops",
}
"""Key in JSON, and where a `PathStatus` has it."""


def _path_json(row: PathStatus) -> dict[str, Any]:
    return {
        "path": row.path,
        "target": row.target,
        "limit_ms": ms(row.limit_ns),
        "breaches": list(row.breaches),
        "last": None if row.last is None else _object(row, _LAST),
        "today": None if row.today is None else _object(row, _TODAY),
    }


def _object(row: PathStatus, keys: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for key, place in keys.items():
        value = attrgetter(place)(row)
        found[key] = ms(value) if key.endswith("_ms") else as_number(value)
    return found


def ms(ns: int | None) -> float | None:
    """Milliseconds, exact to the nanosecond."""
    return None if ns is None else round(ns / 1_000_000, 6)


def as_number(value: Any) -> Any:
    """For JSON: a fraction as a number, all else as it is."""
    return float(value) if isinstance(value, Fraction) else value


def heading_table(first: str, *figures: str, line: str | None = None) -> Table:
    """An empty table: a name, perhaps a line of characters under `line`, then figures."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    if line is not None:
        table.add_column(Text(line), no_wrap=True)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def tables(found: AgentStatus, now_ns: int) -> list[RenderableType]:
    """What `status` prints for people: the agent in a few lines, then a row a path."""
    from rich.text import Text

    table = heading_table(
        "path", "last train", "recv/sent", "p50 ms", "p99 ms", "ipdv ms",
        "within %", "loss %", "jitter ms", "late ms", "drops",
    )  # fmt: skip
    for row in found.paths:
        last, today = row.last, row.today
        title = Text(row.path, "red" if row.breaches else "")
        if row.breaches:
            title.append(f"\nin breach today: {', '.join(row.breaches)}")
        if last is not None and not last.valid:
            title.append(f"\ninvalid: {', '.join(last.reasons)}", "yellow")
        figures = ["none"] + [""] * 4
        if last is not None:
            figures = [
                _ago(now_ns - last.start_ns),
                f"{last.received}/{last.sent}",
                *map(short_ms, (last.rtt.p50_ns, last.rtt.p99_ns, last.rtt.ipdv_mean_ns)),
            ]
        table.add_row(
            title,
            *figures,
            percent(row.within_percent, ROUND_DOWN),
            percent(row.loss_percent, ROUND_UP),
            short_ms(row.jitter_ns),
            short_ms(today.lateness_max_ns if today else None),
            str(today.local_drops) if today else "",
        )
    return [*(Text(line) for line in agent_lines(found, now_ns)), table]


def agent_lines(found: AgentStatus, now_ns: int) -> list[str]:
    """The agent itself, for people."""
    state = found.state
    if found.pid is not None:
        since = "" if state is None else f", up {_ago(now_ns - int(state['started_ns']))[:-4]}"
        lines = [f"agent {found.agent}: running, pid {found.pid}{since}"]
    elif found.seen_ns is None:
        lines = [f"agent {found.agent}: has never run in {found.data_dir}"]
    else:
        stamp = datetime.fromtimestamp(found.seen_ns // 10**9, UTC)
        how = "stopped" if state and state.get("stopped_ns") else "dead"
        lines = [f"agent {found.agent}: {how} since {stamp:%Y-%m-%d %H:%M:%S} UTC"]
    if state is None:
        return lines
    lateness, spool, clock = state["lateness_today_ns"], state["spool"], state["clock"]
    lines.append(
        f"schedule today: lateness p99 {short_ms(lateness['p99'])} ms, max"
        f" {short_ms(lateness['max'])} ms; engine restarts {state['engine']['restarts']};"
        f" local drops {state['trains']['local_drops']}"
    )
    lines.append(
        f"spool: {spool['depth']} records for the store, {spool['waiting']} waiting for the disk,"
        f" {spool['errors']} errors, {spool['given_up'] + sum(spool['dropped'].values())} given up"
    )
    lines += _influx_lines(state.get("influxdb"), now_ns)
    lines += _device_lines(state.get("devices"), now_ns)
    error = "" if clock["error_ns"] is None else f", error {short_ms(clock['error_ns'])} ms"
    synchronised = "synchronised" if clock["synchronised"] else "not synchronised"
    lines.append(f"clock: {synchronised}{error}")
    problems = state["configuration"]["problems"]
    if problems:
        lines.append("last reload was refused:")
        lines += [f"  {problem}" for problem in problems]
    return lines


def _influx_lines(said: Mapping[str, Any] | None, now_ns: int) -> list[str]:
    """Where InfluxDB stands; nothing without one."""
    if said is None:
        return []
    oldest = "" if said["oldest_ns"] is None else f", oldest {_ago(now_ns - said['oldest_ns'])}"
    replaying = f", {said['replaying']} of them a backlog" if said["replaying"] else ""
    lines = [
        f"influxdb {said['url']}: {said['depth']} records to send{oldest}{replaying};"
        f" {said['rate']:.1f} records/s; {said['dead_letters']} refused and set aside"
    ]
    if said["last_error"]:
        lines.append(f"  last error: {said['last_error']}")
    return lines


def _device_lines(said: Mapping[str, Any] | None, now_ns: int) -> list[str]:
    """How the polled devices are; those that are well are only counted. Nothing without any."""
    if said is None:
        return []
    each = said["each"]
    silent = sorted(name for name, one in each.items() if one["failures"])
    never = sum(not one["failures"] and one["answered_ns"] is None for one in each.values())
    line = f"devices: {said['asked']} polled, {len(silent)} do not answer"
    if never:
        line += f", {never} not asked yet"
    if said["schedule"] is not None:
        line += f"; lateness p99 {short_ms(said['schedule']['lateness_ns']['p99'])} ms"
    lines = [line]
    for name in silent:
        one = each[name]
        seen = "" if one["answered_ns"] is None else f", seen {_ago(now_ns - one['answered_ns'])}"
        lines.append(f"  {name}{seen}: {one['error']}")
    for name in sorted(each):
        lines += [
            f"  {name}: {kind}{instance and ' '}{instance}, began {_ago(now_ns - since_ns)}"
            for kind, instance, since_ns in each[name]["raised"]
            if kind != "unreachable"
        ]
    return lines


def _ago(ns: int) -> str:
    seconds = max(0, ns // 10**9)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def short_ms(ns: int | None) -> str:
    """Milliseconds for people, four digits or so."""
    if ns is None:
        return "-"
    delay_ms = ns / 1_000_000
    return f"{delay_ms:.{3 if delay_ms < 10 else 2 if delay_ms < 100 else 1}f}"


def percent(value: Fraction | None, rounding: str) -> str:
    """Rounded to the unfavourable side: a packet lost in a million is not 0.00 %."""
    if value is None:
        return "-"
    exact = Decimal(value.numerator) / value.denominator
    return str(exact.quantize(Decimal("0.01"), rounding))
