"""What `--help` shows of every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pasprobe import app


def commands(group: Any, *words: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)
        else:
            yield (*words, name)


@pytest.mark.parametrize("words", [*commands(get_command(app))], ids=" ".join)
def test_every_command_shows_an_example_of_itself_and_has_json(words: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"}).output
    example = said.partition("Example: ")[2]
    assert example.startswith(f"pasprobe {' '.join(words)}"), said
    assert "--json" in said


def test_brackets_of_the_configuration_are_shown_as_they_are() -> None:
    said = CliRunner().invoke(app, ["config", "show", "--help"]).output
    assert "Id of a [[device]]." in said
