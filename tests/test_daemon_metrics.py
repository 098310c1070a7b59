"""What Prometheus gets: exact values, names by its conventions, and a real agent's."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from agent.daemon.device_service import Figure
from agent.daemon.metrics import exposition
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, TrainRecord

NOW = 1_700_000_000 * 10**9
RTT = DelayFigures(
    11_000_000, 13_500_000, 12_345_678, 20_000_000, 25_000_001, 26_000_000, 1, 1_250_000,
    within_limit=7, histogram=((150, 8),),
)  # fmt: skip
TRAIN = TrainRecord(
    "roma", "roma-01/ip-base", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1",
    NOW - 5 * 10**9, 10, 10, 8, 2, 0, 0, 0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False,
    None, None, True, (), (), 10, 8, 0, 7, 0, 0, True, 1, (), (),
)  # fmt: skip
PATH = {"path": "roma-01/ip-base", "pas": "roma-01", "service": "ip-base"}

STATE: dict[str, Any] = {
    "agent": "roma",
    "started_ns": NOW - 3600 * 10**9,
    "paths": 2,
    "bad": {"roma-01/ip-base": ["loss"]},
    "trains": {
        "trains": 100, "valid": 97, "invalid": {"local-drops": 3, "clock-step": 1}, "sent": 970,
        "received": 960, "lost": 10, "local_drops": 44, "send_errors": {"ENOBUFS": 2}, "out": 4,
        "lost_with_engine": 1, "abandoned": 0,
    },
    "lateness_today_ns": {"p99": 250_000, "max": 1_500_000},
    "engine": {"pid": 7, "restarts": 1, "realtime": True, "sent": 970, "counters": {}},
    "reflector": {
        "listening": ["192.0.2.7:862"], "restarts": 0,
        "counters": {"received": 9, "answered": 6, "refused": {"rate": 3}, "dropped": 2},
    },
    "spool": {
        "depth": 321, "oldest_ns": NOW - 600 * 10**9, "waiting": 5, "errors": 2, "given_up": 1,
        "dropped": {"samples": 100},
    },
    "influxdb": {
        "url": "https://i.example", "bucket": "b", "depth": 4000, "oldest_ns": NOW - 86_400 * 10**9,
        "rate": 12.5, "accepted": 4321, "last_error": '503: "busy"\nlater',
        "last_success_ns": NOW - 100 * 10**9,
        "dead_letters": 2, "replaying": 3000,
    },
    "devices": {
        "asked": 3, "restarts": 0,
        "schedule": {
            "polls": 90, "failed": 30, "passed_over": 4,
            "lateness_ns": {"p99": 2_000_000, "max": 9_000_000},
        },
        "each": {
            "pix": {
                "answered_ns": NOW - 60 * 10**9, "failures": 0, "error": "",
                "response_ns": 1_250_000, "raised": [["tunnel-lost", "192.0.2.9", 5]],
                "events": {"tunnel-lost": 2, "restarted": 1},
            },
            "sw": {
                "answered_ns": None, "failures": 3, "error": "no answer", "response_ns": None,
                "raised": [], "events": {},
            },
            "new": {
                "answered_ns": None, "failures": 0, "error": "", "response_ns": None,
                "raised": [], "events": {},
            },
        },
    },
    "evidence_skipped": 0,
    "clock": {"synchronised": True, "error_ns": 1_500_000},
    "configuration": {"path": "/etc/pasprobe", "reloads": 1, "at_ns": NOW, "problems": ["wrong"]},
}  # fmt: skip
"""As `agent.daemon.housekeeping.Housekeeping.state` gives it."""

FIGURES = [Figure("pix", "cpu_1min", "", "%", 12.0), Figure("pix", "memory_free", "ram", "B", 5e6)]

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: bytes) -> Series:
    found: Series = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice: Prometheus would refuse the scrape"
            found[key] = sample.value
    return found


def series(state: dict[str, Any] = STATE, *trains: TrainRecord) -> Series:
    return read(exposition(state, trains, NOW, FIGURES))


def one(found: Series, name: str, **labels: str) -> float | None:
    return found.get((f"pasprobe_{name}", frozenset(labels.items())))


def test_the_agent_says_of_itself_what_its_state_says() -> None:
    found = series()
    expected: list[tuple[str, dict[str, str], float]] = [
        ("agent_info", {"agent": "roma"}, 1),
        ("start_time_seconds", {}, 1_699_996_400),
        ("paths", {}, 2),
        ("paths_bad", {}, 1),
        ("engine_up", {}, 1),
        ("engine_restarts_total", {}, 1),
        ("reflector_up", {}, 1),
        ("reflector_refused_packets_total", {"reason": "rate"}, 3),
        ("clock_error_seconds", {}, 0.0015),
        ("configuration_last_reload_successful", {}, 0),
        ("configuration_last_reload_timestamp_seconds", {}, 1_700_000_000),
        ("trains_total", {"validity": "valid"}, 97),
        ("trains_total", {"validity": "invalid"}, 3),
        ("trains_invalid_total", {"reason": "local-drops"}, 3),
        ("trains_invalid_total", {"reason": "missed-slot"}, 0),
        ("send_errors_total", {"errno": "ENOBUFS"}, 2),
        ("local_drops_total", {}, 44),
        ("send_lateness_p99_seconds", {}, 0.00025),
        ("send_lateness_max_seconds", {}, 0.0015),
        ("spool_dropped_records_total", {"kind": "samples"}, 100),
        ("spool_dropped_records_total", {"kind": "rollups"}, 0),
        ("sink_depth_records", {"sink": "embedded"}, 321),
        ("sink_oldest_record_age_seconds", {"sink": "embedded"}, 600),
        ("sink_depth_records", {"sink": "influxdb"}, 4000),
        ("sink_oldest_record_age_seconds", {"sink": "influxdb"}, 86_400),
        ("sink_accepted_records_total", {"sink": "influxdb"}, 4321),
        ("sink_dead_letter_records", {"sink": "influxdb"}, 2),
        ("sink_replaying_records", {"sink": "influxdb"}, 3000),
        ("sink_last_success_timestamp_seconds", {"sink": "influxdb"}, 1_699_999_900),
        ("sink_failing", {"sink": "influxdb"}, 1),
        ("sink_last_error_info", {"sink": "influxdb", "error": '503: "busy"\nlater'}, 1),
        ("devices", {}, 3),
        ("devices_failing", {}, 1),
        ("device_polls_failed_total", {}, 30),
        ("device_poll_lateness_p99_seconds", {}, 0.002),
        ("device_up", {"device": "pix"}, 1),
        ("device_up", {"device": "sw"}, 0),
        ("device_last_answer_timestamp_seconds", {"device": "pix"}, 1_699_999_940),
        ("device_response_seconds", {"device": "pix"}, 0.00125),
        ("device_events_raised", {"device": "pix", "kind": "tunnel-lost"}, 1),
        ("device_events_raised", {"device": "sw", "kind": "tunnel-lost"}, 0),
        ("device_events_total", {"device": "pix", "kind": "restarted"}, 1),
        (
            "device_figure",
            {"device": "pix", "figure": "memory_free", "instance": "ram", "unit": "B"},
            5e6,
        ),
    ]
    assert [(name, labels, one(found, name, **labels)) for name, labels, _ in expected] == expected


def test_an_agent_without_server_reflector_and_news_leaves_out_what_is_not() -> None:
    quiet = {
        **STATE,
        "bad": {},
        "lateness_today_ns": {"p99": None, "max": None},
        "engine": {"pid": None, "restarts": 0, "realtime": None},
        "reflector": {"listening": None, "restarts": 0, "counters": None},
        "spool": {**STATE["spool"], "depth": 0, "oldest_ns": None},
        "influxdb": None,
        "devices": None,
        "clock": {"synchronised": False, "error_ns": None},
    }
    found = series(quiet)
    assert one(found, "engine_up") == one(found, "reflector_up") == 0
    assert one(found, "clock_synchronised") == 0
    assert one(found, "sink_oldest_record_age_seconds", sink="embedded") == 0
    names = {name for name, _ in found}
    assert not any(name.startswith("pasprobe_device") for name in names)
    assert not {"pasprobe_clock_error_seconds", "pasprobe_engine_realtime"} & names
    assert not {"pasprobe_send_lateness_p99_seconds", "pasprobe_sink_failing"} & names
    assert not any("influxdb" in dict(labels).values() for _, labels in found)


def test_a_device_that_was_not_asked_yet_is_neither_up_nor_down() -> None:
    assert one(series(), "device_up", device="new") is None
    assert one(series(), "device_last_answer_timestamp_seconds", device="sw") is None


def test_a_path_shows_the_figures_of_its_last_train() -> None:
    found = series(STATE, TRAIN)
    expected = {
        "last_train_timestamp_seconds": 1_699_999_995,
        "last_train_valid": 1,
        "rtt_p50_seconds": 0.012345678,
        "rtt_p95_seconds": 0.02,
        "rtt_p99_seconds": 0.025000001,
        "rtt_mean_seconds": 0.0135,
        "jitter_seconds": 0.00125,
        "loss_ratio": 0.2,
        "within_limit_ratio": 7 / 8,
        "limit_seconds": 0.3,
    }
    assert {name: one(found, f"path_{name}", **PATH) for name in expected} == expected
    assert one(found, "path_fault", **PATH, fault="loss") == 1
    assert one(found, "path_fault", **PATH, fault="delay") == 0


def test_a_train_that_the_agent_spoiled_says_nothing_of_the_network() -> None:
    found = series(STATE, replace(TRAIN, valid=False, reasons=("local-drops",)))
    assert one(found, "path_last_train_valid", **PATH) == 0
    assert one(found, "path_last_train_timestamp_seconds", **PATH) is not None
    for name in ("rtt_p50_seconds", "jitter_seconds", "loss_ratio", "within_limit_ratio"):
        assert one(found, f"path_{name}", **PATH) is None


def test_a_train_of_which_nothing_came_back_is_all_loss_and_no_delay() -> None:
    found = series(STATE, replace(TRAIN, received=0, lost=10, rtt=DelayFigures(within_limit=0)))
    assert one(found, "path_loss_ratio", **PATH) == 1
    assert one(found, "path_rtt_p50_seconds", **PATH) is None
    assert one(found, "path_within_limit_ratio", **PATH) is None


def test_a_one_way_limit_pools_both_directions() -> None:
    there = DelayFigures(within_limit=8, histogram=((150, 8),))
    back = DelayFigures(within_limit=2, histogram=((150, 8),))
    train = replace(TRAIN, limit_on="one-way", forward=there, backward=back, one_way_judged=True)
    assert one(series(STATE, train), "path_within_limit_ratio", **PATH) == 10 / 16
    unjudged = replace(train, one_way_judged=False)
    assert one(series(STATE, unjudged), "path_within_limit_ratio", **PATH) is None


def test_of_two_trains_of_a_path_the_newer_counts_and_no_series_is_there_twice() -> None:
    older = replace(TRAIN, start_ns=NOW - 65 * 10**9, lost=0)
    for trains in ((TRAIN, older), (older, TRAIN)):
        assert one(series(STATE, *trains), "path_loss_ratio", **PATH) == 0.2


@given(st.text(), st.text(max_size=300))
def test_every_name_and_every_error_arrives_as_it_is(path: str, error: str) -> None:
    state = {**STATE, "influxdb": {**STATE["influxdb"], "last_error": error}}
    found = series(state, replace(TRAIN, path=path))
    assert one(found, "path_loss_ratio", **{**PATH, "path": path}) == 0.2
    info = one(found, "sink_last_error_info", sink="influxdb", error=error[:200])
    assert info == (1 if error else None)


def test_an_error_with_half_a_character_does_not_cost_the_scrape() -> None:
    state = {**STATE, "influxdb": {**STATE["influxdb"], "last_error": "no \udcff file"}}
    assert one(series(state), "sink_last_error_info", sink="influxdb", error="no ? file") == 1


def test_names_follow_the_conventions_of_prometheus() -> None:
    text = exposition(STATE, [TRAIN], NOW, FIGURES).decode()
    helped = re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE)
    typed = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert [name for name, _ in helped] == list(typed)
    for name, kind in typed.items():
        assert re.fullmatch(r"pasprobe_[a-z][a-z0-9_]*", name)
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ns|ms|us|percent|minutes)(_|$)", name), name
    for _, labels in read(text.encode()):
        assert all(re.fullmatch(r"[a-z_]+", label) for label, _ in labels)


def test_the_document_lists_every_metric_with_its_labels_and_no_other() -> None:
    document = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    listed = {
        name: set(re.findall(r"[a-z_]+", re.sub(r"\(.*?\)", "", labels)))
        for name, labels in re.findall(r"^\| (pasprobe_\w+) \|(.*?)\|", document, re.MULTILINE)
    }
    exposed: dict[str, set[str]] = {}
    for name, labels in series(STATE, TRAIN):
        exposed[name] = {label for label, _ in labels}
        if name.startswith("pasprobe_path_"):
            exposed[name] -= set(PATH)
    assert listed == exposed


def test_an_agent_that_nobody_scrapes_does_not_carry_the_library() -> None:
    program = (
        "import sys, agent.daemon.metrics_server, agent.daemon.metrics;"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", program], check=False).returncode == 0


PASPROBE = str(Path(sys.executable).with_name("pasprobe"))
CONFIGURATION = """
[agent]
name = "here"
data_dir = "data"
metrics = "127.0.0.1:{port}"
[[pas]]
id = "here"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{{ id = "ip-base", level = "L3", window = "normal" }}]
[[path]]
id = "a"
pas = "here"
service = "ip-base"
target = "127.0.0.1"
train = {{ packets = 3, spacing = "10ms", every = "500ms", timeout = "200ms" }}
"""


def test_a_running_agent_is_scraped_and_an_address_that_is_taken_stops_no_measuring(
    tmp_path: Path,
) -> None:
    def scraped(port: int) -> Series:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                return read(answer.read())
        except OSError:
            return {}

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "pasprobe.toml").write_text(CONFIGURATION.format(port=port))
        log = tmp_path / "log"
        with log.open("w") as stderr:
            agent = subprocess.Popen([PASPROBE, "run"], cwd=tmp_path, stderr=stderr)
        try:
            waited(lambda: "metrics-not-served" in log.read_text())
            waited(lambda: measured(tmp_path / "data") >= 3)
            other.close()
            labels = {"path": "a", "pas": "here", "service": "ip-base"}
            waited(lambda: one(scraped(port), "path_loss_ratio", **labels) is not None)
            found = scraped(port)
            assert one(found, "path_loss_ratio", **labels) == 0
            assert one(found, "path_last_train_valid", **labels) == 1
            rtt = one(found, "path_rtt_p50_seconds", **labels)
            assert rtt is not None
            assert 0 < rtt < 0.2
            age_s = time.time() - (one(found, "path_last_train_timestamp_seconds", **labels) or 0)
            assert -1 < age_s < 60
            # It measured while nobody could ask: these are more trains than since the address.
            assert (one(found, "trains_total", validity="valid") or 0) > 2
            assert one(found, "sink_depth_records", sink="embedded") is not None
            assert one(found, "agent_info", agent="here") == 1
        finally:
            agent.terminate()
            assert agent.wait(30) == 0


def measured(data: Path) -> int:
    if not (data / "spool.sqlite").exists():
        return 0
    return len(list(EmbeddedReader(data, threads=1).trains("a")))


def waited(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
