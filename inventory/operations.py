"""Tables for the rooms that ask, restore and answer: devices, people, servers, times."""

from __future__ import annotations

import string
from datetime import date
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from inventory.secrets import Secret
from inventory.table import Table
from inventory.values import (
    Country,
    DurationNs,
    Host,
    Identifier,
    Instant,
    Text,
    TimeZone,
    Whole,
    between,
    format_duration,
    reading,
    refuse,
)

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Opens = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Closes = Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
HourClass = Literal["working", "other"]
"""Procedure, 5.2.2.2: heures ouvrées, heures non ouvrées."""
SHORTEST_PASSPHRASE = 8
"""Octets of a passphrase of SNMP version 3 (RFC 3414, section 11.2)."""
SUBJECT_FIELDS = ("operator", "client", "address", "criticality", "ticket", "severity", "services")
"""What the subject of a notice can be made of."""


CHECK_PACKETS, CHECK_SPACING_NS = 3, 100_000_000
"""The train of an ICMP check: answered when one of three comes back."""


def _in_its_folder(file: Path, info: ValidationInfo) -> Path:
    context = reading(info)
    return file if context is None else context.folder / file


def _duty_day(value: str) -> str:
    if value not in {*get_args(Weekday), "holiday"}:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise refuse(f"{value!r} is no day", 'write "sun", "holiday" or "2026-12-25"') from None
    return value


def _mail_address(value: str) -> str:
    address = parseaddr(value)[1]
    name, _, domain = address.rpartition("@")
    if not (name and domain and address.isascii() and address.isprintable()) or " " in address:
        raise refuse(
            f"{value!r} is no mail address", 'write "desk@example.net" or "Desk <desk@example.net>"'
        )
    if not value.isprintable() or "," in value:
        raise refuse(f"{value!r} is more than one address", "write a list of addresses")
    return value


MailAddress = Annotated[str, AfterValidator(_mail_address)]
CaFile = Annotated[Path, AfterValidator(_in_its_folder)]
DutyDay = Annotated[str, AfterValidator(_duty_day)]


class Snmp(Table):
    """How a device is asked by SNMP."""

    version: Literal["1", "2c", "3"]
    community: Secret | None = None
    user: Annotated[Text, Field(max_length=32)] | None = None
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
    to: tuple[MailAddress, ...] = ()
    cc: tuple[MailAddress, ...] = ()
    phones: tuple[Text, ...] = ()
    hours: HourClass | None = None
    """In which hours this contact is asked; None: in both."""


class Mail(Table):
    """`[mail]`: how messages are sent."""

    host: Host
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 25
    sender: MailAddress = Field(validation_alias="from")
    security: Literal["none", "starttls", "tls"] = "starttls"
    user: Text | None = None
    password: Secret | None = None
    ca_file: CaFile | None = None
    """PEM of the authority that signed the server's certificate; None: the system's."""

    @model_validator(mode="after")
    def _login_is_whole_and_not_overheard(self) -> Mail:
        if (self.user is None) != (self.password is None):
            raise refuse("user and password belong together", "give both, or leave both out")
        if self.user is not None and self.security == "none":
            raise refuse(
                "a password would cross the network in clear",
                'write security = "starttls" or "tls", or leave user and password out',
            )
        return self


class Webhook(Table):
    """`[[webhook]]`: an address that is told of incidents."""

    id: Identifier
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")]
    secret: Secret | None = None
    """Signs each delivery (HMAC-SHA-256)."""
    ca_file: CaFile | None = None
    """PEM of the authority that signed the server's certificate; None: the system's."""


class Notices(Table):
    """`[notices]`: what is written, in whose name, to whom."""

    own: Identifier
    """Our party: its contacts are asked when somebody cannot reach us."""
    provider: Identifier
    """The party that incidents are declared to (procedure, 1.4)."""
    operator: Text | None = None
    """Our name in a subject; None: that of the party `own`."""
    language: Literal["fr", "it", "en"] = "fr"
    subject: Text = "{operator}_{client}_{address}_{criticality}"

    @field_validator("subject")
    @classmethod
    def _of_known_fields(cls, subject: str) -> str:
        remedy = "use " + ", ".join(f"{{{name}}}" for name in SUBJECT_FIELDS)
        try:
            parts = list(string.Formatter().parse(subject))
        except ValueError as error:
            raise refuse(f"{subject!r} is no template ({error})", remedy) from None
        for _, name, form, conversion in parts:
            if name is not None and (name not in SUBJECT_FIELDS or form or conversion):
                raise refuse(f"{{{name}}} is no field of a subject", remedy)
        if not subject.isprintable():
            raise refuse("a subject is one line", "remove line ends and control characters")
        return subject


class Hours(Table):
    """Local hours on some days of the week."""

    days: tuple[Weekday, ...]
    opens: Opens
    closes: Closes

    @model_validator(mode="after")
    def _closes_after_it_opens(self) -> Hours:
        if self.closes <= self.opens:
            raise refuse("closes is not after opens", "write two tables for hours over midnight")
        return self


_SIX_DAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat")


class Escalation(Table):
    """`[escalation]`: the classes of hours and the waits; defaults: the procedure, 1.4 and 5.2."""

    timezone: TimeZone | None = None
    """None: the contract's."""
    country: Country | None = None
    """Whose public holidays are not worked; None: the contract's."""
    working: tuple[Hours, ...] = (Hours(days=_SIX_DAYS, opens="09:00", closes="17:30"),)
    other: tuple[Hours, ...] = (Hours(days=_SIX_DAYS, opens="17:30", closes="20:00"),)
    duty_days: tuple[DutyDay, ...] = ()
    """Jours d'astreinte: days of the week, dates, `holiday` for each public holiday."""
    duty_opens: Opens = "08:00"
    duty_closes: Closes = "20:00"
    working_wait_ns: Annotated[DurationNs, between("1s", "24h")] = Field(
        default=1_800_000_000_000, validation_alias="working_wait"
    )
    other_wait_ns: Annotated[DurationNs, between("1s", "24h")] = Field(
        default=5_400_000_000_000, validation_alias="other_wait"
    )


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
    """`icmp`: it answers an echo request; `tcp:443`: it accepts a connection."""
    pas: Identifier | None = None
    """From which PAS; None: by the host whose `[agent]` has no `pas`."""
    every_ns: Annotated[DurationNs, between("1s", "24h")] = Field(
        default=60_000_000_000, validation_alias="every"
    )
    timeout_ns: Annotated[DurationNs, between("100ms", "1m")] = Field(
        default=3_000_000_000, validation_alias="timeout"
    )
    service: Identifier | None = None
    """The service whose outage it is when it fails; None: a person decides."""

    @property
    def port(self) -> int | None:
        """The TCP port; None for ICMP."""
        return int(self.check.partition(":")[2]) if self.check != "icmp" else None

    @field_validator("check")
    @classmethod
    def _a_port_that_exists(cls, check: str) -> str:
        if check != "icmp" and int(check.partition(":")[2]) > 65_535:
            raise refuse("TCP ports end at 65535", 'write the port as in "tcp:443"')
        return check

    @model_validator(mode="after")
    def _over_before_the_next(self) -> Application:
        lasts = CHECK_PACKETS * CHECK_SPACING_NS + self.timeout_ns
        if lasts > self.every_ns:
            raise refuse(
                f"a check lasts up to {format_duration(lasts)}, longer than its interval",
                "a shorter timeout, or a longer every",
            )
        return self


class Client(Table):
    """`[[client]]`: who is reported to, and the applications that matter to them."""

    name: Identifier
    report_to: tuple[MailAddress, ...] = ()
    applications: tuple[Application, ...] = ()


class ShopHours(Table):
    """`[[shop_hours]]`: when a site is open, in its local time."""

    pas: Identifier
    days: tuple[Weekday, ...]
    opens: Opens
    closes: Closes


class Maintenance(Table):
    """`[[maintenance]]`: announced work."""

    pas: tuple[Identifier, ...]
    start: Instant
    end: Instant
    reason: Text
