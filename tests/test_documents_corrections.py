"""A corrected report names each change and its euro."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analysis.documents.content import Item, Message, Money
from analysis.documents.corrections import corrections
from analysis.documents.material import Material
from analysis.errors import ReportError
from analysis.evaluation.asked import Asked, gathered
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.result_json import result_object
from inventory.models import Influxdb
from timeseries.reader import Reader

CONTRACT = Path(__file__).parents[1] / "examples" / "contract"


def no_server(_: Influxdb) -> Reader:
    raise AssertionError("nobody asks for a server here")


@pytest.fixture(scope="module")
def material() -> Material:
    asked = Asked("2011-2", CONTRACT / "pasprobe.toml", as_of="2011-09-25")
    inputs = gathered(asked, os.environ, no_server)
    return Material(inputs, evaluate(inputs))


@pytest.fixture
def earlier(material: Material) -> dict[str, Any]:
    """What `sla evaluate --json` printed, read again."""
    found: dict[str, Any] = json.loads(json.dumps(result_object(material.result)))
    return copy.deepcopy(found)


def note_of(item: Item) -> Mapping[str, Any]:
    note = item.notes[-1]
    assert isinstance(note, Message)
    return note.values


def rows_of(item: Item) -> list[dict[str, Any]]:
    (table,) = item.tables
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def charged(earlier: dict[str, Any]) -> dict[str, Any]:
    return next(line for line in earlier["lines"] if Decimal(line["penalty_eur"]) > 0)


def test_the_same_result_has_no_change(material: Material, earlier: dict[str, Any]) -> None:
    item = corrections(material, earlier)

    assert item.tables == ()
    assert note_of(item)["difference"] == Money(Decimal(0))
    assert note_of(item)["before"] == note_of(item)["now"] == Money(material.result.total_eur)


def test_another_amount_of_a_line_is_named_with_its_euro(
    material: Material, earlier: dict[str, Any]
) -> None:
    line = charged(earlier)
    now = Decimal(line["penalty_eur"])
    line["penalty_eur"] = str(now + Decimal("10.50"))

    item = corrections(material, earlier)

    (row,) = rows_of(item)
    assert row["service"] == line["service"]
    assert row["before_eur"] == Money(now + Decimal("10.50"))
    assert row["now_eur"] == Money(now)
    assert row["difference_eur"] == Money(Decimal("-10.50"))
    assert note_of(item)["before"] == Money(material.result.total_eur + Decimal("10.50"))


def test_a_changed_figure_is_named_though_it_costs_the_same(
    material: Material, earlier: dict[str, Any]
) -> None:
    line = next(x for x in earlier["lines"] if x["measured"] is not None and x["unit"] == "percent")
    line["measured"] = str(Decimal(line["measured"]) - Decimal("0.01"))

    (row,) = rows_of(corrections(material, earlier))

    assert row["difference_eur"] == Money(Decimal(0))
    assert row["before"] != row["now"]


def test_new_and_gone_lines_are_named(material: Material, earlier: dict[str, Any]) -> None:
    line = charged(earlier)
    earlier["lines"].remove(line)
    earlier["lines"].append({**line, "event": "T-0", "penalty_eur": "7.00"})

    new, gone = rows_of(corrections(material, earlier))

    assert (new["change"].id, gone["change"].id) == ("new", "gone")
    assert new["difference_eur"] == Money(Decimal(line["penalty_eur"]))
    assert gone["difference_eur"] == Money(Decimal("-7.00"))


def test_lines_that_only_moved_are_no_change(material: Material, earlier: dict[str, Any]) -> None:
    earlier["lines"].reverse()

    assert corrections(material, earlier).tables == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"period": "2011-1"}, "period '2011-1'"),
        ({"administration": "Another"}, "administration 'Another'"),
        ({"lines": None}, "no list `lines`"),
        ({"lines": [{"penalty_eur": "much"}]}, "'much'"),
    ],
)
def test_what_is_no_result_of_this_period_is_refused(
    material: Material, earlier: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ReportError, match=words):
        corrections(material, {**earlier, **change})
