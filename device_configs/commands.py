"""The commands `pasprobe config ...`."""

from __future__ import annotations

import typer

from device_configs import (
    backup_commands,
    change_commands,
    kept_commands,
    restore_commands,
    rule_commands,
)


def register(app: typer.Typer, checks: restore_commands.Checks) -> None:
    """Add the group `config`. `checks`: how other rooms accept what was restored."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Configurations of firewalls and switches: keep, compare, restore.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.add_typer(group, name="config")
    backup_commands.register(group)
    kept_commands.register(group)
    change_commands.register(group)
    rule_commands.register(group)
    restore_commands.register(group, checks)
