"""`pasprobe incident calls | called`. Heavy imports are inside: `ping` starts at once."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from incidents.desk_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    desk_in,
    folder_of,
    loaded,
    print_table,
)
from incidents.ticket_options import WhoOption, actor_of, fail, told


def register(incident: typer.Typer) -> None:
    """Add `calls` and `called` to `incident`."""

    @incident.command()
    def calls(
        every: Annotated[bool, typer.Option("--all", help="Those that were made too.")] = False,
        data_dir: DataOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """List the calls to make; exit 1: there are some.

        Example: pasprobe incident calls
        """
        from dataclasses import asdict

        from incidents.calls import Calls

        with told():
            configuration = loaded(config).configuration
            with desk_in(configuration, folder_of(configuration, data_dir)) as desk:
                rows: list[dict[str, Any]] = [
                    asdict(call) for call in Calls(desk).all(open_only=not every)
                ]
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False))
        else:
            shown = [{**row, "phones": ", ".join(row["phones"])} for row in rows]
            columns = ["id", "ticket", "role", "phones", "script", "outcome"]
            print_table(shown, columns, "there is nobody to call")
        raise typer.Exit(1 if any(row["done_ns"] is None for row in rows) else 0)

    @incident.command()
    def called(
        call: Annotated[int, typer.Argument(help="Number of the call task.")],
        outcome: Annotated[str, typer.Argument(help="reached | not-reached")],
        note: Annotated[str, typer.Option(help="What was said.")] = "",
        provider_ticket: Annotated[
            str | None, typer.Option(help="The number that the provider gave.")
        ] = None,
        took_over: Annotated[
            bool, typer.Option("--took-over", help="They take it over: the escalation stops.")
        ] = False,
        who: WhoOption = None,
        data_dir: DataOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Acknowledge a call task: who was reached, what they said.

        Example: pasprobe incident called 3 reached --provider-ticket 4711 --took-over
        """
        from dataclasses import asdict

        from incidents.calls import Calls
        from incidents.changes import Acknowledge, Update

        with told():
            configuration = loaded(config).configuration
            actor = actor_of(configuration, who)
            folder = folder_of(configuration, data_dir)
            with desk_in(configuration, folder) as desk, desk.transaction("calling"):
                if outcome not in ("reached", "not-reached"):
                    fail(f"{outcome!r} is no outcome: say reached or not-reached")
                if took_over and outcome != "reached":
                    fail("--took-over: nobody takes over who was not reached")
                made = Calls(desk).acknowledge(call, actor, outcome, note)  # type: ignore[arg-type]
                if (provider_ticket or took_over) and not made.ticket:
                    fail(f"call task {call} is about no ticket")
                if provider_ticket:
                    desk.change(made.ticket, actor, Update(provider_ticket=provider_ticket))
                if took_over:
                    desk.change(made.ticket, actor, Acknowledge(made.party, note=note))
        typer.echo(
            json.dumps(asdict(made), ensure_ascii=False)
            if as_json
            else f"call task {call}: {outcome}"
        )
