"""The agent in Prometheus' words: its state and the newest train of each path as metrics.

Pure functions. Names follow Prometheus' conventions (base units, `_total` for what only grows);
docs/metrics.md lists them. `prometheus_client` is imported by the first call of `exposition`: an
agent that nobody scrapes does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from agent.daemon.device_service import Figure
from agent.daemon.tally import within_limit
from agent.summary import REASONS
from timeseries.forwarder import INFLUXDB
from timeseries.records import EVENT_KINDS, MOMENTS, TrainRecord
from timeseries.spool_tail import EMBEDDED

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The exposition format that every Prometheus reads."""

FAULTS = ("loss", "delay", "jitter")
"""What `agent.daemon.tally.faults` finds."""
DROPPED_KINDS = (
    "samples", "histograms", "trains", "rollups",
    "device_samples", "device_rollups", "device_events", "unreadable",
)  # fmt: skip
"""What the spool gives up; each is there from the start, also with 0."""
_PATH = ("path", "pas", "service")
_WORDS = 200
"""Characters of an error that become a label."""

_STATE = (
    ("start_time_seconds", "started_ns", "When the agent started, Unix time."),
    ("paths", "paths", "Paths that the agent measures."),
    ("engine_realtime", "engine.realtime", "Whether the engine runs before ordinary processes."),
    ("engine_restarts_total", "engine.restarts", "Engines that died and were replaced."),
    ("reflector_restarts_total", "reflector.restarts", "Reflectors that ended and were replaced."),
    ("clock_synchronised", "clock.synchronised", "Whether the kernel says so of its clock."),
    ("clock_error_seconds", "clock.error_ns", "The kernel's estimate of its clock's error."),
    ("configuration_reloads_total", "configuration.reloads",
     "Attempts to read the configuration again."),
    ("configuration_last_reload_timestamp_seconds", "configuration.at_ns",
     "When the configuration was last read, Unix time."),
    ("evidence_skipped_total", "evidence_skipped",
     "Outages that were not traced because too many came at once."),
    ("trains_out", "trains.out", "Trains that are planned or on their way."),
    ("trains_lost_with_engine_total", "trains.lost_with_engine",
     "Trains that were out when an engine died."),
    ("trains_abandoned_total", "trains.abandoned", "Trains that the agent's end cut short."),
    ("sent_packets_total", "trains.sent", "Packets that the kernel accepted."),
    ("received_packets_total", "trains.received", "Packets that were answered in time."),
    ("lost_packets_total", "trains.lost", "Packets sent less packets received."),
    ("local_drops_total", "trains.local_drops", "Datagrams lost by the own receive buffer."),
    ("send_lateness_p99_seconds", "lateness_today_ns.p99",
     "99th percentile of how late packets left, of the present UTC day."),
    ("send_lateness_max_seconds", "lateness_today_ns.max",
     "How late the latest packet of the present UTC day left."),
    ("spool_waiting_records", "spool.waiting", "Records in memory for a disk that takes none."),
    ("spool_errors_total", "spool.errors", "Times that spool or store could not be written."),
    ("spool_given_up_records_total", "spool.given_up",
     "Records lost because the disk took none for too long."),
)  # fmt: skip
"""(metric, where its value stands in the state, help); `_seconds` is made of nanoseconds."""

_REFLECTOR = (
    ("reflector_received_packets_total", "received", "Datagrams that reached the reflector."),
    ("reflector_answered_packets_total", "answered", "Datagrams that the reflector answered."),
    ("reflector_dropped_packets_total", "dropped", "Datagrams lost by its receive buffer."),
)

_SINK = (
    ("depth_records", "depth", "Records in the spool that the sink does not have yet."),
    ("replaying_records", "replaying", "Records of a backlog that are still to be replayed."),
    ("accepted_records_total", "accepted", "Records that the sink took."),
    ("dead_letter_records", "dead_letters", "Records that it refused and that are set aside."),
    ("last_success_timestamp_seconds", "last_success_ns", "When it last took records, Unix time."),
)

_POLLS = (
    ("device_polls_total", "polls", "Polls that are over."),
    ("device_polls_failed_total", "failed", "Polls without a usable answer."),
    ("device_polls_passed_over_total", "passed_over",
     "Slots that went by while the poll before lasted."),
    ("device_poll_lateness_p99_seconds", "lateness_ns.p99",
     "99th percentile of how late the last 4096 polls began."),
    ("device_poll_lateness_max_seconds", "lateness_ns.max", "And the latest of them."),
)  # fmt: skip

_TRAIN: tuple[tuple[str, Callable[[TrainRecord], float | None], str], ...] = (
    ("rtt_p50_seconds", lambda train: _seconds(train.rtt.p50_ns), "Median round trip."),
    ("rtt_p95_seconds", lambda train: _seconds(train.rtt.p95_ns), "95th percentile of it."),
    ("rtt_p99_seconds", lambda train: _seconds(train.rtt.p99_ns), "99th percentile of it."),
    ("rtt_mean_seconds", lambda train: _seconds(train.rtt.mean_ns), "Mean round trip."),
    ("jitter_seconds", lambda train: _seconds(train.rtt.ipdv_mean_ns),
     "Mean absolute IPDV (RFC 3393)."),
    ("loss_ratio", lambda train: train.lost / train.sent if train.sent else None,
     "Share of the sent packets that were lost."),
    ("within_limit_ratio", lambda train: _within(train),
     "Share of the judged delays within the limit."),
)  # fmt: skip


class Family(NamedTuple):
    """One metric with all its series; a counter when its name ends in `_total`."""

    name: str
    text: str
    labels: tuple[str, ...]
    values: Sequence[tuple[tuple[str, ...], float | None]]
    """(label values, value); None: not defined now, the series is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    """What prometheus_client takes for a collector."""

    metrics: list[Metric]

    def collect(self) -> list[Metric]:
        return self.metrics


def exposition(
    state: Mapping[str, Any],
    newest: Iterable[TrainRecord],
    now_ns: int,
    figures: Iterable[Figure] = (),
) -> bytes:
    """The text of `/metrics`.

    `state` is what the agent writes to its state file, `newest` the last train of each path,
    `now_ns` UTC, `figures` what the polled devices are doing.
    """
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    snapshot = _Snapshot([])
    for name, text, labels, values in families(state, newest, now_ns, figures):
        make = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = make(f"pasprobe_{name}", text, labels=labels)
        for label_values, value in values:
            if value is not None:
                family.add_metric([_printable(one) for one in label_values], float(value))
        if family.samples:
            snapshot.metrics.append(family)
    registry = CollectorRegistry()
    registry.register(cast("Collector", snapshot))
    return generate_latest(registry)


def _printable(text: str) -> str:
    # Half a character (a file name that is no UTF-8, quoted in an error) has no place in UTF-8.
    return text.encode("utf-8", "replace").decode()


def families(
    state: Mapping[str, Any],
    newest: Iterable[TrainRecord],
    now_ns: int,
    figures: Iterable[Figure] = (),
) -> Iterator[Family]:
    """All metrics, without the `pasprobe_` before their names."""
    yield _by("agent_info", "The measuring agent.", "agent", {state["agent"]: 1})
    for name, key, text in _STATE:
        yield _alone(name, text, _at(state, key))
    bad, trains = state["bad"], state["trains"]
    yield _alone("paths_bad", "Paths whose last valid train missed a limit.", len(bad))
    yield _alone("engine_up", "Whether an engine sends.", state["engine"]["pid"] is not None)
    yield _alone(
        "configuration_last_reload_successful",
        "Whether the last attempt was taken.",
        not state["configuration"]["problems"],
    )
    yield from _reflector(state["reflector"])
    yield _by(
        "trains_total",
        "Trains that were finished.",
        "validity",
        {"valid": trains["valid"], "invalid": trains["trains"] - trains["valid"]},
    )
    yield _by(
        "trains_invalid_total",
        "Trains that the agent itself spoiled; one with two reasons counts under both.",
        "reason",
        {**dict.fromkeys(REASONS, 0), **trains["invalid"]},
    )
    refused = trains["send_errors"]
    yield _by("send_errors_total", "Packets that the own kernel refused.", "errno", refused)
    yield _by(
        "spool_dropped_records_total",
        "Records that the spool gave up: for want of room, or because they were damaged.",
        "kind",
        {**dict.fromkeys(DROPPED_KINDS, 0), **state["spool"]["dropped"]},
    )
    yield from _sinks(state, now_ns)
    if state["devices"] is not None:
        yield from _devices(state["devices"], figures)
    # A path twice would cost the whole scrape.
    unique = {record.path: record for record in sorted(newest, key=lambda one: one.start_ns)}
    yield from _paths([unique[path] for path in sorted(unique)], bad)


def _at(state: Mapping[str, Any], key: str) -> Any:
    found: Any = state
    for word in key.split("."):
        found = found[word]
    return found


def _alone(name: str, text: str, value: float | None) -> Family:
    if value is not None and name.endswith("_seconds"):
        value /= 1e9
    return Family(name, text, (), (((), value),))


def _by(name: str, text: str, label: str, values: Mapping[str, float | None]) -> Family:
    return Family(name, text, (label,), [((one,), values[one]) for one in sorted(values)])


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _reflector(reflector: Mapping[str, Any]) -> Iterator[Family]:
    listening, counters = bool(reflector["listening"]), reflector["counters"]
    yield _alone("reflector_up", "Whether the reflector of this host answers.", listening)
    if counters is not None:
        for name, key, text in _REFLECTOR:
            yield _alone(name, text, counters[key])
        yield _by(
            "reflector_refused_packets_total",
            "Datagrams that the reflector refused.",
            "reason",
            counters["refused"],
        )


def _sinks(state: Mapping[str, Any], now_ns: int) -> Iterator[Family]:
    """The embedded store, and InfluxDB as its forwarder tells."""
    sinks: dict[str, Mapping[str, Any]] = {EMBEDDED: state["spool"]}
    if state["influxdb"] is not None:
        sinks[INFLUXDB] = state["influxdb"]
    for name, key, text in _SINK:
        values = {sink: said[key] for sink, said in sinks.items() if key in said}
        if name.endswith("_seconds"):
            values = {sink: _seconds(ns) for sink, ns in values.items()}
        yield _by(f"sink_{name}", text, "sink", values)
    oldest = {sink: said["oldest_ns"] for sink, said in sinks.items()}
    yield _by(
        "sink_oldest_record_age_seconds",
        "Age of the oldest record that the sink does not have; 0 when it has all.",
        "sink",
        {sink: 0 if ns is None else max(0, now_ns - ns) / 1e9 for sink, ns in oldest.items()},
    )
    errors = {sink: said["last_error"] for sink, said in sinks.items() if "last_error" in said}
    failing = {sink: bool(words) for sink, words in errors.items()}
    yield _by("sink_failing", "Whether the last attempt failed.", "sink", failing)
    yield Family(
        "sink_last_error_info",
        "What the last attempt failed of; absent when it did not.",
        ("sink", "error"),
        [((sink, words[:_WORDS]), 1) for sink, words in sorted(errors.items()) if words],
    )


def _devices(said: Mapping[str, Any], figures: Iterable[Figure]) -> Iterator[Family]:
    """The polled devices: whether they answer, what is wrong with them, what they are doing."""
    each: dict[str, Mapping[str, Any]] = dict(sorted(said["each"].items()))
    failing = sum(one["failures"] > 0 for one in each.values())
    yield _alone("devices", "Devices that the agent polls.", said["asked"])
    yield _alone("devices_failing", "Devices whose last poll failed.", failing)
    yield _alone(
        "polling_restarts_total", "Times that polling ended by a mistake.", said["restarts"]
    )
    schedule = said["schedule"]
    if schedule is not None:
        for name, key, text in _POLLS:
            yield _alone(name, text, _at(schedule, key))

    def by_device(name: str, text: str, values: Mapping[str, float | None]) -> Family:
        return _by(f"device_{name}", text, "device", values)

    asked = {name: one for name, one in each.items() if one["failures"] or one["answered_ns"]}
    up = {name: one["failures"] == 0 for name, one in asked.items()}
    yield by_device("up", "Whether the last poll was answered.", up)
    yield by_device(
        "last_answer_timestamp_seconds",
        "When it last answered a poll, Unix time.",
        {name: _seconds(one["answered_ns"]) for name, one in each.items()},
    )
    yield by_device(
        "response_seconds",
        "How long its last answered request took.",
        {name: _seconds(one["response_ns"]) for name, one in each.items()},
    )
    kinds = {
        (name, kind): sum(one == kind for one, *_ in said_of["raised"])
        for name, said_of in each.items()
        for kind in EVENT_KINDS
        if kind not in MOMENTS
    }
    yield Family(
        "device_events_raised",
        "Events of this kind that were raised and not cleared.",
        ("device", "kind"),
        list(kinds.items()),
    )
    yield Family(
        "device_events_total",
        "Events of this kind since the agent began; ends are not counted.",
        ("device", "kind"),
        [
            ((name, kind), one["events"].get(kind, 0))
            for name, one in each.items()
            for kind in EVENT_KINDS
        ],
    )
    yield Family(
        "device_figure",
        "What the last poll said of the device itself, in its unit.",
        ("device", "figure", "instance", "unit"),
        [((one.device, one.figure, one.instance, one.unit), one.value) for one in figures],
    )


def _paths(trains: Sequence[TrainRecord], bad: Mapping[str, Sequence[str]]) -> Iterator[Family]:
    """The last train of each path; one that this host spoiled says nothing of the network."""

    def each(name: str, text: str, values: Iterable[float | None]) -> Family:
        labels = ((one.path, one.pas, one.service) for one in trains)
        return Family(f"path_{name}", text, _PATH, list(zip(labels, values, strict=True)))

    yield each(
        "last_train_timestamp_seconds",
        "Start of the path's last train, Unix time.",
        [_seconds(one.start_ns) for one in trains],
    )
    valid = [one.valid for one in trains]
    yield each("last_train_valid", "Whether the agent left the last train unspoiled.", valid)
    for name, of, text in _TRAIN:
        values = [of(one) if one.valid else None for one in trains]
        yield each(name, f"Of the path's last train: {text}", values)
    limits = [_seconds(one.limit_ns) for one in trains]
    yield each("limit_seconds", "The delay limit of the contract.", limits)
    yield Family(
        "path_fault",
        "Whether the last valid train missed this limit.",
        (*_PATH, "fault"),
        [
            ((one.path, one.pas, one.service, fault), fault in bad.get(one.path, ()))
            for one in trains
            for fault in FAULTS
        ],
    )


def _within(train: TrainRecord) -> float | None:
    within, judged = within_limit(train)
    return within / judged if judged else None
