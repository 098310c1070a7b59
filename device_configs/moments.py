"""Times as an operator writes them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from device_configs.errors import DeviceConfigError
from inventory.models import Contract


def moment(text: str, contract: Contract | None) -> int:
    """An ISO 8601 time in UTC nanoseconds; without an offset it is local to the contract, or UTC.

    A day alone is its first instant. Raises `DeviceConfigError`.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise DeviceConfigError(
            text, "this is no time", 'write ISO 8601: "2011-03-06T01:00+01:00" or "2011-03-06"'
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=ZoneInfo("UTC" if contract is None else contract.timezone))
    whole = int(when.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + when.microsecond * 1000
