"""`pasprobe incident ack|assign|comment|update|validate|close|alert`: steps of a ticket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incidents.ticket_options import (
    ConfigOption,
    JsonOption,
    WhoOption,
    actor_of,
    fail,
    instant,
    maybe_instant,
    open_desk_of,
    zone_of,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from incidents.changes import AlertChange, Change
    from incidents.desk import Desk
    from incidents.ticket_options import Open
    from incidents.tickets import Actor, Ticket
    from inventory.models import Configuration

TicketArgument = Annotated[str, typer.Argument(metavar="TICKET", help="Its id or number.")]


def register(incident: typer.Typer, check: Callable[[Ticket, Configuration], None]) -> None:
    """Add the commands; `check` holds a changed ticket against the contract."""
    _register_small(incident)
    _register_update(incident, check)
    _register_validate(incident)
    _register_close(incident)
    _register_alert(incident)


def _register_small(incident: typer.Typer) -> None:
    @incident.command()
    def ack(
        ticket_id: TicketArgument,
        party: Annotated[
            str, typer.Option(help="Who took it over, by the id of a [[party]]; else we did.")
        ] = "",
        note: Annotated[str, typer.Option(help="As the name of who answered.")] = "",
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Say that a party took the ticket over; its escalation stops.

        Example: pasprobe incident ack 12 --party provider --note "hotline, ticket 4711"
        """
        from incidents.changes import Acknowledge

        with open_desk_of(config) as opened:
            known = [one.id for one in opened.configuration.parties]
            if party and party not in known:
                fail(f'--party: there is no [[party]] "{party}" — one of {", ".join(known)}')
            _do(opened, ticket_id, who, [Acknowledge(party, note=note)], as_json=as_json)

    @incident.command()
    def assign(
        ticket_id: TicketArgument,
        to: Annotated[str, typer.Argument(help="Who works on it.")],
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Say who works on a ticket.

        Example: pasprobe incident assign 12 "night shift"
        """
        from incidents.changes import Assign

        with open_desk_of(config) as opened:
            _do(opened, ticket_id, who, [Assign(to)], as_json=as_json)

    @incident.command()
    def comment(
        ticket_id: TicketArgument,
        text: Annotated[str, typer.Argument(help="For the trail.")],
        attach: Annotated[
            list[Path] | None, typer.Option("--attach", help="File as evidence (repeatable).")
        ] = None,
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Add a note to the trail, with files where there are some.

        Example: pasprobe incident comment 12 "call with the provider" --attach call.txt
        """
        from incidents.changes import Comment

        with open_desk_of(config) as opened, opened.desk.transaction("adding a comment"):
            actor = actor_of(opened.configuration, who)
            for file in attach or ():
                _attach(opened.desk, ticket_id, actor, "file", file)
            _do(opened, ticket_id, who, [Comment(text)], as_json=as_json)


def _register_update(incident: typer.Typer, check: Callable[[Ticket, Configuration], None]) -> None:
    @incident.command()
    def update(
        ticket_id: TicketArgument,
        summary: Annotated[str | None, typer.Option(help="What does not work.")] = None,
        service: Annotated[list[str] | None, typer.Option("--service")] = None,
        pas: Annotated[list[str] | None, typer.Option("--pas")] = None,
        affected: Annotated[int | None, typer.Option(min=1, help="PAS hit.")] = None,
        criticality: Annotated[str | None, typer.Option(help="minor | major | critical")] = None,
        tills: Annotated[int | None, typer.Option(min=0, help="Tills hit (annex 1).")] = None,
        shops: Annotated[int | None, typer.Option(min=0, help="Shops hit.")] = None,
        operators: Annotated[int | None, typer.Option(min=0, help="Operators hit.")] = None,
        values: Annotated[int | None, typer.Option(min=0, help="Values hit.")] = None,
        component: Annotated[str | None, typer.Option(help="monitoring | device")] = None,
        kind: Annotated[str | None, typer.Option(help="As server, firewall, line.")] = None,
        device: Annotated[str | None, typer.Option(help="Its id.")] = None,
        address: Annotated[str | None, typer.Option(help="Subnet or server.")] = None,
        client: Annotated[str | None, typer.Option(help="Its name.")] = None,
        cause: Annotated[str | None, typer.Option(help="Of the fault.")] = None,
        note: Annotated[
            str | None, typer.Option("--comment", help="Comment for the reports.")
        ] = None,
        provider_ticket: Annotated[
            str | None, typer.Option("--provider-ticket", help="The number it answered.")
        ] = None,
        severity_provider: Annotated[
            str | None, typer.Option("--severity-provider", help="blocking | non-blocking")
        ] = None,
        severity_administration: Annotated[
            str | None,
            typer.Option("--severity-administration", help="blocking | non-blocking; prevails."),
        ] = None,
        opened_at: Annotated[
            str | None, typer.Option("--opened", help="The fault began then; with --reason.")
        ] = None,
        reported: Annotated[
            str | None, typer.Option("--reported", help="The user reported it: a time, or now.")
        ] = None,
        declared: Annotated[
            str | None, typer.Option("--declared", help="The provider was told: a time, or now.")
        ] = None,
        responded: Annotated[
            str | None,
            typer.Option("--responded", help="The user was told --diagnosis and --expected."),
        ] = None,
        diagnosis: Annotated[str | None, typer.Option(help="What it is.")] = None,
        expected: Annotated[
            str | None, typer.Option("--expected", help="When it will work again.")
        ] = None,
        restored: Annotated[
            str | None, typer.Option("--restored", help="It works again: a time, or now.")
        ] = None,
        reopen: Annotated[
            str | None, typer.Option("--reopen", metavar="REASON", help="It does not, after all.")
        ] = None,
        withdraw: Annotated[
            str | None, typer.Option("--withdraw", metavar="REASON", help="It was no outage (ROC).")
        ] = None,
        plan: Annotated[
            list[str] | None,
            typer.Option("--plan", metavar="PARTY:TEXT", help="Action (repeatable)."),
        ] = None,
        plan_due: Annotated[
            str | None, typer.Option("--plan-due", help="When these must be done.")
        ] = None,
        plan_done: Annotated[
            list[int] | None, typer.Option("--plan-done", metavar="N", help="Action N is done.")
        ] = None,
        outcome: Annotated[str, typer.Option(help="Of the actions done.")] = "",
        reason: Annotated[str, typer.Option(help="Why it is corrected.")] = "",
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Write down what became known or happened; all of it, or nothing where a part is refused.

        The criticality follows annex 1 until --criticality says one. Exit 1: refused, with the
        reason.

        Example: pasprobe incident update 12 --responded now --diagnosis "fibre cut" \
--expected 2026-05-31T21:00
        """
        from dataclasses import replace

        from incidents.changes import Update

        said = dict(locals())
        fields: dict[str, Any] = {
            "summary": summary, "affected": affected, "kind": kind, "device": device,
            "address": address, "client": client, "cause": cause, "comment": note,
            "provider_ticket": provider_ticket,
            "services": tuple(service) if service else None, "pas": tuple(pas) if pas else None,
            "criticality": _word("--criticality", criticality, ("minor", "major", "critical")),
            "component": _word("--component", component, ("monitoring", "device", "")),
        }  # fmt: skip
        with open_desk_of(config) as opened:
            ticket = opened.desk.ticket(ticket_id)
            zone = zone_of(opened.configuration, ticket.pas)
            if expected is not None and responded is None:
                fields["expected_ns"] = instant("--expected", expected, zone)
            hit = {"tills": tills, "shops": shops, "operators": operators, "values": values}
            if said_of_it := {name: count for name, count in hit.items() if count is not None}:
                fields["hit"] = replace(ticket.hit, **said_of_it)
            changes: list[Change] = []
            if any(value is not None for value in fields.values()):
                changes.append(Update(**fields, reason=reason))
            changes += _severities(severity_provider, severity_administration)
            changes += _milestones(said, zone)
            changes += _plan(opened, plan or [], plan_due, plan_done or [], outcome, zone)
            if not changes:
                fail("nothing is said that could be written down — see --help")
            _do(opened, ticket_id, who, changes, as_json=as_json, check=check)


def _milestones(said: dict[str, Any], zone: tzinfo) -> Iterator[Change]:
    """In the order in which they come to pass."""
    from incidents.changes import (
        DeclareToProvider,
        Redate,
        Reopen,
        Report,
        Respond,
        Restore,
        Withdraw,
    )

    if (text := said["opened_at"]) is not None:
        yield Redate(instant("--opened", text, zone), said["reason"])
    if said["reopen"] is not None:
        yield Reopen(said["reopen"])
    if (text := said["reported"]) is not None:
        yield Report(instant("--reported", text, zone))
    if (text := said["declared"]) is not None:
        yield DeclareToProvider(instant("--declared", text, zone))
    if (text := said["responded"]) is not None:
        if said["expected"] is None or said["diagnosis"] is None:
            fail("--responded: a response tells the diagnosis and when it will work again"
                 " — add --diagnosis and --expected")  # fmt: skip
        expected = instant("--expected", said["expected"], zone)
        yield Respond(said["diagnosis"], expected, instant("--responded", text, zone))
    elif said["diagnosis"] is not None:
        fail("--diagnosis: it is told in the response — add --responded and --expected")
    if (text := said["restored"]) is not None:
        yield Restore(instant("--restored", text, zone))
    if said["withdraw"] is not None:
        yield Withdraw(said["withdraw"])


def _severities(provider: str | None, administration: str | None) -> Iterator[Change]:
    from incidents.changes import SaySeverity

    allowed = ("blocking", "non-blocking")
    if (severity := _word("--severity-provider", provider, allowed)) is not None:
        yield SaySeverity("provider", severity)
    if (severity := _word("--severity-administration", administration, allowed)) is not None:
        yield SaySeverity("administration", severity)


def _plan(
    opened: Open, plan: list[str], due: str | None, done: list[int], outcome: str, zone: tzinfo
) -> Iterator[Change]:
    from incidents.changes import Plan, PlanDone

    known = [party.id for party in opened.configuration.parties]
    due_ns = maybe_instant("--plan-due", due, zone)
    for text in plan:
        party, colon, what = text.partition(":")
        if not colon or party.strip() not in known:
            fail(f'--plan: {text!r} — write "PARTY:what is done", with one of {", ".join(known)}')
        yield Plan(what.strip(), party.strip(), due_ns)
    for number in done:
        yield PlanDone(number, outcome)


def _register_validate(incident: typer.Typer) -> None:
    @incident.command()
    def validate(
        ticket_id: TicketArgument,
        text: Annotated[str, typer.Option("--text", help="What was checked.")] = "",
        refuse: Annotated[
            str | None, typer.Option("--refuse", metavar="REASON", help="It is not good: reopen.")
        ] = None,
        at: Annotated[str | None, typer.Option("--at", help="When; else now.")] = None,
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Validate the correction as the ROC (responsable opérationnel du compte, 1.7).

        Exit 1: refused, as for any other role.

        Example: pasprobe incident validate 12 --who roc --text "sale and refund on two tills"
        """
        from incidents.changes import Reopen, Validate

        with open_desk_of(config) as opened:
            ticket = opened.desk.ticket(ticket_id)
            zone = zone_of(opened.configuration, ticket.pas)
            at_ns = maybe_instant("--at", at, zone)
            change = Validate(at_ns, text) if refuse is None else Reopen(refuse)
            _do(opened, ticket_id, who, [change], as_json=as_json)


def _register_close(incident: typer.Typer) -> None:
    @incident.command()
    def close(
        ticket_id: TicketArgument,
        accepted_by: Annotated[
            str | None, typer.Option("--accepted-by", help="Who of the customer accepted it.")
        ] = None,
        accepted_at: Annotated[
            str | None, typer.Option("--accepted-at", help="When; else now.")
        ] = None,
        provider_report: Annotated[
            Path | None, typer.Option("--provider-report", help="The provider's report (2.3).")
        ] = None,
        waive_report: Annotated[
            str | None,
            typer.Option("--waive-provider-report", metavar="REASON", help="Without it (ROC)."),
        ] = None,
        corrective: Annotated[
            str | None, typer.Option("--corrective", help="How the corrective procedure ended (2).")
        ] = None,
        waive_corrective: Annotated[
            str | None,
            typer.Option("--waive-corrective", metavar="REASON", help="Without it (ROC)."),
        ] = None,
        only_record: Annotated[
            bool, typer.Option("--only-record", help="Write this down, and do not close yet.")
        ] = False,
        text: Annotated[str, typer.Option("--text", help="A last word.")] = "",
        at: Annotated[str | None, typer.Option("--at", help="When; else now.")] = None,
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Close a ticket: validated, accepted, with the provider's report and corrective procedure.

        Exit 1: refused, with all that is missing.

        Example: pasprobe incident close 12 --accepted-by "service desk" \
--provider-report report.pdf --corrective "server restored, nominal again"
        """
        from incidents.changes import Accept, Close, Corrective, ProviderReport

        with open_desk_of(config) as opened, opened.desk.transaction("closing a ticket"):
            ticket = opened.desk.ticket(ticket_id)
            zone, actor = (
                zone_of(opened.configuration, ticket.pas),
                actor_of(opened.configuration, who),
            )
            changes: list[Change] = []
            if provider_report is not None:
                _attach(opened.desk, ticket.id, actor, "provider-report", provider_report)
                changes.append(ProviderReport(provider_report.name))
            if waive_report is not None:
                changes.append(ProviderReport(waive_report, waived=True))
            if corrective is not None:
                changes.append(Corrective(corrective))
            if waive_corrective is not None:
                changes.append(Corrective(waive_corrective, waived=True))
            if accepted_by is not None:
                at_ns = maybe_instant("--accepted-at", accepted_at, zone)
                changes.append(Accept(accepted_by, at_ns))
            if not only_record:
                changes.append(Close(maybe_instant("--at", at, zone), text))
            if not changes:
                fail("--only-record: nothing is said that could be written down — see --help")
            _do(opened, ticket.id, who, changes, as_json=as_json)


def _register_alert(incident: typer.Typer) -> None:
    @incident.command()
    def alert(
        number: Annotated[int, typer.Argument(metavar="ALERT", help="Its number.")],
        analyse: Annotated[
            str | None, typer.Option("--analyse", metavar="FINDING", help="What it is (1.2).")
        ] = None,
        declare: Annotated[
            str | None, typer.Option("--declare", metavar="TICKET", help="It is part of this one.")
        ] = None,
        dismiss: Annotated[
            str | None, typer.Option("--dismiss", metavar="REASON", help="It is no incident.")
        ] = None,
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Analyse an alert, then declare or dismiss it (annex 3); without options show it.

        `incident open --alert N` declares it in a new ticket. Exit 1: refused, with the reason.

        Example: pasprobe incident alert 7 --analyse "planned work of the carrier" \
--dismiss "no PAS was disturbed"
        """
        from incidents.changes import Analyse, Declare, Dismiss, JoinAlert
        from incidents.dossier import alert_values
        from incidents.trail import by, what

        if declare is not None and dismiss is not None:
            fail("--declare and --dismiss: it is either an incident or none — give one of them")
        with open_desk_of(config) as opened, opened.desk.transaction("judging an alert"):
            desk, actor = opened.desk, actor_of(opened.configuration, who)
            found = desk.alert(number)
            changes: list[AlertChange] = []
            if analyse is not None:
                changes.append(Analyse(analyse))
            if declare is not None:
                ticket = desk.ticket(declare)
                changes.append(Declare(ticket.id))
                desk.change(ticket.id, actor, JoinAlert(number, found.pas, found.services))
            if dismiss is not None:
                changes.append(Dismiss(dismiss))
            for change in changes:
                found = desk.change_alert(number, actor, change)
            entries = desk.history(f"alert/{number}")
            zone = zone_of(opened.configuration, found.pas)
        if as_json:
            typer.echo(json.dumps(alert_values(found), ensure_ascii=False))
            return
        typer.echo(f"alert {found.id}: {found.state.value}, {found.text}")
        for entry in entries:
            typer.echo(f"  {by(entry.who)}: {what(entry, zone)}")


def _word(option: str, text: str | None, allowed: tuple[str, ...]) -> Any:
    if text is not None and text not in allowed:
        fail(f"{option}: {text!r} — write {' or '.join(word for word in allowed if word)}")
    return text


def _attach(desk: Desk, ticket_id: str, actor: Actor, kind: str, file: Path) -> None:
    from incidents.errors import IncidentError

    try:
        content = file.read_bytes()
    except OSError as error:
        raise IncidentError(f"{file}: {error.strerror} — name a file that can be read") from None
    desk.attach(ticket_id, actor, kind, file.name, content)


def _do(
    opened: Open,
    ticket_id: str,
    who: str | None,
    changes: list[Change],
    *,
    as_json: bool,
    check: Callable[[Ticket, Configuration], None] | None = None,
) -> None:
    """All changes or none; then what became of the ticket."""
    from incidents.dossier import ticket_values

    actor = actor_of(opened.configuration, who)
    with opened.desk.transaction(f"changing {ticket_id}"):
        ticket = opened.desk.ticket(ticket_id)
        for change in changes:
            ticket = opened.desk.change(ticket.id, actor, change)
        if check is not None:
            check(ticket, opened.configuration)
    if as_json:
        typer.echo(json.dumps(ticket_values(ticket), ensure_ascii=False))
    else:
        typer.echo(f"{ticket.id}: {ticket.state.value}, {ticket.severity}, {ticket.criticality}")
