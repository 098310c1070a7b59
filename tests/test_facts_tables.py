"""What the rows of each table of facts mean, and which cell of a wrong one is named."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from facts_cases import HOUR_NS, TICKET, Wrong, at, optional

from analysis.facts import Facts


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        # service, pas, peer, start, end, sent, received, within_limit, jitter_ms
        ("ip-qos,roma,,{day},1,1,1,", "service: the contract does not list ip-qos"),
        ("ip-bse,roma,,{day},1,1,1,", 'service: there is no service "ip-bse"'),
        ("email,roma,,{day},1,1,1,", "service: email has no packets to count"),
        (",roma,,{day},1,1,1,", "service: is empty"),
        ("ip-base,,,{day},1,1,1,", "pas: is empty"),
        ("ip-base,milano,,{day},1,1,1,", 'pas: PAS "milano" does not have ip-base'),
        ("voip,roma,roma,{day},1,1,1,", "peer: the peer is the PAS itself"),
        ("voip,roma,milano,{day},1,1,1,", 'peer: PAS "milano" does not have voip'),
        ("voip,roma,bari,{day},1,1,1,", 'peer: the contract knows no PAS "bari"'),
        ("ip-base,roma,,{day},-1,1,1,", 'sent: "-1" is no count'),
        ("ip-base,roma,,{day},1.0,1,1,", 'sent: "1.0" is no count'),
        ("ip-base,roma,,{day},,1,1,", "sent: is empty"),
        ("ip-base,roma,,{day},2,1,2,", "within_limit: 2 is more than received, which is 1"),
        ("ip-base,roma,,{day},2,1,,", "within_limit: is empty"),
        ("ip-base,roma,,{day},2,1,1,a", 'jitter_ms: "a" is no number from 0 on'),
        ("ip-base,roma,,{day},2,1,1,-1", 'jitter_ms: "-1" is no number from 0 on'),
        (
            "ip-base,roma,,2011-05-03T07:59,2011-05-03T09:00,1,1,1,",
            "start: the row leaves the normal window of roma, 08:00-20:00 of one day",
        ),
        (
            "ip-base,roma,,2011-05-03T09:00,2011-05-04T09:00,1,1,1,",
            "end: the row leaves the normal window of roma, 08:00-20:00 of one day",
        ),
        (
            "ip-base,tokyo,,2011-04-30T23:00,2011-05-01T00:01,1,1,1,",
            "end: the row goes beyond the end of the period 2011-1 (2011-05-01 00:00)",
        ),
        (
            "ip-base,roma,,2011-05-03T09:00,2011-05-03T09:00,1,1,1,",
            "end: 2011-05-03T09:00 does not lie after start 2011-05-03T09:00",
        ),
        (
            "ip-base,roma,,2011-05-03,2011-05-03T09:00,1,1,1,",
            "start: 2011-05-03 is a day, not a time",
        ),
        ("ip-base,roma,,03/05/2011 9:00,,1,1,1,", 'start: "03/05/2011 9:00" is no time'),
    ],
)
def test_a_wrong_row_of_traffic_names_its_cell(row: str, problem: str, wrong: Wrong) -> None:
    row = row.replace("{day}", "2011-05-03T09:00,2011-05-03T10:00")
    assert f"traffic.csv:2, {problem}" in wrong({"traffic.csv": row})


def test_rows_may_fill_the_window_or_the_whole_period(facts: Callable[..., Facts]) -> None:
    read = facts(
        {
            "traffic.csv": "ip-base,roma,,2011-05-03T08:00,2011-05-03T20:00,1,1,1,\n"
            "ip-base,tokyo,,2011-05-01T00:00,2011-09-01T00:00,1,1,1,"
        }
    )
    normal, extended = read.traffic
    assert normal.end_ns - normal.start_ns == 12 * HOUR_NS
    assert (extended.start_ns, extended.end_ns) == (at("2011-04-30T15:00"), at("2011-08-31T15:00"))


def test_the_window_is_that_of_the_day(facts: Callable[..., Facts], wrong: Wrong) -> None:
    july = "ip-base,napoli,,2011-07-01T00:00,2011-08-01T00:00,1,1,1,"
    before_the_start = "ip-base,napoli,,2011-01-05T00:00,2011-01-06T00:00,1,1,1,"
    assert len(facts({"traffic.csv": f"{july}\n{before_the_start}"}).traffic) == 2
    assert wrong(
        {
            "traffic.csv": "ip-base,napoli,,2011-06-30T00:00,2011-07-01T00:00,1,1,1,\n"
            "ip-base,napoli,,2011-07-01T00:00,2011-08-01T00:01,1,1,1,"
        }
    ) == [
        "traffic.csv:2, start: the row leaves the normal window of napoli, 08:00-20:00 of one day",
        "traffic.csv:3, end: the window of napoli for ip-base changes to normal on 2011-08-01",
    ]


def test_traffic_judged_by_another_limit_is_refused(
    facts: Callable[..., Facts], wrong: Wrong
) -> None:
    row = "ip-base,roma,,2011-05-03T09:00,2011-05-03T10:00,1,1,1,,{},,,"
    assert facts({"traffic.csv": optional("traffic.csv", row.format("300.0"))}).traffic
    assert wrong({"traffic.csv": optional("traffic.csv", row.format("400"))}) == [
        "traffic.csv:2, limit_ms: within_limit was judged by 400 ms, the contract's limit is 300"
    ]


def test_a_pair_without_a_delay_limit_needs_no_count_within_it(facts: Callable[..., Facts]) -> None:
    row = "video-collaboration,milano,torino,2011-05-03T09:00,2011-05-03T10:00,9,8,,19"
    [traffic] = facts({"traffic.csv": row}).traffic
    assert (traffic.received, traffic.within_limit) == (8, 0)


@pytest.mark.parametrize(
    ("jitter", "read"),
    [
        ("19,,", (Decimal(19), 1, 0)),
        ("20,,", (Decimal(20), 1, 0)),  # the limit itself is not above it
        ("20.001,,", (Decimal("20.001"), 1, 1)),
        ("25,10,7", (Decimal(25), 10, 7)),
        (",,", (None, 0, 0)),
    ],
)
def test_a_single_jitter_reading_says_itself_whether_it_is_above_the_limit(
    jitter: str, read: tuple[object, ...], facts: Callable[..., Facts]
) -> None:
    mean, rest = jitter.split(",", 1)
    row = f"video-collaboration,milano,roma,2011-05-03T09:00,2011-05-03T10:00,9,8,8,{mean},,{rest},"
    [traffic] = facts({"traffic.csv": optional("traffic.csv", row)}).traffic
    assert (traffic.jitter_ms, traffic.jitter_readings, traffic.jitter_over) == read


@pytest.mark.parametrize(
    ("jitter", "problem"),
    [
        ("19,0,", "jitter_readings: says 0 readings, but jitter_ms is 19"),
        (",3,", "jitter_readings: says 3 readings, but jitter_ms is empty"),
        ("19,3,4", "jitter_over: 4 is more than jitter_readings, which is 3"),
    ],
)
def test_jitter_and_its_readings_agree(jitter: str, problem: str, wrong: Wrong) -> None:
    mean, rest = jitter.split(",", 1)
    row = f"ip-base,roma,,2011-05-03T09:00,2011-05-03T10:00,9,8,8,{mean},,{rest},"
    assert wrong({"traffic.csv": optional("traffic.csv", row)}) == [f"traffic.csv:2, {problem}"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("ip-base,", "ip-base;voip;,"), "service: has an empty part"),
        (("ip-base,", "ip-base;ip-base,"), "service: names an id twice"),
        (("ip-base,", ","), "service: is empty"),
        (("roma", "milano"), 'pas: PAS "milano" does not have ip-base'),
        (("roma", "roma;milano"), 'pas: PAS "milano" has none of ip-base'),
        (("T1", ""), "id: is empty"),
        (("blocking", "Blocking"), 'severity: "Blocking" may not stand here'),
        (("T09:00", "T09"), 'opened_at: "2011-05-03T09" is no time'),
        (("2011-05-03T09:00", ""), "opened_at: is empty"),
        (("T11:00", "T09:59"), "closed_at: 2011-05-03T09:59 lies before restored_at"),
        (("T11:00", "T08:00"), "closed_at: 2011-05-03T08:00 lies before opened_at"),
        (("T09:00,,", "T09:00,2011-05-03T11:01,"), "closed_at: 2011-05-03T11:00 lies before repor"),
        (
            ("T09:00,,,", "T09:00,2011-05-03T09:10,2011-05-03T09:09,"),
            "responded_at: 2011-05-03T09:09 lies before reported_at",
        ),
        (("T09:00,,,", "T09:00,,2011-05-03T09:09,"), "reported_at: is empty, but somebody was"),
        ((",,fibre", ",0,fibre"), "affected: is 0, but 1 PAS are named"),
        (("fibre", "fib\x01re"), "cause: 'fib\\x01re cut' has a character that cannot be printed"),
    ],
)
def test_a_wrong_ticket_names_its_cell(change: tuple[str, str], problem: str, wrong: Wrong) -> None:
    said = wrong({"tickets.csv": TICKET.replace(*change)})
    assert any(line.startswith(f"tickets.csv:2, {problem}") for line in said), said


def test_times_of_an_open_ticket_are_unknown(facts: Callable[..., Facts]) -> None:
    [ticket] = facts(
        {"tickets.csv": "T1,ip-base,roma;tokyo,blocking,2011-05-03T09:00Z,,,,,,"}
    ).tickets
    assert (ticket.reported_ns, ticket.restored_ns, ticket.closed_ns) == (None, None, None)
    assert ticket.affected == 2


def test_a_closed_ticket_counts_as_restored_at_its_closure(facts: Callable[..., Facts]) -> None:
    [ticket] = facts({"tickets.csv": TICKET.replace("2011-05-03T10:00", "")}).tickets
    assert ticket.restored_ns == ticket.closed_ns == at("2011-05-03T09:00")


def test_a_report_may_come_before_the_opening(facts: Callable[..., Facts]) -> None:
    row = TICKET.replace("T09:00,,", "T09:00,2011-05-03T08:50,")
    [ticket] = facts({"tickets.csv": row}).tickets
    assert ticket.reported_ns == at("2011-05-03T06:50")


def test_a_service_wide_ticket_says_how_many_it_hits(
    facts: Callable[..., Facts], wrong: Wrong
) -> None:
    mail = "T1,email,,blocking,2011-05-03T09:00,,,,,{},"
    assert facts({"tickets.csv": mail.format(30)}).tickets[0].affected == 30
    assert wrong({"tickets.csv": mail.format("")}) == [
        "tickets.csv:2, affected: is empty, and no PAS is named"
    ]


def test_chapter_7_has_one_pas_and_components(facts: Callable[..., Facts], wrong: Wrong) -> None:
    row = "T1,lan-management,,blocking,2011-05-03T09:00,,,,,,,{},,,,"
    [ticket] = facts({"tickets.csv": optional("tickets.csv", row.format("monitoring"))}).tickets
    assert (ticket.affected, ticket.component) == (1, "monitoring")
    row = "T1,ip-base,roma,blocking,2011-05-03T09:00,,,,,,,device,,,,"
    assert wrong({"tickets.csv": optional("tickets.csv", row)}) == [
        "tickets.csv:2, component: ip-base has no such component"
    ]


def test_a_disputed_severity_is_the_administrations(wrong: Wrong) -> None:
    row = "T1,ip-base,roma,non-blocking,2011-05-03T09:00,,,,,,,,non-blocking,blocking,,"
    assert wrong({"tickets.csv": optional("tickets.csv", row)}) == [
        "tickets.csv:2, severity: is non-blocking, but the Administration says blocking"
    ]


def test_times_of_pas_in_several_zones_need_an_offset(wrong: Wrong) -> None:
    said = wrong({"tickets.csv": TICKET.replace("roma", "roma;tokyo")})
    assert said[0] == (
        "tickets.csv:2, opened_at: 2011-05-03T09:00 has no offset from UTC, "
        "and the row's PAS lie in several time zones"
    )
    assert len(said) == 3


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            "R1,voip,one-way-delay,roma,{at},,,pending,,",
            'kind: voip has no requests of kind "one-way-delay"',
        ),
        (
            "R1,security-strong,policy-validation-time,roma,{at},,,pending,,",
            "kind: a rule is one row, for its validation and its implementation",
        ),
        ("R1,ip-base,x,roma,{at},,,pending,,", "service: ip-base has no requests"),
        ("R1,voip,configuration-change-time,,{at},,,pending,,", "pas: is empty"),
        ("R1,voip,configuration-change-time,roma,{at},,,late,,", 'outcome: "late" may not stand'),
        (
            "R1,voip,configuration-change-time,roma,{at},,,done,,",
            "done_at: is empty, but",
        ),
        (
            "R1,voip,configuration-change-time,roma,{at},,{at},pending,,",
            "outcome: is pending, but done_at has a time",
        ),
        (
            "R1,voip,configuration-change-time,roma,{at},,2011-05-03T08:59,done,,",
            "done_at: 2011-05-03T08:59 lies before requested_at 2011-05-03T09:00",
        ),
        (
            "R1,security-strong,policy-implementation-time,roma,{at},,{at},done,,",
            "validated_at: is empty, and the time for the implementation runs from it",
        ),
        (
            "R1,security-strong,policy-implementation-time,roma,{at},,,rejected,,",
            "notified_at: is empty, but the outcome is rejected",
        ),
        (
            "R1,provisioning,local-provisioning,roma,{at},,,pending,,",
            "bandwidth_mbps: is empty, but the limit of local-provisioning depends on it",
        ),
        (
            "R1,provisioning,local-provisioning,roma,{at},,,pending,,0.0",
            "bandwidth_mbps: is 0",
        ),
        ("R1,provisioning,internal-move,bari,{at},,,pending,,", "pas: the contract knows no PAS"),
    ],
)
def test_a_wrong_request_names_its_cell(row: str, problem: str, wrong: Wrong) -> None:
    [said] = wrong({"requests.csv": row.replace("{at}", "2011-05-03T09:00")})
    assert said.startswith(f"requests.csv:2, {problem}")


def test_an_operation_is_one_of_its_kind(wrong: Wrong) -> None:
    rows = [
        f"{number},{service},{kind},,2011-05-03T09:00,,,pending,,,,{operation}"
        for number, (service, kind, operation) in enumerate(
            [
                ("email", "account-operation-time", "reset"),
                ("system-management", "software-distribution-time", "block"),
                ("lan-management", "supplier-activation-time", "block"),
                ("system-management", "software-distribution-time", "market"),
            ]
        )
    ]
    assert wrong({"requests.csv": optional("requests.csv", *rows)}) == [
        'requests.csv:2, operation: account-operation-time has no operation "reset"',
        'requests.csv:3, operation: software-distribution-time has no operation "block"',
        'requests.csv:4, operation: supplier-activation-time has no operation "block"',
    ]


@pytest.mark.parametrize(
    ("file", "row", "problem"),
    [
        ("calls.csv", "ip-base,{span},1,1", "service: ip-base has no calls"),
        ("messages.csv", "voip,{span},1,1", "service: voip has no messages"),
        ("messages.csv", "email,{span},1,2", "within_limit: 2 is more than messages, which is 1"),
        ("contact_centre.csv", "{span},9,3,2", "lost: 3 is more than late, which is 2"),
        ("contact_centre.csv", "{span},9,1,10", "late: 10 is more than attempts, which is 9"),
        (
            "deliveries.csv",
            "weekly,2011-05,2011-06-01T09:00",
            'report: "weekly" may not',
        ),
        (
            "deliveries.csv",
            "technical,2011-2,2011-09-01T09:00",
            "period: 2011-2 is no per",
        ),
        (
            "deliveries.csv",
            "contractual,2011-05,2011-09-01T09:00",
            "period: 2011-05 is no pe",
        ),
        ("deliveries.csv", "technical,2011-13,2011-09-01T09:00", "period: '2011-13' is no"),
        (
            "deliveries.csv",
            "technical,9999-12,2011-09-01T09:00",
            "period: the year of 9999",
        ),
        (
            "deliveries.csv",
            "technical,2011-05,2011-05-31T23:59",
            "delivered_at: lies befor",
        ),
        ("exclusions.csv", "X,ip-base,roma,{span},works,", "agreed_by: is empty"),
        ("exclusions.csv", "X,ip-base,roma,{span},,both", "reason: is empty"),
        ("usage.csv", "ip-base,roma,,{span},,1", "in_percent: is empty"),
        ("usage.csv", "voip,roma,,{span},1,1", "service: voip has no guaranteed bandwidth"),
        ("usage.csv", 'ip-base,roma,,{span},"1,5",1', 'in_percent: "1,5" is no number from 0 on'),
        ("actions.csv", "2011-2,,found,done,me,,", "month: 2011-2 is no month"),
        ("actions.csv", "2011-05,,,done,me,,", "finding: is empty"),
        ("actions.csv", "2011-05,,found,done,me,1 June,", 'due: "1 June" is no day'),
        ("actions.csv", "2011-05,,found,done,me,2011-06-31,", "due: there is no day 2011-06-31"),
    ],
)
def test_a_wrong_row_of_the_other_tables_names_its_cell(
    file: str, row: str, problem: str, wrong: Wrong
) -> None:
    [said] = wrong({file: row.replace("{span}", "2011-05-03T09:00,2011-05-03T10:00")})
    assert said.startswith(f"{file}:2, {problem}")


def test_an_hour_that_dst_leaves_out_does_not_exist(wrong: Wrong) -> None:
    row = TICKET.replace("2011-05-03T09:00", "2011-03-27T02:30")
    assert wrong({"tickets.csv": row}) == [
        "tickets.csv:2, opened_at: 2011-03-27T02:30 does not exist: "
        "clocks are put forward over it in Europe/Rome"
    ]
