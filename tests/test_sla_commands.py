"""`pasprobe sla` catalogue, evaluate and explain, from files and from a store."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from contract_cases import EXAMPLE, pas_table, path_table, service_row
from typer.testing import CliRunner, Result

from pasprobe import app
from timeseries.embedded import EmbeddedStore
from timeseries.forwarder import Forwarder
from timeseries.influx import InfluxTarget, InfluxWriter
from timeseries.records import DelayFigures, TrainRecord
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

MINUTE_NS = 60 * 10**9
MS = 1_000_000
CONFIGURATION = (
    '[agent]\nname = "roma-01"\ndata_dir = "data"\n\n'
    + EXAMPLE
    + pas_table(
        "roma-01", "high", service_row("ip-base", "L3", "normal", "2010-01-01", fee="12000.00")
    )
    + path_table("roma-01", "ip-base", target="192.0.2.1")
)
TICKETS = """\
id,service,pas,severity,opened_at,reported_at,responded_at,restored_at,closed_at,affected,cause
T1,ip-base,roma-01,blocking,2011-05-04T07:00,2011-05-04T08:00,,2011-05-04T19:00,2011-05-04T19:00,1,x
"""
TRAFFIC = """\
service,pas,peer,start,end,sent,received,within_limit,jitter_ms
ip-base,roma-01,,2011-05-03T10:00,2011-05-03T11:00,1000,980,950,
"""
KEYS = [
    "service",
    "pas",
    "peer",
    "parameter",
    "level",
    "severity",
    "event",
    "status",
    "measured",
    "limit",
    "unit",
    "deviation",
    "steps",
    "penalty_percent",
    "basis",
    "base_eur",
    "penalty_eur",
    "clause",
    "readings",
    "evidence",
]
TRAIN = TrainRecord(
    "roma-01", "roma-01/ip-base", "roma-01", "ip-base", "", "", "icmp", "t", "192.0.2.1", 0, 10,
    10, 10, 0, 0, 0, 0, 0, 0, 300 * MS, "rtt", DelayFigures(), None, None, None, False, None, None,
    True, (), (), 10, 9, 0, 7, 2, 0, True, 1, (), (),
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration and its facts, in the current folder."""
    (tmp_path / "pasprobe.toml").write_text(CONFIGURATION)
    facts = tmp_path / "facts"
    facts.mkdir()
    (facts / "tickets.csv").write_text(TICKETS)
    (facts / "traffic.csv").write_text(TRAFFIC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sla(*words: str) -> Result:
    return CliRunner().invoke(app, ["sla", *words])


def evaluated(*words: str) -> dict[str, Any]:
    result = sla("evaluate", "--json", "--as-of", "2011-10-01", *words)
    assert result.exit_code in (0, 1), result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def line(found: dict[str, Any], parameter: str) -> dict[str, Any]:
    lines = [one for one in found["lines"] if one["parameter"] == parameter]
    assert len(lines) == 1
    return dict(lines[0])


def at(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Rome"))
    return int(moment.timestamp()) * 10**9


def measure(
    folder: Path,
    begin: str,
    end: str,
    lost: int = 0,
    late: int = 0,
    to: InfluxTarget | None = None,
) -> None:
    """A train a minute; so many of ten packets are lost or late in each of them."""
    received = 10 - lost
    rtt = DelayFigures(
        mean_ns=2 * MS,
        max_ns=400 * MS,
        within_limit=received - late,
        histogram=((150, received),),
    )
    trains = [
        replace(TRAIN, start_ns=instant, received=received, lost=lost, rtt=rtt)
        for instant in range(at(begin), at(end), MINUTE_NS)
    ]
    with Spool(folder / SPOOL_NAME) as spool:
        store = EmbeddedStore(folder, spool)
        spool.append(trains)
        store.roll_up(at(end) + QUARTER_NS, grace_ns=0)
        if to is not None:
            forward(spool, to)
        store.flush()


def forward(spool: Spool, target: InfluxTarget) -> None:
    """Everything to the server, by a clock that jumps over the pauses."""
    now_s = 0.0
    writer = InfluxWriter(target)
    forwarder = Forwarder(spool, writer.write, monotonic=lambda: now_s)
    while forwarder.state.depth:
        now_s += forwarder.step()
    writer.close()


@pytest.mark.usefixtures("place")
def test_the_json_has_the_keys_of_the_issue_and_exact_decimals() -> None:
    found = evaluated("--period", "2011-2")
    assert list(found) == ["period", "administration", "lines", "total_eur", "warnings"]
    assert (found["period"], found["administration"]) == ("2011-2", "Example")
    assert all(list(one) == KEYS for one in found["lines"])
    loss = line(found, "packet-loss")
    assert loss["measured"] == "2"
    assert (loss["limit"], loss["deviation"], loss["steps"]) == ("1", "1", 10)
    assert (loss["penalty_percent"], loss["base_eur"]) == ("2", "12000.00")
    assert loss["penalty_eur"] == "240.00"
    assert loss["evidence"] == ["traffic.csv:2"]
    outage = line(found, "unit-availability")
    assert Decimal(outage["measured"]) == pytest.approx(Decimal(100) - Decimal(1100) / 1476)
    assert outage["evidence"] == ["tickets.csv:2"]
    assert line(found, "restoration-time")["event"] == "T1"
    assert line(found, "access-guaranteed-bandwidth")["measured"] is None
    total = sum(Decimal(one["penalty_eur"]) for one in found["lines"])
    assert Decimal(found["total_eur"]) == total


def test_evaluate_ends_with_1_where_a_line_is_not_met_and_with_0_where_none_is(place: Path) -> None:
    assert sla("evaluate", "--period", "2011-2").exit_code == 1
    for file in (place / "facts").iterdir():
        file.unlink()
    assert sla("evaluate", "--period", "2011-2").exit_code == 0


def test_the_table_names_the_total_and_every_warning(place: Path) -> None:
    output = sla("evaluate", "--period", "2011-2").output
    assert "EUR, Example, 2011-2" in output
    assert "packet-loss" in output
    (place / "facts" / "traffic.csv").unlink()
    assert "no-data" in sla("evaluate", "--period", "2011-2").output


@pytest.mark.usefixtures("place")
def test_one_service_keeps_the_numbers_of_all() -> None:
    found = evaluated("--period", "2011-2", "--service", "ip-base")
    assert {one["service"] for one in found["lines"]} == {"ip-base"}
    refused = sla("evaluate", "--period", "2011-2", "--service", "ip-bse")
    assert refused.exit_code == 2
    assert 'did you mean "ip-base"?' in refused.output


@pytest.mark.usefixtures("place")
def test_a_month_has_an_outlook_and_no_euro() -> None:
    found = evaluated("--period", "2011-05")
    assert found["total_eur"] == "0.00"
    assert all(one["penalty_eur"] == "0.00" for one in found["lines"])
    assert any("until the next step" in one["margin"] for one in found["outlook"])
    output = sla("evaluate", "--period", "2011-05").output
    assert "EUR expected" in output
    assert "of blocking outage until the next step" in output


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--period", "2011-4"], "2011-4"),
        (["--period", "2011-2", "--as-of", "yesterday"], "yesterday"),
        (["--period", "2011-2", "--store", "influxdb"], "[influxdb]"),
        (["--period", "2011-2", "--store", "influxdb", "--store", "x"], "cannot be added"),
        (["--period", "2011-2", "--store", "nowhere"], "nowhere"),
        (["--period", "2011-2", "--facts", "nowhere"], "nowhere"),
        (["--period", "2011-2", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_a_wrong_call_ends_with_2_and_a_line(words: list[str], told: str) -> None:
    result = sla("evaluate", *words)
    assert result.exit_code == 2
    assert told in result.output
    assert "Traceback" not in result.output
    assert not result.stdout


def test_all_errors_of_the_facts_are_listed_and_nothing_is_evaluated(place: Path) -> None:
    (place / "facts" / "tickets.csv").write_text(
        TICKETS.replace("2011-05-04T19:00,2011-05-04T19:00", "2011-05-04T19:00,2011-05-01T19:00")
    )
    (place / "facts" / "traffic.csv").write_text(TRAFFIC.replace("roma-01", "rome-01"))
    result = sla("evaluate", "--period", "2011-2", "--json")
    assert result.exit_code == 2
    assert not result.stdout
    assert "tickets.csv:2" in result.stderr
    assert "traffic.csv:2" in result.stderr


def test_all_errors_of_the_contract_are_listed(place: Path) -> None:
    text = CONFIGURATION.replace('fee = "12000.00", ', "").replace(', start = "2010-01-01"', "")
    (place / "pasprobe.toml").write_text(text)
    result = sla("evaluate", "--period", "2011-2")
    assert result.exit_code == 2
    assert "[[pas]] roma-01, ip-base: has no fee" in result.stderr
    assert "[[pas]] roma-01, ip-base: has no start" in result.stderr


@pytest.mark.usefixtures("place")
def test_explain_goes_from_the_euro_down_to_rows_and_clipped_minutes() -> None:
    found = evaluated("--period", "2011-2")
    numbers = {one["parameter"]: n for n, one in enumerate(found["lines"], start=1)}

    def explained(parameter: str, *words: str) -> str:
        number = str(numbers[parameter])
        result = sla("explain", "--period", "2011-2", "--line", number, *words)
        assert result.exit_code == 0, result.output
        return result.stdout

    loss = explained("packet-loss")
    assert "10 steps x 0.2 % x 12000.00 EUR = 240.00 EUR" in loss
    assert "2011-05-03 traffic.csv:2: sent 1000, received 980" in loss
    assert "reading A2" in loss
    assert "3.1.2, line 149" in loss
    outage = explained("unit-availability")
    # 07:00 to 19:00, of which the normal window has 11 h.
    assert "counts 2011-05-04T08:00+02:00 to 2011-05-04T19:00+02:00" in outage
    assert "together 11 h" in outage
    restoration = json.loads(explained("restoration-time", "--json"))
    assert restoration["tickets"][0]["id"] == "T1"
    assert restoration["number"] == numbers["restoration-time"]
    assert set(KEYS) <= set(restoration)
    nothing = sla("explain", "--period", "2011-2", "--line", "999")
    assert nothing.exit_code == 1
    assert "lines 1 to" in nothing.stderr


def test_the_store_is_read_and_rows_of_traffic_csv_replace_it(place: Path) -> None:
    data = place / "data"
    data.mkdir()
    measure(data, "2011-05-03 09:00", "2011-05-03 12:00", lost=1, late=2)
    (place / "facts" / "traffic.csv").unlink()
    found = evaluated("--period", "2011-2")
    # 180 trains of 10: 180 of 1800 lost; 1260 of 1620 in time.
    assert line(found, "packet-loss")["measured"] == "10"
    assert Decimal(line(found, "round-trip-delay")["measured"]) == pytest.approx(
        Decimal(1260) * 100 / 1620
    )
    assert line(found, "packet-loss")["evidence"] == ["path roma-01/ip-base"]
    assert evaluated("--period", "2011-2", "--from-trains")["lines"] == found["lines"]
    (place / "facts" / "traffic.csv").write_text(TRAFFIC)
    both = evaluated("--period", "2011-2")
    # The hour of the row has 20 of 1000; two hours of trains 120 of 1200.
    assert Decimal(line(both, "packet-loss")["measured"]) == pytest.approx(Decimal(14000) / 2200)


def test_the_lines_are_the_same_from_influxdb_and_from_the_embedded_store(
    place: Path, influx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = place / "data"
    data.mkdir()
    target = InfluxTarget(influx.url, influx.database, token=influx.token)
    measure(data, "2011-05-03 09:00", "2011-05-03 12:00", lost=1, late=2, to=target)
    server = f'[influxdb]\nurl = "{influx.url}"\nbucket = "{influx.database}"\n'
    if influx.token:
        monkeypatch.setenv("TEST_INFLUX_TOKEN", influx.token)
        server += 'token = { env = "TEST_INFLUX_TOKEN" }\n'
    (place / "pasprobe.toml").write_text(f"{server}\n{CONFIGURATION}")
    for words in ((), ("--from-trains",)):
        embedded = evaluated("--period", "2011-2", *words)
        assert Decimal(line(embedded, "packet-loss")["measured"]) > 0
        assert evaluated("--period", "2011-2", "--store", "influxdb", *words) == embedded


def test_explain_shows_the_days_and_the_worst_trains_of_the_store(place: Path) -> None:
    data = place / "data"
    data.mkdir()
    measure(data, "2011-05-03 09:00", "2011-05-03 10:00", lost=1)
    measure(data, "2011-05-05 09:00", "2011-05-05 09:15", lost=7)
    (place / "facts" / "traffic.csv").unlink()
    found = evaluated("--period", "2011-2")
    number = [one["parameter"] for one in found["lines"]].index("packet-loss") + 1
    words = ("explain", "--period", "2011-2", "--line", str(number), "--as-of", "2011-10-01")
    told = sla(*words, "--json")
    assert told.exit_code == 0, told.stderr
    explained = json.loads(told.stdout)
    days = {one["day"]: (one["sent"], one["received"]) for one in explained["counters"]}
    assert days == {"2011-05-03": (600, 540), "2011-05-05": (150, 45)}
    worst = explained["worst_trains"][0]
    assert (worst["sent"], worst["received"]) == (10, 3)
    assert worst["start"] == "2011-05-05T07:00:00.000000000Z"
    assert "worst train 2011-05-05T07:00:00" in sla(*words).stdout


def test_the_catalogue_is_complete_for_machines_and_readable_for_people() -> None:
    found = json.loads(sla("catalogue", "--json").stdout)
    assert len(found["services"]) == 18
    assert sum(len(service["parameters"]) for service in found["services"]) == 77
    one = json.loads(sla("catalogue", "--json", "--service", "voip").stdout)
    assert [service["id"] for service in one["services"]] == ["voip"]
    table = sla("catalogue", "--service", "voip").stdout
    assert "high/medium" in table
    assert "ip-base" not in table
    refused = sla("catalogue", "--service", "viop")
    assert refused.exit_code == 2
    assert 'did you mean "voip"?' in refused.output
