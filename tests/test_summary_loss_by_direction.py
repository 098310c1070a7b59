"""Which way packets were lost, told from the numbers of a stateful reflector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.samples import (
    ClockState,
    ReflectorFacts,
    StampOptions,
    Status,
    TrainPlan,
    TrainSamples,
)
from agent.summary import loss_by_direction


def answered(fates: str, base: int = 0, *, stateful: bool = True) -> TrainSamples:
    """A train by the fate of each packet, past a reflector that had counted to `base` before.

    `.` answered, `F` lost on the way there, `B` lost on the way back, `L` answered late,
    `x` refused by the own kernel.
    """
    plan = TrainPlan(
        path="p",
        method="stamp",
        address="192.0.2.1",
        packets=len(fates),
        spacing_ns=1,
        size=44,
        timeout_ns=1,
        stamp=StampOptions(),
    )
    samples = TrainSamples.empty(plan, 1, ClockState(True, 1))
    samples.reflector = ReflectorFacts(
        stateful=stateful,
        swapped=False,
        synchronised=True,
        error_ns=1,
        follow_up=False,
        ssid_echoed=True,
    )
    arrived = base
    for i, fate in enumerate(fates):
        samples.status[i] = {"x": Status.UNSENT, ".": Status.RECEIVED, "L": Status.LATE}.get(
            fate, Status.LOST
        )
        if fate in ".L":
            samples.reflector_seq[i] = arrived
        arrived += fate in ".LB"
    return samples


@pytest.mark.parametrize(
    ("fates", "base", "lost"),
    [
        (".....", 0, (0, 0)),
        (".F.B.", 0, (1, 1)),
        (".FFB.", 41, (2, 1)),
        (".FL.", 0, (1, 0)),  # a late reply was lost on neither way
        (".xF.", 0, (1, 0)),  # a refused packet was never sent
        ("x.F.x", 0, (1, 0)),
        ("FF.B.", 0, (2, 1)),  # number 0 on the first reply: nothing arrived before it
        (".", 7, (0, 0)),
    ],
)
def test_loss_is_told_by_direction(fates: str, base: int, lost: tuple[int, int]) -> None:
    assert loss_by_direction(answered(fates, base)) == lost


@pytest.mark.parametrize(
    ("fates", "base"),
    [
        ("...F", 0),  # a tail has no later number to show it
        ("...B", 0),
        ("B...", 0),  # the count may have begun before this train
        ("F...", 3),
        ("FFBB", 0),
        ("xx", 0),
    ],
)
def test_what_cannot_be_told_is_none(fates: str, base: int) -> None:
    assert loss_by_direction(answered(fates, base)) is None


def test_a_stateless_reflector_tells_no_direction() -> None:
    assert loss_by_direction(answered(".F.", stateful=False)) is None
    without_facts = answered(".F.")
    without_facts.reflector = None
    assert loss_by_direction(without_facts) is None


def test_duplicates_make_the_count_unusable() -> None:
    samples = answered(".F..")
    samples.duplicates = 1
    assert loss_by_direction(samples) is None


@pytest.mark.parametrize(
    "numbers",
    [
        [0, 2, 1, 3],  # reordered on the way there
        [5, 6, 0, 1],  # restarted
        [0, 1, 9, 10],  # more arrived than were sent
        [0, -1, 2, 3],  # a reply without a number
    ],
)
def test_numbers_that_contradict_the_train_tell_nothing(numbers: list[int]) -> None:
    samples = answered("....")
    samples.reflector_seq[:] = np.array(numbers)
    assert loss_by_direction(samples) is None


def test_the_same_number_twice_tells_nothing() -> None:
    samples = answered("..F..")
    samples.reflector_seq[:] = np.array([0, 1, -1, 1, 3])
    assert loss_by_direction(samples) is None


@given(st.text(alphabet="...FBLx", max_size=40), st.integers(0, 3))
def test_it_is_the_truth_or_none(fates: str, base: int) -> None:
    told = loss_by_direction(answered(fates, base))
    assert told in (None, (fates.count("F"), fates.count("B")))


@given(st.text(alphabet="...FBLx", max_size=40), st.integers(0, 3))
def test_it_is_told_whenever_the_first_and_the_last_came_back(fates: str, base: int) -> None:
    fates = f".{fates}."
    assert loss_by_direction(answered(fates, base)) == (fates.count("F"), fates.count("B"))
