"""Which library asks a device: gufo_snmp where it is installed and can, pysnmp everywhere else."""

from __future__ import annotations

import importlib.util
from typing import Literal

from collectors.errors import UnsupportedError
from collectors.snmp import Client, Session, Target


class Clients:
    """Both clients behind the interface of one."""

    name: Literal["pysnmp", "gufo"]

    def __init__(self, thorough: Client, fast: Client | None) -> None:
        self._thorough = thorough
        self._fast = fast
        self.name = thorough.name if fast is None else fast.name

    def session(self, target: Target) -> Session:
        """A session by the fast client if it can ask in this way."""
        if self._fast is not None:
            try:
                return self._fast.session(target)
            except UnsupportedError:
                pass
        return self._thorough.session(target)

    async def close(self) -> None:
        """Close both."""
        if self._fast is not None:
            await self._fast.close()
        await self._thorough.close()


def open_client(library: Literal["auto", "pysnmp", "gufo"] = "auto") -> Client:
    """The client of this process; to be made within its event loop.

    `auto` takes gufo_snmp where it is installed (`pasprobe[fast-snmp]`). ModuleNotFoundError where
    `gufo` is asked for by name and is not.
    """
    from collectors.pysnmp_client import PysnmpClient

    thorough = PysnmpClient()
    if library == "pysnmp" or (library == "auto" and importlib.util.find_spec("gufo") is None):
        return thorough
    from collectors.gufo_client import GufoClient

    return Clients(thorough, GufoClient(thorough.session))
