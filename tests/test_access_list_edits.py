"""The edits of an ordered list: they arrive, and no step lets through what both lists refuse."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from device_configs.access_lists import edits
from device_configs.aces import ace, one_spelling
from device_configs.groups import Groups
from device_configs.intersections import permitted_by_both

# An entry is an action and the packets (of four) that it matches.
ENTRY = st.tuples(st.booleans(), st.frozensets(st.integers(0, 3), min_size=1))
LIST = st.lists(ENTRY, unique=True, max_size=8)
Entry = tuple[bool, frozenset[int]]


def verdict(rules: list[Entry], packet: int) -> bool:
    return next((action for action, packets in rules if packet in packets), False)


def steps(now: list[Entry], then: list[Entry]) -> list[list[Entry]]:
    script, state = edits(now, then), list(now)
    states = []
    for index in script.moved:
        state.remove(now[index])
        states.append(list(state))
    for one in script.inserts:
        assert one.last == (one.line == len(state) + 1)
        state.insert(one.line - 1, then[one.index])
        states.append(list(state))
    for index in script.surplus:
        state.remove(now[index])
        states.append(list(state))
    assert state == then
    return states


@given(LIST, LIST)
def test_the_edits_make_the_target(now: list[Entry], then: list[Entry]) -> None:
    steps(now, then)


@given(LIST, LIST)
def test_without_a_move_no_step_opens_or_closes_what_both_agree_on(
    now: list[Entry], then: list[Entry]
) -> None:
    if edits(now, then).moved:
        return
    for packet in range(4):
        before = verdict(now, packet)
        if before == verdict(then, packet):
            assert all(verdict(state, packet) == before for state in steps(now, then))


def test_as_few_entries_move_as_can_be() -> None:
    script = edits(list("abcdef"), list("bcdefa"))
    assert script.moved == (0,)
    assert not edits(list("abc"), list("abc"))


ADDRESSES = ("any", "host 10.0.0.1", "host 10.0.0.2", "10.0.0.0 255.255.255.0")
TEXT = st.builds(
    lambda action, protocol, source, to, port: " ".join(
        f"{action} {protocol} {source} {to} {port if protocol != 'ip' else ''}".split()
    ),
    st.sampled_from(["permit", "deny"]),
    st.sampled_from(["ip", "tcp", "udp"]),
    st.sampled_from(ADDRESSES),
    st.sampled_from(ADDRESSES),
    st.sampled_from(["", "eq 80", "range 79 81", "gt 100", "neq 80"]),
)


def permits(entries: tuple[str, ...] | list[str], packet: tuple[str, str, str, int]) -> bool:
    protocol, source, to, port = packet
    for entry in entries:
        parts = ace(entry)
        assert parts is not None
        words = parts.destination_port.split()
        numbers = [int(word) for word in words[1:]]
        fits = {
            "": True,
            "eq": numbers[:1] == [port],
            "gt": port > (numbers or [0])[0],
            "neq": numbers[:1] != [port],
            "range": bool(numbers) and numbers[0] <= port <= numbers[-1],
        }[words[0] if words else ""]
        inside = all(
            rule == "any" or rule == f"host {address}" or rule.startswith("10.0.0.0 ")
            for rule, address in ((parts.source, source), (parts.destination, to))
        )
        if parts.protocol in ("ip", protocol) and inside and fits:
            return parts.action == "permit"
    return False


@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, min_size=1, max_size=6))
def test_what_both_permit_is_what_each_permits(first: list[str], second: list[str]) -> None:
    both = permitted_by_both(first, second, wildcard=False)
    assert both is not None
    for protocol in ("tcp", "udp"):
        for source in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            for port in (79, 80, 81, 100, 200):
                packet = (protocol, source, "10.0.0.1", port)
                wanted = permits(first, packet) and permits(second, packet)
                assert permits(both, packet) == wanted, (packet, both)


def test_one_spelling_for_what_devices_spell_differently() -> None:
    assert one_spelling("extended permit tcp 0 0 10.0.0.1 255.255.255.255 eq www") == (
        "permit tcp any host 10.0.0.1 eq 80"
    )
    assert one_spelling("permit ip 10.0.0.1 0.0.0.0 any", wildcard=True) == (
        "permit ip host 10.0.0.1 any"
    )


def test_groups_are_written_out_with_what_is_in_them() -> None:
    groups = Groups(
        {
            "object-group network OUTER": ("group-object INNER", "network-object host 10.0.0.3"),
            "object-group network INNER": ("network-object 10.1.0.0 255.255.0.0",),
            "object-group service WEB tcp": ("port-object eq www", "port-object range 8000 8010"),
            "object-group icmp-type PING": ("icmp-object echo", "icmp-object echo-reply"),
        }
    )
    assert groups.written_out("permit tcp any object-group OUTER object-group WEB") == (
        "permit tcp any 10.1.0.0 255.255.0.0 eq www",
        "permit tcp any 10.1.0.0 255.255.0.0 range 8000 8010",
        "permit tcp any host 10.0.0.3 eq www",
        "permit tcp any host 10.0.0.3 range 8000 8010",
    )
    assert groups.written_out("permit icmp any any object-group PING log") == (
        "permit icmp any any echo log",
        "permit icmp any any echo-reply log",
    )
    assert groups.written_out("permit ip any object-group UNKNOWN") is None
