"""Readings of the annex and the switches among them."""

from __future__ import annotations

from itertools import product

import pytest

from analysis.errors import ContractError
from analysis.readings import PACKET_READINGS, READINGS, SWITCHES, Readings, readings_of
from inventory.models import Configuration

CONTRACT = {"administration": "Example", "country": "IT", "timezone": "Europe/Rome"}


def configured(**readings: str) -> Configuration:
    return Configuration.model_validate({"contract": {**CONTRACT, "readings": readings}})


def test_every_entry_of_the_list_has_its_text() -> None:
    counts = {"A": 7, "B": 9, "C": 13, "D": 13, "E": 12, "F": 9, "G": 12}
    assert set(READINGS) == {
        f"{letter}{number}" for letter, last in counts.items() for number in range(1, last + 1)
    }
    assert all(text.endswith(".") for text in READINGS.values())


def test_a_measurement_names_the_packet_readings_alone() -> None:
    assert set(PACKET_READINGS) < set(READINGS)
    assert not {"E1", "F1", "G1"} & set(PACKET_READINGS)


def test_what_the_contract_leaves_out_has_its_default() -> None:
    for readings in (readings_of(Configuration()), readings_of(configured())):
        assert {one: readings[one] for one in SWITCHES} == {
            "A2": "R1",
            "B8": "window",
            "C1": "blocking",
            "D1": "received",
            "D9": "include",
            "F8": "working",
            "F9": "due",
        }


def test_a_switch_of_the_contract_is_taken() -> None:
    readings = readings_of(configured(A2="R6", C1="all"))
    assert (readings["A2"], readings["C1"], readings["F8"]) == ("R6", "all", "working")


@pytest.mark.parametrize(("switch", "value"), [(s, v) for s, vs in SWITCHES.items() for v in vs])
def test_each_value_of_each_switch_has_a_text_of_its_own(switch: str, value: str) -> None:
    readings = readings_of(configured(**{switch: value}))
    assert readings[switch] == value
    others = [Readings({switch: one}).text(switch) for one in SWITCHES[switch] if one != value]
    assert readings.text(switch) not in others


def test_readings_are_told_in_the_order_of_the_list_with_their_switch() -> None:
    told = readings_of(configured(F8="calendar")).told(["F8", "D11", "A2", "D2", "F8"])
    assert list(told) == ["A2", "D2", "D11", "F8"]
    assert told["A2"].startswith("R1: The printed bound")
    assert told["F8"].startswith("calendar: A late report costs by the calendar day")
    assert told["D2"] == READINGS["D2"]


def test_a_reading_without_a_switch_has_no_value() -> None:
    with pytest.raises(KeyError):
        Readings()["G1"]
    with pytest.raises(KeyError):
        Readings().told(["Z1"])


def test_every_wrong_switch_is_named_at_once_with_its_remedy() -> None:
    with pytest.raises(ContractError) as caught:
        readings_of(configured(A2="R3", G1="none", A22="R1", Q="x"))
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert all(line.startswith("[contract.readings]: ") for line in lines)
    assert 'A2 cannot be \'R3\' — write A2 = "R1" or "R2" or "R6"' in lines[0]
    assert "G1 has no switch — remove it" in lines[1]
    assert "A22 is no reading — A2 is meant?" in lines[2]
    assert "Q is no reading — remove it" in lines[3]
    assert all(", ".join(SWITCHES) in line for line in lines[1:])


def test_all_switches_can_be_set_together() -> None:
    for values in product(*SWITCHES.values()):
        chosen = dict(zip(SWITCHES, values, strict=True))
        readings = readings_of(configured(**chosen))
        assert {one: readings[one] for one in SWITCHES} == chosen
