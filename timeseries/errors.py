"""What can go wrong with the time series, as exceptions that name the thing and the remedy."""

from __future__ import annotations


class StoreError(Exception):
    """The spool or the store cannot do what was asked; the text says what to do about it."""


class DiskFullError(StoreError):
    """There is no room left; nothing was written, and the same call works once there is room."""


class InUseError(StoreError):
    """Another process writes this data directory."""


class SchemaError(StoreError):
    """A record was written by a newer pasprobe, or has a field that is not what it must be."""


class DamagedRecordError(StoreError):
    """What lies in the spool or the store is not what was written there."""
