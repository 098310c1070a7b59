"""The catalogue: what there is, in which words, what others say of it, and its JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import get_args

import pytest

from analysis.catalogue_rows import (
    Basis,
    LimitUnit,
    Parameter,
    PenaltyUnit,
    Per,
    ReportItem,
    Rule,
    Service,
    catalogue_files,
    load_catalogue,
    read_catalogue,
)
from analysis.errors import CatalogueError
from analysis.steps import THRESHOLDS
from inventory.periods import four_months, month
from inventory.services import SERVICES, Window

PARAMETERS = {
    "ip-base": "access-guaranteed-bandwidth round-trip-delay packet-loss unit-availability"
    " restoration-time",
    "ip-qos": "end-to-end-guaranteed-bandwidth end-to-end-max-delay packet-loss unit-availability"
    " restoration-time",
    "security-standard": "unit-availability policy-validation-time policy-implementation-time"
    " restoration-time",
    "security-strong": "unit-availability policy-validation-time policy-implementation-time"
    " unavailability-notification-time incident-reaction-time restoration-time",
    "voip": "unit-availability call-success-rate configuration-change-time one-way-delay jitter"
    " packet-loss restoration-time",
    "email": "overall-availability message-delivery-time account-operation-time restoration-time",
    "unified-messaging": "um-overall-availability um-message-delivery-time um-restoration-time",
    "video-collaboration": "unit-availability call-success-rate configuration-change-time"
    " one-way-delay jitter packet-loss restoration-time",
    "video-conference": "unit-availability configuration-change-time call-success-rate"
    " one-way-delay jitter packet-loss restoration-time",
    "mobile-intranet": "overall-availability restoration-time",
    "mobile-satellite": "overall-availability restoration-time",
    "workstation-management": "overall-availability workstation-restoration-time"
    " remote-software-restoration-time software-distribution-time supplier-activation-time",
    "lan-management": "overall-availability network-device-restoration-time"
    " supplier-activation-time",
    "system-management": "overall-availability server-restoration-time supplier-activation-time"
    " software-distribution-time remote-software-restoration-time",
    "asset-management": "asset-availability asset-restoration-time inventory-update-time",
    "call-center": "waiting-time lost-calls outage-response-time",
    "provisioning": "local-provisioning centralised-provisioning internal-move external-move",
    "reporting": "technical-report-deadline contractual-report-deadline",
}
"""Of the design, whose ids are fixed."""

ITEMS = {
    "ip-base": (6, 6),
    "ip-qos": (6, 6),
    "security-standard": (6, 9),
    "security-strong": (8, 9),
    "voip": (10, 11),  # lines 310 and 311 are one item
    "email": (7, 7),
    "unified-messaging": (3, 2),
    "video-collaboration": (10, 9),
    "video-conference": (10, 10),
    "mobile-intranet": (3, 3),
    "mobile-satellite": (3, 3),
    "workstation-management": (7, 6),
    "lan-management": (5, 4),
    "system-management": (7, 7),
    "asset-management": (2, 2),
    "call-center": (4, 4),
    "provisioning": (1, 1),
    "reporting": (0, 0),
}
"""Of the annex's own lists, counted by hand: contractual, technical."""

OF_EVERY_REPORT = {130: "r-2-3-penalties", 134: "r-2-5-outages", 135: "r-2-5-late"}
"""Items that chapter 2 asks of every contractual report."""

CONDITIONS = {"profile", "pair", "level", "severity", "option", "bandwidth"}


def every_parameter() -> list[tuple[Service, Parameter]]:
    return [(s, parameter) for s in load_catalogue().services for parameter in s.parameters]


def every_item() -> list[tuple[Service, ReportItem]]:
    return [
        (service, item)
        for service in load_catalogue().services
        for item in (*service.contractual_report, *service.technical_report)
    ]


def parameter(service: str, identifier: str) -> Parameter:
    found = load_catalogue().parameter(service, identifier)
    assert found is not None
    return found


# what there is


def test_the_services_and_parameters_are_those_of_the_design_in_its_order() -> None:
    found = {s.id: " ".join(p.id for p in s.parameters) for s in load_catalogue().services}
    assert list(found.items()) == list(PARAMETERS.items())
    assert len(found) == 18
    assert len(every_parameter()) == 77


@pytest.mark.parametrize("service", PARAMETERS)
def test_each_report_has_the_items_of_the_annex_and_those_of_chapter_2(service: str) -> None:
    found = load_catalogue().service(service)
    assert found is not None
    own = [i for i in found.contractual_report if i.id not in OF_EVERY_REPORT.values()]
    assert (len(own), len(found.technical_report)) == ITEMS[service]
    added = [item.id for item in found.contractual_report[len(own) :]]
    has_penalties = any(item.source == "penalties" for item in own)
    assert added == ["r-2-5-outages", "r-2-5-late"] + ["r-2-3-penalties"] * (not has_penalties)


def test_rows_use_no_word_that_the_evaluation_does_not_know() -> None:
    for service, one in every_parameter():
        assert one.rule in get_args(Rule), one.id
        assert one.name, one.id
        assert one.term, one.id
        assert service.value_basis in get_args(Basis)
        for limit in one.limits:
            assert limit.unit in get_args(LimitUnit), one.id
        for penalty in one.penalties:
            assert penalty.unit in get_args(PenaltyUnit), one.id
            assert penalty.per in get_args(Per), one.id
            assert penalty.basis in get_args(Basis), one.id
            assert (penalty.unit == "euro") is (penalty.basis == "euro"), one.id
        for line, when in [(row.line, row.when) for row in one.limits] + [
            (row.line, row.when) for row in one.penalties
        ]:
            assert line in one.lines, one.id
            assert set(when) <= CONDITIONS, one.id


def test_a_percentage_is_charged_in_steps_that_have_a_rounding_band() -> None:
    steps = {
        cost.step
        for _, p in every_parameter()
        for cost in p.penalties
        if cost.per == "percent-point"
    }
    assert steps == {Decimal("0.1"), Decimal("0.5"), Decimal("1")}  # A5
    assert steps <= set(THRESHOLDS)


def test_only_the_guaranteed_bandwidth_has_neither_limit_nor_penalty() -> None:
    assert [(s.id, p.id) for s, p in every_parameter() if not p.limits or not p.penalties] == [
        ("ip-base", "access-guaranteed-bandwidth"),
        ("ip-qos", "end-to-end-guaranteed-bandwidth"),
    ]
    assert [p.id for _, p in every_parameter() if p.rule == "none"] == [
        "access-guaranteed-bandwidth",
        "end-to-end-guaranteed-bandwidth",
    ]  # D10


def test_availability_and_success_rates_are_floors_and_all_else_is_a_ceiling() -> None:
    for _, one in every_parameter():
        named = one.id.endswith("availability") or one.id == "call-success-rate"
        assert one.is_floor is named, one.id


def test_two_services_are_charged_on_the_fee_of_another() -> None:
    assert {s.id: s.fee_of for s in load_catalogue().services if s.fee_of} == {
        "unified-messaging": "email",
        "asset-management": "system-management",
    }  # E5, E10


# report items

PLAIN = {
    "tickets", "penalties", "usage", "usage-pairs", "calls", "calls-statistics", "jitter-over",
    "items", "rules-in-force", "firewall-resources", "charts", "late-responses", "interventions",
    "outages", "outages-late",
}  # fmt: skip
ABOUT_PARAMETERS = {
    "lines", "late-restorations", "late-requests", "requests", "restoration-statistics",
    "restored-in-time",
}  # fmt: skip


def test_every_item_names_a_source_that_the_reports_know() -> None:
    for service, item in every_item():
        place = (service.id, item.id)
        if item.kind == "contact-centre":
            assert item.about in (("received",), ("late",), ("lost",), ("wait",)), place
        elif item.kind in PLAIN:
            assert item.about == (), place
        else:
            assert item.kind in ABOUT_PARAMETERS, place
            assert item.about, place
            assert all(service.parameter(one) for one in item.about), place


def test_an_id_stands_once_in_a_list_and_means_the_same_in_both() -> None:
    for service in load_catalogue().services:
        meanings: dict[str, tuple[object, ...]] = {}
        for items in (service.contractual_report, service.technical_report):
            assert max(Counter(item.id for item in items).values(), default=1) == 1, service.id
            for item in items:
                assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", item.id)
                meaning = (item.text, item.term, item.source, item.operations)
                assert meanings.setdefault(item.id, meaning) == meaning, (service.id, item.id)


def test_the_items_of_mailboxes_share_out_all_operations() -> None:
    email = load_catalogue().service("email")
    assert email is not None
    for items in (email.contractual_report, email.technical_report):
        operations = [operation for item in items for operation in item.operations]
        assert operations == ["activation", "deactivation", "block", "password-reset"]


# what others say of the same things


def test_inventory_and_catalogue_agree_on_who_may_have_a_service() -> None:
    services = {s.id: s for s in load_catalogue().services}
    assert set(services) == set(SERVICES)
    for identifier, service in services.items():
        rule = SERVICES[identifier]
        assert (service.section, service.levels, service.profiles, service.windows) == (
            rule.section,
            rule.levels,
            rule.profiles,
            rule.windows,
        )
        assert (service.value_basis == "pas") is rule.per_pas, identifier


def test_the_definitions_agree_with_the_rules_that_use_them() -> None:
    definitions = load_catalogue().definitions
    assert {band.step: band.up_to for band in definitions.rounding} == THRESHOLDS
    assert [(w.id, w.begin_hour, w.end_hour) for w in definitions.windows] == [
        ("normal", 8, 20),
        ("extended", 0, 24),
    ]
    assert {w.id for w in definitions.windows} == set(get_args(Window))
    kinds = {kind.id: kind for kind in definitions.reports}
    for period, kind in ((four_months(2011, 1), "contractual"), (month(2011, 1), "technical")):
        months = 12 * (period.end.year - period.begin.year) + period.end.month - period.begin.month
        assert kinds[kind].months == months  # type: ignore[index]
    ends = {four_months(2011, number).end.month for number in (1, 2, 3)}
    assert set(kinds["contractual"].due_months) == ends  # F8
    for report, row in (
        (kinds["technical"], parameter("reporting", "technical-report-deadline").limits[0]),
        (kinds["contractual"], parameter("reporting", "contractual-report-deadline").limits[0]),
    ):
        assert row.value == report.due_day


def test_the_rows_of_a_level_are_those_of_its_definition() -> None:
    for level in load_catalogue().definitions.levels:
        for service, one in every_parameter():
            if level.id not in service.levels or one.rule not in (
                "unit-availability",
                "restoration",
            ):
                continue
            defined = (level.availability,) if one.is_floor else level.restoration
            mine = [row for row in one.limits if row.when["level"] == level.id]
            assert [(r.when, r.value, r.unit, r.target_share) for r in mine] == [
                (r.when, r.value, r.unit, r.target_share) for r in defined
            ], (service.id, one.id)


# for machines


def test_the_json_has_the_keys_of_the_design_and_no_others() -> None:
    printed = json.loads(json.dumps(load_catalogue().to_json()))
    assert set(printed) == {"services"}
    for service in printed["services"]:
        assert set(service) == {
            "id", "section", "value_basis", "windows", "levels", "profiles", "parameters",
            "contractual_report", "technical_report",
        }  # fmt: skip
        for item in (*service["contractual_report"], *service["technical_report"]):
            assert set(item) == {"id", "text"}
        for one in service["parameters"]:
            assert set(one) == {"id", "limits", "penalties", "clause", "lines"}
            for row in one["limits"]:
                assert set(row) == {"when", "value", "unit", "target_share"}
                assert Decimal(row["value"]) > 0
            for row in one["penalties"]:
                assert set(row) == {"when", "rate", "unit", "per", "step", "basis"}
                assert Decimal(row["rate"]) > 0
                assert Decimal(row["step"]) > 0


def test_numbers_are_printed_as_the_annex_prints_them() -> None:
    (first, *_) = load_catalogue().to_json()["services"]
    delays, availability = first["parameters"][1], first["parameters"][3]
    assert delays["limits"][0] == {
        "when": {"profile": "high"},
        "value": "300",
        "unit": "ms",
        "target_share": "99",
    }
    assert availability["limits"][2] == {
        "when": {"level": "L3"},
        "value": "99.9",
        "unit": "percent",
        "target_share": None,
    }
    assert availability["penalties"][2]["rate"] == "0.8"


# from files


def test_a_catalogue_is_read_back_from_the_files_that_an_archive_keeps() -> None:
    files = catalogue_files()
    assert len(files) == 19
    assert read_catalogue(dict(reversed(files.items()))) == load_catalogue()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text.replace('id = "call-center"', ""), "lacks the key 'id'"),
        (lambda text: text.replace('rate = "50"', 'rate = "fifty"'), "no decimal number"),
        (lambda text: text.replace('clause = "8.1.2"', 'clause = "8.1.2'), "is no TOML"),
        (lambda text: text.replace('windows = ["extended"]', "windows = 24"), "not as it should"),
    ],
)
def test_a_file_that_is_not_a_catalogue_is_named(spoil: Callable[[str], str], says: str) -> None:
    files = catalogue_files()
    spoilt = spoil(files["call-center.toml"])
    assert spoilt != files["call-center.toml"]
    with pytest.raises(CatalogueError, match=f"call-center.toml: .*{says}"):
        read_catalogue({**files, "call-center.toml": spoilt})


def test_a_catalogue_without_its_definitions_is_refused() -> None:
    files = catalogue_files()
    del files["definitions.toml"]
    with pytest.raises(CatalogueError, match=r"definitions\.toml: is missing"):
        read_catalogue(files)
