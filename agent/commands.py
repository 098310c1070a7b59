"""All commands of this room, for `pasprobe.py`."""

from __future__ import annotations

import typer

from agent import probe_commands
from agent.evidence import commands as evidence_commands
from agent.lab import commands as lab_commands
from agent.reflector import commands as reflector_commands


def register(app: typer.Typer) -> None:
    """Add the commands that need nothing from other rooms."""
    for commands in (probe_commands, reflector_commands, lab_commands, evidence_commands):
        commands.register(app)
