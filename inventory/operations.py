"""Tables for the rooms that ask, restore and answer: devices, people, servers, times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from inventory.secrets import Secret
from inventory.table import Table
from inventory.values import (
    DurationNs,
    Host,
    Identifier,
    Instant,
    Text,
    Whole,
    between,
    reading,
    refuse,
)

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Snmp(Table):
    """How a device is asked by SNMP."""

    version: Literal["1", "2c", "3"]
    community: Secret | None = None
    user: Text | None = None
    auth: Secret | None = None
    auth_protocol: Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"] = "sha"
    priv: Secret | None = None
    priv_protocol: Literal["des", "aes", "aes192", "aes256", "aes192-cisco", "aes256-cisco"] = "aes"
    """Long keys from short digests: the way of net-snmp, or (`-cisco`) that of Cisco's devices."""
    context: Text | None = None
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 161
    timeout_ns: Annotated[DurationNs, between("100ms", "1m")] = Field(
        default=2_000_000_000, validation_alias="timeout"
    )
    """How long one request is waited for."""
    retries: Annotated[Whole, Field(ge=0, le=10)] = 1
    every_ns: Annotated[DurationNs, between("1s", "24h")] = Field(
        default=60_000_000_000, validation_alias="every"
    )
    """How often the device is polled."""

    @model_validator(mode="after")
    def _has_what_its_version_needs(self) -> Snmp:
        if self.version == "3":
            if self.user is None:
                raise refuse("version 3 needs a user", "write user = ..., or another version")
            if self.community is not None:
                raise refuse("version 3 knows no community", "leave it out")
            if self.priv is not None and self.auth is None:
                raise refuse("a privacy key needs an authentication key", "write auth = ... too")
        else:
            if self.community is None:
                raise refuse(f"version {self.version} needs a community", "write community = ...")
            if any(key is not None for key in (self.user, self.auth, self.priv, self.context)):
                raise refuse(
                    f"user, auth, priv and context are not known to version {self.version}",
                    'leave them out, or write version = "3"',
                )
        return self


class Login(Table):
    """How a device's command line is entered."""

    user: Text
    password: Secret | None = None
    enable: Secret | None = None
    """Without it the session stays at the level where the login ends (a read-only account)."""
    key_file: Path | None = None
    """Private SSH key, readable by this user alone."""

    @field_validator("key_file")
    @classmethod
    def _from_its_folder(cls, key_file: Path | None, info: ValidationInfo) -> Path | None:
        context = reading(info)
        return key_file if key_file is None or context is None else context.folder / key_file


class Jump(Table):
    """A host that SSH sessions to a device go through."""

    host: Host
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 22
    login: Login | None = None
    """Without it, that of the device."""


class Device(Table):
    """`[[device]]`: a firewall or a switch."""

    id: Identifier
    host: Host
    role: Literal["firewall", "switch"]
    platform: Identifier
    snmp: Snmp | None = None
    login: Login | None = None
    template: Text | None = None
    pas: tuple[Identifier, ...] = ()
    transport: Literal["ssh", "telnet"] = "ssh"
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = None
    """Of SSH or telnet; without it 22 or 23."""
    jump: Jump | None = None
    group: Text | None = None
    access_interface: Text | None = None
    peers: tuple[Host, ...] = ()
    """Addresses of IKE peers whose tunnels are expected from the first poll on."""

    @field_validator("jump", mode="before")
    @classmethod
    def _jump_by_its_host(cls, value: Any) -> Any:
        """`jump = "host"` is short for `jump = { host = "host" }`."""
        return {"host": value} if isinstance(value, str) else value


class DeviceConfigs(Table):
    """`[device_configs]`: where configurations are kept, and how often they are fetched."""

    folder: Path | None = None
    """Repository, host keys, protocols; without it `device_configs` in the agent's data_dir."""
    key: Secret | None = None
    """Passphrase or key that encrypts the repository's files; without it they are plain text."""
    every_ns: Annotated[DurationNs, between("1m", "720h")] | None = Field(
        default=None, validation_alias="every"
    )
    """How often the agent of this host fetches them; None: it does not."""
    parallel: Annotated[Whole, Field(ge=1, le=500)] = 50
    """Sessions at once."""

    @field_validator("folder")
    @classmethod
    def _from_its_folder(cls, folder: Path | None, info: ValidationInfo) -> Path | None:
        context = reading(info)
        return folder if folder is None or context is None else context.folder / folder


class Party(Table):
    """`[[party]]`: an organisation that has contacts."""

    id: Identifier
    name: Text


class Contact(Table):
    """`[[contact]]`: who of a party is told at which level of escalation."""

    party: Identifier
    level: Annotated[Whole, Field(ge=1)]
    role: Text
    to: tuple[Text, ...] = ()
    cc: tuple[Text, ...] = ()
    phones: tuple[Text, ...] = ()
    hours: Text | None = None


class Mail(Table):
    """`[mail]`: how messages are sent."""

    host: Host
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 25
    sender: Text = Field(validation_alias="from")
    security: Literal["none", "starttls", "tls"] = "starttls"
    user: Text | None = None
    password: Secret | None = None


class Webhook(Table):
    """`[[webhook]]`: an address that is told of incidents."""

    id: Identifier
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")]
    secret: Secret | None = None


class Server(Table):
    """`[[server]]`: a server with a dedicated and a spare address."""

    id: Identifier
    pas: Identifier | None = None
    production: Host
    dedicated: Host | None = None
    spare: Host | None = None
    sftp: Text | None = None
    """The SFTP folder of its backups."""


class Application(Table):
    """An application that a client uses, and how it is checked."""

    name: Text
    host: Host
    check: Annotated[str, StringConstraints(pattern=r"^(icmp|tcp:[1-9][0-9]{0,4})$")]


class Client(Table):
    """`[[client]]`: who is reported to, and the applications that matter to them."""

    name: Identifier
    report_to: tuple[Text, ...] = ()
    applications: tuple[Application, ...] = ()


class ShopHours(Table):
    """`[[shop_hours]]`: when a site is open, in its local time."""

    pas: Identifier
    days: tuple[Weekday, ...]
    opens: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    closes: Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class Maintenance(Table):
    """`[[maintenance]]`: announced work."""

    pas: tuple[Identifier, ...]
    start: Instant
    end: Instant
    reason: Text
