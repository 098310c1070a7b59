"""Differences are of sections; secrets are compared and never shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from device_configs.diff import differences

BASE = """hostname sw1
interface Gi0/1
 description up
 ip address 10.0.0.1 255.255.255.0
interface Gi0/2
 shutdown
ip access-list extended A
 permit ip host 10.0.0.1 any
 deny ip any any
end
"""


def test_the_same_in_another_order_is_no_difference() -> None:
    other = """hostname sw1
ip access-list extended A
 permit ip host 10.0.0.1 any
 deny ip any any
interface Gi0/2
  shutdown
!
interface Gi0/1
 ip address 10.0.0.1 255.255.255.0
 description up
end
"""
    assert differences(BASE, other) == ()


def test_a_difference_names_its_section_and_nothing_around_it() -> None:
    (one,) = differences(BASE, BASE.replace(" description up", " description down"))
    assert one.section == ("interface Gi0/1",)
    assert (one.removed, one.added) == (("description up",), ("description down",))


def test_the_order_of_an_access_list_is_a_difference() -> None:
    turned = BASE.replace(
        " permit ip host 10.0.0.1 any\n deny ip any any",
        " deny ip any any\n permit ip host 10.0.0.1 any",
    )
    (one,) = differences(BASE, turned)
    assert one.section == ("ip access-list extended A",)
    assert one.removed == one.added == ()
    assert len(one.moved) == 1


def test_flat_access_lists_of_a_pix_are_ordered_by_name() -> None:
    first, last = "access-list A permit ip any host 10.0.0.1\n", "access-list A deny ip any any\n"
    other = "access-list B deny ip any any\n"
    assert differences(first + other + last, other + first + last) == ()
    (one,) = differences(first + other + last, last + other + first)
    assert one.section == ("access-list A",)
    assert one.moved


def test_a_section_that_is_gone_or_new_is_shown_whole() -> None:
    without = BASE.replace("interface Gi0/2\n shutdown\n", "")
    (header, body) = differences(BASE, without)
    assert header.removed == ("interface Gi0/2",)
    assert (body.section, body.removed) == (("interface Gi0/2",), ("shutdown",))


def test_a_changed_secret_is_a_difference_that_shows_neither() -> None:
    old = "username admin password 0 first-Xq\nsnmp-server community alpha-Xq RO\n"
    new = "username admin password 0 second-Xq\nsnmp-server community alpha-Xq RO\n"
    (one,) = differences(old, new)
    assert one.removed == ("username admin password 0 <secret>",)
    assert one.added == ("username admin password 0 <secret, another>",)


def test_a_banner_is_one_text() -> None:
    old = "banner motd ^C\nline a\nhostname no command\n^C\nhostname sw\n"
    new = old.replace("line a", "line b")
    (one,) = differences(old, new)
    assert "line b" in one.added[0]


def test_a_line_that_stands_twice_is_counted() -> None:
    (one,) = differences(
        "logging host 10.0.0.1\nlogging host 10.0.0.1\n", "logging host 10.0.0.1\n"
    )
    assert one.removed == ("logging host 10.0.0.1",)


COMMANDS = st.sampled_from(
    [
        "hostname a",
        "hostname b",
        "route outside 0 0 10.0.0.1",
        "access-list A permit ip any any",
        "access-list A deny ip any any",
        "access-list A permit tcp any any",
        "interface E0\n nameif x\n shutdown",
        "interface E0\n nameif y",
        "interface E1\n nameif z",
    ]
)
TEXTS = st.lists(COMMANDS, max_size=8).map(lambda lines: "\n".join(lines) + "\n")


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert differences(text, text) == ()


@given(TEXTS, TEXTS)
def test_a_difference_seen_from_the_other_side_is_turned_round(old: str, new: str) -> None:
    there, back = differences(old, new), differences(new, old)
    assert sorted((d.section, sorted(d.removed), sorted(d.added)) for d in there) == sorted(
        (d.section, sorted(d.added), sorted(d.removed)) for d in back
    )
