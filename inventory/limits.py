"""What `check` asks of the SLA catalogue, which a room above has and `pasprobe.py` passes in."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Protocol

from inventory.services import Profile


class Limits(Protocol):
    """The limits that one path is judged by; None where the contract has none."""

    @property
    def delay_ms(self) -> Decimal | None: ...
    @property
    def delay_kind(self) -> Literal["rtt", "one-way"] | None: ...
    @property
    def delay_share_percent(self) -> Decimal | None:
        """Percent of the received packets that must be within `delay_ms`."""

    @property
    def loss_percent(self) -> Decimal | None: ...
    @property
    def jitter_ms(self) -> Decimal | None: ...
    @property
    def clauses(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]:
        """Why a limit is missing where one would expect it."""


class LimitSource(Protocol):
    """The catalogue, as `check` sees it."""

    def limits_for(self, service: str, profile: Profile, peer_profile: Profile | None) -> Limits:
        """The limits of a service for a PAS of this profile, or for a pair of profiles."""
