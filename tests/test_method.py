"""The description of methods ([R-9.1-1]): every parameter, in words, in three languages."""

from __future__ import annotations

import ast
import json
import random
import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from contract_cases import EXAMPLE, pas_table, path_table, service_row
from typer.testing import CliRunner, Result

import analysis.method
from analysis.catalogue_rows import load_catalogue
from analysis.catalogue_types import Rule
from analysis.documents.content import Document, Message
from analysis.documents.language import language, translations
from analysis.documents.render_html import render_html
from analysis.method import (
    described,
    method_document,
    standard_error,
    trains_in_period,
)
from analysis.method_rules import DELAYS, METHODS, Method
from analysis.readings import READINGS, Readings, readings_of
from inventory.load import load
from inventory.models import Configuration
from pasprobe import app

PLACE = re.compile(r"\{\w+\}")
CONFIGURATION = (
    EXAMPLE
    + """\
services = [ { id = "email", fee = "9000.00", start = "2010-01-01" } ]
[contract.readings]
D1 = "sent"
"""
    + pas_table(
        "roma-01", "high", service_row("ip-base", "L3", "normal", "2010-01-01", fee="12000.00")
    )
    + path_table("roma-01", "ip-base", target="192.0.2.1", endpoint="qxn")
    + 'train = { packets = 20, every = "30s" }\n'
)


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PASPROBE_CONFIG", raising=False)
    (tmp_path / "pasprobe.toml").write_text(CONFIGURATION)
    return load(None, environ={}).configuration


def sla(*words: str) -> Result:
    return CliRunner().invoke(app, ["sla", "method", *words])


def texts(document: Document) -> str:
    return render_html(document, language("en"))


def test_every_parameter_of_the_annex_is_described() -> None:
    catalogue = load_catalogue()
    found = list(described(catalogue, None))
    assert len(found) == 77
    assert [(one.service.id, one.parameter.id) for one in found] == [
        (service.id, parameter.id)
        for service in catalogue.services
        for parameter in service.parameters
    ]
    for one in found:
        for field in fields(Method):
            text = getattr(one.method, field.name)
            assert isinstance(text, Message)
            assert text.id
        assert one.readings
        assert set(one.readings) <= set(READINGS)


def test_every_rule_has_a_method() -> None:
    assert {*METHODS, "share-within"} == set(get_args(Rule))
    assert set(DELAYS) == {"rtt", "one-way"}


@pytest.mark.parametrize(
    ("service", "parameter", "statistic", "end_point"),
    [
        ("ip-base", "round-trip-delay", "round trip", "border router"),
        ("ip-base", "packet-loss", "lost", "border router"),
        ("ip-qos", "end-to-end-max-delay", "round trip", "other PAS"),
        ("ip-qos", "packet-loss", "lost", "other PAS"),
        ("voip", "one-way-delay", "one-way delay", "other PAS"),
        ("voip", "jitter", "RFC 3393", "other PAS"),
        ("email", "restoration-time", "of all outages", "as a whole"),
        ("provisioning", "external-move", "calendar", "order"),
    ],
)
def test_the_statistic_and_the_end_point_are_those_of_the_annex(
    service: str, parameter: str, statistic: str, end_point: str
) -> None:
    one = next(
        one
        for one in described(load_catalogue(), frozenset({service}))
        if one.parameter.id == parameter
    )
    assert statistic in one.method.statistic.id
    assert end_point in one.method.end_point.id


def test_only_one_way_delays_rest_on_the_reading_that_forbids_halving() -> None:
    found = {(d.service.id, d.parameter.id) for d in described(load_catalogue(), None)
             if "D11" in d.readings}  # fmt: skip
    services = ("voip", "video-collaboration", "video-conference")
    assert found == {(service, "one-way-delay") for service in services}


def test_a_contract_narrows_it_and_names_its_switches_and_paths(
    configuration: Configuration,
) -> None:
    document = method_document(load_catalogue(), readings_of(configuration), configuration)
    assert [section.id for section in document.sections] == [
        "ip-base",
        "email",
        "paths",
        "readings",
    ]
    page = texts(document)
    assert "set by the contract: D1 = sent" in page
    assert "a lost packet is too slow" in page
    table = next(s for s in document.sections if s.id == "paths").items[0].tables[0]
    assert table.rows[0][:7] == (
        "roma-01/ip-base", "192.0.2.1 qxn", "ICMP", 20, "100ms", "30s", 172_800,
    )  # fmt: skip
    plain = texts(method_document(load_catalogue(), Readings()))
    assert "set by the contract" not in plain


def test_without_a_window_nobody_can_say_how_many_trains_count() -> None:
    configuration = Configuration.model_validate(
        {
            "pas": [
                {"id": "a", "country": "IT", "timezone": "Europe/Rome", "profile": "high"},
            ],
            "path": [{"id": "a/x", "pas": "a", "service": "voip", "target": "192.0.2.1"}],
        }
    )
    assert trains_in_period(configuration, configuration.paths[0]) is None
    assert method_document(load_catalogue(), Readings(), configuration, "voip").sections


def test_the_standard_error_is_that_of_drawn_samples() -> None:
    chance = random.Random(11)
    trains = 400
    shares = [
        100 * sum(chance.random() < 0.01 for _ in range(trains)) / trains for _ in range(1500)
    ]
    mean = sum(shares) / len(shares)
    spread = (sum((share - mean) ** 2 for share in shares) / len(shares)) ** 0.5
    assert float(standard_error(trains)) == pytest.approx(spread, rel=0.08)
    assert standard_error(9900) == Decimal("0.1")
    assert standard_error(0) == standard_error(1)


def message_ids() -> set[str]:
    folder = Path(analysis.method.__file__).parent
    files = [folder / "method.py", folder / "method_rules.py", *(folder / "archive").glob("*.py")]
    assert len(files) > 8
    return {
        call.args[0].value
        for file in files
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "msg"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


@pytest.mark.parametrize("code", ["it", "fr"])
def test_every_text_is_translated_and_keeps_its_places(code: Any) -> None:
    known = translations(code)
    ids = message_ids()
    assert len(ids) > 100
    assert sorted(ids - set(known)) == []
    for one in ids:
        assert set(PLACE.findall(known[one])) == set(PLACE.findall(one)), one


def test_the_command_writes_text_a_page_and_json(configuration: Configuration) -> None:
    assert configuration.contract is not None
    text = sla("--lang", "it")
    assert text.exit_code == 0
    assert "punto terminale" in text.output
    assert "Voice over IP" not in text.output
    assert sla("--service", "voip", "--lang", "en", "-o", "m.html").exit_code == 0
    assert "One-way delay" in Path("m.html").read_text()
    assert sla("--service", "reporting", "--lang", "fr", "-o", "m.pdf").exit_code == 0
    assert Path("m.pdf").read_bytes().startswith(b"%PDF")
    found = json.loads(sla("--json").stdout)
    assert {one["service"] for one in found["parameters"]} == {"ip-base", "email"}
    assert set(found["parameters"][0]) == {
        "service", "parameter", "clause", "lines", "rule", "instrument", "statistic", "sampling",
        "end_point", "error", "readings",
    }  # fmt: skip
    assert found["readings"]["D1"].startswith("sent: ")


def test_without_a_configuration_it_is_the_whole_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PASPROBE_CONFIG", raising=False)
    monkeypatch.setattr("inventory.load.SYSTEM", tmp_path / "none")
    assert len(json.loads(sla("--json").stdout)["parameters"]) == 77


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--service", "voipp"], 'did you mean "voip"'),
        (["--lang", "de"], "--lang"),
        (["--output", "m.doc"], "*.html, *.pdf or *.json"),
        (["--output", "pasprobe.toml/m.html"], "cannot be written"),
        (["--config", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why(words: list[str], said: str) -> None:
    result = sla(*words)
    assert result.exit_code == 2
    assert said in result.output
