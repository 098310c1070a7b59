"""Which row of the catalogue applies: by profile, pair, level, severity, option and bandwidth."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest

from analysis.catalogue_rows import LimitRow, Parameter, PathLimits, load_catalogue, pair_class
from inventory.services import ALL_PROFILES, Level, Profile

H, M, B, S = ALL_PROFILES


def parameter(service: str, identifier: str) -> Parameter:
    found = load_catalogue().parameter(service, identifier)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("service", "level", "severity", "limit", "penalty"),
    [
        ("ip-base", "L1", "blocking", ("4", "working-days"), ("0.02", "working-day", "level")),
        ("ip-base", "L1", "non-blocking", ("6", "working-days"), ("0.02", "working-day", "level")),
        ("ip-qos", "L2", "blocking", ("2", "working-days"), ("0.04", "working-day", "level")),
        ("voip", "L2", "non-blocking", ("4", "working-days"), ("0.04", "working-day", "level")),
        ("voip", "L3", "blocking", ("8", "hours"), ("0.04", "hour", "level")),
        ("voip", "L3", "non-blocking", ("2", "working-days"), ("0.04", "working-day", "level")),
        ("mobile-intranet", None, "blocking", ("8", "hours"), ("0.1", "hour", "all-pas")),
        ("mobile-satellite", None, "non-blocking", ("2", "working-days"),
         ("0.1", "working-day", "all-pas")),
    ],
)  # fmt: skip
def test_a_restoration_is_judged_by_level_and_severity(
    service: str,
    level: Level | None,
    severity: str,
    limit: tuple[str, str],
    penalty: tuple[str, str, str],
) -> None:
    one = parameter(service, "restoration-time")
    row = one.limit_for(level=level, severity=severity)  # type: ignore[arg-type]
    cost = one.penalty_for(level=level, severity=severity)  # type: ignore[arg-type]
    assert row is not None
    assert cost is not None
    assert ((str(row.value), row.unit), row.target_share) == (limit, Decimal(100))
    assert (str(cost.rate), cost.per, cost.basis) == penalty


def test_a_level_that_a_service_does_not_have_has_no_limit() -> None:
    video = parameter("video-conference", "unit-availability")
    assert video.limit_for(level="L1") is None
    assert video.penalty_for(level="L1") is None
    assert parameter("voip", "unit-availability").limit_for() is None


def test_help_desk_on_site_shortens_limits_and_trebles_an_amount() -> None:
    validation = parameter("security-strong", "policy-validation-time")
    response = parameter("call-center", "outage-response-time")
    options = ("help-desk-on-site",)
    for found, value in (
        (validation.limit_for(), 4),
        (validation.limit_for(options=options), 3),
        (response.limit_for(), 60),
        (response.limit_for(options=options), 60),
    ):
        assert found is not None
        assert found.value == value
    for cost, rate in (
        (validation.penalty_for(options=options), "0.01"),  # E11
        (response.penalty_for(), "100"),
        (response.penalty_for(options=options), "300"),  # F4
    ):
        assert cost is not None
        assert cost.rate == Decimal(rate)


@pytest.mark.parametrize(
    ("kind", "mbps", "months"),
    [
        ("local-provisioning", "2", 3),
        ("local-provisioning", "8", 3),
        ("local-provisioning", "8.1", None),  # no limit between 8 and 10 (F5)
        ("local-provisioning", "9.9", None),
        ("local-provisioning", "10", 4),
        ("local-provisioning", None, None),
        ("external-move", "8", 2),
        ("external-move", "10", 4),
        ("internal-move", None, 1),
        ("centralised-provisioning", "100", 2),
    ],
)
def test_an_order_is_judged_by_its_bandwidth(
    kind: str, mbps: str | None, months: int | None
) -> None:
    row = parameter("provisioning", kind).limit_for(
        bandwidth_mbps=None if mbps is None else Decimal(mbps)
    )
    assert (None if row is None else row.value) == months


def test_a_condition_that_nobody_knows_is_refused() -> None:
    row = LimitRow({"weather": "fair"}, Decimal(1), "percent", None)
    one = Parameter("packet-loss", "3.1.2", (149,), (row,), ())
    with pytest.raises(ValueError, match="weather"):
        one.limit_for()


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


@pytest.mark.parametrize("service", ["email", "security-strong", "reporting"])
def test_a_service_without_packet_limits_says_so(service: str) -> None:
    assert load_catalogue().limits_for(service, H, None) == PathLimits(
        notes=(f"the catalogue has no packet limits for {service}",)
    )


def test_the_delay_limits_are_listed_for_the_histograms() -> None:
    milliseconds = (80, 100, 120, 150, 180, 250, 300, 350, 400, 500, 600, 900)
    assert load_catalogue().delay_limits_ms == tuple(Decimal(n) for n in milliseconds)
