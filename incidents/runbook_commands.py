"""`pasprobe incident runbook`: leads through a restoration, step by step. Heavy imports inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from incidents.ticket_options import (
    ConfigOption,
    JsonOption,
    WhoOption,
    actor_of,
    open_desk_of,
)

if TYPE_CHECKING:
    from incidents.runbook import Runbook, Seen, Tools
    from incidents.runbook_state import Guide, Run
    from inventory.load import Loaded

_KEYS = "[a]ction, [c]heck, [d]one, [s]kip with a reason, [l]eave"


def register(incident: typer.Typer, more: Callable[[Loaded], Tools]) -> None:
    """Add `runbook`. `more`: what other rooms do and look at, by the names in the runbooks."""

    @incident.command()
    def runbook(
        ticket: Annotated[str, typer.Argument(help="Id or number.")],
        name: Annotated[
            str | None, typer.Option("--book", help="Which; else the only one that suits.")
        ] = None,
        act: Annotated[bool, typer.Option("--act", help="Do the next step's action.")] = False,
        check: Annotated[bool, typer.Option("--check", help="Make the next step's check.")] = False,
        done: Annotated[bool, typer.Option("--done", help="The next step is done.")] = False,
        skip: Annotated[
            str | None, typer.Option("--skip", metavar="REASON", help="Go on without it.")
        ] = None,
        record: Annotated[str, typer.Option(help="With --done: what is to be kept.")] = "",
        force: Annotated[
            str, typer.Option("--force", metavar="REASON", help="In shop hours all the same.")
        ] = "",
        begin: Annotated[bool, typer.Option("--begin", help="Begin it and ask nothing.")] = False,
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Lead through the restoration of a ticket; ask at each step, or take one by an option.

        It can be left and gone on with later, by somebody else, on another host with this desk.
        Without --book, and where several suit, it lists them. Exit 1: refused, or not good.

        Example: pasprobe incident runbook 12 --book server-to-spare --check
        """
        from incidents.acceptance import tools, tunnel_by_train
        from incidents.runbook import runbook_of, suited
        from incidents.runbook_state import Guide

        with open_desk_of(config) as there:
            configuration = there.configuration
            known = there.desk.ticket(ticket)
            if name is None:
                _list(suited(known), as_json)
                return
            book = runbook_of(name)
            guide = Guide(
                there.desk, known.id, name, book, actor_of(configuration, who),
                {
                    **tools(configuration),
                    "tunnel": tunnel_by_train(configuration),
                    **more(there.loaded),
                },
                shop_hours=configuration.shop_hours,
                zones={pas.id: pas.timezone for pas in configuration.pas},
            )  # fmt: skip
            asked = act or check or done or begin or skip is not None
            if as_json and not asked:
                _print(guide.run, book, as_json)
                return
            run = guide.begin(force=force)
            if not asked:
                try:
                    _converse(guide, book, force)
                except typer.Abort:  # the end of the input, or Ctrl-C
                    typer.echo("\nLeft; the same command goes on here.")
                return
            seen: Seen | None = None
            if act:
                seen = guide.act(run.current, force=force)
            if check and (seen is None or seen.good):
                seen = guide.probe(run.current)
            if seen is not None and not as_json:
                typer.echo(("good: " if seen.good else "not good: ") + seen.text)
            good = seen is None or seen.good
            if done and good:
                guide.done(run.current, record, force=force)
            if skip is not None:
                guide.skip(run.current, skip)
            _print(guide.run, book, as_json)
            if not good:
                raise typer.Exit(1)


def _list(names: tuple[str, ...], as_json: bool) -> None:
    from incidents.runbook import runbooks

    if as_json:
        typer.echo(json.dumps(list(names)))
        return
    for name in names or tuple(runbooks()):
        book = runbooks()[name]
        steps = f"{len(book.step)} step{'s' if len(book.step) > 1 else ''}"
        typer.echo(f"{name}: {book.title} ({book.clause}, {steps})")


def _print(run: Run | None, book: Runbook, as_json: bool) -> None:
    rows = [
        {
            "step": step.id,
            "party": list(step.party),
            "state": "open" if run is None else run.steps[step.id].state,
            "good": None if run is None else run.steps[step.id].good,
            "interrupted": run is not None and run.steps[step.id].doing,
            "text": step.text,
            "said": "" if run is None else run.steps[step.id].text,
        }
        for step in book.step
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for number, row in enumerate(rows, 1):
        typer.echo(f"{number}. [{row['state']}] {row['step']}: {row['text']}")


def _converse(guide: Guide, book: Runbook, force: str) -> None:
    """Ask until all is done or the person leaves."""
    from incidents.errors import RefusedError

    while (run := guide.run) is not None and run.current:
        step = next(step for step in book.step if step.id == run.current)
        number = [one.id for one in book.step].index(step.id) + 1
        typer.echo(f"\n{number}/{len(book.step)} {step.id} ({', '.join(step.party)})")
        typer.echo(f"  {step.text}\n  Check: {step.check}")
        if run.steps[step.id].doing:
            typer.echo("  Its action was interrupted: see how far it came; it may be done again.")
        answer = typer.prompt(_KEYS, default="l").strip().lower()[:1]
        try:
            if answer == "a":
                _say(guide.act(step.id, force=force))
            elif answer == "c":
                _say(guide.probe(step.id))
            elif answer == "d":
                text = "" if step.record is None else typer.prompt(step.record)
                guide.done(step.id, text, force=force)
            elif answer == "s":
                guide.skip(step.id, typer.prompt("reason"))
            elif answer == "l":
                typer.echo("Left; the same command goes on here.")
                return
        except RefusedError as error:
            typer.echo(f"  {error}")
    typer.echo("All steps are done.")


def _say(seen: Seen) -> None:
    typer.echo(("  good: " if seen.good else "  not good: ") + seen.text)
