"""The loop of `pasprobe incident watch`: look, tell, escalate, deliver, gather evidence.

Each part is idempotent and finds by itself what an earlier run left undone, so the process may be
killed between any two of them.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from incidents.courier import start_courier
from incidents.desk import Desk, open_desk
from incidents.errors import IncidentError
from incidents.escalating import begin, declare, escalate, taken
from incidents.evidence import DeviceState, Tracer, attach_device, attach_traces, untraced
from incidents.notices import Post
from incidents.tickets import UNRESTORED
from incidents.watch import Look, Watch
from inventory.models import Configuration
from timeseries.errors import StoreError

log = logging.getLogger(__name__)


def tell(post: Post) -> None:
    """Declare what the watch opened to the provider, and to our own first level; once each."""
    told = {(step.ticket, step.party) for step in taken(post.desk)}
    for ticket in post.desk.tickets(states=UNRESTORED):
        if ticket.opener.role != "system":
            continue  # who opened it by hand says whom it is declared to
        if (ticket.id, post.provider) not in told:
            declare(post, ticket.id)
        if (ticket.id, post.own) not in told:
            begin(post, ticket.id, post.own)


@dataclass(slots=True)
class Loop:
    """One watch with all that follows from it."""

    desk: Desk
    eyes: Callable[[], tuple[Watch, DeviceState]]
    """Opens the store; raises `StoreError` as long as that is not there."""
    configuration: Configuration
    config: Path
    data_dir: Path
    post: Post | None
    """None: there is nobody to be told ([notices], [mail])."""
    trace: Tracer | None
    show: Callable[[Look], None] = lambda _: None
    _eyes: tuple[Watch, DeviceState] | None = None
    _courier: subprocess.Popen[bytes] | None = None
    _tracing: threading.Thread | None = None
    _trouble: str = field(default="")

    def run(self, every_s: float, stop: threading.Event, seconds: float | None = None) -> None:
        """Until `stop`, or for so many seconds; raises what the desk's file raises."""
        end = None if seconds is None else time.monotonic() + seconds
        while not stop.is_set() and (end is None or time.monotonic() < end):
            begun = time.monotonic()
            self.once()
            stop.wait(max(0.05, every_s - (time.monotonic() - begun)))
        if self._tracing is not None:
            self._tracing.join()
        if self._courier is not None and self._courier.poll() is not None:
            self._courier.wait()

    def once(self) -> None:
        """One look and what follows from it."""
        try:
            if self._eyes is None:
                self._eyes = self.eyes()
            found = self._eyes[0].look(time.time_ns())
        except StoreError as error:
            # Without the store nobody is silent and nothing is over: nothing is judged.
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("the store cannot be read, nothing is judged meanwhile: %s", error)
        else:
            self._trouble = ""
            if found:
                self.show(found)
        if self.post is not None:
            tell(self.post)
            escalate(self.post)
            self._deliver(self.post)
        self._gather()

    def _deliver(self, post: Post) -> None:
        if self._courier is not None and self._courier.poll() is None:
            return
        due = post.outbox.next_due_ns()
        if due is not None and due <= self.desk.clock():
            self._courier = start_courier(self.config, self.data_dir)

    def _gather(self) -> None:
        if self.trace is None or self._eyes is None:
            return
        if self._tracing is not None and self._tracing.is_alive():
            return
        if untraced(self.desk):
            means = (self.trace, self._eyes[1])
            self._tracing = threading.Thread(target=self._evidence, args=means, daemon=True)
            self._tracing.start()

    def _evidence(self, trace: Tracer, device_state: DeviceState) -> None:
        with open_desk(self.data_dir, rules=self.desk.rules) as desk:
            for ticket in untraced(desk):
                try:
                    attach_traces(desk, ticket, self.configuration, trace, time.time_ns())
                    attach_device(desk, ticket, device_state, time.time_ns())
                except IncidentError as error:
                    # As a ticket that was closed meanwhile; the next look tries again.
                    log.warning("no evidence for %s: %s", ticket.id, error)
