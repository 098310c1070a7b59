"""`[incident]`: where the desk keeps its tickets, who is who there, what counts as what."""

from __future__ import annotations

import pathlib
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from inventory.table import Table
from inventory.values import DurationNs, Identifier, Text, Whole, between, reading, refuse


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
