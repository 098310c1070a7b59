"""The catalogue against a table written a second time from the annex, and against its lines."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from analysis.catalogue_rows import PathLimits, load_catalogue, pair_class
from inventory.services import ALL_PROFILES, SERVICES, Profile

H, M, B, S = ALL_PROFILES

# (service, parameter, clause, line): {condition: (value, unit, share)}, (rate, per, step, basis)
SECOND_TABLE = {
    ("ip-base", "round-trip-delay", "3.1.2", 148): (
        {"high": "300", "medium": "400", "base": "500", "base-satellite": "900"},
        ("ms", "99"),
        ("0.5", "percent-point", "0.5", "pas"),
    ),
    ("ip-base", "packet-loss", "3.1.2", 149): (
        {"": "1"},
        ("percent", None),
        ("0.2", "percent-point", "0.1", "pas"),
    ),
    ("ip-qos", "end-to-end-max-delay", "3.2.2", 181): (
        {"high/high": "350", "high/medium": "500", "high/base": "600", "other": "900"},
        ("ms", "99"),
        ("0.5", "percent-point", "0.5", "pair"),
    ),
    ("ip-qos", "packet-loss", "3.2.2", 182): (
        {"": "1"},
        ("percent", None),
        ("0.2", "percent-point", "0.1", "pair"),
    ),
    ("voip", "one-way-delay", "5.2", 287): (
        {"high/high": "150", "high/medium": "180", "high/base": "250", "other": "350"},
        ("ms", "99"),
        ("0.1", "percent-point", "0.5", "all-pas"),
    ),
    ("voip", "jitter", "5.2", 288): (
        {"high/high": "20", "high/medium": "20", "medium/medium": "20", "other": "40"},
        ("ms", None),
        ("0.1", "ms", "1", "all-pas"),
    ),
    ("voip", "packet-loss", "5.2", 289): (
        {"": "1"},
        ("percent", None),
        ("0.1", "percent-point", "0.1", "pas"),
    ),
    ("video-collaboration", "one-way-delay", "6.2.2", 368): (
        {"high/high": "100", "high/medium": "120"},
        ("ms", "99"),
        ("0.5", "percent-point", "0.5", "all-pas"),
    ),
    ("video-collaboration", "jitter", "6.2.2", 369): (
        {"": "20"},
        ("ms", None),
        ("0.1", "ms", "1", "all-pas"),
    ),
    ("video-collaboration", "packet-loss", "6.2.2", 371): (
        {"": "0.1"},
        ("percent", None),
        ("0.2", "percent-point", "0.1", "pas"),
    ),
    ("video-conference", "one-way-delay", "6.3.2", 406): (
        {"": "80"},
        ("ms", "99"),
        ("0.5", "percent-point", "0.5", "all-pas"),
    ),
    ("video-conference", "jitter", "6.3.2", 407): (
        {"": "20"},
        ("ms", None),
        ("0.1", "ms", "1", "all-pas"),
    ),
    ("video-conference", "packet-loss", "6.3.2", 409): (
        {"": "0.1"},
        ("percent", None),
        ("0.2", "percent-point", "0.1", "pas"),
    ),
}


def condition(when: dict[str, str]) -> str:
    (value,) = when.values() or ("",)
    return value


def test_every_row_is_as_it_was_written_a_second_time() -> None:
    rows = {}
    for service in load_catalogue().to_json()["services"]:
        for parameter in service["parameters"]:
            (line,) = parameter["lines"]
            (shape,) = {(row["unit"], row["target_share"]) for row in parameter["limits"]}
            (penalty,) = parameter["penalties"]
            assert (penalty["when"], penalty["unit"]) == ({}, "percent")
            rows[service["id"], parameter["id"], parameter["clause"], line] = (
                {condition(row["when"]): row["value"] for row in parameter["limits"]},
                shape,
                (penalty["rate"], penalty["per"], penalty["step"], penalty["basis"]),
            )
    assert rows == SECOND_TABLE


@pytest.fixture(scope="module")
def annex() -> list[str]:
    """The lines of the annex, where it is at hand."""
    folder = os.environ.get("PASPROBE_REFERENCE")
    default = Path(__file__).parents[2] / "shared" / "reference"
    file = (Path(folder) if folder else default) / "004_80c1bcb612ea7488.txt"
    if not file.exists():
        pytest.skip("the annex is not here (set PASPROBE_REFERENCE to its folder)")
    return file.read_text(encoding="utf-8").split("\n")


def italian(number: str, unit: str) -> tuple[str, ...]:
    texts = {number, number.replace(".", ",")}
    return tuple(f"{text}{gap}{unit}" for text in texts for gap in ("", " "))


def test_every_figure_stands_in_the_line_it_cites(annex: list[str]) -> None:
    for service in load_catalogue().services:
        for parameter in service.parameters:
            (number,) = parameter.lines
            _, limit, penalty, *_ = annex[number - 1].split(" | ")
            for row in parameter.limits:
                unit = "ms" if row.unit == "ms" else "%"
                assert any(text in limit for text in italian(str(row.value), unit)), (number, row)
                if row.target_share is not None:
                    assert f"{row.target_share}%" in limit
            for cost in parameter.penalties:
                assert any(penalty.startswith(t) for t in italian(str(cost.rate), "% ")), number
                step = "per ogni millisecondo" if cost.per == "ms" else italian(str(cost.step), "%")
                assert any(t in penalty for t in ([step] if isinstance(step, str) else step))
                basis = {
                    "pas": "del valore del PAS",
                    "pair": "del valore della coppia di PAS",
                    "all-pas": "del valore complessivo dei PAS",
                }
                assert basis[cost.basis] in penalty


def delay(service: str, one: Profile, other: Profile | None) -> Decimal | None:
    return load_catalogue().limits_for(service, one, other).delay_ms


@pytest.mark.parametrize(
    ("service", "one", "other", "ms", "jitter_ms"),
    [
        ("ip-base", H, None, "300", None),
        ("ip-base", M, None, "400", None),
        ("ip-base", B, None, "500", None),
        ("ip-base", S, None, "900", None),
        ("ip-base", B, H, "500", None),  # the PAS alone decides (D8)
        ("voip", H, H, "150", "20"),
        ("voip", H, M, "180", "20"),
        ("voip", H, B, "250", "40"),
        ("voip", H, S, "350", "40"),  # Base Satellite is not Base (D3)
        ("voip", M, M, "350", "20"),  # odd, but literal (D3)
        ("voip", M, B, "350", "40"),
        ("voip", B, B, "350", "40"),
        ("voip", S, S, "350", "40"),
        ("ip-qos", H, S, "900", None),
        ("ip-qos", H, B, "600", None),
        ("video-collaboration", H, M, "120", "20"),
        ("video-collaboration", M, M, None, "20"),  # no limit is printed (D4)
        ("video-conference", H, H, "80", "20"),
    ],
)
def test_a_path_is_judged_by_the_row_of_its_profiles(
    service: str, one: Profile, other: Profile | None, ms: str | None, jitter_ms: str | None
) -> None:
    limits = load_catalogue().limits_for(service, one, other)
    assert limits.delay_ms == (None if ms is None else Decimal(ms))
    assert limits.jitter_ms == (None if jitter_ms is None else Decimal(jitter_ms))
    assert limits.delay_kind == (
        None if ms is None else "rtt" if service.startswith("ip") else "one-way"
    )
    assert limits.delay_share_percent == (None if ms is None else Decimal(99))
    assert bool(limits.notes) is (ms is None)


def test_pairs_have_no_order() -> None:
    for one, other in product(ALL_PROFILES, repeat=2):
        assert pair_class(one, other) == pair_class(other, one)
        for service in ("ip-qos", "voip"):
            assert delay(service, one, other) == delay(service, other, one)


@pytest.mark.parametrize("service", ["ip-qos", "voip", "video-collaboration", "video-conference"])
def test_a_limit_for_pairs_is_not_applied_to_a_path_without_a_peer(service: str) -> None:
    limits = load_catalogue().limits_for(service, H, None)
    assert (limits.delay_ms, limits.jitter_ms) == (None, None)
    assert limits.loss_percent is not None
    assert all("no peer" in note for note in limits.notes)
    assert limits.notes


def test_a_service_without_packet_limits_says_so() -> None:
    assert load_catalogue().limits_for("email", H, None) == PathLimits(
        notes=("the catalogue has no packet limits for email",)
    )


def test_the_delay_limits_are_listed_for_the_histograms() -> None:
    milliseconds = (80, 100, 120, 150, 180, 250, 300, 350, 400, 500, 600, 900)
    assert load_catalogue().delay_limits_ms == tuple(Decimal(n) for n in milliseconds)


def test_inventory_and_catalogue_agree_on_who_may_have_a_service() -> None:
    services = load_catalogue().services
    assert [s.id for s in services] == [s for s in SERVICES if s in {t.id for t in services}]
    for service in services:
        rule = SERVICES[service.id]
        assert (service.section, service.levels, service.profiles, service.windows) == (
            rule.section,
            rule.levels,
            rule.profiles,
            rule.windows,
        )


def test_the_catalogue_prints_as_json() -> None:
    (first, *_) = json.loads(json.dumps(load_catalogue().to_json()))["services"]
    assert first["id"] == "ip-base"
    assert first["parameters"][0]["limits"][0] == {
        "when": {"profile": "high"},
        "value": "300",
        "unit": "ms",
        "target_share": "99",
    }
