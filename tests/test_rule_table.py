"""The rules of many firewalls as one table, and what the technical report takes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.catalogue_rows import Catalogue
from analysis.facts_folder import read_facts
from device_configs.errors import HistoryError
from device_configs.history import History, Meta
from device_configs.rule_table import COLUMNS, rows
from inventory.load import load
from inventory.operations import Device

ROOT = Path(__file__).parent.parent
DAY_NS = 86_400 * 10**9
FW = Device(id="fw-1", host="192.0.2.1", role="firewall", platform="cisco_asa")
A, B, C = (f"access-list OUT extended permit tcp any host 10.0.0.{n} eq https\n" for n in (1, 2, 3))
BOUND = "access-group OUT in interface outside\n"


def kept(folder: Path, *texts: dict[str, str]) -> History:
    """One version a day, from day 1 on."""
    history = History(folder)
    for day, parts in enumerate(texts, 1):
        history.put("fw-1", parts, Meta(day * DAY_NS, "command", "somebody"))
    return history


def since(history: History, at_day: int | None = None) -> list[tuple[str, str | None]]:
    at_ns = None if at_day is None else at_day * DAY_NS
    return [(row["destination"], row["since"]) for row in rows(history, FW, at_ns, dated=True)]


def test_a_rule_is_in_force_since_the_first_backup_of_an_unbroken_row(tmp_path: Path) -> None:
    running = [A, A + B, "access-list OUT remark moved\n" + B + A, B + C, B + C + A]
    history = kept(tmp_path, *({"running": text + BOUND} for text in running))
    day = "1970-01-0{}T00:00:00Z".format
    assert since(history) == [
        ("host 10.0.0.2", day(3)),
        ("host 10.0.0.3", day(5)),
        ("host 10.0.0.1", day(6)),
    ]
    assert since(history, 3) == [("host 10.0.0.2", day(3)), ("host 10.0.0.1", day(2))]
    assert [row["since"] for row in rows(history, FW, None)] == [None] * 3
    with pytest.raises(HistoryError, match="there is no backup before"):
        list(rows(history, FW, 0))


def test_each_context_of_a_firewall_has_rules_of_its_own(tmp_path: Path) -> None:
    parts = {"running": "hostname fw\n", "context/shop/running": A + BOUND}
    history = kept(tmp_path, parts, {**parts, "context/bank/running": B + BOUND})
    found = list(rows(history, FW, None, dated=True))
    assert [tuple(row) for row in found] == [COLUMNS] * 2
    assert [(row["context"], row["number"], row["since"][:10]) for row in found] == [
        ("bank", 1, "1970-01-03"),
        ("shop", 1, "1970-01-02"),
    ]


def test_the_table_is_an_item_of_the_technical_report(tmp_path: Path, catalogue: Catalogue) -> None:
    contract = ROOT / "examples" / "contract"
    remark = 'access-list OUT remark the registry, and "others"\n'
    kept(tmp_path / "kept", {"running": remark + A + B + BOUND})
    file = tmp_path / "pasprobe.toml"
    file.write_text(
        f'[device_configs]\nfolder = "{tmp_path / "kept"}"\n[[device]]\nid = "fw-1"\n'
        'host = "192.0.2.1"\nrole = "firewall"\nplatform = "cisco_asa"\n'
        'login = { user = "admin", password = { env = "NOT_SET" } }\n'
    )
    items = tmp_path / "facts" / "items"
    items.mkdir(parents=True)
    with (items / "security-strong.rules-in-force.csv").open("w") as out:
        subprocess.run(
            [sys.executable, "-P", "-m", "pasprobe", "config", "rules", "--since", "--csv",
             "--config", str(file)],
            cwd=ROOT, stdout=out, check=True,
        )  # fmt: skip
    configuration = load(contract / "pasprobe.toml", environ=os.environ).configuration
    facts = read_facts(tmp_path / "facts", configuration, catalogue)
    (item,) = facts.items
    assert (item.service, item.item, item.header) == (
        "security-strong", "rules-in-force", COLUMNS,
    )  # fmt: skip
    assert [row[COLUMNS.index("destination")] for row in item.rows] == [
        "host 10.0.0.1",
        "host 10.0.0.2",
    ]
    assert item.rows[0][COLUMNS.index("remark")] == 'the registry, and "others"'
