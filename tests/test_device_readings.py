"""From raw answers to records: gaps instead of spikes, names instead of indexes, types checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from collectors.asking import Answers, named, words
from collectors.counters import Clock, Continuity
from collectors.discovery import plan_of, scaled
from collectors.profiles import profile
from collectors.readings import Baseline, Readings, peer_name, read, unreachable
from timeseries.codec import encode
from timeseries.records import DeviceSampleRecord

S = 1_000_000_000
IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
UPTIME = "1.3.6.1.2.1.1.3.0"
HC_IN, HC_OUT, SPEED = f"{IFX}.6", f"{IFX}.10", f"{IFX}.15"
IN_32, DISCONTINUITY = f"{IF}.10", f"{IFX}.19"
FAILOVER = "1.3.6.1.4.1.9.9.147.1.2.1.1.1"


def answers(
    seconds: int,
    columns: dict[str, dict[str, Any]],
    scalars: dict[str, Any] | None = None,
    **more: Any,
) -> Answers:
    names = more.pop("names", {"interface": {"1": "outside", "2": "inside"}})
    uptime = more.pop("uptime", 100_000 + seconds * 100)
    said = {UPTIME: uptime, **(scalars or {})}
    clock = Clock(seconds * S, uptime, serial=more.pop("serial", "A1"))
    return Answers(
        1_800_000_000 * S + seconds * S, clock, said, columns, names, True, 5_000_000, **more
    )


def polls(*rounds: Answers, profile_name: str = "asa") -> list[Readings]:
    every = rounds[0]
    plan = plan_of(profile(profile_name), every.scalars, every.columns)
    before, found = Baseline(), []
    for one in rounds:
        found.append(read(plan, one, before, agent="a", device="fw"))
        before = found[-1].baseline
    return found


def of(found: Readings, figure: str, instance: str = "") -> DeviceSampleRecord:
    (one,) = [r for r in found.records if (r.figure, r.instance) == (figure, instance)]
    return one


def octets(*pairs: Sequence[int]) -> list[dict[str, dict[str, int]]]:
    return [{HC_IN: {str(i + 1): v for i, v in enumerate(pair)}} for pair in pairs]


def test_a_rate_is_over_the_devices_own_time_and_keeps_its_amount() -> None:
    first, second = octets((1000, 0), (1000 + 7_500_000, 600))
    one, two = polls(answers(0, first), answers(60, second, uptime=100_000 + 6100))
    assert of(one, "in_rate", "outside").note == "first reading"
    made = of(two, "in_rate", "outside")
    assert (made.amount, made.interval_ns, made.unit) == (7_500_000, 61 * S, "bit/s")
    assert made.value == 983_607  # 7.5 MB in 61 s, not in our 60 s
    assert of(two, "in_rate", "inside").amount == 600


def test_a_counter_that_goes_back_is_a_gap_and_never_a_spike() -> None:
    rounds = octets((10**12,), (500,), (8000,))
    made = [of(r, "in_rate", "outside") for r in polls(*map(answers, (0, 60, 120), rounds))]
    assert [(m.value, m.note) for m in made] == [
        (None, "first reading"),
        (None, "counter was reset"),
        (1000, ""),
    ]


def test_a_restart_drops_every_baseline_even_of_counters_that_went_forward() -> None:
    rounds = octets((100,), (5000,), (8000,))
    found = polls(
        answers(0, rounds[0]),
        answers(60, rounds[1], uptime=500),
        answers(120, rounds[2], uptime=6500),
    )
    assert [r.step.continuity for r in found] == [
        Continuity.FIRST,
        Continuity.RESTARTED,
        Continuity.SAME,
    ]
    assert [of(r, "in_rate", "outside").value for r in found] == [None, None, 400]


def test_another_unit_behind_the_address_has_counters_of_its_own() -> None:
    rounds = octets((100,), (5000,))
    _, second = polls(answers(0, rounds[0]), answers(60, rounds[1], serial="B2"))
    assert second.step.why == "serial A1 is now B2"
    assert of(second, "in_rate", "outside").value is None


def test_a_device_that_restarts_while_it_is_asked_gives_one_gap_and_one_restart() -> None:
    rounds = octets((100,), (90,), (3090,))
    found = polls(
        answers(0, rounds[0]),
        answers(60, rounds[1], unsteady=True),
        answers(120, rounds[2], uptime=6400),
        answers(180, rounds[2], uptime=12400),
    )
    assert [r.step.continuity for r in found[1:]] == [
        Continuity.RESTARTED,
        Continuity.SAME,
        Continuity.SAME,
    ]
    assert [of(r, "in_rate", "outside").value for r in found] == [None, None, None, 0]


def test_counters_that_began_anew_are_told_by_their_discontinuity_time() -> None:
    rounds = [
        {HC_IN: {"1": 100}, DISCONTINUITY: {"1": 0}},
        {HC_IN: {"1": 9100}, DISCONTINUITY: {"1": 104_000}},
    ]
    _, second = polls(*map(answers, (0, 60), rounds))
    made = of(second, "in_rate", "outside")
    assert (made.value, made.note) == (None, "the device began to count anew")


def test_an_interface_is_followed_by_its_name_when_its_index_moves() -> None:
    rounds = [{HC_IN: {"1": 100}}, {HC_IN: {"7": 9100}}, {HC_IN: {"7": 16_600}}]
    moved = {"interface": {"7": "outside"}}
    found = polls(
        answers(0, rounds[0]),
        answers(60, rounds[1], names=moved),
        answers(120, rounds[2], names=moved),
    )
    made = [of(r, "in_rate", "outside") for r in found]
    assert [m.note for m in made[1:]] == ["the interface has moved to another index", ""]
    assert made[2].value == 1000


def test_32_bits_wrap_by_the_speed_of_the_interface() -> None:
    rounds = [
        {IN_32: {"1": 2**32 - 1000, "2": 5}, SPEED: {"1": 100, "2": 1000}},
        {IN_32: {"1": 6500, "2": 6}, SPEED: {"1": 100, "2": 1000}},
    ]
    _, second = polls(*map(answers, (0, 60), rounds))
    assert of(second, "in_rate", "outside").amount == 7500
    fast = of(second, "in_rate", "inside")
    assert (fast.value, fast.note) == (None, "may have wrapped more than once: poll more often")


def test_64_bits_are_read_where_they_are_whatever_the_speed_says() -> None:
    rounds = [{HC_IN: {"1": 0}, IN_32: {"1": 0}, SPEED: {"1": 0}}] * 2
    _, second = polls(*map(answers, (0, 60), rounds))
    assert (of(second, "in_rate", "outside").value, of(second, "speed", "outside").value) == (0, 0)


def test_an_answer_of_another_type_is_counted_and_left_out() -> None:
    rounds = [{HC_IN: {"1": 1, "2": 2}}, {HC_IN: {"1": b"hostile", "2": 2}}]
    _, second = polls(*map(answers, (0, 60), rounds))
    assert second.wrong_types == {"in_rate": 1}
    assert of(second, "wrong_types").value == 1
    assert {r.instance for r in second.records if r.figure == "in_rate"} == {"inside"}


def test_a_number_beyond_64_bits_is_left_out_too() -> None:
    scalars = {"1.3.6.1.4.1.9.9.147.1.2.2.2.1.5.40.6": 2**63}
    (one,) = polls(answers(0, {}, scalars))
    assert one.wrong_types == {"connections": 1}


def test_a_failover_pair_says_which_unit_is_what_and_which_one_answers() -> None:
    columns = {
        f"{FAILOVER}.2": {"6": b"Primary unit", "7": b"Secondary unit (this device)"},
        f"{FAILOVER}.3": {"6": 10, "7": 9},
        f"{FAILOVER}.4": {"6": b"Standby unit", "7": b"Active unit"},
    }
    names = {"failover": {"4": "lan-interface", "6": "primary", "7": "secondary"}}
    (one,) = polls(answers(0, columns, names=names))
    assert (of(one, "failover_state", "secondary").text, of(one, "failover_polled").text) == (
        "active",
        "secondary",
    )


def test_tunnels_are_counted_by_rows_and_peers_beside_the_globals() -> None:
    ike, ipsec = "1.3.6.1.4.1.9.9.171.1.2.3.1", "1.3.6.1.4.1.9.9.171.1.3.2.1"
    columns = {
        f"{ike}.6": {"5": 1, "9": 1},
        f"{ike}.7": {"5": b"192.0.2.61", "9": b"203.0.113.99"},
        f"{ipsec}.5": {"1": b"\xc0\x00\x02\x3d", "2": b"\xc0\x00\x02\x3d"},
    }
    scalars = {"1.3.6.1.4.1.9.9.171.1.3.1.1.0": 0}
    (one,) = polls(answers(0, columns, scalars))
    assert of(one, "ipsec_tunnels").value == 0
    assert of(one, "ike_tunnel_rows").value == 2
    assert of(one, "ike_peer", "203.0.113.99").value == 1
    assert of(one, "ipsec_peer", "192.0.2.61").value == 2
    # No row of this table today: a count of 0, for the device knows the module.
    assert of(one, "ipsec_tunnel_rows").value == 0


def test_a_gauge_at_the_end_of_its_32_bits_says_so() -> None:
    columns = {"1.3.6.1.4.1.9.9.48.1.1.1.5": {"1": 2**32 - 1}}
    (one,) = polls(answers(0, columns, names={"pool": {"1": "System memory"}}))
    assert of(one, "memory_used", "System memory").note == "at the end of its 32 bits"


def test_buffers_are_told_apart_by_the_end_of_their_index() -> None:
    columns = {"1.3.6.1.4.1.9.9.147.1.2.2.1.1.4": {"1550.3": 1444, "1550.5": 11, "1550.8": 1100}}
    (one,) = polls(answers(0, columns))
    figures = ("buffers_total", "buffers_low", "buffers_free")
    assert [of(one, name, "1550").value for name in figures] == [1444, 11, 1100]


def test_a_sensor_has_the_unit_and_scale_that_the_device_tells() -> None:
    base = "1.3.6.1.2.1.99.1.1.1"
    columns = {
        f"{base}.1": {"3": 8, "4": 4, "5": 12},
        f"{base}.2": {"3": 9, "4": 8, "5": 9},
        f"{base}.3": {"3": 1, "4": 0, "5": 0},
        f"{base}.4": {"3": 415, "4": 11_900, "5": 1},
    }
    names = {"entity": {"3": "inlet", "4": "12 V rail", "5": "door"}}
    (one,) = polls(answers(0, columns, names=names))
    inlet, rail = of(one, "sensor", "inlet"), of(one, "sensor", "12 V rail")
    assert (inlet.value, inlet.scale, inlet.unit) == (415, -1, "Cel")
    assert (rail.value, rail.scale, rail.unit) == (11_900, -3, "V")
    assert not [r for r in one.records if r.instance == "door"]  # true or false is no measure


def test_the_chassis_is_read_and_not_its_fans() -> None:
    entity = "1.3.6.1.2.1.47.1.1.1.1"
    columns = {
        f"{entity}.5": {"1": 9, "2": 3, "3": 7},
        f"{entity}.13": {"1": b"SFP-10G", "2": b"WS-C3750", "3": b""},
    }
    (one,) = polls(answers(0, columns), profile_name="catalyst")
    assert of(one, "model").text == "WS-C3750"


def test_an_old_pix_is_named_by_its_object_id_and_its_release_by_its_description() -> None:
    scalars = {
        "1.3.6.1.2.1.1.1.0": b"Cisco PIX Firewall Version 6.3(5)",
        "1.3.6.1.2.1.1.2.0": "1.3.6.1.4.1.9.1.451",
    }
    (one,) = polls(answers(0, {}, scalars), profile_name="pix6")
    assert (of(one, "model").text, of(one, "release").text) == ("PIX 515E", "6.3(5)")


def test_names_are_those_of_people_and_never_twice() -> None:
    column = {
        "2": b"Adaptive Security Appliance 'outside' interface",
        "3": b"PIX Firewall 'dmz 1' interface",
        "4": b"",
        "5": b"System memory",
        "6": b"System memory",
    }
    assert named([{"2": b""}, column], {}) == {
        "2": "outside",
        "3": "dmz 1",
        "5": "System memory#5",
        "6": "System memory#6",
    }


def test_what_a_device_says_cannot_become_a_line_of_its_own_nor_steer_a_terminal() -> None:
    assert words(b"a\nb\\c\x1b[31m") == "a b c [31m"
    assert words(b"caff\xe8") == "caffè"
    assert len(words(b"x" * 10_000)) == 250
    rounds = [{HC_IN: {"1": 1}}]
    hostile = named([{"1": b"eth0\nfake,agent=x value=1i 1"}], {})
    (one,) = polls(answers(0, rounds[0], names={"interface": hostile}))
    for record in one.records:
        kind, payload = encode(record)
        assert kind == "device_samples"
        assert "\n" not in payload


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"192.0.2.7", "192.0.2.7"),
        (b"\xc0\x00\x02\x07", "192.0.2.7"),
        (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", "2001:db8::1"),
        (b"abcd", "abcd"),
        ("192.0.2.9", "192.0.2.9"),
        (5, ""),
    ],
)
def test_a_peer_is_an_address_in_octets_or_in_words(value: Any, name: str) -> None:
    assert peer_name(value) == name


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [(415, -1, "41.5"), (-5, -1, "-0.5"), (100, -2, "1"), (7, 3, "7000"), (0, -3, "0")],
)
def test_scaled_values_are_exact_in_print(value: int, scale: int, text: str) -> None:
    assert scaled(value, scale) == text


def test_a_poll_without_an_answer_is_a_record_as_well() -> None:
    made = unreachable(5, "Silent", agent="a", device="fw")
    assert (made.value, made.text, made.note) == (0, "no", "Silent")
    assert replace(made, value=1).figure == "reachable"
