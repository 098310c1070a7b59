"""SNMP by gufo_snmp (`pip install pasprobe[fast-snmp]`): a thirtieth of pysnmp's work.

Versions 2c and 3 without contexts; `collectors.clients` gives the rest to pysnmp. It tells less
about what goes wrong, so a device that fails is asked once more by pysnmp, for the reason.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

from gufo.snmp import NoSuchInstance, SnmpAuthError, SnmpVersion
from gufo.snmp import SnmpError as GufoError
from gufo.snmp.aio import SnmpSession
from gufo.snmp.user import (
    Aes128Key,
    Aes192Key,
    Aes256Key,
    BaseAuthKey,
    BasePrivKey,
    DesKey,
    KeyExpansion,
    Md5Key,
    Sha1Key,
    Sha224Key,
    Sha256Key,
    Sha384Key,
    Sha512Key,
    User,
)

from collectors import silence
from collectors.engine_id import ask_engine_id
from collectors.errors import SnmpError, UnsupportedError
from collectors.snmp import SYS_UPTIME, Client, Counts, Target, Value, arcs, index_under
from collectors.walking import MOST_ROWS, Budget

REFRESH_NS = 120_000_000_000
"""A version 3 clock that was not heard of for 150 s is out of its window (RFC 3414, 3.2)."""
AUTH: dict[str, type[BaseAuthKey]] = {
    "md5": Md5Key, "sha": Sha1Key, "sha224": Sha224Key, "sha256": Sha256Key, "sha384": Sha384Key,
    "sha512": Sha512Key,
}  # fmt: skip
PRIV: dict[str, type[BasePrivKey]] = {
    "des": DesKey, "aes": Aes128Key, "aes192": Aes192Key, "aes256": Aes256Key,
    "aes192-cisco": Aes192Key, "aes256-cisco": Aes256Key,
}  # fmt: skip
OPAQUE_FLOAT = b"\x9f\x78\x04"
"""How an Opaque of net-snmp begins: gufo_snmp hands it over as an OCTET STRING."""
T = TypeVar("T")


class GufoClient:
    """Hundreds of devices."""

    name: Literal["pysnmp", "gufo"] = "gufo"

    def __init__(self, thorough: Client) -> None:
        self._thorough = thorough
        """Who finds out what is wrong with a device that fails."""

    def session(self, target: Target) -> GufoSession:
        """A session with a device; nothing is sent yet. UnsupportedError: see the module."""
        if target.version == "1" or target.context:
            raise UnsupportedError(
                target.place, "gufo_snmp asks neither by version 1 nor in a context", "use pysnmp"
            )
        return GufoSession(target, self._thorough)

    async def close(self) -> None:
        """Each session has a socket of its own; nothing is left here."""


class GufoSession:
    """Questions to one device, one at a time."""

    def __init__(self, target: Target, thorough: Client) -> None:
        self.target = target
        self.counts = Counts()
        self.engine_id: bytes | None = None
        self.response_ns: int | None = None
        self._thorough = thorough
        self._session: SnmpSession | None = None
        self._address: tuple[str, int] | None = None
        self._heard_ns = 0
        self._budget = Budget()
        self._sizes: dict[str, int] = {}

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """See `collectors.snmp.Session`."""
        wanted = list(dict.fromkeys(oids))
        found: dict[str, Value] = {}
        while wanted:
            part = wanted[: self._budget.values]
            got = await self._some(part)
            if not got and len(part) > 1:
                # All of them absent, or tooBig: it does not say.
                self._budget.values = max(1, len(part) // 2)
                continue
            self._budget.managed()
            wanted = wanted[len(part) :]
            for oid, value in got.items():
                if oid not in part:
                    self.counts.unasked += 1
                elif (kept := self._usable(value)) is not None:
                    found[oid] = kept
        return found

    async def _some(self, part: list[str]) -> dict[str, object]:
        async def many(session: SnmpSession) -> dict[str, object]:
            return dict(await session.get_many(part))

        async def one(session: SnmpSession) -> dict[str, object]:
            try:
                return {part[0]: await session.get(part[0])}
            except NoSuchInstance:
                return {}

        return await self._ask(many if len(part) > 1 else one)

    def _usable(self, value: object) -> Value | None:
        if (isinstance(value, bytes) and value.startswith(OPAQUE_FLOAT)) or value is None:
            self.counts.unusable += 1
            return None
        if isinstance(value, int | bytes | str) and not isinstance(value, bool):
            return value
        self.counts.unusable += 1
        return None

    async def walk(self, columns: Sequence[str]) -> dict[str, dict[str, Value]]:
        """See `collectors.snmp.Session`."""
        return {root: await self._column(root) for root in dict.fromkeys(columns)}

    async def _column(self, root: str) -> dict[str, Value]:
        async def read(session: SnmpSession) -> list[tuple[str, object]]:
            rows: list[tuple[str, object]] = []
            repetitions = min(self._budget.values, self._sizes.get(root, MOST_ROWS) + 1)
            last = arcs(root)
            async for oid, value in session.getbulk(root, repetitions):
                here = arcs(oid)
                if here <= last:
                    self.counts.backwards += 1
                    break
                last = here
                rows.append((oid, value))
                if len(rows) > MOST_ROWS:
                    raise silence.endless(self.target, f"column {root} has no end")
            self.counts.requests += len(rows) // repetitions
            self.counts.answers += len(rows) // repetitions
            return rows

        rows = await self._ask(read)
        self._budget.managed()
        self._sizes[root] = len(rows)
        found: dict[str, Value] = {}
        for oid, value in rows:
            index = index_under(root, oid)
            if index is None:
                self.counts.unasked += 1
            elif (kept := self._usable(value)) is not None:
                found[index] = kept
        return found

    async def close(self) -> None:
        """Forget the device; its socket closes with the last reference."""
        self._session = None

    async def _ask(self, question: Callable[[SnmpSession], Awaitable[T]]) -> T:
        """Ask until it answers or the retries are used up."""
        renewed = False
        attempts = self.target.retries + 1
        while attempts:
            attempts -= 1
            self.counts.requests += 1
            start = time.monotonic_ns()
            try:
                session = await self._connected(start)
                start = time.monotonic_ns()
                answer = await question(session)
            except TimeoutError:
                self.counts.timeouts += 1
                self._budget.failed()
                if not attempts and not renewed and await self._is_another():
                    attempts, renewed = self.target.retries + 1, True
                continue
            except SnmpAuthError:
                # A restart is told so: the next session learns the new clock.
                self._session = None
                if self.engine_id is None or renewed:
                    break
                attempts, renewed = self.target.retries + 1, True
                continue
            except (GufoError, ValueError):
                self.counts.malformed += 1
                self._session = None
                continue
            except OSError:
                break
            self._note(start)
            return answer
        raise await self._why()

    async def _connected(self, now_ns: int) -> SnmpSession:
        if self._session is None:
            _, self._address = await silence.resolve(self.target)
            self._session = _open(self.target, self._address)
            if self.target.version == "3":
                await self._session.refresh()
        elif self.target.version == "3" and now_ns - self._heard_ns > REFRESH_NS:
            await self._session.refresh()
        return self._session

    def _note(self, start_ns: int) -> None:
        self._heard_ns = time.monotonic_ns()
        self.response_ns = self._heard_ns - start_ns
        self.counts.answers += 1
        if self.target.version == "3" and self._session is not None:
            found = self._session.get_engine_id()
            if self.engine_id is not None and found != self.engine_id:
                self.counts.engines += 1
            self.engine_id = found

    async def _is_another(self) -> bool:
        """Whether a version 3 device that used to answer is there and silent; if so, begin anew."""
        if self.engine_id is None or self._address is None:
            return False
        try:
            if await ask_engine_id(self._address, self.target.timeout_s) is None:
                return False
        except ConnectionRefusedError:
            return False
        self._session = None
        return True

    async def _why(self) -> Exception:
        """What the thorough client says about it."""
        self._session = None
        if self.counts.answers and not self.counts.malformed:
            return silence.silent(self.target)
        other = self._thorough.session(self.target)
        try:
            await other.get([SYS_UPTIME])
        except SnmpError as error:
            return error
        finally:
            await other.close()
        return silence.nonsense(self.target)


def _open(target: Target, address: tuple[str, int]) -> SnmpSession:
    host, port = address
    if target.version != "3":
        return SnmpSession(
            host, port, community=target.community, version=SnmpVersion.v2c,
            timeout=target.timeout_s,
        )  # fmt: skip
    auth = None if target.auth is None else AUTH[target.auth_protocol](target.auth.encode())
    priv = None if target.priv is None else PRIV[target.priv_protocol](target.priv.encode())
    cisco = target.priv_protocol.endswith("-cisco")
    user = User(
        target.user, auth_key=auth, priv_key=priv,
        key_expansion=KeyExpansion.Cisco if cisco else KeyExpansion.Blumenthal,
    )  # fmt: skip
    return SnmpSession(host, port, user=user, version=SnmpVersion.v3, timeout=target.timeout_s)
