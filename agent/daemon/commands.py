"""The commands `run`, `status` and `reload`: the agent on this host."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from agent.daemon.reading import OrderDevices
    from inventory.limits import LimitSource
    from inventory.load import Loaded

CONFIG_HELP = "File, or folder of *.toml; else $PASPROBE_CONFIG, ./pasprobe.toml, /etc/pasprobe/."
ANSWER_S = 10.0
"""How long `reload` waits for the agent to say what became of it."""

Config = Annotated[Path | None, typer.Option("--config", help=CONFIG_HELP)]


def register(
    app: typer.Typer,
    limits: Callable[[], LimitSource],
    order_devices: Callable[[], OrderDevices],
) -> None:
    """Add the commands; `limits` gives the SLA catalogue when it is needed, `order_devices` what
    makes an order of the configuration's devices."""

    @app.command()
    def run(
        config: Config = None,
        log_json: Annotated[
            bool, typer.Option("--log-json", help="Log lines as JSON instead of logfmt.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="The same as --log-json.")] = False,
        hand_over: Annotated[bool, typer.Option("--hand-over", hidden=True)] = False,
    ) -> None:
        """Measure all paths of this host and poll its devices until SIGTERM or Ctrl-C.

        Logs to standard error. SIGHUP (`pasprobe reload`) reads the configuration again. Exit 1:
        the agent failed.

        Example: pasprobe run --config /etc/pasprobe
        """
        import sys

        if hand_over:
            import pickle

            from agent.daemon.reading import answer

            with _one_line():
                found = answer(config, limits(), os.environ, order_devices())
            sys.stdout.buffer.write(pickle.dumps(found))
            return
        # The same command again says what to measure, now and at each reload.
        reading = [sys.executable, *sys.orig_argv[1:], "--hand-over"]
        form = "json" if log_json or as_json else "logfmt"
        agent = [sys.executable, "-P", "-m", "agent.daemon.life", form, *reading]
        os.execv(sys.executable, agent)

    @app.command()
    def status(
        config: Config = None,
        history: Annotated[
            bool, typer.Option("--history", help="The last hours, a character a quarter hour.")
        ] = False,
        hours: Annotated[
            int | None,
            typer.Option("--hours", min=1, max=744, help="How far --history goes back; 24."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    ) -> None:
        """Show every path with its last train and its sums of today, and the agent itself.

        With --history, how each path did in the last hours, from roll-ups and trains: the median
        delay as a line, losses and missed limits marked. Exit 1: a path is in breach today, or
        the agent does not run.

        Example: pasprobe status --history --hours 48
        """
        from agent.daemon import history_view as view
        from agent.daemon import status as present
        from agent.daemon.history import history as past

        if hours is not None and not history:
            raise typer.BadParameter("--hours goes with --history")
        console = None if as_json else _console()
        with _one_line():
            loaded, data_dir = _loaded(config, resolve_secrets=False)
            now_ns = time.time_ns()
            found = present.status(loaded.configuration, data_dir, limits(), now_ns)
            seen = None
            if history:
                seen = past(
                    loaded.configuration, data_dir, limits(), hours or 24, now_ns,
                    width=console.width if console else None,
                )  # fmt: skip
        if console is None:
            answer = present.as_json(found, now_ns)
            if seen is not None:
                answer["history"] = view.as_json(seen)
            typer.echo(json.dumps(answer))
        elif seen is not None:
            console.print("\n".join(present.agent_lines(found, now_ns)), markup=False)
            for part in view.tables(seen):
                console.print(part)
        else:
            for part in present.tables(found, now_ns):
                console.print(part)
        if not found.fine:
            raise typer.Exit(1)

    @app.command()
    def reload(
        config: Config = None,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    ) -> None:
        """Have the running agent read its configuration again, without losing a running train.

        A wrong configuration is shown here and not handed over. Exit 1: there is no agent, or it
        refused.

        Example: pasprobe reload --config /etc/pasprobe
        """
        from agent.daemon.reloading import reload_agent

        with _one_line():
            _, data_dir = _loaded(config, resolve_secrets=False)
            outcome = reload_agent(data_dir, ANSWER_S)
        if as_json:
            typer.echo(json.dumps(outcome))
        elif outcome["reloaded"]:
            devices = f" and polls {outcome['devices']} devices" if outcome["devices"] else ""
            measures = f"now measures {outcome['paths']} paths{devices}"
            typer.echo(f"agent (pid {outcome['pid']}) {measures}")
        else:
            typer.echo("\n".join(outcome["problems"]), err=True)
        if not outcome["reloaded"]:
            raise typer.Exit(1)


def _loaded(config: Path | None, *, resolve_secrets: bool) -> tuple[Loaded, Path]:
    from agent.errors import ProbeError
    from inventory.load import load

    loaded = load(config, environ=os.environ, resolve_secrets=resolve_secrets)
    agent = loaded.configuration.agent
    if agent is None:
        raise ProbeError(f"{loaded.path}: there is no [agent]: it names this host and its data_dir")
    return loaded, agent.data_dir


def _console() -> Console:
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 140)


def _one_line() -> Any:
    """What a user got wrong ends in one line and exit code 2."""
    import contextlib

    from agent.errors import ProbeError
    from inventory.errors import ConfigurationError, SecretError
    from timeseries.errors import StoreError

    @contextlib.contextmanager
    def scope() -> Any:
        try:
            yield
        except (ProbeError, ConfigurationError, SecretError, StoreError) as error:
            typer.echo(f"pasprobe: {error}", err=True)
            raise typer.Exit(2) from None

    return scope()
