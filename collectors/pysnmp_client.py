"""SNMP by pysnmp: every version, every context. One engine a process wherever one will do.

No MIB is loaded (`lookupMib` stays out of the way: requests are made of OIDs, by pysnmp's
RFC 3413 applications), time-outs and retries are ours: pysnmp's timer is coarser than an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyasn1.type import univ
from pysnmp.entity import config
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.hlapi.v3arch.asyncio.auth import CommunityData, UsmUserData
from pysnmp.proto import errind, rfc1902, rfc1905
from pysnmp.proto.error import StatusInformation

from collectors import silence
from collectors.engine_id import ask_engine_id
from collectors.errors import SilentError, SnmpError, UnsupportedError
from collectors.names import resolve
from collectors.pysnmp_engines import LCD, Engines, Slot
from collectors.pysnmp_transport import Peer4, Peer6
from collectors.snmp import SYS_UPTIME, Counts, Target, Value, dotted_ip
from collectors.walking import ABSENT, END, UNUSABLE, Absent, Answered, Budget, EndlessError, Walk

FIRST_TIMES = 3
"""The first version 3 question takes three round trips: engine ID, its clock, the question."""
BACKSTOP_S = 5.0
"""How far pysnmp's own time-out is behind ours: until then it remembers what we gave up."""

AUTH = {
    "md5": config.USM_AUTH_HMAC96_MD5,
    "sha": config.USM_AUTH_HMAC96_SHA,
    "sha224": config.USM_AUTH_HMAC128_SHA224,
    "sha256": config.USM_AUTH_HMAC192_SHA256,
    "sha384": config.USM_AUTH_HMAC256_SHA384,
    "sha512": config.USM_AUTH_HMAC384_SHA512,
}
PRIV = {
    "des": config.USM_PRIV_CBC56_DES,
    "aes": config.USM_PRIV_CFB128_AES,
    "aes192": config.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "aes256": config.USM_PRIV_CFB256_AES_BLUMENTHAL,
    "aes192-cisco": config.USM_PRIV_CFB192_AES,
    "aes256-cisco": config.USM_PRIV_CFB256_AES,
}
_NULL = rfc1905.UnSpecified("")
_STATUS = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType",
    "wrongLength", "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue",
    "resourceUnavailable", "commitFailed", "undoFailed", "authorizationError", "notWritable",
    "inconsistentName",
)  # fmt: skip
"""RFC 3416, section 3, from 0."""


def _octets(value: Any) -> bytes:
    found: bytes = value.asOctets()
    return found


_PLAIN: tuple[tuple[Any, Callable[[Any], Value | Absent]], ...] = (
    (rfc1905.NoSuchObject, lambda _: ABSENT),
    (rfc1905.NoSuchInstance, lambda _: ABSENT),
    (rfc1905.EndOfMibView, lambda _: END),
    (rfc1902.Opaque, lambda _: UNUSABLE),
    (rfc1902.IpAddress, lambda value: dotted_ip(_octets(value))),
    (univ.OctetString, _octets),
    (univ.ObjectIdentifier, str),
    (univ.Integer, int),
)
_by_type: dict[type, Callable[[Any], Value | Absent]] = {}


def plain(value: Any) -> Value | Absent:
    """A value of pysnmp as ours."""
    kind = type(value)
    convert = _by_type.get(kind)
    if convert is None:
        convert = next(
            (convert for base, convert in _PLAIN if isinstance(value, base)), lambda _: UNUSABLE
        )
        _by_type[kind] = convert
    return convert(value)


@dataclass(frozen=True, slots=True)
class _Question:
    kind: Literal["get", "next", "bulk"]
    oids: list[str]
    repetitions: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    index: int
    """Of the value that the status is about, from 1."""
    values: list[Answered]


class _TooBigError(Exception):
    """The answer does not fit the device's message."""


class PysnmpClient:
    """Every device that speaks SNMP."""

    name: Literal["pysnmp", "gufo"] = "pysnmp"

    def __init__(self) -> None:
        self.engines = Engines()

    def session(self, target: Target, counts: Counts | None = None) -> PysnmpSession:
        """A session with a device; nothing is sent yet. It goes on with `counts`."""
        return PysnmpSession(target, self.engines, counts)

    async def close(self) -> None:
        """Close the sockets."""
        self.engines.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn


class PysnmpSession:
    """Questions to one device, one at a time."""

    def __init__(self, target: Target, engines: Engines, counts: Counts | None = None) -> None:
        self.target = target
        self.counts = counts or Counts()
        self.engine_id: bytes | None = None
        self.response_ns: int | None = None
        self._engines = engines
        self._slot: Slot | None = None
        self._peer: Peer4 | Peer6 | None = None
        self._credentials = _credentials(target)
        self._budget = Budget()
        self._sizes: dict[str, int] = {}

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """See `collectors.snmp.Session`."""
        left = list(dict.fromkeys(oids))
        found: dict[str, Value] = {}

        def question() -> _Question:
            return _Question("get", left[: self._budget.values])

        while left:
            try:
                asked, answer = await self._ask(question)
            except _TooBigError:
                continue
            if answer.status == "noError":
                self._keep(found, asked.oids, answer.values)
                left = left[len(asked.oids) :]
            else:
                left = self._without(asked.oids, answer) + left[len(asked.oids) :]
        return found

    def _without(self, part: list[str], answer: _Answer) -> list[str]:
        """What of a refused GET is asked again: all but the object that the device stumbled over.

        Raises where the status is about none of them.
        """
        if answer.status in ("noSuchName", "genErr") and 1 <= answer.index <= len(part):
            if answer.status == "genErr":
                self.counts.unusable += 1
            return part[: answer.index - 1] + part[answer.index :]
        raise silence.refused(self.target, answer.status)

    def _keep(self, found: dict[str, Value], asked: list[str], values: list[Answered]) -> None:
        waiting = set(asked)
        for oid, value in values:
            if oid not in waiting:
                self.counts.unasked += 1
                continue
            waiting.discard(oid)
            if not isinstance(value, Absent):
                found[oid] = value
            elif value is UNUSABLE:
                self.counts.unusable += 1
        if waiting:
            self.counts.malformed += 1

    async def walk(self, columns: Sequence[str]) -> dict[str, dict[str, Value]]:
        """See `collectors.snmp.Session`."""
        walk = Walk(columns, self._sizes, self._budget, self.counts)

        def bulk() -> _Question:
            oids, repetitions = walk.question()
            return _Question("bulk", oids, repetitions)

        def following() -> _Question:
            return _Question("next", walk.single_question())

        question = following if self.target.version == "1" else bulk
        while question().oids:
            try:
                _, answer = await self._ask(question)
            except _TooBigError:
                continue
            try:
                if answer.status == "noError":
                    walk.take(answer.values)
                elif answer.status == "noSuchName" and answer.index:
                    walk.end_asked(answer.index - 1)
                else:
                    raise silence.refused(self.target, answer.status)
            except (EndlessError, IndexError) as error:
                self.counts.malformed += 1
                raise silence.endless(self.target, str(error)) from None
        self._sizes.update(walk.lengths())
        return walk.result()

    async def close(self) -> None:
        """Forget the device."""
        if self._slot is not None and self._peer is not None:
            transport = self._slot.transport(self._peer)
            if transport is not None:
                transport.forget(self._peer.transport_address)
        self._release()

    def _release(self) -> None:
        if self._slot is not None:
            self._engines.leave(self._slot)
        self._slot = self._peer = None

    async def _ask(self, question: Callable[[], _Question]) -> tuple[_Question, _Answer]:
        """Ask until it answers or the retries are used up; the question may shrink meanwhile."""
        renewed = False
        while True:
            slot, peer = await self._connected()
            odd = self._odd(slot, peer)
            for _ in range(self.target.retries + 1):
                asked = question()
                try:
                    answer = await self._send(slot, peer, asked)
                except TimeoutError:
                    self.counts.timeouts += 1
                    self._budget.failed()
                    continue
                if answer.status == "tooBig":
                    if len(asked.oids) == 1 and asked.repetitions <= 1:
                        raise silence.refused(self.target, "tooBig")
                    self._budget.failed()
                    raise _TooBigError
                self._budget.managed()
                return asked, answer
            strange = self._odd(slot, peer) - odd
            self.counts.malformed += strange
            if renewed or not await self._renew(slot, peer):
                error = await self._why_silent(peer)
                if strange and isinstance(error, SilentError):
                    error = silence.nonsense(self.target)
                raise error
            renewed = True

    async def _renew(self, slot: Slot, peer: Peer4 | Peer6) -> bool:
        """Ask by another engine where a version 3 device that used to answer is there and silent.

        It was swapped, its clock was set back, or another device has its engine ID and another
        clock: the old engine would wait in vain.
        """
        if self.target.version != "3" or self.engine_id is None:
            return False
        place = peer.transport_address[:2]
        try:
            if await ask_engine_id(place, self.target.timeout_s) is None:
                return False
        except ConnectionRefusedError:
            return False
        self._slot = self._engines.take(self.target, place, fresh=True)
        self._engines.leave(slot)
        return True

    async def _why_silent(self, peer: Peer4 | Peer6) -> SnmpError:
        place = peer.transport_address[:2]
        self._release()  # the name may have another address by the next time
        if self.counts.answers:
            return silence.silent(self.target)

        async def try_it(target: Target) -> None:
            other = PysnmpSession(target, self._engines)
            try:
                await other.get([SYS_UPTIME])
            finally:
                await other.close()

        return await silence.why_silent(self.target, place, try_it)

    async def _connected(self) -> tuple[Slot, Peer4 | Peer6]:
        if self._slot is None or self._peer is None:
            family, address = await resolve(self.target)
            six = family.name == "AF_INET6"
            self._peer = (Peer6 if six else Peer4)(
                address, FIRST_TIMES * self.target.timeout_s + BACKSTOP_S
            )
            self._slot = self._engines.take(self.target, address)
        return self._slot, self._peer

    def _odd(self, slot: Slot, peer: Peer4 | Peer6) -> int:
        transport = slot.transport(peer)
        return 0 if transport is None else transport.odd_from(peer.transport_address)

    async def _send(self, slot: Slot, peer: Peer4 | Peer6, question: _Question) -> _Answer:
        """One datagram and its answer; TimeoutError without one."""
        answered: asyncio.Future[tuple[Any, Any, Any, Any]] = (
            asyncio.get_running_loop().create_future()
        )

        def done(*result: Any) -> None:
            # (engine, handle, error indication, status, index, values, context)
            if not answered.done():
                answered.set_result(result[2:6])

        context = self.target.context.encode()
        binds = [(rfc1902.ObjectName(oid), _NULL) for oid in question.oids]
        self.counts.requests += 1
        wait_s = self.target.timeout_s
        if self.target.version == "3" and self.engine_id is None:
            wait_s *= FIRST_TIMES
        start = time.monotonic_ns()
        try:
            name, _ = LCD.configure(slot.engine, self._credentials, peer, context)
            where = (slot.engine, name, None, context)
            if question.kind == "bulk":
                cmdgen.BulkCommandGenerator().send_varbinds(
                    *where, 0, question.repetitions, binds, done, None
                )
            elif question.kind == "next":
                cmdgen.NextCommandGenerator().send_varbinds(*where, binds, done, None)
            else:
                cmdgen.GetCommandGenerator().send_varbinds(*where, binds, done, None)
            async with asyncio.timeout(wait_s):
                indication, status, index, values = await answered
        except StatusInformation as error:
            indication, status, index, values = error.get("errorIndication"), 0, 0, ()
        if indication:
            return self._indicated(indication)
        self.response_ns = time.monotonic_ns() - start
        status, index = int(status), int(index)
        self.counts.answers += 1
        self._note_engine(slot, peer)
        return _Answer(
            _STATUS[status] if status < len(_STATUS) else f"status {status}", index,
            [(str(oid), plain(value)) for oid, value in values],
        )  # fmt: skip

    def _indicated(self, indication: Any) -> _Answer:
        """What pysnmp says instead of an answer, as an exception of ours."""
        if isinstance(indication, errind.TooBig):
            return _Answer("tooBig", 0, [])
        for kinds, error in (
            ((errind.UnknownUserName, errind.UnknownSecurityName), silence.wrong_user),
            ((errind.WrongDigest, errind.AuthenticationFailure), silence.wrong_auth),
            ((errind.DecryptionError,), silence.wrong_priv),
            ((errind.UnsupportedSecurityLevel,), silence.wrong_level),
        ):
            if isinstance(indication, kinds):
                raise error(self.target)
        if isinstance(indication, errind.EncryptionError | errind.SerializationError):
            raise UnsupportedError(
                self.target.place, f"the request cannot be made ({indication})",
                "correct priv_protocol and auth_protocol",
            )  # fmt: skip
        # An engine that is out of step with the device, or an answer that does not fit.
        raise TimeoutError(str(indication))

    def _note_engine(self, slot: Slot, peer: Peer4 | Peer6) -> None:
        transport = slot.transport(peer)
        if self.target.version != "3" or transport is None:
            return
        found = transport.engine_id_of(peer.transport_address)
        if self.engine_id is not None and found != self.engine_id:
            self.counts.engines += 1
        self.engine_id = found


def _credentials(target: Target) -> Any:
    if target.version != "3":
        community = target.community.encode()
        return CommunityData(community, mpModel=0 if target.version == "1" else 1)
    if target.auth is None:
        return UsmUserData(target.user)
    return UsmUserData(
        target.user,
        authKey=target.auth.encode(),
        authProtocol=AUTH[target.auth_protocol],
        privKey=None if target.priv is None else target.priv.encode(),
        privProtocol=config.USM_PRIV_NONE if target.priv is None else PRIV[target.priv_protocol],
    )
