"""Tables of a contract's `pasprobe.toml`: whose it is, a PAS with its services, a path."""

from __future__ import annotations

EXAMPLE = """\
[contract]
administration = "Example"
country = "IT"
timezone = "Europe/Rome"
"""
"""Stands first: more keys of `[contract]` can follow it."""


def service_row(
    name: str, level: str, window: str, start: str, *, fee: str = "", end: str = ""
) -> str:
    """A service that a PAS has from `start` to `end`, without the keys that are empty."""
    keys = {"id": name, "level": level, "window": window, "fee": fee, "start": start, "end": end}
    return "{ " + ", ".join(f'{key} = "{value}"' for key, value in keys.items() if value) + " }"


def pas_table(name: str, profile: str, *services: str, **keys: str) -> str:
    """A PAS with these services, in Rome unless `country` and `timezone` say otherwise."""
    place = {"country": "IT", "timezone": "Europe/Rome"}
    rows = "".join(f"    {row},\n" for row in services)
    return _table("pas", {"id": name, "profile": profile, **place, **keys}) + (
        f"services = [\n{rows}]\n"
    )


def path_table(pas: str, service: str, **keys: str) -> str:
    """The path of a service of a PAS; keys that are no text can follow it."""
    return _table("path", {"id": f"{pas}/{service}", "pas": pas, "service": service, **keys})


def _table(kind: str, keys: dict[str, str]) -> str:
    return f"\n[[{kind}]]\n" + "".join(f'{key} = "{value}"\n' for key, value in keys.items())
