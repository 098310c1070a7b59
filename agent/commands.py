"""All commands of this room, for `pasprobe.py`."""

from __future__ import annotations

import typer

from agent import evidence_commands, lab_commands, probe_commands, reflector_commands


def register(app: typer.Typer) -> None:
    """Add the commands that need nothing from other rooms."""
    for commands in (probe_commands, reflector_commands, lab_commands, evidence_commands):
        commands.register(app)
