"""The command of this room: export, with its plot and its check of the seals."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer


class Kind(StrEnum):
    """What can be exported."""

    TRAINS = "trains"
    ROLLUPS = "rollups"
    SAMPLES = "samples"
    PLANS = "plans"
    DEVICE_SAMPLES = "device_samples"
    DEVICE_ROLLUPS = "device_rollups"
    DEVICE_EVENTS = "device_events"


class Form(StrEnum):
    """Into what."""

    CSV = "csv"
    PARQUET = "parquet"


def register(app: typer.Typer, data_dir: Callable[[Path | None], Path]) -> None:
    """Add the commands. `data_dir` finds the agent's data directory in the configuration.

    It gets the value of `--config`; what it cannot read it reports itself (exit status 2).
    """

    @app.command()
    def export(
        kind: Annotated[Kind, typer.Argument(help="What to write.")] = Kind.TRAINS,
        output: Annotated[
            str, typer.Option("--output", "-o", help="File to write; - is standard output.")
        ] = "-",
        form: Annotated[
            Form | None,
            typer.Option("--format", help="Default: by the file's name, otherwise csv."),
        ] = None,
        path: Annotated[
            list[str] | None,
            typer.Option("--path", help="Path or device, id or pattern (roma-*); repeatable."),
        ] = None,
        begin: Annotated[
            str | None,
            typer.Option("--from", help="First instant, ISO 8601; without offset UTC."),
        ] = None,
        end: Annotated[
            str | None, typer.Option("--to", help="Instant before which to end, likewise.")
        ] = None,
        store: Annotated[
            list[Path] | None,
            typer.Option("--store", help="Data directory, or a copy; repeatable."),
        ] = None,
        config: Annotated[
            Path | None, typer.Option("--config", help="Configuration, for its agent.data_dir.")
        ] = None,
        plot: Annotated[
            bool,
            typer.Option("--plot", help="Show delay and loss of one path, by default of a day."),
        ] = False,
        verify: Annotated[
            bool,
            typer.Option("--verify", help="Check the seals of the stores: signatures and hashes."),
        ] = False,
        head: Annotated[
            list[str] | None,
            typer.Option("--head", help="With --verify: a hash that a report printed; repeatable."),
        ] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Say as JSON what was written, or found.")
        ] = False,
    ) -> None:
        """Write trains, roll-ups, samples, plans or records of devices to a CSV or Parquet file.

        Works while the agent runs, and includes what it measured a moment ago. The columns are
        those of docs/schema.md. Exit status 1: there are no such records, nothing was written.

        --plot draws one path in the terminal instead, --verify checks what was sealed
        (docs/sealing.md; exit status 1: something was changed).

        Example: pasprobe export trains --path 'roma-01/*' --from 2026-05-01 -o may.parquet
        """
        from timeseries import export as exporting
        from timeseries.errors import StoreError
        from timeseries.reader import FOREVER_NS, EmbeddedReader

        if as_json and output == "-":
            _fail("--json and the records cannot both go to standard output: add --output FILE")
        if verify or plot:
            with _told():
                if verify:
                    _verify(store or [data_dir(config)], head or [], as_json=as_json)
                else:
                    _plot(store or [data_dir(config)], path or [], begin, end)
            return
        chosen = form or (Form.PARQUET if output.endswith(".parquet") else Form.CSV)
        folders = store or [data_dir(config)]
        try:
            from_ns = exporting.instant_ns(begin) if begin else 0
            to_ns = exporting.instant_ns(end) if end else FOREVER_NS
            if from_ns >= to_ns:
                _fail(f"--from {begin or '1970'} is not before --to {end}")
            reader = EmbeddedReader(folders)
            known = reader.paths(kind.value, from_ns, to_ns) if path else []
        except StoreError as error:
            _fail(str(error))
        try:
            paths = exporting.matching(known, path) if path else None
        except StoreError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        if output != "-" and not Path(output).absolute().parent.is_dir():
            _fail(f"there is no folder {Path(output).absolute().parent} to write {output} to")

        progress, stop = _progress(f"export {kind.value}", shown=not as_json and output != "-")
        wanted = exporting.Wanted(kind.value, paths, from_ns, to_ns, chosen.value)
        try:
            if output == "-":
                done = exporting.write_to(reader, wanted, sys.stdout.buffer)
            else:
                done = exporting.write(reader, wanted, Path(output), progress)
        except StoreError as error:
            _fail(str(error))
        except BrokenPipeError:
            # The reader of the pipe has enough; its end is no error of ours.
            sys.stderr.close()
            raise typer.Exit(0) from None
        finally:
            stop()

        for file in done.damaged:
            typer.echo(f"left out, damaged: {file}", err=True)
        if as_json:
            said = {
                "kind": kind.value,
                "format": chosen.value,
                "output": output if done.records else None,
                "records": done.records,
                "paths": done.paths,
                "bytes": done.size,
                "damaged": done.damaged,
            }
            typer.echo(json.dumps(said))
        elif done.records and output != "-":
            whose = "devices" if kind.value.startswith("device") else "paths"
            typer.echo(f"{output}: {done.records} {kind.value} of {done.paths} {whose}")
        if not done.records:
            typer.echo(f"no {kind.value} in this time: nothing was written", err=True)
            raise typer.Exit(1)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a user got wrong, or a store that cannot be read, is one line and exit status 2."""
    from timeseries.errors import StoreError

    try:
        yield
    except StoreError as error:
        _fail(str(error))


def _verify(folders: list[Path], heads: list[str], *, as_json: bool) -> None:
    from timeseries.seal import verify

    found = verify(folders, heads)
    typer.echo(json.dumps(found.as_json()) if as_json else "\n".join(found.lines()))
    if not found.ok:
        raise typer.Exit(1)


def _plot(folders: list[Path], patterns: list[str], begin: str | None, end: str | None) -> None:
    import shutil
    import time

    from timeseries import export as exporting
    from timeseries.reader import EmbeddedReader
    from timeseries.store_files import DAY_NS
    from timeseries.terminal_plot import plot

    to_ns = exporting.instant_ns(end) if end else time.time_ns()
    from_ns = exporting.instant_ns(begin) if begin else to_ns - DAY_NS
    if from_ns >= to_ns:
        _fail(f"--from {begin} is not before --to {end or 'now'}")
    reader = EmbeddedReader(folders)
    paths = exporting.matching(reader.paths("trains", from_ns, to_ns), patterns or ["*"])
    if len(paths) != 1:
        _fail(f"--plot shows one path, add --path with one of: {', '.join(paths)}")
    columns, lines = shutil.get_terminal_size((100, 30))
    colour = sys.stdout.isatty()
    drawn = plot(reader, paths[0], from_ns, to_ns, width=columns, height=lines - 2, colour=colour)
    typer.echo(drawn)


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)


def _progress(title: str, *, shown: bool) -> tuple[Callable[[float], None], Callable[[], None]]:
    """(tell percent, end) of a progress bar on a terminal's standard error; elsewhere nothing."""
    if not shown or not sys.stderr.isatty():
        return (lambda _: None), (lambda: None)
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(title, total=100)
    bar.start()

    def tell(percent: float) -> None:
        bar.update(task, completed=percent)

    return tell, bar.stop
