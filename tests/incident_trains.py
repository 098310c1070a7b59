"""Trains, plans and a store in memory for the tests of the incident desk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inventory.models import Configuration
from timeseries.reader import FOREVER_NS, Paths
from timeseries.records import DelayFigures, PlanRecord, TrainRecord

SECOND = 10**9


def train(path: str, start_ns: int, letter: str, agent: str = "a", **more: Any) -> TrainRecord:
    """`G` good, `D` half lost, `L` all lost."""
    received = {"G": 10, "D": 5, "L": 0}[letter]
    sent = more.pop("sent", 10)
    values: dict[str, Any] = {
        "agent": agent, "path": path, "pas": path.partition("/")[0], "service": "ip-base",
        "peer": "", "endpoint": "", "method": "icmp", "target": "192.0.2.1",
        "address": "192.0.2.1", "start_ns": start_ns, "planned": 10, "sent": sent,
        "received": min(received, sent), "lost": sent - min(received, sent), "late": 0,
        "duplicates": 0, "reordered": 0, "corrupted": 0, "spoofed": 0, "limit_ns": None,
        "limit_on": "rtt", "rtt": DelayFigures(), "forward": None, "backward": None,
        "one_way_error_ns": None, "one_way_judged": False, "lost_forward": None,
        "lost_backward": None, "valid": True, "reasons": (), "flags": (), "tx_kernel": 0,
        "rx_kernel": 0, "t3_kernel": 0, "lateness_max_ns": 0, "local_drops": 0,
        "clock_step_ns": 0, "clock_synchronised": True, "clock_error_ns": 0, "icmp_errors": (),
        "send_errors": (),
    }  # fmt: skip
    return TrainRecord(**{**values, **more})


def plan(path: str, start_ns: int, agent: str = "a", every_ns: int = SECOND) -> PlanRecord:
    """The agent began (again) to measure a path."""
    return PlanRecord(agent, path, start_ns, True, every_ns, 10, None)


def configuration(pas: int, devices: dict[str, list[int]], **more: Any) -> Configuration:
    """PAS p0 to pN, each with a path measured every second, behind these devices."""
    return Configuration.model_validate(
        {
            "pas": [
                {
                    "id": f"p{n}", "country": "IT", "timezone": "Europe/Rome", "profile": "high",
                    "services": [{"id": "ip-base", "level": "L3", "window": "normal"}],
                }
                for n in range(pas)
            ],
            "path": [
                {
                    "id": f"p{n}/x", "pas": f"p{n}", "service": "ip-base", "target": "192.0.2.1",
                    "train": {
                        "packets": 10, "spacing": "10ms", "every": "1s", "timeout": "200ms"
                    },
                }
                for n in range(pas)
            ],
            "device": [
                {
                    "id": name, "host": "192.0.2.10", "role": "firewall", "platform": "cisco_pix",
                    "pas": [f"p{n}" for n in members],
                }
                for name, members in devices.items()
            ],
            **more,
        }
    )  # fmt: skip


class Store:
    """A store in memory; asks of it what the watch asks."""

    def __init__(self) -> None:
        self.kept: list[TrainRecord] = []
        self.planned: list[PlanRecord] = []

    def trains(
        self, path: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[TrainRecord]:
        names = None if path is None else {path} if isinstance(path, str) else set(path)
        for record in sorted(self.kept, key=lambda one: (one.start_ns, one.path)):
            if from_ns <= record.start_ns < to_ns and (names is None or record.path in names):
                yield record

    def plans(
        self, path: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[PlanRecord]:
        names = None if path is None else {path} if isinstance(path, str) else set(path)
        for record in sorted(self.planned, key=lambda one: one.start_ns):
            if from_ns <= record.start_ns < to_ns and (names is None or record.path in names):
                yield record
