"""SNMP by gufo_snmp (`pip install pasprobe[fast-snmp]`): a thirtieth of pysnmp's work.

Versions 2c and 3 without contexts; `collectors.clients` gives the rest to pysnmp. It hides
error statuses and tells little of what goes wrong, so a careful session (pysnmp) is asked at first
contact, where an answer is in doubt, and where a device fails. It does not check who signed an
answer of version 3, so that is done here, before it decodes one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, TypeVar

from gufo.snmp import SnmpAuthError, SnmpVersion
from gufo.snmp import SnmpError as GufoError
from gufo.snmp._fast import GetIter
from gufo.snmp.aio import SnmpSession
from gufo.snmp.protocol import SnmpClientSocketProtocol
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
from collectors.authentic import Judge
from collectors.engine_id import ask_engine_id
from collectors.errors import SnmpError, UnsupportedError
from collectors.names import resolve
from collectors.snmp import SYS_UPTIME, Counts, Session, Target, Value, arcs
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
_MOST_OCTETS = 65_535
OPAQUE_FLOAT = b"\x9f\x78\x04"
"""How an Opaque of net-snmp begins: gufo_snmp hands it over as an OCTET STRING."""
PANIC = "pyo3_runtime"
"""Where the exception comes from, and no Exception, that gufo_snmp 0.13 raises out of its Rust code
over some broken answers."""
T = TypeVar("T")


Careful = Callable[[Target, Counts], Session]


class GufoClient:
    """Hundreds of devices."""

    name: Literal["pysnmp", "gufo"] = "gufo"

    def __init__(self, careful: Careful) -> None:
        self._careful = careful
        """Makes a session that is asked where an answer is in doubt or a device fails."""

    def session(self, target: Target) -> GufoSession:
        """A session with a device; nothing is sent yet. UnsupportedError: see the module."""
        if target.version == "1" or target.context:
            raise UnsupportedError(
                target.place, "gufo_snmp asks neither by version 1 nor in a context", "use pysnmp"
            )
        return GufoSession(target, self._careful)

    async def close(self) -> None:
        """Each session has a socket of its own; nothing is left here."""


class GufoSession:
    """Questions to one device, one at a time."""

    def __init__(self, target: Target, careful: Careful) -> None:
        self.target = target
        self.counts = Counts()
        self.engine_id: bytes | None = None
        self.response_ns: int | None = None
        self._make_careful = careful
        self._careful: Session | None = None
        self._session: SnmpSession | None = None
        self._tap: socket.socket | None = None
        """Of version 3: the session's socket, to look at what comes before it is decoded."""
        self._address: tuple[str, int] | None = None
        self._heard_ns = 0
        self._budget = Budget()
        self._sizes: dict[str, int] = {}

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """See `collectors.snmp.Session`."""
        left = list(dict.fromkeys(oids))
        found: dict[str, Value] = {}
        while left:
            part, got = await self._ask(partial(self._some, left))
            left = left[len(part) :]
            if not got or None in got.values() or not got.keys() <= set(part):
                # All are absent, or the device refused: an error status is not shown.
                self._budget.failed()
                found |= await self._carefully().get(part)
                continue
            self._budget.managed()
            for oid, value in got.items():
                if (kept := self._usable(value)) is not None:
                    found[oid] = kept
        return found

    async def _some(
        self, left: list[str], session: SnmpSession
    ) -> tuple[list[str], dict[str, object]]:
        part = left[: self._budget.values]
        sock = _socket(session)
        got = await self._exchange(session, lambda: sock.send_get_many(part), sock.recv_get_many)
        return part, dict(got)

    async def walk(self, columns: Sequence[str]) -> dict[str, dict[str, Value]]:
        """See `collectors.snmp.Session`."""
        found: dict[str, dict[str, Value]] = {}
        for root in columns:
            if self._sizes.get(root) and (rows := await self._column(root)) is not None:
                found[root] = rows
        # An absent column looks like one that failed, and the careful session asks for all at once.
        doubtful = [root for root in columns if root not in found]
        if doubtful:
            for root, rows in (await self._carefully().walk(doubtful)).items():
                found[root] = rows
                self._sizes[root] = len(rows)
        return {root: found[root] for root in columns}

    async def _column(self, root: str) -> dict[str, Value] | None:
        rows = await self._ask(lambda session: self._rows(session, root))
        if rows is None:
            self._budget.failed()
            return None
        self._budget.managed()
        self._sizes[root] = len(rows)
        found: dict[str, Value] = {}
        cut = len(root) + 1
        for oid, value in rows:
            if (kept := self._usable(value)) is not None:
                found[oid[cut:]] = kept
        return found

    async def _rows(self, session: SnmpSession, root: str) -> list[tuple[str, object]] | None:
        """The rows of a column; None where its end is in doubt."""
        rows: list[tuple[str, object]] = []
        repetitions = min(self._budget.values, self._sizes.get(root, MOST_ROWS) + 1)
        sock, place = _socket(session), GetIter(root, repetitions)
        under, last = f"{root}.", arcs(root)
        while True:
            page = await self._exchange(
                session, lambda: sock.send_get_bulk(place), lambda: _page(sock, place)
            )
            for one in page:
                if one is None:
                    return rows
                here = arcs(one[0])
                if here <= last or not one[0].startswith(under):
                    return None
                last = here
                rows.append(one)
            if not page:
                return None
            if len(rows) > MOST_ROWS:
                raise silence.endless(self.target, f"column {root} has no end")

    def _usable(self, value: object) -> Value | None:
        if isinstance(value, int | bytes | str) and not (
            isinstance(value, bytes) and value.startswith(OPAQUE_FLOAT)
        ):
            return value
        self.counts.unusable += 1
        return None

    async def _exchange(
        self, session: SnmpSession, send: Callable[[], None], receive: Callable[[], T]
    ) -> T:
        """One datagram and its answer; TimeoutError without one, however many others come.

        Not by the session's own methods: `asyncio.wait_for` of Python 3.11, which they use, loses a
        time-out that comes together with a datagram, and they begin anew with each stray one.
        """
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        self.counts.requests += 1
        start = time.monotonic_ns()
        await session._send(send)  # noqa: SLF001
        descriptor = _socket(session).get_fd()
        loop.add_reader(descriptor, readable.set)
        try:
            async with asyncio.timeout(self.target.timeout_s):
                while True:
                    await readable.wait()
                    readable.clear()
                    if not self._is_believable(session):
                        continue
                    try:
                        answer = receive()
                        break
                    except BlockingIOError:
                        continue
        finally:
            loop.remove_reader(descriptor)
        self._heard_ns = time.monotonic_ns()
        self.response_ns = self._heard_ns - start
        self.counts.answers += 1
        return answer

    def _is_believable(self, session: SnmpSession) -> bool:
        """Whether the next datagram may be decoded; if not, it is dropped (version 3)."""
        if self._tap is None:
            return True
        try:
            data = self._tap.recv(_MOST_OCTETS, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        if Judge(self.target, session.get_engine_id()).believes(data):
            return True
        self._tap.recv(_MOST_OCTETS)
        self.counts.malformed += 1
        return False

    def _carefully(self) -> Session:
        if self._careful is None:
            self._careful = self._make_careful(self.target, self.counts)
        return self._careful

    async def close(self) -> None:
        """Forget the device; its socket closes with the last reference."""
        self._drop()
        if self._careful is not None:
            await self._careful.close()
            self._careful = None

    def _drop(self) -> None:
        self._session = None
        if self._tap is not None:
            self._tap.close()
            self._tap = None

    async def _ask(self, question: Callable[[SnmpSession], Awaitable[T]]) -> T:
        """Ask until it answers or the retries are used up."""
        renewed = False
        attempts = self.target.retries + 1
        while attempts:
            attempts -= 1
            try:
                session = await self._connected()
                answer = await question(session)
            except TimeoutError:
                self.counts.timeouts += 1
                self._budget.failed()
                if not attempts and not renewed and await self._is_another():
                    attempts, renewed = self.target.retries + 1, True
                continue
            except SnmpAuthError:
                # A restart is told so: the next session learns the new clock.
                self._drop()
                if self.engine_id is None or renewed:
                    break
                attempts, renewed = self.target.retries + 1, True
                continue
            except (GufoError, ValueError):
                self.counts.malformed += 1
                self._drop()
                continue
            except OSError:
                break
            except BaseException as error:
                if type(error).__module__ != PANIC:
                    raise
                self.counts.malformed += 1
                self._drop()
                continue
            self._note_engine()
            return answer
        raise await self._why()

    async def _connected(self) -> SnmpSession:
        """A session that knows the device's clock."""
        stale = time.monotonic_ns() - self._heard_ns > REFRESH_NS
        if self._session is None:
            self._drop()
            stale = True
            _, self._address = await resolve(self.target)
            self._session = _open(self.target, self._address)
            if self.target.version == "3":
                descriptor = os.dup(_socket(self._session).get_fd())
                self._tap = socket.socket(fileno=descriptor)
        if stale and self.target.version == "3":
            session, self._session = self._session, None  # until its clock is known
            self.counts.requests += 1
            async with asyncio.timeout(2 * self.target.timeout_s):
                await session.refresh()
            self._session = session
        return self._session

    def _note_engine(self) -> None:
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
        self._drop()
        return True

    async def _why(self) -> SnmpError:
        """What the careful session says about it."""
        self._drop()
        if self.counts.answers and not self.counts.malformed:
            return silence.silent(self.target)
        try:
            await self._carefully().get([SYS_UPTIME])
        except SnmpError as error:
            return error
        return silence.nonsense(self.target)


def _socket(session: SnmpSession) -> SnmpClientSocketProtocol:
    """The Rust side of a session: only by whole answers can a column's end be told from an error,
    which gufo_snmp hides."""
    return session._sock  # noqa: SLF001


def _page(sock: SnmpClientSocketProtocol, place: GetIter) -> list[tuple[str, object] | None]:
    """One answer of a walk: None last where the column has ended, empty where that is in doubt."""
    try:
        return list(sock.recv_get_bulk(place))
    except StopAsyncIteration:
        return []


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
