"""`pasprobe incident notify | outbox | deliver`. Heavy imports inside: `ping` starts at once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incidents.desk_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    desk_in,
    folder_of,
    loaded,
    post_in,
    print_table,
)
from incidents.ticket_options import WhoOption, actor_of, fail, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incidents.outbox import Delivery, Message


def register(incident: typer.Typer) -> None:
    """Add `notify`, `outbox` and `deliver` to `incident`."""

    @incident.command()
    def notify(
        ticket: Annotated[str, typer.Argument(help="Id or number.")],
        kind: Annotated[str, typer.Argument(help="declaration | plan | firewall | own")],
        device: Annotated[str, typer.Option(help="firewall: which [[device]].")] = "",
        cause: Annotated[str, typer.Option(help="firewall: if it is known.")] = "",
        estimate: Annotated[
            str | None, typer.Option(help="firewall: until it is repaired, as 90m.")
        ] = None,
        party: Annotated[str, typer.Option(help="firewall, own: whom instead of us.")] = "",
        who: WhoOption = None,
        data_dir: DataOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Put a notice of a ticket into the outbox.

        declaration: to the provider, with a call task and the clock of its answer. plan: the
        actions not sent yet to their parties. firewall: which PIX fails (1.5.2). own: up our own
        levels. The same notice is sent once.

        Example: pasprobe incident notify 12 firewall --device pix-1 --estimate 2h
        """
        from incidents.escalating import begin, declare
        from incidents.notices import send_plan, tell_of_firewall
        from inventory.values import ValueKindError, parse_duration

        with told():
            read = loaded(config)
            folder = folder_of(read.configuration, data_dir)
            with post_in(read.configuration, folder) as post:
                known = post.desk.ticket(ticket)
                actor = actor_of(read.configuration, who)
                before = {m.id for m in post.outbox.messages(ticket=known.id)}
                if kind == "declaration":
                    declare(post, known.id, actor)
                elif kind == "own":
                    begin(post, known.id, party or post.own, actor)
                elif kind == "plan":
                    send_plan(post, known.id, actor)
                elif kind == "firewall":
                    if not device:
                        fail("--device: say which firewall, by the id of its [[device]]")
                    try:
                        estimate_ns = None if estimate is None else parse_duration(estimate)
                    except ValueKindError as error:
                        fail(f"--estimate: {error} — {error.remedy}")
                    tell_of_firewall(
                        post, known.id, device, cause=cause, estimate_ns=estimate_ns, party=party,
                        who=actor,
                    )  # fmt: skip
                else:
                    fail(f"there is no notice {kind!r} — declaration, plan, firewall, own")
                new = [m for m in post.outbox.messages(ticket=known.id) if m.id not in before]
                rows = [_message_row(post.outbox.deliveries(m.id), m) for m in new]
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False))
        else:
            print_table(rows, ["message", "purpose", "to", "subject"], "this notice is out already")

    @incident.command()
    def outbox(
        ticket: Annotated[str | None, typer.Option(help="Only about this one.")] = None,
        resend: Annotated[
            int | None, typer.Option(help="Send this message again where it was not accepted.")
        ] = None,
        show: Annotated[int | None, typer.Option(help="Print this message as it is sent.")] = None,
        who: WhoOption = None,
        data_dir: DataOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """List what was and what is to be sent; exit 1: something is refused or not sure.

        Example: pasprobe incident outbox --ticket 12
        """
        from incidents.outbox import Outbox

        with told():
            configuration = loaded(config).configuration
            with desk_in(configuration, folder_of(configuration, data_dir)) as desk:
                box = Outbox(desk)
                if show is not None:
                    content = box.message(show).content.decode("utf-8", "replace")
                    typer.echo(json.dumps({"content": content}) if as_json else content)
                    return
                if resend is not None:
                    box.resend(resend, actor_of(configuration, who))
                about = desk.ticket(ticket).id if ticket else ""
                rows = [_message_row(box.deliveries(m.id), m) for m in box.messages(ticket=about)]
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False))
        else:
            columns = ["message", "ticket", "purpose", "to", "state", "words", "subject"]
            print_table(rows, columns, "the outbox is empty")
        wrong = {"refused", "unsure"}
        raise typer.Exit(1 if any(wrong & set(row["states"]) for row in rows) else 0)

    @incident.command()
    def deliver(
        until_empty: Annotated[
            bool, typer.Option("--until-empty", help="Go on while something is due.")
        ] = False,
        data_dir: DataOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Hand over what is due in the outbox; the watch starts this by itself.

        Exit 1: something was refused, not accepted for now, or it is not sure that it was.

        Example: pasprobe incident deliver
        """
        from dataclasses import asdict

        from incidents.courier import Means, run_courier
        from incidents.mail import login_of

        with told():
            configuration = loaded(config).configuration
            hooks = {
                hook.id: (hook, hook.secret.reveal_bytes(os.environ) if hook.secret else None)
                for hook in configuration.webhooks
            }
            login = login_of(configuration.mail, os.environ) if configuration.mail else None
            with desk_in(configuration, folder_of(configuration, data_dir)) as desk:
                done = run_courier(desk, Means(login, hooks), until_empty=until_empty)
        if done is None:
            typer.echo(json.dumps({"busy": True}) if as_json else "another courier is at it")
            return
        if as_json:
            typer.echo(json.dumps(asdict(done)))
        else:
            words = [f"{count} {name}" for name, count in asdict(done).items() if count]
            typer.echo(", ".join(words) or "nothing was due")
        raise typer.Exit(1 if done.refused or done.later or done.unsure else 0)


def _message_row(deliveries: Sequence[Delivery], message: Message) -> dict[str, Any]:
    states = sorted({delivery.state for delivery in deliveries})
    return {
        "message": message.id,
        "ticket": message.ticket,
        "purpose": message.purpose,
        "channel": message.channel,
        "subject": message.subject,
        "to": ", ".join(delivery.address for delivery in deliveries),
        "state": ", ".join(states),
        "states": states,
        "words": "; ".join(sorted({d.words for d in deliveries if d.words})),
        "attempts": max((d.attempts for d in deliveries), default=0),
    }
