"""The pasprobe command line: puts the rooms together; nothing imports it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# numpy's linear algebra would start a thread per core that pasprobe never uses.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

import agent.commands
import inventory.commands
import timeseries.commands

if TYPE_CHECKING:
    from analysis.catalogue_rows import Catalogue

app = typer.Typer(
    name="pasprobe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The network probe that a contract can be settled on.",
)


def _catalogue() -> Catalogue:
    from analysis.catalogue_rows import load_catalogue

    return load_catalogue()


def _data_dir(config: Path | None) -> Path:
    from inventory.errors import ConfigurationError, Problem
    from inventory.load import load

    loaded = load(config, environ=os.environ, resolve_secrets=False)
    if loaded.configuration.agent is None:
        remedy = "write [agent] with name and data_dir, or give --store DIR"
        raise ConfigurationError((Problem(loaded.path, None, "there is no [agent]", remedy),))
    return loaded.configuration.agent.data_dir


inventory.commands.register(app, _catalogue)
agent.commands.register(app)
timeseries.commands.register(app, _data_dir)


def main() -> None:
    """Run the command line; what a user got wrong ends in one line and exit code 2."""
    from agent.errors import ProbeError
    from inventory.errors import ConfigurationError, SecretError
    from timeseries.errors import StoreError

    try:
        app()
    except (ProbeError, StoreError, ConfigurationError, SecretError) as error:
        sys.stderr.write(f"pasprobe: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
