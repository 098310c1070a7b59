"""What is so already needs no plan."""

from __future__ import annotations

import pytest

from device_configs.plan import boots, plan

DANGLING = """\
hostname sw-1
interface Vlan10
 ip address 172.16.10.1 255.255.255.0
 ip access-group L10 in
interface Vlan20
 ip address 172.16.20.1 255.255.255.0
 ip access-group L20 out
line vty 0 4
 transport input ssh
"""
ASA = """\
hostname fw-1
tunnel-group 203.0.113.1 type ipsec-l2l
tunnel-group 203.0.113.1 ipsec-attributes
 ikev1 pre-shared-key {key}
ssh 10.0.0.0 255.255.255.0 {inside}
"""


def test_lists_that_are_bound_and_nowhere_written_are_left_alone() -> None:
    assert not plan(DANGLING, DANGLING, "cisco_ios")


def test_a_list_bound_by_another_name_is_planned_though_neither_is_written() -> None:
    assert plan(DANGLING, DANGLING.replace("L20", "L21"), "cisco_ios")


@pytest.mark.parametrize("inside", ["inside", "outside"])
def test_a_startup_configuration_that_hides_its_keys_is_compared_in_all_else(inside: str) -> None:
    running = ASA.format(key="long-key", inside="inside")
    startup = ASA.format(key="*****", inside=inside)
    assert boots(startup, running, "cisco_asa") is (inside == "inside")


def test_a_list_that_is_bound_and_not_there_filters_nothing_while_it_is_written() -> None:
    later = DANGLING.replace(
        "line vty", "ip access-list extended L10\n permit ip any any\nline vty"
    )
    commands = plan(DANGLING, later, "cisco_ios").commands
    away, back = (commands.index(f"{no}ip access-group L10 in") for no in ("no ", ""))
    assert away < commands.index("ip access-list extended L10") < back


def test_a_list_without_entries_filters_nothing_while_it_is_filled_or_emptied() -> None:
    empty = DANGLING.replace("line vty", "ip access-list extended L10\nline vty")
    filled = empty.replace("L10\nline", "L10\n permit tcp any any\n permit udp any any\nline")
    commands = plan(empty, filled, "cisco_ios").commands
    away, back = (commands.index(f"{no}ip access-group L10 in") for no in ("no ", ""))
    assert away < commands.index("permit udp any any") < back
    # Entry by entry the rest would be shut out; at once nothing is.
    assert plan(filled, empty, "cisco_ios").commands == ("no ip access-list extended L10",)
    assert not plan(empty, DANGLING, "cisco_ios")
