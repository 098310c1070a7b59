"""The pages have no WCAG 2 A or AA violation, by axe-core in chromium."""

from __future__ import annotations

import html
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analysis.catalogue_rows import load_catalogue
from analysis.documents.content import Document
from analysis.documents.incident import incident_documents
from analysis.documents.language import language
from analysis.documents.material import Material
from analysis.documents.periodic import periodic_document
from analysis.documents.render_html import render_html
from analysis.documents.supervision import Check, Checked, Supervision, supervision_document
from analysis.evaluation.asked import Asked, gathered
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.gather import Sources, gather
from analysis.evaluation.inputs import Inputs
from analysis.facts import Facts
from inventory.load import load
from inventory.models import Influxdb
from inventory.operations import Application, Client
from inventory.periods import parse_period
from timeseries.reader import Reader

CONTRACT = Path(__file__).parents[1] / "examples" / "contract"
DEVICES = CONTRACT.parent / "devices"
AXE = Path(sys.prefix) / "axe" / "node_modules" / "axe-core" / "axe.min.js"
"""Where tests/system_packages.sh puts it."""
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=600000", "--dump-dom",
)  # fmt: skip
RUN = """
axe.run(document, {runOnly: ["wcag2a", "wcag2aa"], resultTypes: ["violations"]})
  .then(r => [r.passes.length, r.violations.map(v => [v.id, v.nodes[0].html.slice(0, 300)])])
  .catch(e => [0, [["axe failed", String(e)]]])
  .then(found => { document.body.textContent = "@@" + JSON.stringify(found) + "@@" })
"""


def no_server(_: Influxdb) -> Reader:
    raise AssertionError("nobody asks for a server here")


@pytest.fixture
def violations(need: Callable[..., None], tmp_path: Path) -> Callable[[str], list[Any]]:
    """What axe-core finds wrong in a page."""
    need("chromium")
    if not AXE.is_file():
        if os.environ.get("CI"):
            pytest.fail(f"axe-core is not at {AXE}: tests/system_packages.sh installs it with npm")
        pytest.skip("axe-core is not installed: tests/system_packages.sh does it, with npm")

    def check(page: str) -> list[Any]:
        # The page forbids scripts, and axe is one.
        opened = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
        scripts = f"<script>{AXE.read_text(encoding='utf-8')}</script><script>{RUN}</script>"
        file = tmp_path / "page.html"
        file.write_text(opened.replace("</body>", f"{scripts}</body>"), encoding="utf-8")
        done = subprocess.run(
            ["chromium", *QUIET, f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()],
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        said = re.search(r"@@(.*)@@", html.unescape(done.stdout), re.DOTALL)
        assert said, done.stderr[-2000:]
        passed, found = json.loads(said[1])
        assert passed or found
        return list(found)

    return check


def inputs_of(period: str) -> Inputs:
    asked = Asked(period, CONTRACT / "pasprobe.toml", as_of="2011-09-25")
    return gathered(asked, os.environ, no_server, each_day=True)


def contractual() -> Document:
    inputs = inputs_of("2011-2")
    return periodic_document(Material(inputs, evaluate(inputs)), "contractual", {})


def technical() -> Document:
    inputs = inputs_of("2011-06")
    return periodic_document(Material(inputs, evaluate(inputs)), "technical", {})


def empty() -> Document:
    inputs = replace(inputs_of("2011-06"), facts=Facts())
    return periodic_document(Material(inputs, evaluate(inputs)), "technical", {})


def incident() -> Document:
    inputs = inputs_of("2011-06")
    return incident_documents(Material(inputs, evaluate(inputs)))[0]


def supervision() -> Document:
    inputs = inputs_of("2011-06")
    application = Application(name="tills", host="192.0.2.77", check="icmp")
    begin = 1_306_900_000_000_000_000
    checks = tuple(Check(begin + n * 60_000_000_000, n % 50 > 2) for n in range(5000))
    return supervision_document(
        Supervision(
            client=Client(name="shops", applications=(application,)),
            period=inputs.period,
            zone=inputs.zones["Europe/Rome"],
            calendar=inputs.calendars["IT"],
            as_of_ns=inputs.as_of_ns,
            applications=(Checked(application, checks, "p"),),
            incidents=inputs.facts.tickets[:2],
            min_coverage=Decimal(95),
            all_tickets=len(inputs.facts.tickets),
        )
    )


@pytest.mark.parametrize("document", [contractual, technical, empty, incident, supervision])
def test_a_page_has_no_violation(
    document: Callable[[], Document], violations: Callable[[str], list[Any]]
) -> None:
    assert violations(render_html(document(), language("it"))) == []


def test_the_resources_of_polled_devices_have_no_violation(
    violations: Callable[[str], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "data"
    monkeypatch.setattr(sys, "path", list(sys.path))
    maker = runpy.run_path(str(DEVICES / "make_store.py"))
    maker["make"](store, hours=3)
    configuration = load(DEVICES / "pasprobe.toml", environ={}, resolve_secrets=False).configuration
    inputs = gather(
        configuration, load_catalogue(), parse_period("2011-06"), Sources(store=[store]),
        as_of_ns=1_309_000_000_000_000_000, each_day=True, devices=True,
    )  # fmt: skip
    found = periodic_document(Material(inputs, evaluate(inputs)), "technical", {})
    section = next(one for one in found.sections if one.id == "devices")
    assert all(item.tables for item in section.items)
    assert any(item.charts for item in section.items)
    assert violations(render_html(found, language("it"))) == []


def test_the_check_sees_a_violation(violations: Callable[[str], list[Any]]) -> None:
    page = (
        "<!DOCTYPE html><html><head><title>t</title></head><body>"
        '<p style="color:#bbb;background:#fff">pale</p><img src="data:,"></body></html>'
    )

    assert {name for name, _ in violations(page)} >= {
        "color-contrast",
        "html-has-lang",
        "image-alt",
    }
