"""What both SNMP clients offer: a target, a session with it, its values in plain types.

The clients (`pysnmp_client`, `gufo_client`) give the same answers for the same device; which one is
used is decided in `clients`. Light to import: neither library is loaded here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from inventory.errors import SecretError
from inventory.operations import SHORTEST_PASSPHRASE, Device

Value = int | bytes | str
"""INTEGER, Counter, Gauge, TimeTicks | OCTET STRING | OID or IpAddress as dotted text."""
Version = Literal["1", "2c", "3"]
AuthProtocol = Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"]
PrivProtocol = Literal["des", "aes", "aes192", "aes256", "aes192-cisco", "aes256-cisco"]
"""Keys longer than the digest are stretched in two ways: draft-blumenthal-aes-usm-04 (net-snmp), or
draft-reeder-snmpv3-usm-3desede-00, the way of Cisco's devices."""

SYS_UPTIME = "1.3.6.1.2.1.1.3.0"
"""SNMPv2-MIB sysUpTime, hundredths of a second."""
LONGEST_USER = 32
"""Octets of a user's name (RFC 3414, section 5: usmUserName)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A device and how it is asked. No repr, log line or error shows a secret."""

    host: str
    """A name or an address."""
    port: int = 161
    version: Version = "2c"
    community: str = field(default="", repr=False)
    user: str = ""
    auth: str | None = field(default=None, repr=False)
    """The passphrase of the authentication key (RFC 3414, A.2); None is noAuth."""
    auth_protocol: AuthProtocol = "sha"
    priv: str | None = field(default=None, repr=False)
    """The passphrase of the privacy key; None is noPriv."""
    priv_protocol: PrivProtocol = "aes"
    context: str = ""
    """The contextName of version 3; Cisco's switches call the tables of a VLAN `vlan-N`."""
    timeout_s: float = 2.0
    """How long one request is waited for."""
    retries: int = 1
    """How often a request is sent again."""

    def __post_init__(self) -> None:
        if self.version == "3" and not self.user:
            raise ValueError("SNMP version 3 needs a user")
        if self.version != "3" and not self.community:
            raise ValueError(f"SNMP version {self.version} needs a community")
        if self.version != "3" and self.context:
            raise ValueError("a context is known to version 3 alone")
        if self.priv is not None and self.auth is None:
            raise ValueError("privacy needs authentication (RFC 3411, section 3.4.3)")
        if len(self.user.encode()) > LONGEST_USER:
            raise ValueError(f"a user's name has at most {LONGEST_USER} octets (RFC 3414, 5)")
        for name, key in (("authentication", self.auth), ("privacy", self.priv)):
            if key is not None and len(key.encode()) < SHORTEST_PASSPHRASE:
                raise ValueError(
                    f"the {name} passphrase is shorter than {SHORTEST_PASSPHRASE} octets,"
                    " which no device takes (RFC 3414, 11.2)"
                )
        if self.timeout_s <= 0 or self.retries < 0:
            raise ValueError("a time-out is more than 0 s, retries are 0 or more")

    @property
    def place(self) -> str:
        """Address and port for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target_of(device: Device, environ: Mapping[str, str]) -> Target:
    """How a device of the configuration is asked.

    Raises `inventory.errors.SecretError` where a secret cannot be had or no device would take it,
    ValueError where the device has no `snmp` table.
    """
    snmp = device.snmp
    if snmp is None:
        raise ValueError(f"device {device.id} has no snmp table")

    try:
        return Target(
            host=device.host,
            port=snmp.port,
            version=snmp.version,
            community="" if snmp.community is None else snmp.community.reveal(environ),
            user=snmp.user or "",
            auth=None if snmp.auth is None else snmp.auth.reveal(environ),
            auth_protocol=snmp.auth_protocol,
            priv=None if snmp.priv is None else snmp.priv.reveal(environ),
            priv_protocol=snmp.priv_protocol,
            context=snmp.context or "",
            timeout_s=snmp.timeout_ns / 1e9,
            retries=snmp.retries,
        )
    except ValueError as error:
        raise SecretError(
            f"device {device.id}: {error}", "correct it, or change it in the device"
        ) from None


def in_vlan(target: Target, vlan: int) -> Target:
    """The same switch, asked for the bridge tables of one VLAN (Cisco's community indexing)."""
    if target.version == "3":
        return replace(target, context=f"vlan-{vlan}")
    return replace(target, community=f"{target.community}@{vlan}")


@dataclass(slots=True)
class Counts:
    """What a session has been through since it began; whole numbers that only grow."""

    requests: int = 0
    """Datagrams sent, retries included."""
    answers: int = 0
    timeouts: int = 0
    """Requests that were not answered in time, each attempt by itself."""
    malformed: int = 0
    """Answers that could not be decoded or do not fit the request."""
    unusable: int = 0
    """Values of no type that is asked for (Null, Opaque), left out."""
    unasked: int = 0
    """Values of objects that were not asked for, left out."""
    backwards: int = 0
    """Columns that were cut off because the device did not go forward in them (RFC 3416, 4.2.3)."""
    engines: int = 0
    """Changes of the engine ID: another unit answers."""


class Session(Protocol):
    """Questions to one device, one at a time."""

    @property
    def target(self) -> Target: ...

    @property
    def counts(self) -> Counts: ...

    @property
    def engine_id(self) -> bytes | None:
        """The snmpEngineID that answered last; None before the first answer and below version 3."""
        ...

    @property
    def response_ns(self) -> int | None:
        """How long the last answered request took, retries not included; None before the first."""
        ...

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """The values of single objects; those that the device has not got are left out.

        Raises a `collectors.errors.SnmpError`.
        """
        ...

    async def walk(self, columns: Sequence[str]) -> dict[str, dict[str, Value]]:
        """Columns of tables: column -> index ("1", "40.6") -> value; absent ones are empty.

        Read by GETBULK with a number of repetitions that follows what the device can do (version 1:
        GETNEXT). Raises a `collectors.errors.SnmpError`; half a walk is never returned.
        """
        ...

    async def close(self) -> None:
        """Forget the device; the session is not used again."""
        ...


class Client(Protocol):
    """A library that asks; one a process and event loop."""

    name: Literal["pysnmp", "gufo"]

    def session(self, target: Target) -> Session:
        """A session with a device; nothing is sent yet.

        Raises `collectors.errors.UnsupportedError` where the library cannot ask in this way.
        """
        ...

    async def close(self) -> None:
        """Give sockets and timers back."""
        ...


def index_under(column: str, oid: str) -> str | None:
    """The index of an object in a column; None where it lies elsewhere."""
    if oid.startswith(column) and oid[len(column) : len(column) + 1] == ".":
        return oid[len(column) + 1 :]
    return None


def arcs(oid: str) -> tuple[int, ...]:
    """The numbers of a dotted OID, in the order that objects have."""
    return tuple(map(int, oid.split(".")))


def dotted_ip(octets: bytes) -> str:
    """An IpAddress (RFC 2578, 7.1.5) as dotted text."""
    return str(ipaddress.IPv4Address(octets))
