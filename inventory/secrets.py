"""Secrets: the configuration says where one is, never what it is.

A `Secret` holds the reference alone, so no repr, log line or dump of a model can show a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ConfigDict, ValidationInfo, field_validator, model_validator

from inventory.errors import SecretError
from inventory.table import Table
from inventory.values import reading, refuse

REMEDY = 'write { env = "NAME" } or { file = "/path/to/it" }'


class Secret(Table):
    """Where a secret is: a variable of the environment, or a file."""

    model_config = ConfigDict(hide_input_in_errors=True)

    env: str | None = None
    file: Path | None = None
    """A relative name starts in the folder of the configuration file."""

    @model_validator(mode="before")
    @classmethod
    def _is_a_reference(cls, data: object) -> object:
        if isinstance(data, dict | Secret):
            return data
        raise refuse("a secret does not stand in the configuration", REMEDY)

    @field_validator("file")
    @classmethod
    def _from_its_folder(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        context = reading(info)
        return file if file is None or context is None else context.folder / file

    @model_validator(mode="after")
    def _has_one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise refuse("a secret has one place, env or file", REMEDY)
        return self

    def reveal_bytes(self, environ: Mapping[str, str]) -> bytes:
        """The value, without one line end after it (keys are text: base64, hex, a passphrase).

        Raises `SecretError` where there is none, or an empty one.
        """
        if self.env is not None:
            value = environ.get(self.env, "").encode()
            if not value:
                raise SecretError(
                    f"the environment variable {self.env} is not set",
                    "set it where pasprobe runs, or use { file = ... }",
                )
            return value
        if self.file is None:  # pragma: no cover - the validator has seen to it
            raise SecretError("a secret has one place, env or file", REMEDY)
        try:
            value = self.file.read_bytes()
        except OSError as error:
            raise SecretError(
                f"the secret file {self.file} cannot be read ({error.strerror})",
                "create it, readable by the user that runs pasprobe",
            ) from None
        value = value.removesuffix(b"\n").removesuffix(b"\r")
        if not value:
            raise SecretError(f"the secret file {self.file} is empty", "write the secret into it")
        return value

    def reveal(self, environ: Mapping[str, str]) -> str:
        """The value as text; `SecretError` as `reveal_bytes`, and where it is not UTF-8."""
        try:
            return self.reveal_bytes(environ).decode()
        except UnicodeDecodeError:
            place = self.env or self.file
            raise SecretError(f"the secret {place} is not UTF-8 text", "store it as text") from None
