"""`[incident]`: where the desk keeps its tickets, who is who there, what counts as what."""

from __future__ import annotations

import pathlib
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from inventory.table import Table
from inventory.values import DurationNs, Exact, Identifier, Text, Whole, between, reading, refuse


class DeskUser(Table):
    """Who may do what at the desk."""

    name: Text
    """As the system knows the login, or as `--who` says it."""
    role: Literal["roc", "operator", "provider", "administration", "call-centre"]
    party: Identifier | None = None


class Criticality(Table):
    """Annex 1 of the procedure: what is a reduced number, and what is all."""

    shops: Annotated[Whole, Field(ge=1)] | None = None
    """How many there are; None: all configured PAS."""
    operators: Annotated[Whole, Field(ge=1)] | None = None
    values: Annotated[Whole, Field(ge=1)] | None = None
    minor_tills: Annotated[Whole, Field(ge=0)] = 2
    """So many are still a reduced number."""
    minor_operators: Annotated[Whole, Field(ge=0)] = 1
    minor_values: Annotated[Whole, Field(ge=0)] = 1
    critical: Literal["all", "any"] = "all"
    """Whether all operators, all values and all shops must be hit, or one of these."""


Count = Annotated[Whole, Field(ge=1)]
_SECOND_NS = 1_000_000_000


class Detection(Table):
    """`[incident.detection]`: what the watch makes an alert of, and how long it waits."""

    lost: tuple[Count, Count] = (2, 3)
    """N of the last M trains wholly lost: an outage."""
    degraded: tuple[Count, Count] = (3, 5)
    """N of the last M trains lost or beyond a bound: a degradation."""
    loss_percent: Annotated[Exact, Field(ge=0, lt=100)] = Decimal(20)
    """A train that lost more than this is beyond."""
    limits: Annotated[bool, Field(strict=True)] = True
    """A train beyond a limit of the contract is, too."""
    good: Count = 3
    """Good trains in a row that end either."""
    silent_after: Count = 2
    """Intervals without a train after which an agent is silent."""
    backlog_ns: Annotated[DurationNs, between("1s", "24h")] = Field(
        default=900 * _SECOND_NS, validation_alias="backlog"
    )
    """So long after its return the trains of a silent agent are waited for."""
    joins_ns: Annotated[DurationNs, between("0s", "24h")] = Field(
        default=300 * _SECOND_NS, validation_alias="joins"
    )
    """So long after its beginning an incident takes more PAS behind its device."""
    reopens_ns: Annotated[DurationNs, between("0s", "24h")] = Field(
        default=600 * _SECOND_NS, validation_alias="reopens"
    )
    """What fails again so soon after its restoration reopens the ticket."""

    @field_validator("lost", "degraded")
    @classmethod
    def _at_most_all(cls, bound: tuple[int, int]) -> tuple[int, int]:
        if bound[0] > bound[1]:
            raise refuse(f"{bound[0]} of {bound[1]} trains cannot be", "write [2, 3] for 2 of 3")
        return bound


class Incident(Table):
    """`[incident]`: the desk; every key has a default."""

    data_dir: pathlib.Path | None = None
    """Where `desk.sqlite` lies; None: the agent's."""
    users: tuple[DeskUser, ...] = ()
    """Who is not listed is an operator."""
    gtr_ns: Annotated[DurationNs, between("1m", "240h")] = Field(
        default=14_400_000_000_000, validation_alias="gtr"
    )
    """Guaranteed restoration (garantie de temps de rétablissement), around the clock (1.5.2, 2)."""
    criticality: Criticality = Criticality()
    detection: Detection = Detection()

    @field_validator("data_dir")
    @classmethod
    def _from_its_folder(
        cls, folder: pathlib.Path | None, info: ValidationInfo
    ) -> pathlib.Path | None:
        context = reading(info)
        return folder if folder is None or context is None else context.folder / folder

    @model_validator(mode="after")
    def _each_user_once(self) -> Incident:
        names = [user.name for user in self.users]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise refuse(f'the user "{twice}" stands twice', "give each one role")
        return self
