"""The facts folder as a whole: every mistake in it is said at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from facts_cases import HEADERS, OPTIONAL, TICKET, Wrong, at, optional

from analysis.catalogue_rows import Catalogue
from analysis.errors import FactsError
from analysis.facts import Facts
from analysis.facts_folder import FILES, read_facts
from inventory.clocks import FrozenZone
from inventory.models import Configuration


def test_an_empty_folder_has_no_facts(facts: Callable[..., Facts]) -> None:
    assert facts({}) == Facts()


def test_headers_alone_are_no_facts(facts: Callable[..., Facts]) -> None:
    assert set(HEADERS) == set(FILES)
    assert facts(dict.fromkeys(HEADERS, "")) == Facts()


def test_every_table_is_read_with_its_optional_columns(facts: Callable[..., Facts]) -> None:
    read = facts(
        {
            "traffic.csv": optional(
                "traffic.csv",
                "voip,roma,tokyo,2011-05-03T09:00,2011-05-03T10:00,100,99,98,12.5,250,4,1,q-isp",
            ),
            "tickets.csv": optional(
                "tickets.csv",
                "T1,ip-base;voip,roma,blocking,2011-05-03T09:00,2011-05-03T09:05,2011-05-03T09:30,"
                "2011-05-03T10:00,2011-05-03T11:00,1,fibre cut,,non-blocking,blocking,"
                '2011-05-03T12:00,"cut,\nthen mended"',
            ),
            "requests.csv": optional(
                "requests.csv",
                "R1,security-strong,policy-implementation-time,roma,2011-05-03T09:00,"
                "2011-05-03T10:00,2011-05-03T11:00,done,,,,",
                "R2,provisioning,external-move,tokyo,2011-05-03T09:00,,,pending,,8.5,,",
                "R3,email,account-operation-time,,2011-05-03T09:00,,,rejected,no such user,,"
                "2011-05-03T09:30,password-reset",
            ),
            "calls.csv": "voip,2011-05-01T00:00,2011-09-01T00:00,1000,991",
            "messages.csv": "email,2011-05-01T00:00,2011-05-31T24:00,1000,990",
            "contact_centre.csv": optional(
                "contact_centre.csv", "2011-05-01T00:00,2011-06-01T00:00,200,3,9,198,21.4"
            ),
            "deliveries.csv": "technical,2011-05,2011-06-14T17:00\n"
            "contractual,2011-2,2011-09-21T09:00",
            "exclusions.csv": "X1,ip-base,roma,2011-05-03T09:00,2011-05-03T10:00,works,both",
            "usage.csv": "ip-base,tokyo,,2011-05-03T09:00,2011-05-03T10:00,40.5,104",
            "actions.csv": "2011-05,ip-base,loss,card replaced,NOC,2011-06-10,2011-06-08\n"
            "2011-05,,late tickets,,,,",
            "items/email.r-2-5-late.csv": "what,eur\nall,0.00\n",
        }
    )
    [traffic] = read.traffic
    assert (traffic.start_ns, traffic.end_ns) == (at("2011-05-03T07:00"), at("2011-05-03T08:00"))
    assert (traffic.sent, traffic.received, traffic.within_limit) == (100, 99, 98)
    assert (traffic.jitter_ms, traffic.limit_ms) == (Decimal("12.5"), Decimal(250))
    assert (traffic.jitter_readings, traffic.jitter_over, traffic.endpoint) == (4, 1, "q-isp")
    [ticket] = read.tickets
    assert (ticket.services, ticket.pas) == (("ip-base", "voip"), ("roma",))
    assert ticket.opened_ns == at("2011-05-03T07:00")
    assert ticket.reported_ns == at("2011-05-03T07:05")
    assert ticket.responded_ns == at("2011-05-03T07:30")
    assert ticket.restored_ns == at("2011-05-03T08:00")
    assert ticket.closed_ns == at("2011-05-03T09:00")
    assert ticket.expected_ns == at("2011-05-03T10:00")
    assert (ticket.severity_provider, ticket.severity_administration) == (
        "non-blocking",
        "blocking",
    )
    assert ticket.comment == "cut, then mended"
    rule, move, account = read.requests
    assert (rule.validated_ns, rule.done_ns) == (at("2011-05-03T08:00"), at("2011-05-03T09:00"))
    assert move.requested_ns == at("2011-05-03T00:00")  # local to Tokyo
    assert (move.bandwidth_mbps, move.outcome, str(move.where)) == (
        Decimal("8.5"),
        "pending",
        "requests.csv:3",
    )
    assert (account.pas, account.operation) == ("", "password-reset")
    assert account.notified_ns == at("2011-05-03T07:30")
    [calls], [messages] = read.calls, read.messages
    assert (calls.attempts, calls.successes) == (1000, 991)
    assert messages.end_ns == at("2011-05-31T22:00")  # 24:00 is the end of the day
    [centre] = read.contact_centre
    assert (centre.lost, centre.late, centre.received, centre.wait_s) == (
        3,
        9,
        198,
        Decimal("21.4"),
    )
    technical, contractual = read.deliveries
    assert (technical.report, technical.period) == ("technical", "2011-05")
    assert (contractual.period, contractual.delivered_ns) == ("2011-2", at("2011-09-21T07:00"))
    [exclusion], [usage] = read.exclusions, read.usage
    assert exclusion.agreed_by == "both"
    assert (usage.in_percent, usage.out_percent) == (Decimal("40.5"), Decimal(104))
    done, open_ = read.actions
    assert (str(done.due), str(done.done)) == ("2011-06-10", "2011-06-08")
    assert (open_.service, open_.action, open_.done) == ("", "", None)
    [item] = read.items
    assert (item.service, item.item, item.header) == ("email", "r-2-5-late", ("what", "eur"))
    assert item.rows == (("all", "0.00"),)


def test_all_mistakes_of_all_files_are_said_at_once_in_order(wrong: Wrong) -> None:
    assert wrong(
        {
            "trafic.csv": "",
            "items/email.nothing.csv": "a\n1\n",
            "tickets.csv": TICKET.replace("T10:00", "T08:00")
            + "\n"
            + TICKET.replace("roma", "rome").replace("blocking", "severe"),
            "traffic.csv": "ip-base,roma,,2011-05-03T19:00,2011-05-03T21:00,10,11,12,",
            "calls.csv": "voip,2011-08-31T23:00,2011-09-01T01:00,1,2",
        }
    ) == [
        'items/email.nothing.csv: no report of email has an item "nothing"',
        "trafic.csv: no fact has a file of this name",
        "traffic.csv:2, end: the row leaves the normal window of roma, 08:00-20:00 of one day",
        "traffic.csv:2, received: 11 is more than sent, which is 10",
        "tickets.csv:2, restored_at: 2011-05-03T08:00 lies before opened_at 2011-05-03T09:00",
        'tickets.csv:3, pas: the contract knows no PAS "rome"',
        'tickets.csv:3, severity: "severe" may not stand here',
        'tickets.csv:3, id: "T1" is the id of line 2 too',
        "calls.csv:2, end: the row goes beyond the end of the period 2011-2 (2011-09-01 00:00)",
        "calls.csv:2, successes: 2 is more than attempts, which is 1",
    ]


def test_ids_are_unique_over_desk_and_csv(wrong: Wrong) -> None:
    assert wrong({"tickets.csv": TICKET}, taken={"T1"}) == [
        'tickets.csv:2, id: "T1" is an id of the incident desk'
    ]


def test_zones_of_an_archive_replace_the_hosts(facts: Callable[..., Facts], wrong: Wrong) -> None:
    frozen = FrozenZone("Europe/Rome", [(at("2011-01-01T00:00"), 0), (at("2011-12-31T00:00"), 0)])
    [ticket] = facts({"tickets.csv": TICKET}, zones={"Europe/Rome": frozen}).tickets
    assert ticket.opened_ns == at("2011-05-03T09:00")
    said = wrong({"tickets.csv": TICKET.replace("2011", "2013")}, zones={"Europe/Rome": frozen})
    assert len(said) == 3
    assert said[0].startswith("tickets.csv:2, opened_at: the written offsets of Europe/Rome hold")


def test_lines_are_counted_in_the_file(wrong: Wrong) -> None:
    bad = TICKET.replace("roma", "rome")
    quoted = TICKET.replace("fibre cut", '"fibre\ncut"')
    said = wrong({"tickets.csv": f"\n{quoted}\n\n{bad.replace('T1', 'T2')}"})
    assert said == ['tickets.csv:6, pas: the contract knows no PAS "rome"']


def test_remedies_name_the_nearest_word(facts: Callable[..., Facts]) -> None:
    with pytest.raises(FactsError) as caught:
        facts(
            {
                "ticket.csv": b"",
                "calls.csv": b"service,start,end,attempt,successes\n",
                "tickets.csv": TICKET.replace("roma", "rome").replace("ip-base", "ip-bass"),
            }
        )
    remedies = {problem.remedy for problem in caught.value.problems}
    assert 'did you mean "tickets.csv"?, or move it elsewhere' in remedies
    assert 'did you mean "attempts"?' in remedies
    assert 'did you mean "roma"?' in remedies
    assert 'did you mean "ip-base"?' in remedies


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("items/email.csv", b"a\n1\n", 'no report of email has an item ""'),
        ("items/mail.x.csv", b"a\n1\n", 'there is no service "mail"'),
        ("items/ip-qos.r-2-5-late.csv", b"a\n", "the contract does not list ip-qos"),
        ("items/email.r-2-5-late.txt", b"a\n", "no fact has a file of this name"),
        ("items/email.r-2-5-late.csv", b"a,a\n", ":1, a: stands twice"),
        ("items/email.r-2-5-late.csv", b"a,\n", ":1: a column has no name"),
        ("items/email.r-2-5-late.csv", b"a,b\n1\n", ":2, b: the row has 1 cells, the header 2"),
    ],
)
def test_an_item_belongs_to_a_report(name: str, content: bytes, problem: str, wrong: Wrong) -> None:
    [said] = wrong({name: content})
    assert said.startswith(name)
    assert problem in said


def test_notes_and_hidden_files_may_lie_in_the_folder(facts: Callable[..., Facts]) -> None:
    assert facts({"README.md": "x", ".DS_Store": "x", "tickets.csv~": "x"}) == Facts()


def test_a_folder_that_is_not_there_is_said(
    tmp_path: Path, configuration: Configuration, catalogue: Catalogue
) -> None:
    with pytest.raises(FactsError, match="nowhere: cannot be read"):
        read_facts(tmp_path / "nowhere", configuration, catalogue)
    (tmp_path / "tickets.csv").mkdir()
    with pytest.raises(FactsError, match=r"tickets\.csv: cannot be read"):
        read_facts(tmp_path, configuration, catalogue)


def test_facts_need_a_contract(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(FactsError, match="facts need a contract"):
        read_facts(tmp_path, Configuration(), catalogue)


def test_the_documentation_names_the_columns() -> None:
    text = (Path(__file__).parents[1] / "docs" / "facts.md").read_text()
    for file, header in HEADERS.items():
        columns = f"{header}[{OPTIONAL[file]}]" if file in OPTIONAL else header
        assert f"`{columns}`" in text, file
