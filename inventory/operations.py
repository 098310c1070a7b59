"""Tables for the rooms that ask, restore and answer: devices, people, servers, times."""

from __future__ import annotations

import string
from datetime import date
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, get_args

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
    reading,
    refuse,
)

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Opens = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Closes = Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
HourClass = Literal["working", "other"]
"""Procedure, 5.2.2.2: heures ouvrées, heures non ouvrées."""
SUBJECT_FIELDS = ("operator", "client", "address", "criticality", "ticket", "severity", "services")
"""What the subject of a notice can be made of."""


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
    user: Text | None = None
    auth: Secret | None = None
    auth_protocol: Literal["md5", "sha", "sha256", "sha512"] = "sha"
    priv: Secret | None = None
    priv_protocol: Literal["des", "aes", "aes256"] = "aes"
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 161


class Login(Table):
    """How a device's command line is entered."""

    user: Text
    password: Secret | None = None
    enable: Secret | None = None


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
    jump: Host | None = None
    group: Text | None = None
    access_interface: Text | None = None


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
