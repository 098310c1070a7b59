"""The example contract: its facts are what the generator makes, and show every rule both ways."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from analysis.catalogue_rows import Catalogue, load_catalogue
from analysis.documents.material import Material
from analysis.documents.periodic import Kind, periodic_document
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.gather import Sources, gather
from analysis.facts import Facts
from analysis.facts_folder import read_facts
from analysis.lines import Line, Result, Status
from inventory.clocks import local
from inventory.load import load
from inventory.models import Configuration
from inventory.periods import Period, months_of, parse_period
from inventory.services import ALL_PROFILES, SERVICES

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CONTRACT = EXAMPLES / "contract"
FACTS = CONTRACT / "facts"
PERIOD = parse_period("2011-2")
PERIODS = (PERIOD, *months_of(PERIOD))
AS_OF_NS = int(datetime(2011, 10, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
FROM_A_FILE = frozenset({"items", "rules-in-force", "firewall-resources", "charts"})
"""Sources of report items that are printed from `facts/items/`."""
DOCUMENTATION = [
    ipaddress.ip_network(prefix)
    for prefix in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
"""RFC 5737 and RFC 3849."""


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return load(CONTRACT / "pasprobe.toml", environ={}).configuration


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def facts(configuration: Configuration, catalogue: Catalogue) -> Facts:
    return read_facts(FACTS, configuration, catalogue)


@pytest.fixture(scope="module")
def results(configuration: Configuration, catalogue: Catalogue) -> dict[str, Result]:
    return {
        period.text: evaluate(
            gather(configuration, catalogue, period, Sources(FACTS), as_of_ns=AS_OF_NS)
        )
        for period in PERIODS
    }


@pytest.fixture(scope="module")
def lines(results: dict[str, Result]) -> tuple[Line, ...]:
    """Of the four months."""
    return results[PERIOD.text].lines


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_the_facts_on_disk_are_what_the_generator_makes(tmp_path: Path) -> None:
    command = [sys.executable, "-B", str(EXAMPLES / "make_facts.py"), "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    made, committed = files_in(tmp_path), files_in(FACTS)
    assert sorted(made) == sorted(committed)
    assert [name for name in made if made[name] != committed[name]] == []


def test_the_examples_are_small_enough_to_ship() -> None:
    sizes = [f.stat().st_size for f in EXAMPLES.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    assert sum(sizes) < 1_500_000


def test_every_service_profile_level_and_window_is_in_the_contract(
    configuration: Configuration,
) -> None:
    assert configuration.contract is not None
    entries = [entry for pas in configuration.pas for entry in pas.services]
    listed = {entry.id for entry in entries} | {s.id for s in configuration.contract.services}
    assert listed == set(SERVICES)
    assert {pas.profile for pas in configuration.pas} == set(ALL_PROFILES)
    assert {entry.window for entry in entries} == {"normal", "extended"}
    for service, rule in SERVICES.items():
        assert {e.level for e in entries if e.id == service} == set(rule.levels), service


def test_one_pas_comes_and_one_service_goes_within_the_period(
    results: dict[str, Result],
) -> None:
    warnings = {(w.code, w.service, w.pas) for w in results[PERIOD.text].warnings}
    assert ("not-charged-yet", "ip-base", "osaka-01") in warnings
    assert ("ended", "voip", "cairo-01") in warnings


def test_nobody_in_the_example_exists(configuration: Configuration) -> None:
    texts = [(CONTRACT / "pasprobe.toml").read_text(encoding="utf-8")]
    texts += [content.decode() for content in files_in(FACTS).values()]
    every = "\n".join(texts)
    for address in re.findall(r"(?<![\w.:])\d+\.\d+\.\d+\.\d+(?![\w.])", every):
        assert any(ipaddress.ip_address(address) in net for net in DOCUMENTATION), address
    for address in re.findall(r"\b[0-9a-f]{1,4}:[0-9a-f:]*::[0-9a-f:]*\b", every):
        assert ipaddress.ip_address(address) in DOCUMENTATION[-1], address
    domains = set(re.findall(r"@([\w.-]+)", every))
    assert domains <= {"example.org", "example.net", "example.com"}
    assert configuration.contacts
    assert configuration.clients


def test_every_report_item_that_comes_from_a_file_has_one(
    catalogue: Catalogue, facts: Facts
) -> None:
    wanted = {
        (service.id, item.id)
        for service in catalogue.services
        for item in service.contractual_report + service.technical_report
        if item.source in FROM_A_FILE
    }
    assert {(table.service, table.item) for table in facts.items} == wanted
    assert all(table.rows for table in facts.items)


@pytest.mark.parametrize("period", PERIODS, ids=str)
def test_no_item_of_a_report_is_without_data(
    period: Period, configuration: Configuration, catalogue: Catalogue
) -> None:
    inputs = gather(
        configuration, catalogue, period, Sources(FACTS), as_of_ns=AS_OF_NS, each_day=True
    )
    kind: Kind = "technical" if period.kind == "month" else "contractual"
    document = periodic_document(Material(inputs, evaluate(inputs)), kind, {})
    assert [(section.id, item.id) for section, item in document.missing] == []


@pytest.mark.parametrize("month", months_of(PERIOD), ids=str)
def test_each_month_has_the_figures_that_its_technical_report_prints(
    month: Period, configuration: Configuration, facts: Facts
) -> None:
    zones = {pas.id: pas.timezone for pas in configuration.pas}

    def within(start_ns: int, pas: str = "") -> bool:
        return f"{local(start_ns, zones.get(pas, 'Europe/Rome')):%Y-%m}" == str(month)

    at_pas = {
        (service, pas.id)
        for service in ("ip-base", "ip-qos")
        for pas in configuration.pas
        for entry in pas.services
        if entry.id == service and (entry.start is None or f"{entry.start:%Y-%m}" <= str(month))
    }
    measured = {(row.service, row.pas) for row in facts.usage if within(row.start_ns, row.pas)}
    assert measured == at_pas
    assert {row.service for row in facts.calls if within(row.start_ns)} == {
        "voip", "video-collaboration", "video-conference",
    }  # fmt: skip
    # The statistics by hour need rows of an hour.
    assert all(row.end_ns - row.start_ns == 3_600_000_000_000 for row in facts.calls)
    assert {row.service for row in facts.messages if within(row.start_ns)} == {
        "email", "unified-messaging",
    }  # fmt: skip
    centre = [row for row in facts.contact_centre if within(row.start_ns)]
    assert centre
    assert all(row.received is not None and row.wait_s is not None for row in centre)
    opened = {s for ticket in facts.tickets if within(ticket.opened_ns) for s in ticket.services}
    assert len(opened) >= 10


def test_every_service_has_outages_of_both_severities(facts: Facts) -> None:
    seen = {(service, t.severity) for t in facts.tickets for service in t.services}
    without = {"call-center", "provisioning", "reporting"}
    assert seen == {
        (service, severity)
        for service in set(SERVICES) - without
        for severity in ("blocking", "non-blocking")
    }


def test_every_kind_of_request_was_made(catalogue: Catalogue, facts: Facts) -> None:
    limited = {
        (service.id, parameter.id)
        for service in catalogue.services
        for parameter in service.parameters
        if parameter.rule.startswith("request-") or parameter.rule == "provisioning-months"
        if parameter.id != "policy-validation-time"  # one row with the implementation
    }
    assert {(request.service, request.kind) for request in facts.requests} == limited
    assert {request.outcome for request in facts.requests} == {"done", "rejected", "pending"}


def test_every_rule_is_met_somewhere_and_not_met_somewhere(
    catalogue: Catalogue, results: dict[str, Result]
) -> None:
    rules = {(s.id, p.id): p.rule for s in catalogue.services for p in s.parameters}
    seen = {
        (rules[line.service, line.parameter], line.status)
        for result in results.values()
        for line in result.lines
    }
    for rule in set(rules.values()) - {"none"}:  # bandwidth has no limit of its own
        assert (rule, Status.MET) in seen, rule
        assert (rule, Status.NOT_MET) in seen, rule


def test_every_rule_costs_something_in_the_four_months(
    catalogue: Catalogue, lines: tuple[Line, ...]
) -> None:
    rules = {(s.id, p.id): p.rule for s in catalogue.services for p in s.parameters}
    charged = {rules[line.service, line.parameter] for line in lines if line.penalty_eur}
    assert charged == set(rules.values()) - {"none"}


def test_no_parameter_is_without_data(catalogue: Catalogue, lines: tuple[Line, ...]) -> None:
    known = {
        (line.service, line.parameter)
        for line in lines
        if line.status in (Status.MET, Status.NOT_MET)
    }
    assert known == {(s.id, p.id) for s in catalogue.services for p in s.parameters}


@pytest.mark.parametrize(
    ("service", "pas", "peer", "parameter", "event", "penalty"),
    [
        # 5 h 10 min of 2952 h: 99.825 %, 0.075 below 99.9: one step of 0.8 % of 12000
        ("ip-base", "roma-01", "", "unit-availability", "", "96.00"),
        # 22 h 30 min of 1476 h (07:10 counts from 08:00): 98.4756 %, five steps of 0.4 % of 7500
        ("ip-base", "milano-01", "", "unit-availability", "", "150.00"),
        # 2 June is a holiday: the second working day is Monday 6, closed on 7: 0.04 % of 21800
        ("ip-base", "roma-01", "", "restoration-time", "T-1103", "8.72"),
        # 11 h 25 min since the report, 3 whole hours above 8
        ("ip-base", "bruxelles-01", "", "restoration-time", "T-1102", "26.16"),
        # The Golden Week: 6 and 9 May are the two working days
        ("ip-base", "tokyo-01", "", "restoration-time", "T-1106", "0.00"),
        # The weekend of Cairo: 12 to 15 June, closed on 16: 0.02 % of 8400
        ("ip-base", "cairo-01", "", "restoration-time", "T-1110", "1.68"),
        # Added in June: late by two days and free of charge
        ("ip-base", "osaka-01", "", "restoration-time", "T-1113", "0.00"),
        # 15 h of 1476 h: 98.9837 %, and 0.0163 rounds to nothing
        ("ip-qos", "tokyo-01", "", "unit-availability", "", "0.00"),
        # 51 h 30 min of 92 days: 95.3351 %, 17 steps of 0.2 % of 1200
        ("voip", "cairo-01", "", "unit-availability", "", "40.80"),
        # 5.5 h against 3 with help desk on site: 2 whole hours of 0.01 % of 13900
        ("security-strong", "bruxelles-01", "", "policy-validation-time", "R-2011", "2.78"),
        # 52 min: two whole quarters above 15
        ("security-strong", "bruxelles-01", "", "unavailability-notification-time", "R-2021",
         "2.78"),
        # One of eight late: 87.5 %, 12.5 below: 13 steps of 1 % of 9000
        ("email", "", "", "restoration-time", "", "1170.00"),
        # 26 h by 150 units and 2.5 h by 30 of 150: 26.5 h of 2952: 99.1023 %: 4 steps of 1 %
        ("mobile-intranet", "", "", "overall-availability", "", "216.00"),
        # 30 h of 2952: 98.9837 %: 5 steps of 0.2 % of the fee of system-management
        ("asset-management", "", "", "asset-availability", "", "110.00"),
        # 46 h after a limit of 2: two working dates later
        ("workstation-management", "", "", "supplier-activation-time", "R-2087", "16.80"),
        ("call-center", "", "", "waiting-time", "", "2050.00"),
        # 28 of 771: 3.63 %, 2 points above 2 %: 20 % of 2050
        ("call-center", "", "", "lost-calls", "", "410.00"),
        # Due on 2 July, there on 9: 7 % of all fees of Rome
        ("provisioning", "roma-01", "", "centralised-provisioning", "R-2123", "2849.00"),
        # Due on Friday 20 May, sent on Tuesday 24
        ("reporting", "", "", "contractual-report-deadline", "2011-1", "100.00"),
    ],
)  # fmt: skip
def test_penalties_worked_out_by_hand(
    lines: tuple[Line, ...],
    service: str,
    pas: str,
    peer: str,
    parameter: str,
    event: str,
    penalty: str,
) -> None:
    found = [
        line.penalty_eur
        for line in lines
        if (line.service, line.pas, line.peer, line.parameter, line.event)
        == (service, pas, peer, parameter, event)
    ]
    assert found == [Decimal(penalty)]


def test_a_month_costs_nothing_and_one_finding_of_august_has_no_action(
    results: dict[str, Result],
) -> None:
    for month in months_of(PERIOD):
        assert results[month.text].total_eur == 0
    without = [
        (result.period.text, warning.service)
        for result in results.values()
        for warning in result.warnings
        if warning.code == "finding-without-action"
    ]
    assert without == [("2011-08", "workstation-management")]


def test_the_walk_in_the_readme_prints_what_the_program_does(results: dict[str, Result]) -> None:
    text = (CONTRACT / "README.md").read_text(encoding="utf-8")
    four_months = results[PERIOD.text]
    assert f"Total {four_months.total_eur} EUR" in text
    assert f"{len(four_months.lines)} lines, one" in text
    named = re.search(r"--line (\d+)", text)
    assert named is not None
    line = four_months.lines[int(named[1]) - 1]
    assert line.formula in text
    assert (line.service, line.pas, line.parameter) == ("ip-base", "roma-01", "unit-availability")


def test_the_total_does_not_hang_on_the_hour_of_the_evaluation(
    configuration: Configuration, catalogue: Catalogue, results: dict[str, Result]
) -> None:
    later_ns = AS_OF_NS + 15 * 365 * 86_400 * 1_000_000_000
    later = evaluate(gather(configuration, catalogue, PERIOD, Sources(FACTS), as_of_ns=later_ns))
    assert later.total_eur == results[PERIOD.text].total_eur


def test_the_command_line_finds_the_facts_beside_the_configuration() -> None:
    command = [
        sys.executable, "-m", "pasprobe", "sla", "evaluate", "--period", "2011-2", "--service",
        "email", "--json", "--config", str(CONTRACT / "pasprobe.toml"),
    ]  # fmt: skip
    ran = subprocess.run(
        command, cwd=EXAMPLES.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 1, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["administration"] == "Example Administration"
    assert {line["service"] for line in answer["lines"]} == {"email"}
