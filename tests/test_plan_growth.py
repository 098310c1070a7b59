"""A plan for ten times the lines takes ten times the work.

Work is counted as calls of functions, which no other load on the machine can change; the seconds
are in benchmarks/device_configs.py. Calls do not see a long list searched by one of them, so the
number of commands is looked at as well.
"""

from __future__ import annotations

import cProfile
import pstats
import random
from collections.abc import Callable

import pytest

from device_configs.plan import plan

LINES = 150
ASA_PORTS = """\
hostname fw
interface e0
 nameif outside
 security-level 0
 ip address 198.51.100.1 255.255.255.0
interface e1
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.0.0
"""


def _rules(lines: int, *, ios: bool = False, groups: bool = False) -> list[str]:
    chance = random.Random(lines)
    made = dict.fromkeys(
        f"permit tcp host 10.{n >> 8}.{n & 255}.{chance.randrange(250)} "
        + (
            f"object-group g{n // 10}"
            if groups
            else f"host 203.0.{chance.randrange(250)}.{n % 250}"
        )
        + f" eq {chance.randrange(20, 9000)}"
        for n in range(lines)
    )
    return [f" {rule}" if ios else f"extended {rule}" for rule in made]


def _asa(lines: int, way: str = "in") -> str:
    rows = [f"access-list OUT {rule}" for rule in _rules(lines // 2)]
    rows += [f"access-list IN {rule}" for rule in _rules(lines - lines // 2)]
    rows += ["access-group OUT in interface outside", f"access-group IN {way} interface inside"]
    return ASA_PORTS + "\n".join(rows) + "\n"


def _grouped(lines: int, last: int) -> str:
    rows: list[str] = []
    for n in range(lines // 10 + 1):
        rows += [f"object-group network g{n}", f" network-object host 10.9.{n >> 8}.{n & 255}",
                 f" network-object host 10.{last}.{n >> 8}.{n & 255}"]  # fmt: skip
    rows += [f"access-list OUT {rule}" for rule in _rules(lines, groups=True)]
    return ASA_PORTS + "\n".join([*rows, "access-group OUT in interface outside"]) + "\n"


def _switch(lines: int, way: str = "in") -> str:
    rows = ["hostname sw", "ip access-list extended L", *_rules(lines, ios=True)]
    for n in range(lines // 10):
        rows += [f"interface Vlan{n + 2}", f" ip address 10.{n >> 8}.{n & 255}.1 255.255.255.0",
                 f" ip access-group L {way}", f"class-map c{n}", f" match dscp {n}"]  # fmt: skip
    return "\n".join(rows) + "\n"


def _lists(lines: int) -> str:
    rows = []
    for n in range(lines // 10):
        rows += [f"interface e{n}", f" nameif i{n}", " security-level 1",
                 f" ip address 10.{n >> 8}.{n & 255}.1 255.255.255.0"]  # fmt: skip
        rows += [f"access-list L{n} extended permit ip any host 10.9.9.{k}" for k in range(9)]
        rows.append(f"access-group L{n} in interface i{n}")
    return "\n".join(rows) + "\n"


def _without(text: str, start: str) -> str:
    """The same without each third line that begins so."""
    rows = text.splitlines(keepends=True)
    chosen = {n for n, row in enumerate(rows) if row.startswith(start) and n % 3 == 0}
    return "".join(row for n, row in enumerate(rows) if n not in chosen)


CASES: dict[str, Callable[[int], tuple[str, str, str]]] = {
    "onto a blank firewall": lambda n: ("hostname fw\n", _asa(n), "cisco_asa"),
    "a third of the rules new": lambda n: (_without(_asa(n), "access-list"), _asa(n), "cisco_asa"),
    "in and out": lambda n: (
        _without(_asa(n, "out"), "access-list"), _asa(n, "out"), "cisco_asa",
    ),
    "other members": lambda n: (_grouped(n, 1), _grouped(n, 2), "cisco_asa"),
    "many lists": lambda n: (_without(_lists(n), "access-list"), _lists(n), "cisco_asa"),
    "a switch, a third new": lambda n: (_without(_switch(n), " permit"), _switch(n), "cisco_ios"),
    "a switch, in and out": lambda n: (
        _without(_switch(n, "out"), " permit"), _switch(n, "out"), "cisco_ios",
    ),
    "a switch, emptied": lambda n: (_switch(n), "hostname sw\n", "cisco_ios"),
}  # fmt: skip


def _work(running: str, target: str, platform: str) -> tuple[int, int]:
    with cProfile.Profile() as profile:
        made = plan(running, target, platform)
    return pstats.Stats(profile).total_calls, len(made.commands)


@pytest.mark.parametrize("case", list(CASES))
def test_ten_times_the_lines_are_ten_times_the_work(case: str) -> None:
    # The first of all plans imports modules and compiles expressions.
    plan(*CASES[case](LINES))
    calls, commands = _work(*CASES[case](LINES))
    more, longer = _work(*CASES[case](10 * LINES))
    assert commands > 10
    assert longer <= 11.5 * commands
    assert more <= 12 * calls
