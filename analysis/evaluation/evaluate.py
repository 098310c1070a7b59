"""From inputs to a result: every parameter of every service that the contract lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from analysis.catalogue_types import Parameter, Rule, Service
from analysis.evaluation.availability import availability_lines
from analysis.evaluation.case import Case, make_case
from analysis.evaluation.contract_checks import check_contract
from analysis.evaluation.counts import (
    bandwidth_lines,
    lost_call_lines,
    response_lines,
    share_lines,
    waiting_lines,
)
from analysis.evaluation.inputs import Inputs
from analysis.evaluation.measurement_warnings import counted_gaps
from analysis.evaluation.orders import provisioning_lines, report_lines
from analysis.evaluation.outlook import outlooks
from analysis.evaluation.packets import packet_lines
from analysis.evaluation.requests import request_lines
from analysis.evaluation.restoration import restoration_lines, restoration_share_lines
from analysis.evaluation.warnings import warnings_of
from analysis.evaluation.writing import GENERAL
from analysis.lines import Line, Outlook, Result

Evaluator = Callable[[Case, Service, Parameter], Iterator[Line]]
EVALUATORS: Mapping[Rule, Evaluator] = {
    "none": bandwidth_lines,
    "share-within": packet_lines,
    "loss-rate": packet_lines,
    "jitter": packet_lines,
    "success-rate": share_lines,
    "delivery-share": share_lines,
    "unit-availability": availability_lines,
    "overall-availability": availability_lines,
    "monitoring-availability": availability_lines,
    "restoration": restoration_lines,
    "restoration-share": restoration_share_lines,
    "request-hours": request_lines,
    "request-quarter-hours": request_lines,
    "request-days": request_lines,
    "request-hours-days": request_lines,
    "waiting-events": waiting_lines,
    "lost-calls": lost_call_lines,
    "response-events": response_lines,
    "provisioning-months": provisioning_lines,
    "report-deadline": report_lines,
}


def evaluate(inputs: Inputs) -> Result:
    """The lines of a period with their penalties, and everything that a reader has to know.

    Pure: equal inputs give an equal result, whatever the order of their rows ([R-9.2-3]). Raises
    `ContractError` where the contract cannot be charged as it is written.
    """
    check_contract(inputs.configuration, inputs.catalogue)
    case = make_case(inputs)
    lines = tuple(
        replace(line, number=number) for number, line in enumerate(lines_of(case), start=1)
    )
    used = {reading for line in lines for reading in line.readings} | set(GENERAL)
    ahead: tuple[Outlook, ...] = ()
    if not case.charges:
        ahead = outlooks(case, lines, lines_of)
    return Result(
        period=inputs.period,
        administration=case.contract.administration,
        as_of_ns=inputs.as_of_ns,
        lines=lines,
        total_eur=sum((line.penalty_eur for line in lines), Decimal("0.00")),
        warnings=warnings_of(case, lines),
        gaps=counted_gaps(case),
        outlook=ahead,
        readings=inputs.readings.told(used),
    )


def lines_of(case: Case) -> Iterator[Line]:
    """In the order of the catalogue, then by PAS, peer, level and event; not numbered yet."""
    for service in case.inputs.catalogue.services:
        if not case.contract.of(service.id):
            continue
        for parameter in service.parameters:
            found = EVALUATORS[parameter.rule](case, service, parameter)
            yield from sorted(found, key=lambda line: (line.pas, line.peer, line.level, line.event))
