"""The slot table and the queue of what is due, against plain models of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.slots import FREE, DueQueue, SlotTable

INSTANTS = st.integers(0, 50)


def claim(table: SlotTable, base: int, count: int, train: int) -> None:
    whole = slice(base, base + count)
    table.claim(whole, np.full(count, train, np.int32), np.full(count, 7, np.int64))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.integers(1, 700)),
            st.tuples(st.just("free"), st.integers(0, 1000)),
        ),
        max_size=60,
    )
)
def test_a_train_gets_neighbouring_slots_that_nobody_else_holds(
    steps: list[tuple[str, int]],
) -> None:
    table = SlotTable()
    held: dict[int, range] = {}
    for number, (what, value) in enumerate(steps):
        if what == "take":
            base = table.allocate(value)
            mine = range(base, base + value)
            assert base >= 0
            assert mine.stop <= table.capacity
            assert all(
                mine.stop <= other.start or other.stop <= mine.start for other in held.values()
            )
            claim(table, base, value, number)
            held[number] = mine
        elif held:
            gone = held.pop(sorted(held)[value % len(held)])
            table.train[gone.start : gone.stop] = FREE
        for owner, slots in held.items():
            assert (table.train[slots.start : slots.stop] == owner).all()
        assert (table.train != FREE).sum() == sum(len(slots) for slots in held.values())


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_the_table_grows_by_no_more_than_doubling_what_is_needed(counts: list[int]) -> None:
    table = SlotTable()
    for number, count in enumerate(counts):
        claim(table, table.allocate(count), count, number)
    assert table.capacity <= max(1024, 4 * sum(counts))


def test_what_is_in_the_table_survives_its_growth() -> None:
    table = SlotTable()
    first = table.allocate(1000)
    claim(table, first, 1000, 5)
    table.key[first : first + 1000] = np.arange(1000)
    table.header[first, 3] = 42
    second = table.allocate(2000)
    assert (table.train[first : first + 1000] == 5).all()
    assert (table.train[second : second + 2000] == FREE).all()
    assert table.key[first : first + 1000].tolist() == list(range(1000))
    assert table.header[first, 3] == 42
    for column in (table.sent, table.due_ns, table.tx_ns, table.rx_ns, table.reflector_seq):
        assert len(column) == table.capacity


def test_a_slot_is_not_given_out_again_before_the_ring_came_round() -> None:
    """A reply long after the end of its train still finds its own key."""
    table = SlotTable()
    bases = []
    for number in range(table.capacity // 10):
        base = table.allocate(10)
        claim(table, base, 10, number)
        table.train[base : base + 10] = FREE
        bases.append(base)
    assert len(set(bases)) == len(bases)


def test_slots_never_used_cannot_be_named_with_a_key_of_zero() -> None:
    table = SlotTable()
    table.allocate(5000)
    assert (table.key != 0).all()
    assert len(np.unique(table.key)) == table.capacity


def test_a_slot_is_wiped_when_it_is_claimed() -> None:
    table = SlotTable()
    for name in ("user_tx_ns", "tx_ns", "rx_ns", "rx_source", "t2_ns", "t3_ns", "t3_source"):
        getattr(table, name)[:] = 1
    table.sent[:] = True
    table.reflector_seq[:] = 9
    claim(table, 3, 4, 1)
    for name in ("user_tx_ns", "tx_ns", "rx_ns", "rx_source", "t2_ns", "t3_ns", "t3_source"):
        assert getattr(table, name)[3:7].tolist() == [0] * 4
        assert getattr(table, name)[7] == 1
    assert table.sent[2:8].tolist() == [True, False, False, False, False, True]
    assert table.reflector_seq[2:8].tolist() == [9, -1, -1, -1, -1, 9]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.lists(INSTANTS, min_size=1, max_size=20)),
            st.tuples(st.just("take"), st.tuples(INSTANTS, st.integers(1, 15))),
            st.tuples(st.just("drop"), st.tuples(st.integers(0, 80), st.integers(0, 80))),
        ),
        max_size=40,
    )
)
def test_packets_leave_the_queue_in_the_order_in_which_they_are_due(
    steps: list[tuple[str, object]],
) -> None:
    queue = DueQueue()
    model: list[tuple[int, int]] = []
    issued = 0
    for what, value in steps:
        match what, value:
            case "add", [*due]:
                slots = list(range(issued, issued + len(due)))
                issued += len(due)
                queue.add(np.array(due, np.int64), np.array(slots, np.int64))
                model += zip(due, slots, strict=True)
                model.sort(key=lambda entry: entry[0])  # stable: equal instants keep their order
            case "take", (int(until), int(most)):
                wanted = [slot for due_ns, slot in model if due_ns <= until][:most]
                assert queue.take(until, most).tolist() == wanted
                model = [entry for entry in model if entry[1] not in wanted]
            case "drop", (int(one), int(other)):
                gone = range(min(one, other), max(one, other))
                queue.drop(gone)
                model = [entry for entry in model if entry[1] not in gone]
        assert len(queue) == len(model)
        assert queue.next_ns == (model[0][0] if model else None)
