"""What there is: PAS, paths, devices, the contract, calendars, as frozen values.

One class a table of `pasprobe.toml`; `docs/configuration.md` lists every key. A field whose name
carries a unit (`spacing_ns`) is written in TOML without it (`spacing = "100ms"`); from Python use
the field's name. Rules that need more than one table are in `inventory.checks`.
"""

from __future__ import annotations

import ipaddress
import pathlib
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from inventory.desk import Incident
from inventory.operations import (
    Client,
    Contact,
    Device,
    DeviceConfigs,
    Escalation,
    Mail,
    Maintenance,
    Notices,
    Party,
    Server,
    ShopHours,
    Webhook,
    Weekday,
)
from inventory.secrets import Secret
from inventory.services import Level, Profile, Window
from inventory.table import Table
from inventory.values import (
    STAMP_PORT,
    Address,
    Country,
    Day,
    Dscp,
    DurationNs,
    Exact,
    Host,
    HostPort,
    Identifier,
    Prefix,
    Text,
    TimeZone,
    Whole,
    between,
    reading,
    refuse,
)

ICMP_SIZE = 64
STAMP_SIZE = 44
"""Octets of an unauthenticated STAMP packet (RFC 8762, section 4.2.1)."""
STAMP_AUTHENTICATED_SIZE = 112
"""Octets of an authenticated STAMP packet (RFC 8762, section 4.2.2)."""
TLV_FOLLOW_UP_SIZE = 20
"""Follow-up telemetry TLV, 4 of header included (RFC 8972, section 4.7)."""
TLV_HMAC_SIZE = 20
"""HMAC TLV, which any TLV of an authenticated packet calls for (RFC 8972, section 4.8)."""

Method = Literal["icmp", "stamp"]


def _in_its_folder(path: pathlib.Path, info: ValidationInfo) -> pathlib.Path:
    """A relative name starts in the folder of the configuration."""
    context = reading(info)
    return path if context is None else context.folder / path


class Agent(Table):
    """`[agent]`: this host as a probe."""

    name: Identifier
    data_dir: pathlib.Path
    """Spool and embedded store; a relative name starts in the configuration's folder."""
    pas: tuple[Identifier, ...] | None = None
    """Whose paths this host runs; None for all of them."""
    metrics: Address | None = None
    """Where Prometheus finds `/metrics`; None: nowhere."""

    @field_validator("data_dir")
    @classmethod
    def _from_its_folder(cls, folder: pathlib.Path, info: ValidationInfo) -> pathlib.Path:
        return _in_its_folder(folder, info)


class Store(Table):
    """`[store]`: how much the spool may hold, how long the embedded store keeps what."""

    spool_mb: Annotated[Whole, Field(ge=16)] = 4096
    """Megabytes of records that wait for a store; beyond them samples go first."""
    samples_days: Annotated[Whole, Field(ge=2)] | None = 396
    """Single packets, 13 months; 0 days cannot be: the last day is still being written."""
    trains_days: Annotated[Whole, Field(ge=2)] | None = None
    rollups_days: Annotated[Whole, Field(ge=2)] | None = None
    """None: for ever."""


class Influxdb(Table):
    """`[influxdb]`: the central store; without it the embedded store alone."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")]
    org: str = ""
    bucket: Text
    token: Secret | None = None
    ca_file: pathlib.Path | None = None
    """PEM of the authority that signed the server's certificate; None: the system's."""
    client_cert: pathlib.Path | None = None
    client_key: pathlib.Path | None = None
    verify: Annotated[bool, Field(strict=True)] = True
    proxy: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")] | None = None
    timeout_ns: Annotated[DurationNs, between("100ms", "1h")] = Field(
        default=10_000_000_000, validation_alias="timeout"
    )
    backlog_days: Annotated[Whole, Field(ge=1)] = 90
    """What waits longer is not sent any more; the embedded store keeps it."""
    replay_rate: Annotated[Whole, Field(ge=10)] = 5000
    """Records per second at which a backlog is sent beside what is new."""

    @field_validator("ca_file", "client_cert", "client_key")
    @classmethod
    def _from_its_folder(
        cls, file: pathlib.Path | None, info: ValidationInfo
    ) -> pathlib.Path | None:
        return None if file is None else _in_its_folder(file, info)

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Influxdb:
        if (self.client_cert is None) != (self.client_key is None):
            raise refuse(
                "client_cert and client_key belong together", "give both, or leave both out"
            )
        return self


class ServiceEntry(Table):
    """One service that a PAS has, from `start` to `end`."""

    id: Identifier
    level: Level | None = None
    window: Window | None = None
    fee: Annotated[Exact, Field(ge=0)] | None = None
    """EUR for four months, net."""
    start: Day | None = None
    end: Day | None = None
    """The last day; None while it goes on."""
    bandwidth_mbps: Annotated[Exact, Field(gt=0)] | None = None
    interface: Text | None = None
    """`device/interface` that carries it."""

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> ServiceEntry:
        if self.start and self.end and self.end < self.start:
            raise refuse(f"{self.id} ends before it starts", "correct start or end")
        return self


class Pas(Table):
    """`[[pas]]`: an access point to the services (punto di accesso al servizio)."""

    id: Identifier
    country: Country
    timezone: TimeZone
    profile: Profile
    services: tuple[ServiceEntry, ...] = ()
    reflector: Address | None = None
    """Where trains of a peer find this PAS."""


class Train(Table):
    """One periodic stream of packets (RFC 3432), and how often it is sent."""

    packets: Annotated[Whole, Field(ge=1, le=65_536)] = 10
    spacing_ns: Annotated[DurationNs, between("1us", "1h")] = Field(
        default=100_000_000, validation_alias="spacing"
    )
    every_ns: Annotated[DurationNs, between("1ms", "24h")] = Field(
        default=60_000_000_000, validation_alias="every"
    )
    timeout_ns: Annotated[DurationNs, between("1ms", "1h")] = Field(
        default=3_000_000_000, validation_alias="timeout"
    )
    size: Annotated[Whole, Field(ge=24, le=65_507)] = ICMP_SIZE
    """Octets of the ICMP message (8 of header included), or of the UDP payload."""
    dscp: Dscp = 0


class Path(Table):
    """`[[path]]`: from a PAS to a target or to a peer, measured for a service by a method."""

    id: Identifier
    pas: Identifier
    service: Identifier
    target: Host | None = None
    peer: Identifier | None = None
    """The PAS at the other end, found at its `reflector`."""
    method: Method = "icmp"
    train: Train = Field(default_factory=Train)
    endpoint: Literal["qxn", "q-isp", "internet", "agreed"] | None = None
    """Where the far end lies (annex, lines 143 and 176)."""
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = None
    auth_key: Secret | None = None
    """HMAC-SHA-256 key; selects authenticated STAMP."""
    follow_up: Annotated[bool, Field(strict=True)] = False
    """Ask the reflector for its kernel TX stamps (RFC 8972, section 4.7)."""
    time_format: Literal["ntp", "ptp"] = "ntp"

    @model_validator(mode="before")
    @classmethod
    def _size_by_its_method(cls, data: Any) -> Any:
        """A train without a size has the smallest that the method's packets fit in."""
        if not isinstance(data, dict) or data.get("method") != "stamp":
            return data
        train = data.get("train", {})
        if not isinstance(train, dict) or "size" in train:
            return data
        size = smallest_stamp(
            authenticated="auth_key" in data, follow_up=data.get("follow_up") is True
        )
        return {**data, "train": {**train, "size": size}}

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Path:
        if (self.target is None) == (self.peer is None):
            raise refuse(
                "a path has one far end, target or peer",
                'write target = "192.0.2.1" or peer = "<id of a PAS>"',
            )
        for key in ("port", "auth_key", "follow_up", "time_format"):
            if self.method == "icmp" and key in self.model_fields_set:
                raise refuse(f"{key} belongs to STAMP", f'remove {key}, or set method = "stamp"')
        return self


class ContractService(Table):
    """A service that is charged as a whole."""

    id: Identifier
    fee: Annotated[Exact, Field(ge=0)] | None = None
    """EUR for four months, net."""
    start: Day | None = None
    end: Day | None = None
    units: Annotated[Whole, Field(ge=1)] | None = None
    """How many mailboxes, users or devices it has."""


class Contract(Table):
    """`[contract]`: the one contract of the one administration this configuration is for."""

    administration: Text
    country: Country
    timezone: TimeZone
    min_coverage: Annotated[Exact, Field(ge=0, le=100)] = Decimal(95)
    """Percent of planned trains below which a figure is insufficient."""
    services: tuple[ContractService, ...] = ()
    options: tuple[Literal["help-desk-on-site"], ...] = ()
    readings: dict[str, str] = Field(default_factory=dict)
    """Switches for places of the annex that can be read in more than one way."""


class Calendar(Table):
    """`[[calendar]]`: the working days of a country."""

    country: Country
    weekend: tuple[Weekday, ...] = ("sat", "sun")
    holidays: tuple[Day, ...] = ()


class ReflectorKey(Table):
    """The HMAC key for the senders of one prefix."""

    prefix: Prefix
    key: Secret


class Reflector(Table):
    """`[reflector]`: the STAMP reflector that this host runs."""

    listen: Annotated[tuple[Address, ...], Field(min_length=1)]
    allow: Annotated[tuple[Prefix, ...], Field(min_length=1)]
    """Who is answered; there is no default, an open reflector serves attackers."""
    keys: tuple[ReflectorKey, ...] = ()
    stateful: Annotated[bool, Field(strict=True)] = False
    rate_pps: Annotated[Whole, Field(ge=1)] = 1000
    """Packets per second that one source is answered."""


class Configuration(Table):
    """All tables of one configuration; `inventory.load.load` reads and checks it."""

    agent: Agent | None = None
    store: Store = Store()
    influxdb: Influxdb | None = None
    reflector: Reflector | None = None
    contract: Contract | None = None
    mail: Mail | None = None
    notices: Notices | None = None
    escalation: Escalation = Escalation()
    incident: Incident = Incident()
    pas: tuple[Pas, ...] = ()
    paths: tuple[Path, ...] = Field(default=(), validation_alias="path")
    device_configs: DeviceConfigs = DeviceConfigs()
    devices: tuple[Device, ...] = Field(default=(), validation_alias="device")
    calendars: tuple[Calendar, ...] = Field(default=(), validation_alias="calendar")
    parties: tuple[Party, ...] = Field(default=(), validation_alias="party")
    contacts: tuple[Contact, ...] = Field(default=(), validation_alias="contact")
    webhooks: tuple[Webhook, ...] = Field(default=(), validation_alias="webhook")
    servers: tuple[Server, ...] = Field(default=(), validation_alias="server")
    clients: tuple[Client, ...] = Field(default=(), validation_alias="client")
    shop_hours: tuple[ShopHours, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()


def smallest_stamp(*, authenticated: bool, follow_up: bool) -> int:
    """Octets of UDP payload that a STAMP packet with these options needs at least."""
    size = STAMP_AUTHENTICATED_SIZE if authenticated else STAMP_SIZE
    if follow_up:
        size += TLV_FOLLOW_UP_SIZE + (TLV_HMAC_SIZE if authenticated else 0)
    return size


def pas_of(configuration: Configuration, identifier: str) -> Pas:
    """The PAS of this id; KeyError where there is none (a checked configuration has it)."""
    for pas in configuration.pas:
        if pas.id == identifier:
            return pas
    raise KeyError(identifier)


def peer_of(configuration: Configuration, path: Path) -> Pas | None:
    """The PAS at the other end of a pair; None for a path to a target."""
    return None if path.peer is None else pas_of(configuration, path.peer)


def target_of(configuration: Configuration, path: Path) -> HostPort:
    """Where the packets of a path go, unresolved; ICMP has no use for the port."""
    if path.target is not None:
        return HostPort(path.target, path.port or STAMP_PORT)
    peer = peer_of(configuration, path)
    if peer is None or peer.reflector is None:
        raise KeyError(f"path {path.id}: its peer {path.peer} has no reflector")
    return HostPort(peer.reflector.host, path.port or peer.reflector.port)


def own_paths(configuration: Configuration) -> tuple[Path, ...]:
    """The paths that this host runs (`[agent] pas`)."""
    agent = configuration.agent
    if agent is None or agent.pas is None:
        return configuration.paths
    return tuple(path for path in configuration.paths if path.pas in agent.pas)


def own_devices(configuration: Configuration) -> tuple[Device, ...]:
    """The devices that this host asks by SNMP: those of its PAS, and those of none."""
    agent = configuration.agent
    mine = None if agent is None or agent.pas is None else set(agent.pas)
    return tuple(
        one
        for one in configuration.devices
        if one.snmp is not None and (mine is None or not one.pas or mine & set(one.pas))
    )


def named_interfaces(device: Device, configuration: Configuration) -> tuple[str, ...]:
    """The interfaces of a device that the configuration names."""
    named = {device.access_interface} if device.access_interface else set()
    for pas in configuration.pas:
        for entry in pas.services:
            owner, _, interface = (entry.interface or "").partition("/")
            if owner == device.id and interface:
                named.add(interface)
    return tuple(sorted(named))


def packet_octets(configuration: Configuration, path: Path) -> int:
    """Octets of one packet on the wire from the IP header on; IPv4 where the target is a name."""
    try:
        host = target_of(configuration, path).host.partition("%")[0]
        version = ipaddress.ip_address(host).version
    except ValueError:
        version = 4
    return path.train.size + (8 if path.method == "stamp" else 0) + (20 if version == 4 else 40)
