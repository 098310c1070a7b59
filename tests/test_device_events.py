"""When a state of a device becomes an event: once, after it has lasted, and cleared likewise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from collectors.counters import TICKS, Continuity, Step
from collectors.events import LOADED_TICKS, DeviceWatch, unsaved
from collectors.profiles import profile
from collectors.readings import Baseline, Readings
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

MINUTE = 60_000_000_000
SAME = Step(Continuity.SAME, MINUTE)
Figure = tuple[str, str, int | None, str]


def readings(figures: Iterable[Figure], step: Step = SAME, **amounts: int) -> Readings:
    records = tuple(
        DeviceSampleRecord("a", "fw", figure, instance, 1, value, text, "")
        for figure, instance, value, text in figures
    )
    counted = tuple(
        DeviceSampleRecord("a", "fw", figure, "outside", 1, 0, "", "1/s", amount=amount)
        for figure, amount in amounts.items()
    )
    return Readings(records + counted, Baseline(), step, {})


class Desk:
    """A watched device, one poll a minute."""

    def __init__(self, profile_name: str = "asa", **options: Any) -> None:
        self.profile = profile(profile_name)
        self.watch = DeviceWatch("a", "fw", **{"role": "firewall", **options})
        self.minute = 0
        self.told: list[DeviceEventRecord] = []

    def poll(
        self, *figures: Figure, step: Step = SAME, **amounts: int
    ) -> list[tuple[str, str, str]]:
        self.minute += 1
        found = self.watch.answered(
            readings(figures, step, **amounts), self.profile, self.minute * MINUTE
        )
        self.told += found
        return [(one.kind, one.instance, one.state) for one in found]

    def silence(self) -> list[tuple[str, str, str]]:
        self.minute += 1
        found = self.watch.silent(self.minute * MINUTE, "no answer")
        self.told += found
        return [(one.kind, one.instance, one.state) for one in found]


def up(name: str = "outside", oper: int = 1, admin: int = 1) -> tuple[Figure, Figure]:
    return ("oper", name, oper, "up" if oper == 1 else "down"), ("admin", name, admin, "")


def test_a_device_is_unreachable_after_three_polls_and_back_after_two() -> None:
    desk = Desk()
    assert [desk.silence() for _ in range(4)] == [
        [],
        [],
        [("unreachable", "", "raised")],
        [],
    ]
    assert desk.told[0].since_ns == MINUTE  # when it began, and not when it was certain
    assert desk.poll() == []
    assert desk.poll() == [("unreachable", "", "cleared")]
    assert desk.poll() == []


def test_one_lost_answer_now_and_then_is_no_outage() -> None:
    desk = Desk()
    for _ in range(5):
        assert desk.silence() == desk.silence() == desk.poll() == []


def test_a_restart_and_a_swap_are_moments_with_their_reason() -> None:
    desk = Desk()
    restarted = Step(Continuity.RESTARTED, 0, "engine starts went from 7 to 8")
    assert desk.poll(("reload_reason", "", None, "power-on"), step=restarted) == [
        ("restarted", "", "raised")
    ]
    assert desk.told[0].text == "engine starts went from 7 to 8; reason: power-on"
    swapped = Step(Continuity.SWAPPED, 0, "serial A1 is now B2")
    assert desk.poll(step=swapped) == [("swapped", "", "raised")]
    assert desk.told[1].text == "serial A1 is now B2"


def pair(primary: int, secondary: int) -> tuple[Figure, ...]:
    words = {9: "active", 10: "standby", 4: "error", 3: "down"}
    return (
        ("failover_state", "primary", primary, words[primary]),
        ("failover_state", "secondary", secondary, words[secondary]),
    )


def test_a_takeover_is_told_once_and_the_partners_loss_until_it_is_back() -> None:
    desk = Desk()
    assert desk.poll(*pair(9, 10)) == []
    assert desk.poll(*pair(4, 9)) == [("failover", "", "raised")]
    assert desk.told[0].text == "secondary is active now, primary was"
    assert desk.poll(*pair(4, 9)) == [("failover", "primary", "raised")]
    assert desk.poll(*pair(10, 9)) == []
    assert desk.poll(*pair(10, 9)) == [("failover", "primary", "cleared")]


def test_failover_that_was_never_on_cannot_be_lost() -> None:
    desk = Desk()
    assert [desk.poll(*pair(3, 3)) for _ in range(5)] == [[]] * 5


def peer(address: str) -> Figure:
    return ("ike_peer", address, 1, "")


def test_a_site_is_missed_and_a_remote_user_is_not() -> None:
    desk = Desk()
    for _ in range(24 * 60 + 1):
        assert desk.poll(peer("192.0.2.1")) == []
    desk.poll(peer("192.0.2.1"), peer("203.0.113.7"))
    assert desk.poll() == []
    assert desk.poll() == [("tunnel-lost", "192.0.2.1", "raised")]
    assert desk.poll() == []
    desk.poll(peer("192.0.2.1"))
    assert desk.poll(peer("192.0.2.1")) == [("tunnel-lost", "192.0.2.1", "cleared")]


def test_a_tunnel_that_was_taken_down_for_good_is_missed_for_a_day() -> None:
    desk = Desk()
    for _ in range(24 * 60 + 1):
        desk.poll(peer("192.0.2.1"))
    found = [event for _ in range(3 * 24 * 60) for event in desk.poll()]
    assert found == [("tunnel-lost", "192.0.2.1", state) for state in ("raised", "cleared")]
    assert desk.told[1].start_ns - desk.told[0].since_ns == 24 * 60 * MINUTE


def test_a_peer_that_must_be_there_is_missed_from_the_first_poll_on() -> None:
    desk = Desk(peers=("192.0.2.1",))
    assert desk.poll() == []
    assert desk.poll() == [("tunnel-lost", "192.0.2.1", "raised")]


def test_an_interface_that_was_up_is_down_after_two_polls_unless_switched_off() -> None:
    desk = Desk()
    assert desk.poll(*up()) == desk.poll(*up(oper=2)) == []
    assert desk.poll(*up(oper=2)) == [("interface-down", "outside", "raised")]
    assert desk.poll(*up(oper=2, admin=2)) == []
    assert desk.poll(*up(oper=2, admin=2)) == [("interface-down", "outside", "cleared")]


def test_an_interface_that_never_was_up_is_no_news() -> None:
    desk = Desk()
    assert [desk.poll(*up("dmz", oper=2)) for _ in range(3)] == [[]] * 3


def test_the_ports_of_desks_go_down_every_evening() -> None:
    desk = Desk("catalyst", role="switch", interfaces=("Gi0/2",))
    alias: Figure = ("alias", "Gi0/1", None, "uplink to core")
    ports = ("Fa0/1", "Gi0/1", "Gi0/2")
    desk.poll(alias, *(figure for name in ports for figure in up(name)))
    found = []
    for _ in range(3):
        found += desk.poll(*(figure for name in ports for figure in up(name, oper=2)))
    assert found == [
        ("interface-down", "Gi0/1", "raised"),
        ("interface-down", "Gi0/2", "raised"),
    ]


def test_errors_count_by_their_share_of_the_packets() -> None:
    desk = Desk()
    bad = {"in_errors": 50, "in_packets": 1000}
    assert desk.poll(*up(), **bad) == desk.poll(*up(), **bad) == []
    assert desk.poll(*up(), **bad) == [("error-rate", "outside", "raised")]
    between = {"in_errors": 50, "in_packets": 9000}  # neither good nor bad
    assert [desk.poll(*up(), **between) for _ in range(4)] == [[]] * 4
    good = {"in_errors": 0, "in_packets": 9000}
    assert desk.poll(*up(), **good) == desk.poll(*up(), **good) == []
    assert desk.poll(*up(), **good) == [("error-rate", "outside", "cleared")]


def test_three_errors_on_a_quiet_interface_are_nothing() -> None:
    desk = Desk()
    few = {"in_errors": 3, "in_packets": 5}
    assert [desk.poll(*up(), **few) for _ in range(5)] == [[]] * 5


def test_an_alarm_of_the_environment_names_the_part() -> None:
    desk = Desk("catalyst", role="switch")
    fan: Figure = ("fan_state", "Switch#1, Fan#1", 3, "critical")
    assert desk.poll(fan) == []
    assert desk.poll(fan) == [("environment", "Fan Switch#1, Fan#1", "raised")]
    absent: Figure = ("fan_state", "Switch#1, Fan#1", 5, "notPresent")
    desk.poll(absent)
    assert desk.poll(absent) == [("environment", "Fan Switch#1, Fan#1", "cleared")]


DAY = 8_640_000


@pytest.mark.parametrize(
    ("uptime", "changed", "saved", "startup", "expected"),
    [
        (DAY, 0, 0, 0, False),
        (DAY, 5000, 0, 0, False),  # the startup configuration was loaded
        (DAY, LOADED_TICKS + 1, 0, 0, True),
        (DAY, 5000, 4000, 4000, True),
        (DAY, 4000, 5000, 5000, False),
        (DAY, 4000, 4000, 4000, False),
        (DAY, 5000, 6000, 4000, True),  # copied to a server, and lost at the next restart
        (DAY, 5000, 6000, None, False),  # a device that does not tell
        (1000, TICKS - 5000, TICKS - 9000, TICKS - 9000, True),  # the uptime wrapped since
        (1000, TICKS - 9000, 500, 500, False),
    ],
)
def test_a_running_configuration_that_is_newer_than_the_startup_one_is_not_saved(
    uptime: int, changed: int, saved: int, startup: int | None, expected: bool
) -> None:
    assert unsaved(uptime, changed, saved, startup) is expected


def config(uptime: int, changed: int, startup: int) -> tuple[Figure, ...]:
    return (
        ("uptime", "", uptime, ""),
        ("config_changed", "", changed, ""),
        ("config_saved", "", startup, ""),
        ("startup_changed", "", startup, ""),
    )


def test_a_change_is_told_at_once_and_a_change_that_stays_unsaved_after_two_polls() -> None:
    desk = Desk()
    assert desk.poll(*config(DAY, 5000, 6000)) == []
    assert desk.poll(*config(DAY + 6000, DAY, 6000)) == [("configuration-changed", "", "raised")]
    assert desk.poll(*config(DAY + 12_000, DAY, 6000)) == [("unsaved-change", "", "raised")]
    saved = DAY + 13_000
    assert desk.poll(*config(DAY + 18_000, DAY, saved)) == []
    assert desk.poll(*config(DAY + 24_000, DAY, saved)) == [("unsaved-change", "", "cleared")]


def test_the_loading_at_a_restart_is_no_change_of_the_configuration() -> None:
    desk = Desk()
    desk.poll(*config(DAY, 5000, 6000))
    restarted = Step(Continuity.RESTARTED, 0, "")
    assert desk.poll(*config(9000, 2000, 0), step=restarted) == [("restarted", "", "raised")]
    assert desk.poll(*config(15_000, 2000, 0)) == desk.poll(*config(21_000, 2000, 0)) == []


def test_what_was_raised_before_the_watch_began_is_not_raised_again_and_ends() -> None:
    desk = Desk()
    peer = "192.0.2.1"
    desk.watch.recall({("unsaved-change", ""): 1, ("tunnel-lost", peer): 1, ("unreachable", ""): 1})
    assert [desk.poll(*config(DAY + 6000, DAY, 6000)) for _ in range(3)] == [
        [],
        [("unreachable", "", "cleared")],
        [],
    ]
    well: tuple[Figure, ...] = (*config(DAY + 6000, DAY, DAY + 100), ("ike_peer", peer, 1, ""))
    assert desk.poll(*well) == []
    assert desk.poll(*well) == [
        ("tunnel-lost", peer, "cleared"),
        ("unsaved-change", "", "cleared"),
    ]


def test_a_tunnel_that_was_lost_before_the_watch_began_is_missed_for_a_day() -> None:
    desk = Desk()
    desk.watch.recall({("tunnel-lost", "192.0.2.1"): 1})
    assert desk.poll() == desk.poll() == []
    desk.minute += 24 * 60
    assert desk.poll() == [("tunnel-lost", "192.0.2.1", "cleared")]
    assert desk.poll() == []
