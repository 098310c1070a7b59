"""Reads the configuration, and says everything that is wrong in it at once.

The search order is `--config`, `$PASPROBE_CONFIG`, `./pasprobe.toml`, `/etc/pasprobe/`. A folder's
`*.toml` add up: arrays of tables are joined, a single table may stand in one file only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from inventory.checks import RULES, Item, nearest
from inventory.errors import ConfigurationError, Problem, SecretError
from inventory.models import Configuration
from inventory.operations import SHORTEST_PASSPHRASE
from inventory.secrets import Secret
from inventory.table import Table
from inventory.tables import Understood, related, secrets_in, table_models, understand
from inventory.toml_lines import Place, line_at, lines_of
from inventory.values import Reading

VARIABLE = "PASPROBE_CONFIG"
HERE = Path("pasprobe.toml")
SYSTEM = Path("/etc/pasprobe")
_PASSPHRASES = (("snmp", "auth"), ("snmp", "priv"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration without a mistake, and where it came from."""

    configuration: Configuration
    path: Path
    """The file or the folder."""
    files: tuple[Path, ...]


@dataclass(slots=True)
class _Source:
    """One file that was read."""

    file: Path
    data: dict[str, Any]
    lines: dict[Place, int]


@dataclass(slots=True)
class _Entry:
    """One table: where it stands, and what was understood of it."""

    item: Item
    source: _Source
    place: Place
    understood: Understood


@dataclass(slots=True)
class _Reader:
    """What has been read so far, and what was wrong in it."""

    environ: Mapping[str, str]
    entries: list[_Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, source: _Source, place: Place, message: str, remedy: str) -> None:
        line = line_at(source.lines, place)
        self.problems.append(Problem(source.file, line, message, remedy))


def load(path: Path | None, *, environ: Mapping[str, str], resolve_secrets: bool = True) -> Loaded:
    """Read and check the configuration; touches nothing but its files and its secrets' files.

    `path` is what `--config` says. With `resolve_secrets` each secret must be there to be read (it
    is not kept); without, a command that needs none can run where there are none. Raises
    `ConfigurationError` with all problems, in the order of the files and lines.
    """
    place = find(path, environ)
    files = _files(place)
    reader = _Reader(environ)
    sources = [source for file in files if (source := _parse(file, reader.problems)) is not None]
    for source in sources:
        _read_tables(source, reader)
    _check_single_tables(reader)
    _check_rules(reader)
    if resolve_secrets:
        _check_secrets(reader)
    if reader.problems:
        order = {file: index for index, file in enumerate(files)}
        unique = dict.fromkeys(reader.problems)
        raise ConfigurationError(
            tuple(sorted(unique, key=lambda p: (order.get(p.file, 0), p.line or 0)))
        )
    return Loaded(_assemble(reader), place, files)


def find(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Which file or folder is the configuration; `ConfigurationError` where there is none."""
    if path is not None:
        asked, by = path, "--config names it"
    elif environ.get(VARIABLE):
        asked, by = Path(environ[VARIABLE]), f"${VARIABLE} names it"
    else:
        for asked in (HERE, SYSTEM):
            if asked.exists():
                return asked
        raise _whole(
            HERE,
            f"no configuration: there is neither this file nor {SYSTEM}/, and ${VARIABLE} is unset",
            "run `pasprobe init`, or say --config",
        )
    if not asked.exists():
        raise _whole(asked, f"there is no such file or folder, and {by}", "correct the name")
    return asked


def _files(place: Path) -> tuple[Path, ...]:
    if not place.is_dir():
        return (place,)
    try:
        files = tuple(sorted(f for f in place.iterdir() if f.suffix == ".toml" and f.is_file()))
    except OSError as error:
        raise _whole(place, f"cannot be read ({error.strerror})", "correct its mode") from None
    if not files:
        raise _whole(place, "there is no *.toml in this folder", "run `pasprobe init` there")
    return files


def _whole(file: Path, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError((Problem(file, None, message, remedy),))


def _parse(file: Path, problems: list[Problem]) -> _Source | None:
    try:
        content = file.read_bytes()
    except OSError as error:
        problems.append(
            Problem(file, None, f"cannot be read ({error.strerror})", "correct its name or mode")
        )
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(file, line, "this is not UTF-8 text", "save it as UTF-8"))
        return None
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        # Python 3.14 has lineno and column; before, they are in the text alone.
        said = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
        line = text.count("\n") + 1 if said is None or said[2] is None else int(said[2])
        what = str(error) if said is None else said[1]
        where = "" if said is None or said[3] is None else f" at column {said[3]}"
        problems.append(
            Problem(file, line, f"not TOML: {what}{where}", "correct the line, see https://toml.io")
        )
        return None
    return _Source(file, data, lines_of(text))


def _read_tables(source: _Source, reader: _Reader) -> None:
    models = table_models()
    for key, value in source.data.items():
        if key not in models:
            reader.problem(source, (key,), f'unknown table "{key}"', nearest(key, list(models)))
            continue
        _, model, many = models[key]
        if many and not isinstance(value, list):
            reader.problem(source, (key,), f"{key} is a list of tables", f"write [[{key}]]")
            continue
        if not many and not isinstance(value, dict):
            reader.problem(source, (key,), f"{key} is a single table", f"write [{key}]")
            continue
        for place, raw in (
            [((key, i), element) for i, element in enumerate(value)] if many else [((key,), value)]
        ):
            if not isinstance(raw, dict):
                reader.problem(source, place, f"{key} is a list of tables", f"write [[{key}]]")
                continue
            _read_table(source, place, model, raw, reader)


def _read_table(
    source: _Source, place: Place, model: type[Table], raw: dict[str, Any], reader: _Reader
) -> None:
    understood = understand(model, raw, Reading(source.file.parent.absolute()))
    for mistake in understood.mistakes:
        reader.problem(
            source,
            (*place, *mistake.place),
            f"{_title(place, mistake.place)}: {mistake.message}",
            mistake.remedy,
        )
    item = Item(str(place[0]), understood.fields, not understood.doubtful)
    reader.entries.append(_Entry(item, source, place, understood))


def _title(table: Place, place: Place) -> str:
    """`[[path]] train`: the table and the way into it, without the last key."""
    name = f"[[{table[0]}]]" if len(table) == 2 else f"[{table[0]}]"
    keys = [str(step) for step in place if isinstance(step, str)]
    return " ".join([name, *keys[:-1]])


def _check_single_tables(reader: _Reader) -> None:
    """A table that may stand once stands in one file (TOML itself refuses two in one)."""
    first: dict[str, _Entry] = {}
    for entry in reader.entries:
        if len(entry.place) == 1:
            earlier = first.setdefault(entry.item.table, entry)
            if earlier is not entry:
                line = line_at(earlier.source.lines, earlier.place)
                reader.problem(
                    entry.source,
                    entry.place,
                    f"[{entry.item.table}] stands twice, first in {earlier.source.file}:{line}",
                    "join the two",
                )


def _check_rules(reader: _Reader) -> None:
    tables: dict[str, list[Item]] = {}
    by_item = {id(entry.item): entry for entry in reader.entries}
    for entry in reader.entries:
        tables.setdefault(entry.item.table, []).append(entry.item)
    for rule in RULES:
        for finding in rule(tables):
            entry = by_item[id(finding.item)]
            if related(finding.place, entry.understood.doubtful):
                continue
            reader.problem(
                entry.source,
                (*entry.place, *finding.place),
                f"{_title(entry.place, finding.place)}: {finding.message}",
                finding.remedy,
            )


def _check_secrets(reader: _Reader) -> None:
    for entry, place, secret in _secrets(reader.entries):
        try:
            value = secret.reveal_bytes(reader.environ)
        except SecretError as error:
            reader.problem(entry.source, (*entry.place, *place), error.message, error.remedy)
            continue
        if place in _PASSPHRASES and len(value) < SHORTEST_PASSPHRASE:
            reader.problem(
                entry.source,
                (*entry.place, *place),
                f"the passphrase is shorter than {SHORTEST_PASSPHRASE} octets, which no device"
                " takes (RFC 3414, 11.2)",
                "correct it, or set a longer one in the device",
            )


def _secrets(entries: list[_Entry]) -> Iterator[tuple[_Entry, Place, Secret]]:
    for entry in entries:
        for name, value in entry.item.fields.items():
            for place, secret in secrets_in(value, (name,)):
                yield entry, place, secret


def _assemble(reader: _Reader) -> Configuration:
    values: dict[str, Any] = {}
    models = table_models()
    for entry in reader.entries:
        name, _, many = models[entry.item.table]
        if many:
            values[name] = (*values.get(name, ()), entry.understood.model)
        else:
            values[name] = entry.understood.model
    return Configuration(**values)
