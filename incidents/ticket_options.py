"""What the ticket commands share: options, who acts, times, how a wrong call ends.

Light: only typer and the standard library at the top.
"""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from incidents.criticality import Rules
    from incidents.desk import Desk
    from incidents.tickets import Actor
    from inventory.load import Loaded
    from inventory.models import Configuration

CONFIG_HELP = "File, or folder of *.toml; else $PASPROBE_CONFIG, ./pasprobe.toml, /etc/pasprobe/."
ConfigOption = Annotated[Path | None, typer.Option("--config", help=CONFIG_HELP)]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
WhoOption = Annotated[
    str | None,
    typer.Option("--who", help="In whose name; else the login. [incident] users has the roles."),
]
NOW = "now"


@dataclass(frozen=True, slots=True)
class Open:
    """An open desk with what the commands need beside it."""

    desk: Desk
    loaded: Loaded

    @property
    def configuration(self) -> Configuration:
        """What there is."""
        return self.loaded.configuration


@contextmanager
def open_desk_of(config: Path | None, *, resolve_secrets: bool = False) -> Iterator[Open]:
    """The desk of the configuration; what a user got wrong ends in its text and exit status 2."""
    from incidents.desk import open_desk
    from inventory.load import load

    with told():
        loaded = load(config, environ=os.environ, resolve_secrets=resolve_secrets)
        folder = data_dir_of(loaded.configuration)
        with open_desk(folder, rules=rules_of(loaded.configuration)) as desk:
            yield Open(desk, loaded)


@contextmanager
def told() -> Iterator[None]:
    """What a user got wrong ends in its text and exit status 2; what is refused in exit 1."""
    from incidents.errors import IncidentError, NoSuchError, RefusedError
    from inventory.errors import CalendarError, ConfigurationError, SecretError

    try:
        yield
    except (NoSuchError, RefusedError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from None
    except (CalendarError, ConfigurationError, SecretError, IncidentError) as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what is wrong with the call, and end with exit status 2."""
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(2) from None


def data_dir_of(configuration: Configuration) -> Path:
    """Where the desk's file lies; `IncidentError` where nothing says it."""
    from incidents.errors import IncidentError

    folder = configuration.incident.data_dir
    if folder is None and configuration.agent is not None:
        folder = configuration.agent.data_dir
    if folder is None:
        raise IncidentError(
            "nothing says where the tickets are kept — write [incident] data_dir, or [agent]"
        )
    return folder


def rules_of(configuration: Configuration) -> Rules:
    """Annex 1 as configured; without a number of shops every PAS is one."""
    from incidents.criticality import Rules

    said = configuration.incident.criticality
    return Rules(
        shops=said.shops or len(configuration.pas) or None,
        operators=said.operators,
        values=said.values,
        minor_tills=said.minor_tills,
        minor_operators=said.minor_operators,
        minor_values=said.minor_values,
        critical=said.critical,
    )


def actor_of(configuration: Configuration, who: str | None) -> Actor:
    """Who acts, with the role that the configuration gives; the login is written down beside.

    Raises `RefusedError` where a login of another party speaks in somebody else's name.
    """
    from incidents.errors import RefusedError
    from incidents.tickets import Actor

    login = getpass.getuser()
    users = {user.name: user for user in configuration.incident.users}
    own = users.get(login)
    name = login if who is None else who
    if name != login and own is not None and own.role not in ("roc", "operator"):
        raise RefusedError(
            f"--who {name}", f"the login {login} is of the {own.role}", "leave --who out"
        )
    user = users.get(name)
    via = "" if name == login else login
    if user is None:
        return Actor(name, "operator", via=via)
    return Actor(name, user.role, user.party or "", via)


def zone_of(configuration: Configuration, pas: Sequence[str] = ()) -> tzinfo:
    """The zone of these PAS where they share one, else the contract's, else UTC."""
    from zoneinfo import ZoneInfo

    names = {one.timezone for one in configuration.pas if one.id in pas}
    if len(names) == 1:
        return ZoneInfo(names.pop())
    contract = configuration.contract
    return ZoneInfo("UTC" if contract is None else contract.timezone)


def instant(option: str, text: str, zone: tzinfo) -> int:
    """A time as people write it: `now`, or ISO 8601, local to `zone` without an offset."""
    from inventory.clocks import utc_ns

    if text == NOW:
        return time.time_ns()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or len(text) <= len("2026-05-31"):
        fail(f'{option}: {text!r} is no time — write "2026-05-31T18:30", or now')
    return utc_ns(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def maybe_instant(option: str, text: str | None, zone: tzinfo) -> int | None:
    """The same; None where nothing was said."""
    return None if text is None else instant(option, text, zone)
