"""Asks a device for its engine ID, without credentials: does it speak SNMP, and is it still it?"""

from __future__ import annotations

import asyncio

from collectors.ber import NotSnmpError, discovery, header, is_discovery_report


class _Waiting(asyncio.DatagramProtocol):
    def __init__(self, ident: int) -> None:
        self._ident = ident
        self.answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        del addr  # the socket is connected: the kernel has looked
        try:
            if not self.answer.done() and is_discovery_report(data, self._ident):
                self.answer.set_result(header(data).engine_id)
        except NotSnmpError:
            return

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def ask_engine_id(address: tuple[str, int], timeout_s: float) -> bytes | None:
    """The snmpEngineID of the device at a resolved address; None where none is told in time.

    Devices that know versions 1 and 2c alone stay silent too. Raises ConnectionRefusedError where
    the port is closed.
    """
    ident, message = discovery()
    loop = asyncio.get_running_loop()
    try:
        transport, waiting = await loop.create_datagram_endpoint(
            lambda: _Waiting(ident), remote_addr=address
        )
    except OSError:
        return None
    try:
        transport.sendto(message)
        async with asyncio.timeout(timeout_s):
            return await waiting.answer
    except ConnectionRefusedError:
        raise
    except OSError:  # the time-out too
        return None
    finally:
        transport.close()
