"""The applications of the clients as checks: whose trains say whether one answers.

An ICMP check of a host that a `[[path]]` has as its target is that path's trains; every other
check has trains of its own, under a path id of its own (`check/<client>/<application>`).
"""

from __future__ import annotations

from dataclasses import dataclass

from inventory.models import Configuration
from inventory.operations import Application

PREFIX = "check/"


@dataclass(frozen=True, slots=True)
class Check:
    """One application with the path whose trains check it."""

    path: str
    client: str
    application: Application
    own: bool
    """The trains are made for it; False: they are those of a `[[path]]`."""


def checks(configuration: Configuration) -> tuple[Check, ...]:
    """Every application of every client, in the configuration's order."""
    found = []
    for client in configuration.clients:
        for one in client.applications:
            paths = sorted(path.id for path in configuration.paths if path.target == one.host)
            if one.check == "icmp" and paths:
                found.append(Check(paths[0], client.name, one, own=False))
            else:
                found.append(Check(own_path(client.name, one.name), client.name, one, own=True))
    return tuple(found)


def own_path(client: str, application: str) -> str:
    """The path id of an application's own checks."""
    return f"{PREFIX}{client}/{application}"


def run_here(configuration: Configuration) -> tuple[Check, ...]:
    """The checks with trains of their own that this host runs (`[agent] pas`)."""
    agent = configuration.agent
    mine = None if agent is None else agent.pas
    return tuple(
        check
        for check in checks(configuration)
        if check.own and (mine is None or check.application.pas in mine)
    )
