"""The pasprobe command line: puts the rooms together; nothing imports it."""

from __future__ import annotations

import typer

app = typer.Typer(name="pasprobe", no_args_is_help=True)


def main() -> None:
    """Run the command line."""
    app()
