"""How each rule of the annex is measured, in words: what [R-9.1-1] asks to be described.

One `Method` a rule; `analysis.method` puts them beside the parameters. Definitions are those of
`docs/statistics.md`, figures about errors those of `docs/accuracy.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.catalogue_types import DelayKind, Rule
from analysis.documents.content import Message, msg


@dataclass(frozen=True, slots=True)
class Method:
    """How one figure comes about."""

    instrument: Message
    """Probe, system or record ([R-9.1-2])."""
    statistic: Message
    sampling: Message
    end_point: Message
    error: Message


_TRAINS = msg(
    "Probe: the agent at the PAS sends trains of packets (ICMP echo, or STAMP of RFC 8762). Where"
    " there is no path, a system's counters in traffic.csv."
)
_PERIODIC = msg(
    "Periodic trains (RFC 3432) at a random phase, all day; those inside the delivery window count."
    " Packets, spacing and interval are those of the path. Fewer valid trains than the contract's"
    " minimum coverage: the figure is insufficient and costs nothing."
)
_TO_THE_BORDER = msg(
    "From the PAS to the far end that the path names: the border router towards QXN or Q-ISP, the"
    " Internet, or an agreed point."
)
_PAS_TO_PAS = msg("From the PAS to the reflector at the other PAS of the pair.")
_EVERY_TICKET = msg("None is drawn: every ticket counts.")
_EVERY_REQUEST = msg("None is drawn: every request counts, each for itself.")
_TICKETS = msg(
    "Record: the tickets of the incident desk or tickets.csv, their closure accepted by the"
    " Administration."
)
_REQUESTS = msg("Record: requests.csv, one row a request.")
_AVAILABILITY_ERROR = msg(
    "That of the times in the tickets: one minute is at most 0.0012 percentage points of four"
    " months. Trains that were answered during a blocking ticket, and outages that trains saw and"
    " no ticket has, are listed."
)
_EVENT_ERROR = msg(
    "That of the recorded times. Only completed hours or quarters, or whole dates, are charged, so"
    " an error changes the amount only where it crosses one of these."
)
_AS_COUNTED = msg(
    "The counters are taken as exact. What the system does not count is not in them; rows that"
    " contradict each other are refused."
)
_OUTAGE_STATISTIC = msg(
    "100 x (T - d) / T: T is the delivery window of the period in real time, d the time of blocking"
    " outages inside it, from fault opening to restoration; overlaps count once."
)

METHODS: Mapping[Rule, Method] = {
    "loss-rate": Method(
        _TRAINS,
        msg(
            "Packets lost of packets sent, both directions together, over the whole period. Lost"
            " is a packet whose reply did not come within the timeout (RFC 6673)."
        ),
        _PERIODIC,
        _TO_THE_BORDER,
        msg(
            "Counters are exact. What the probe itself spoiled (its own drops, missed or delayed"
            " sending) makes a train invalid and never counts as loss. The sampling error is in the"
            " table of paths."
        ),
    ),
    "jitter": Method(
        _TRAINS,
        msg(
            "Mean of the readings of the period. A reading is the mean absolute delay variation of"
            " consecutive received packets of one train (RFC 3393), on the round trip."
        ),
        _PERIODIC,
        _PAS_TO_PAS,
        msg(
            "Offsets of the clocks cancel out; against captures a reading is off by about a"
            " microsecond."
        ),
    ),
    "unit-availability": Method(
        _TICKETS,
        _OUTAGE_STATISTIC,
        _EVERY_TICKET,
        msg("The PAS for the one service."),
        _AVAILABILITY_ERROR,
    ),
    "overall-availability": Method(
        _TICKETS,
        msg(
            "As unit availability, over all PAS (mailboxes, users) of the service together, each"
            " weighed by its delivery window."
        ),
        _EVERY_TICKET,
        msg("All PAS of the service."),
        _AVAILABILITY_ERROR,
    ),
    "monitoring-availability": Method(
        _TICKETS,
        _OUTAGE_STATISTIC,
        _EVERY_TICKET,
        msg("The monitoring or remote control system, not the single devices."),
        _AVAILABILITY_ERROR,
    ),
    "restoration": Method(
        _TICKETS,
        msg(
            "For each ticket and level the time from report to closure: in hours of the delivery"
            " window on all seven days, or in working dates of the country after that of the"
            " report, as its limit is written."
        ),
        _EVERY_TICKET,
        msg("The PAS that the ticket names."),
        _EVENT_ERROR,
    ),
    "restoration-share": Method(
        _TICKETS,
        msg(
            "Outages closed within their limit, of all outages closed in the period, both"
            " severities together."
        ),
        _EVERY_TICKET,
        msg("The service as a whole."),
        msg(
            "That of the recorded times: an error changes the figure only where it crosses a limit."
        ),
    ),
    "request-hours": Method(
        _REQUESTS,
        msg(
            "For each request the window hours on working days of the country, from its receipt"
            " (for the implementation of a rule from its validation) to its end."
        ),
        _EVERY_REQUEST,
        msg("The PAS or service of the request."),
        _EVENT_ERROR,
    ),
    "request-quarter-hours": Method(
        _REQUESTS,
        msg("For each case the minutes inside the delivery window from outage or detection on."),
        _EVERY_REQUEST,
        msg("The PAS of the case."),
        _EVENT_ERROR,
    ),
    "request-days": Method(
        _REQUESTS,
        msg("For each request the working dates of the country after that of its receipt."),
        _EVERY_REQUEST,
        msg("The PAS or service of the request."),
        _EVENT_ERROR,
    ),
    "request-hours-days": Method(
        _REQUESTS,
        msg(
            "For each request the window hours on working days; what is beyond the limit is counted"
            " in working dates after that on which it ran out."
        ),
        _EVERY_REQUEST,
        msg("The PAS or service of the request."),
        _EVENT_ERROR,
    ),
    "success-rate": Method(
        msg("System: the call records of the service, handed over as calls.csv."),
        msg("Successful attempts of all attempts of the period."),
        msg("None is drawn: every attempt counts."),
        msg("The service as its own system sees it."),
        _AS_COUNTED,
    ),
    "delivery-share": Method(
        msg("System: the message tracking of the service, handed over as messages.csv."),
        msg(
            "Messages delivered in time of all messages up to the size, each leg for itself; what"
            " was never delivered was not in time."
        ),
        msg("None is drawn: every message up to the size counts."),
        msg("Between the PAS and the messaging system, each way for itself."),
        _AS_COUNTED,
    ),
    "waiting-events": Method(
        msg("System: the call distribution of the contact centre, as contact_centre.csv."),
        msg("Calls that were answered, or ended, after more than 60 s of waiting."),
        msg("None is drawn: every call counts."),
        msg("From the call's entry into the telephone system to the operator's answer."),
        _AS_COUNTED,
    ),
    "lost-calls": Method(
        msg("System: the call distribution of the contact centre, as contact_centre.csv."),
        msg("Calls that ended unanswered after more than 60 s, of all attempts."),
        msg("None is drawn: every call counts."),
        msg("From the call's entry into the telephone system to the operator's answer."),
        _AS_COUNTED,
    ),
    "response-events": Method(
        _TICKETS,
        msg(
            "For each ticket the minutes from report to the diagnosis told, inside the delivery"
            " window; those beyond the limit are counted."
        ),
        _EVERY_TICKET,
        msg("From the user's report to what the user was told."),
        msg(
            "That of the recorded times: an error changes the figure only where it crosses a limit."
        ),
    ),
    "provisioning-months": Method(
        _REQUESTS,
        msg(
            "For each order the calendar days after its due date; the due date lies so many"
            " calendar months after the order."
        ),
        msg("None is drawn: every order counts."),
        msg("The PAS of the order."),
        msg("Dates are whole days: none."),
    ),
    "report-deadline": Method(
        msg("Record: deliveries.csv, the electronic sending of each report."),
        msg("For each report the days after the one on which it was due."),
        msg("None is drawn: every report that was due counts."),
        msg("From the provider to the Administration."),
        msg("Dates are whole days: none."),
    ),
    "none": Method(
        msg("System: interface counters, handed over as usage.csv."),
        msg("Not judged by itself: its use by the hour is reported, in percent."),
        msg("None is drawn: every hour counts."),
        msg("The access interface of the PAS, each direction for itself."),
        _AS_COUNTED,
    ),
}
"""All rules but `share-within`, which depends on the kind of the delay."""

DELAYS: Mapping[DelayKind, Method] = {
    "rtt": Method(
        _TRAINS,
        msg(
            "Packets whose round trip (RFC 2681, less the reflector's stay) is at most the limit,"
            " of the packets received, over the whole period."
        ),
        _PERIODIC,
        _TO_THE_BORDER,
        msg(
            "Time stamps of the kernel: against captures a round trip is off by some microseconds."
            " A clock that stepped makes its train invalid. The sampling error is in the table of"
            " paths."
        ),
    ),
    "one-way": Method(
        _TRAINS,
        msg(
            "Packets whose one-way delay (RFC 7679) is at most the limit, of the packets received,"
            " both directions together, over the whole period."
        ),
        _PERIODIC,
        _PAS_TO_PAS,
        msg(
            "The sum of what both clocks state of their error. Where that is more than a tenth of"
            " the limit the train is not judged one way, and a round trip is never halved for it."
        ),
    ),
}


def method_of(rule: Rule, delay: DelayKind | None, *, pair: bool) -> Method:
    """The method of a parameter; a delay or a loss between two PAS ends at the other PAS."""
    found = DELAYS[delay or "rtt"] if rule == "share-within" else METHODS[rule]
    if pair and found.end_point is _TO_THE_BORDER:
        return Method(found.instrument, found.statistic, found.sampling, _PAS_TO_PAS, found.error)
    return found
