"""A contract of five PAS, and tables of facts for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from contract_cases import EXAMPLE, pas_table, service_row

from analysis.catalogue_rows import Catalogue, load_catalogue
from analysis.errors import FactsError
from analysis.facts import Facts
from analysis.facts_folder import read_facts
from inventory.load import load
from inventory.models import Configuration

START = "2011-01-01"
VIDEO = service_row("video-collaboration", "L2", "normal", START)
CONTRACT = (
    EXAMPLE
    + """\
services = [
    { id = "email", fee = "9000.00", start = "2011-01-01", units = 100 },
    { id = "lan-management", fee = "900.00", start = "2011-01-01" },
    { id = "system-management", fee = "900.00", start = "2011-01-01" },
    { id = "call-center", start = "2011-01-01" },
    { id = "provisioning", start = "2011-01-01" },
    { id = "reporting", start = "2011-01-01" },
]
"""
    + pas_table(
        "roma",
        "high",
        service_row("ip-base", "L3", "normal", START, fee="12000.00"),
        service_row("voip", "L3", "extended", START, fee="500.00"),
        service_row("security-strong", "L2", "normal", START, fee="1.00"),
        VIDEO,
    )
    + pas_table(
        "tokyo",
        "base",
        service_row("ip-base", "L1", "extended", START, fee="8000.00"),
        service_row("voip", "L1", "extended", START, fee="500.00"),
        country="JP",
        timezone="Asia/Tokyo",
    )
    + pas_table(
        "napoli",
        "high",
        service_row("ip-base", "L3", "normal", "2011-02-01", end="2011-06-30"),
        service_row("ip-base", "L3", "extended", "2011-07-01", end="2011-07-31"),
        service_row("ip-base", "L3", "normal", "2011-08-01"),
    )
    + pas_table("milano", "medium", VIDEO)
    + pas_table("torino", "medium", VIDEO)
)
HEADERS = {
    "traffic.csv": "service,pas,peer,start,end,sent,received,within_limit,jitter_ms",
    "tickets.csv": "id,service,pas,severity,opened_at,reported_at,responded_at,restored_at,"
    "closed_at,affected,cause",
    "requests.csv": "id,service,kind,pas,requested_at,validated_at,done_at,outcome,reason,"
    "bandwidth_mbps",
    "calls.csv": "service,start,end,attempts,successes",
    "messages.csv": "service,start,end,messages,within_limit",
    "contact_centre.csv": "start,end,attempts,lost,late",
    "deliveries.csv": "report,period,delivered_at",
    "exclusions.csv": "id,service,pas,start,end,reason,agreed_by",
    "usage.csv": "service,pas,peer,start,end,in_percent,out_percent",
    "actions.csv": "month,service,finding,action,by,due,done",
}
OPTIONAL = {
    "traffic.csv": ",limit_ms,jitter_readings,jitter_over,endpoint",
    "tickets.csv": ",component,severity_provider,severity_administration,expected_at,comment",
    "requests.csv": ",notified_at,operation",
    "contact_centre.csv": ",received,wait_s",
}
TICKET = "T1,ip-base,roma,blocking,2011-05-03T09:00,,,2011-05-03T10:00,2011-05-03T11:00,,fibre cut"
HOUR_NS = 3_600_000_000_000

Wrong = Callable[..., list[str]]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    file = tmp_path_factory.mktemp("contract") / "pasprobe.toml"
    file.write_text(CONTRACT)
    return load(file, environ={}).configuration


@pytest.fixture
def facts(
    tmp_path: Path, configuration: Configuration, catalogue: Catalogue
) -> Callable[..., Facts]:
    """Read a folder of these files; a text is the rows below the plain header."""

    def read(files: Mapping[str, str | bytes], **more: Any) -> Facts:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            if isinstance(content, str) and name in HEADERS:
                content = f"{HEADERS[name]}\n{content}\n"
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(data)
        return read_facts(tmp_path, configuration, catalogue, **more)

    return read


@pytest.fixture
def wrong(facts: Callable[..., Facts]) -> Wrong:
    """`file:line, column: message` of each problem of a folder that must be refused."""

    def read(files: Mapping[str, str | bytes], **more: Any) -> list[str]:
        with pytest.raises(FactsError) as caught:
            facts(files, **more)
        assert all(problem.remedy for problem in caught.value.problems)
        lines = str(caught.value).splitlines()
        assert len(lines) == len(caught.value.problems)
        return [line.split(" — ")[0] for line in lines]

    return read


def at(text: str) -> int:
    """UTC nanoseconds of `2011-05-03T07:00` in UTC."""
    seconds = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    return int(seconds) * 1_000_000_000


def optional(file: str, *rows: str) -> bytes:
    """A table with its optional columns too."""
    return "\n".join([HEADERS[file] + OPTIONAL[file], *rows, ""]).encode()
