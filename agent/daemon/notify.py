"""The service manager's ear: sd_notify(3), without its library."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


def notify(*lines: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send these lines (`READY=1`, `STATUS=...`) in one datagram; False where nobody listens.

    Without $NOTIFY_SOCKET nothing happens. A manager that cannot be told is no reason to stop.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    # A leading @ is systemd's way to write an abstract socket.
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        try:
            sock.sendto("\n".join(lines).encode(), target)
        except OSError as error:
            log.debug("NOTIFY_SOCKET %s: %s", address, error.strerror)
            return False
    return True


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often `WATCHDOG=1` is to be sent: half of what the manager allows; None if it does not
    watch this process (sd_watchdog_enabled(3))."""
    allowed, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not allowed.isdecimal() or int(allowed) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(allowed) / 2e6
