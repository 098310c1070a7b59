"""The configuration as it was used, as TOML without secrets, and read back.

Only the tables that an evaluation reads are frozen: contract, PAS, paths, calendars. Devices, mail,
contacts and servers hold addresses, people and where secrets are, and decide no euro. Defaults are
written out, because a later version may have others.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis.errors import ArchiveError
from inventory.models import Configuration
from inventory.secrets import Secret
from inventory.table import Table
from inventory.tables import key_of, table_models
from inventory.values import HostPort, Reading, format_duration

TABLES = ("contract", "calendar", "pas", "path")
_STAMP_ALONE = frozenset({"port", "follow_up", "time_format"})
"""Keys that an ICMP path may not even name."""
_HEADER = """\
# What was evaluated, as it was used. Left out: secrets and where they lie, and every table that
# decides no euro (agent, devices, mail, people, servers).
"""


def configuration_text(configuration: Configuration) -> str:
    """The frozen tables as TOML."""
    models = table_models()
    parts = [_HEADER]
    for key in TABLES:
        field, _, many = models[key]
        value = getattr(configuration, field)
        for table in value if many else [value] if value is not None else []:
            parts.append(f"[[{key}]]\n" if many else f"[{key}]\n")
            parts += [f"{name} = {text}\n" for name, text in _pairs(table)]
            parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def read_configuration_text(name: str, text: str) -> Configuration:
    """What `configuration_text` wrote; `ArchiveError` names the file for anything else.

    A time zone is taken by its name, whether this host knows it or not: its offsets are frozen.
    """
    try:
        data = tomllib.loads(text, parse_float=Decimal)
        values: dict[str, Any] = {}
        for key, raw in data.items():
            field, model, many = table_models()[key]
            if many != isinstance(raw, list):
                raise TypeError(f"{key} is not as it was written")
            if many:
                values[field] = tuple(_table(model, one) for one in raw)
            else:
                values[field] = _table(model, raw)
        return Configuration(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        why = str(error)
    raise ArchiveError(
        f"{name} cannot be read ({why}): take the archive as it was written, or a copy of it"
    )


def _table(model: type[Table], raw: object) -> Table:
    if not isinstance(raw, dict):
        raise TypeError(f"{raw!r} is no table")
    known = dict(raw)
    zone = known.get("timezone")
    if isinstance(zone, str):
        known["timezone"] = "UTC"
    # No file name is frozen, so the folder decides nothing.
    read = model.model_validate(known, context=Reading(Path()), by_alias=True, by_name=False)
    return read.model_copy(update={"timezone": zone}) if isinstance(zone, str) else read


def _pairs(table: Table) -> Iterator[tuple[str, str]]:
    icmp = getattr(table, "method", "") == "icmp"
    for name, info in type(table).model_fields.items():
        value = getattr(table, name)
        if value is None or isinstance(value, Secret) or (icmp and name in _STAMP_ALONE):
            continue
        written = format_duration(value) if name.endswith("_ns") else value
        yield key_of(name, info), _toml(written)


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return f'"{value:f}"'
        case date():
            return value.isoformat()
        case str():
            # JSON's escapes are TOML's, but for one character.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case HostPort():
            return _toml(str(value))
        case Table():
            return _inline(_pairs(value))
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case Mapping():
            return _inline((_toml(key), _toml(one)) for key, one in value.items())
    raise TypeError(f"no TOML for {value!r}")


def _inline(pairs: Iterator[tuple[str, str]]) -> str:
    inside = ", ".join(f"{name} = {text}" for name, text in pairs)
    return f"{{ {inside} }}" if inside else "{}"
