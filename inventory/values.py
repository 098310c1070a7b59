"""How single values are written in the configuration: durations, DSCP, addresses, exact numbers.

Each parser raises `ValueKindError`, whose text names the value and whose `remedy` says how to write
it. The annotated types at the end are what the models use; read from TOML they accept the written
form only, made in Python they accept the finished value too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Strict, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
STAMP_PORT = 862
"""RFC 8762, section 4.1."""
DSCP_NAMES: Mapping[str, int] = {
    "default": 0,
    "le": 1,
    **{f"cs{n}": 8 * n for n in range(8)},
    **{f"af{c}{d}": 8 * c + 2 * d for c in range(1, 5) for d in range(1, 4)},
    "va": 44,
    "ef": 46,
}
"""RFC 2474, 2597, 3246, 5865, 8622."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ns|us|ms|s|m|h)")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")


@dataclass(frozen=True, slots=True)
class Reading:
    """Validation context while TOML is read: finished Python values are then not accepted."""

    folder: Path
    """Where the file lies: relative file names start here."""


class ValueKindError(ValueError):
    """A value that is not written as its kind is."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class HostPort(NamedTuple):
    """A host (name or literal address) and a UDP or TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_duration(text: str) -> int:
    """A duration such as `100ms`, `1.5s`, `15m` in nanoseconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueKindError(
            f"{text!r} is no duration", 'write a number and a unit: "100ms", "60s", "15m", "1h"'
        )
    nanoseconds = Decimal(match[1]) * NANOSECONDS[match[2]]
    if nanoseconds != int(nanoseconds):
        raise ValueKindError(f"{text!r} is finer than a nanosecond", "write whole nanoseconds")
    return int(nanoseconds)


def format_duration(ns: int) -> str:
    """Nanoseconds in the largest unit that leaves no fraction; `parse_duration` reads it back."""
    unit = max((u for u in NANOSECONDS if ns % NANOSECONDS[u] == 0), key=NANOSECONDS.__getitem__)
    return f"{ns // NANOSECONDS[unit]}{unit}" if ns else "0s"


def parse_dscp(value: str | int) -> int:
    """A DSCP by its name or its number, 0 to 63."""
    if isinstance(value, str) and value.lower() in DSCP_NAMES:
        return DSCP_NAMES[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 63:
        return value
    raise ValueKindError(
        f"{value!r} is no DSCP", 'write a name ("default", "ef", "af41", "cs5") or 0 to 63'
    )


def parse_host(text: str) -> str:
    """A host name or an IPv4 or IPv6 address (`fe80::1%eth0` with its zone), not resolved."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # Digits and dots alone are an address with a mistake in it, not a name.
        if _HOST_NAME.fullmatch(text) and not re.fullmatch(r"[\d.]+", text):
            return text
        raise ValueKindError(
            f"{text!r} is no host name and no address",
            "write a name or an address alone; a port has a key of its own",
        ) from None
    return text


def parse_host_port(text: str, default_port: int = STAMP_PORT) -> HostPort:
    """`host`, `host:port`, `2001:db8::1` or `[2001:db8::1]:port`."""
    match = re.fullmatch(r"\[(?P<v6>[^\]]+)\](?::(?P<port6>\d+))?", text)
    if match is not None:
        host, port = match["v6"], match["port6"]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, None
    if port is not None and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueKindError(f"{text!r} has no valid port", "write host:port, port 1 to 65535")
    return HostPort(parse_host(host), default_port if port is None else int(port))


def parse_exact(value: str | int | Decimal) -> Decimal:
    """An exact decimal number of any sign, never through binary floating point."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueKindError(f"{value!r} is no number", 'write it with a point: "12000.00"')
    return number


def parse_time_zone(text: str) -> str:
    """The name of a zone of the tz database that this host knows."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueKindError(
            f"unknown time zone {text!r}", 'write a name of the tz database, as "Europe/Rome"'
        ) from None
    return text


def parse_prefix(text: str) -> str:
    """An IPv4 or IPv6 prefix in its canonical form; an address alone is a prefix of one."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueKindError(
            f"{text!r} is no prefix ({error})", 'write "192.0.2.0/24" or "2001:db8::/32"'
        ) from None


def reading(info: ValidationInfo) -> Reading | None:
    """What is being read, None where a model is made in Python."""
    return info.context if isinstance(info.context, Reading) else None


def refuse(message: str, remedy: str) -> PydanticCustomError:
    """The error a validator raises; `inventory.load` prints both halves."""
    return PydanticCustomError("pasprobe", "{problem}", {"problem": message, "remedy": remedy})


def between(low: str, high: str) -> AfterValidator:
    """A validator for durations: from `low` to `high`, both included."""

    def validate(ns: int) -> int:
        if not parse_duration(low) <= ns <= parse_duration(high):
            raise refuse(f"{format_duration(ns)} is out of range", f"choose {low} to {high}")
        return ns

    return AfterValidator(validate)


def _written(parse: Callable[[Any], Any], *written: type, finished: type | None = None) -> Any:
    """A validator: parse what is `written` so, let pass what is `finished` outside of TOML."""

    def validate(value: object, info: ValidationInfo) -> object:
        if finished is not None and reading(info) is None and type(value) is finished:
            return value
        if type(value) not in written:
            raise refuse(f"{value!r} is not written as it must be", _EXAMPLES[parse])
        try:
            return parse(value)
        except ValueKindError as error:
            raise refuse(str(error), error.remedy) from None

    return BeforeValidator(validate)


def _parse_date(value: str | date) -> date:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueKindError(f"{value!r} is no date", 'write "2011-01-31"') from None


def _parse_instant(value: str | datetime) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueKindError(f"{value!r} is no time", 'write "2011-01-31T08:00:00Z"') from None
    if instant.tzinfo is None:
        raise ValueKindError(f"{value!s} has no offset from UTC", 'write "2011-01-31T08:00:00Z"')
    return instant


_EXAMPLES: dict[Callable[[Any], Any], str] = {
    parse_duration: 'write a number and a unit: "100ms", "60s", "15m", "1h"',
    parse_dscp: 'write a name ("default", "ef", "af41", "cs5") or 0 to 63',
    parse_host: 'write "192.0.2.1", "2001:db8::1" or a name',
    parse_host_port: 'write "host:port" or "[2001:db8::1]:port"',
    parse_exact: 'write it as a text: "12000.00"',
    parse_time_zone: 'write a name of the tz database, as "Europe/Rome"',
    parse_prefix: 'write "192.0.2.0/24" or "2001:db8::/32"',
    _parse_date: 'write "2011-01-31"',
    _parse_instant: 'write "2011-01-31T08:00:00Z"',
}

DurationNs = Annotated[int, _written(parse_duration, str, finished=int)]
Dscp = Annotated[int, _written(parse_dscp, str, int)]
Host = Annotated[str, _written(parse_host, str)]
Address = Annotated[HostPort, _written(parse_host_port, str, finished=HostPort)]
Exact = Annotated[Decimal, _written(parse_exact, str, int, Decimal)]
TimeZone = Annotated[str, _written(parse_time_zone, str)]
Prefix = Annotated[str, _written(parse_prefix, str)]
Day = Annotated[date, _written(_parse_date, str, date)]
Instant = Annotated[datetime, _written(_parse_instant, str, datetime)]
Whole = Annotated[int, Strict()]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,199}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
