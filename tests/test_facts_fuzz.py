"""Whatever lies in the facts folder: it is facts, or all its mistakes with their places."""

from __future__ import annotations

import random
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analysis import facts_requests, facts_tickets
from analysis.catalogue_rows import load_catalogue
from analysis.errors import FactsError
from analysis.facts import Facts, Where
from analysis.facts_folder import FILES, read_facts
from inventory.load import load
from inventory.models import Configuration

CONTRACT = """\
[contract]
administration = "Example"
country = "IT"
timezone = "Europe/Rome"
services = [ { id = "email" }, { id = "lan-management" }, { id = "provisioning" } ]

[[pas]]
id = "roma"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [
    { id = "ip-base", level = "L3", window = "normal", start = "2011-01-01", end = "2012-01-01" },
    { id = "voip", level = "L3", window = "extended" },
    { id = "security-standard", level = "L2", window = "normal" },
]

[[pas]]
id = "apia"
country = "WS"
timezone = "Pacific/Apia"
profile = "base-satellite"
services = [ { id = "voip", level = "L1", window = "extended" } ]
"""
SPAN = ["start", "end"]
COLUMNS = {
    "traffic.csv": [
        "service", "pas", "peer", *SPAN, "sent", "received", "within_limit", "jitter_ms",
        "limit_ms", "jitter_readings", "jitter_over", "endpoint",
    ],
    "tickets.csv": [*facts_tickets.COLUMNS, *facts_tickets.OPTIONAL],
    "requests.csv": [*facts_requests.COLUMNS, *facts_requests.OPTIONAL],
    "calls.csv": ["service", *SPAN, "attempts", "successes"],
    "messages.csv": ["service", *SPAN, "messages", "within_limit"],
    "contact_centre.csv": [*SPAN, "attempts", "lost", "late", "received", "wait_s"],
    "deliveries.csv": ["report", "period", "delivered_at"],
    "exclusions.csv": ["id", "service", "pas", *SPAN, "reason", "agreed_by"],
    "usage.csv": ["service", "pas", "peer", *SPAN, "in_percent", "out_percent"],
    "actions.csv": ["month", "service", "finding", "action", "by", "due", "done"],
}  # fmt: skip
WORDS = (
    "", "T1", "roma", "apia", "roma;apia", ";", "ip-base", "voip", "email", "ip-base;voip",
    "security-standard", "lan-management", "provisioning", "policy-implementation-time",
    "configuration-change-time", "local-provisioning", "account-operation-time", "block",
    "blocking", "non-blocking", "done", "rejected", "pending", "technical", "contractual",
    "monitoring", "device", "qxn", "2011-05", "2011-2", "9999-12", "9999-3", "0000-0",
    "2011-05-03T09:00", "2011-05-03T10:00", "2011-03-27T02:30", "2011-10-30T02:30",
    "2011-12-30T12:00", "2011-12-29T24:00", "1970-01-01T00:00", "2260-12-31T24:00",
    "2261-01-01T00:00", "2011-05-03T09:00-23:59", "2011-05-03", "0001-01-01", "٣", "0", "1", "2",
    "12.5", "250", "9" * 15, "9" * 5000, "1e9", "-1", "NaN", "Infinity", "1_0", "\x00", "\u2028",
)  # fmt: skip


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    file = tmp_path_factory.mktemp("contract") / "pasprobe.toml"
    file.write_text(CONTRACT)
    return load(file, environ={}).configuration


def facts_or_problems(configuration: Configuration, files: dict[str, bytes]) -> Facts | None:
    """What the folder says, or None where it says what is wrong with it, cell by cell."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_bytes(content)
        try:
            return read_facts(folder, configuration, load_catalogue())
        except FactsError as error:
            problems = error.problems
    assert problems
    for problem in problems:
        assert problem.file in files
        assert problem.remedy
        last = files[problem.file].count(b"\n") + files[problem.file].count(b"\r") + 1
        assert problem.line is None or 1 <= problem.line <= last
        assert str(problem).isprintable()
    return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from([*FILES, "items/email.r-2-5-late.csv"]), st.binary()),
)
def test_any_bytes_are_facts_or_mistakes(
    configuration: Configuration, files: dict[str, bytes]
) -> None:
    facts_or_problems(configuration, files)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FILES), st.data())
def test_any_cells_are_facts_or_mistakes(
    configuration: Configuration, file: str, data: st.DataObject
) -> None:
    columns = COLUMNS[file]
    cell = st.sampled_from(WORDS) | st.text(max_size=8)
    rows = data.draw(
        st.lists(st.lists(cell, min_size=len(columns), max_size=len(columns)), max_size=4)
    )
    lines = [",".join(columns)]
    lines += [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    facts_or_problems(configuration, {file: "\n".join(lines).encode("utf-8", "replace")})


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FILES), st.binary(max_size=40), st.integers(0, 200), st.integers(0, 200))
@example("calls.csv", b'"', 40, 40)
def test_a_good_table_with_bytes_exchanged_is_facts_or_mistakes(
    configuration: Configuration, file: str, other: bytes, start: int, length: int
) -> None:
    good = GOOD[file].encode()
    facts_or_problems(configuration, {file: good[:start] + other + good[start + length :]})


def test_the_good_tables_are_facts(configuration: Configuration) -> None:
    read = facts_or_problems(configuration, {name: text.encode() for name, text in GOOD.items()})
    assert read is not None
    assert [len(getattr(read, field.name)) for field in fields(Facts)] == [3, 3, 2, 2, 2, 2, 2, 1,
                                                                           2, 2, 0]  # fmt: skip


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_and_columns_never_matters(
    configuration: Configuration, rng: random.Random
) -> None:
    shuffled = {}
    for name, text in GOOD.items():
        header, *rows = [line.split(",") for line in text.splitlines()]
        order = rng.sample(range(len(header)), len(header))
        rng.shuffle(rows)
        lines = [",".join(row[index] for index in order) for row in (header, *rows)]
        shuffled[name] = "\r\n".join(lines).encode()
    one = facts_or_problems(configuration, {name: text.encode() for name, text in GOOD.items()})
    other = facts_or_problems(configuration, shuffled)
    assert one is not None
    assert other is not None
    for field in fields(Facts):
        assert placeless(getattr(one, field.name)) == placeless(getattr(other, field.name))


def placeless(rows: tuple[object, ...]) -> list[str]:
    """The rows in one order and without their lines."""
    nowhere = Where("", 0)
    return sorted(repr(replace(row, where=nowhere)) for row in rows)  # type: ignore[type-var]


def table(file: str, *rows: str) -> str:
    """A table; cells that a row does not have are empty."""
    columns = COLUMNS[file]
    lines = [row + "," * (len(columns) - 1 - row.count(",")) for row in rows]
    return "\n".join([",".join(columns), *lines, ""])


HOUR = "2011-05-03T09:00,2011-05-03T10:00"
GOOD = {
    "traffic.csv": table(
        "traffic.csv",
        f"ip-base,roma,,{HOUR},10,9,8,4.5,300,9,1,qxn",
        f"voip,roma,apia,{HOUR},10,9,8,50,350",
        "voip,apia,roma,2011-05-01T00:00,2011-09-01T00:00,10,9,8",
    ),
    "tickets.csv": table(
        "tickets.csv",
        "T1,ip-base;voip,roma,blocking,2011-05-03T09:00,2011-05-03T09:01,,2011-05-03T10:00,"
        "2011-05-03T10:30,1,cut",
        "T2,email,,non-blocking,2011-05-03T09:00,,,,,40,disk",
        "T3,lan-management,,blocking,2011-05-03T09:00,,,,,,,monitoring",
    ),
    "requests.csv": table(
        "requests.csv",
        "R1,security-standard,policy-implementation-time,roma,2011-05-03T09:00,2011-05-03T09:30,"
        "2011-05-03T10:00,done",
        "R2,provisioning,local-provisioning,apia,2011-05-03T09:00,,,pending,,8",
    ),
    "calls.csv": table("calls.csv", f"voip,{HOUR},10,9", f"voip,{HOUR},4,4"),
    "messages.csv": table("messages.csv", f"email,{HOUR},10,9", f"email,{HOUR},10,10"),
    "contact_centre.csv": table("contact_centre.csv", f"{HOUR},9,1,2", f"{HOUR},9,0,0,9,12.5"),
    "deliveries.csv": table(
        "deliveries.csv",
        "technical,2011-05,2011-06-15T17:00",
        "contractual,2011-2,2011-09-20T09:00Z",
    ),
    "exclusions.csv": table("exclusions.csv", f"X1,ip-base,roma,{HOUR},works,both"),
    "usage.csv": table("usage.csv", f"ip-base,roma,,{HOUR},40,20", f"ip-base,roma,,{HOUR},1,2.5"),
    "actions.csv": table("actions.csv", "2011-05,voip,noise,filter,me,2011-06-01", "2011-05,,late"),
}
