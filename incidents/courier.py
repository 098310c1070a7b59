"""Takes what is due out of the outbox and hands it over; one courier at a time has a desk's file.

It runs as a process of its own (`pasprobe incident deliver`), in a session of its own when the
watch starts it: a watch that is killed in the middle of a mail does not take the mail with it, so
that the answer of the server is still written down.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from incidents.calls import Calls
from incidents.changes import DeclareToProvider, PlanSent, Record
from incidents.desk import Desk
from incidents.errors import DeskFileError, RefusedError
from incidents.mail import Answer, Login, send
from incidents.outbox import Delivery, Message, Outbox
from incidents.tickets import SYSTEM
from incidents.webhook import post
from inventory.operations import Webhook

AT_ONCE = 4
"""Messages under way at a time: a server that hangs does not hold up the others."""
SOON_S = 1.0
"""What is due within this is waited for."""
CALL_AFTER_ATTEMPTS = 4
"""Failures after which somebody is asked to telephone meanwhile (50 s with the back-off)."""


@dataclass(frozen=True, slots=True)
class Means:
    """What messages leave by; secrets revealed, never printed."""

    login: Login | None
    webhooks: Mapping[str, tuple[Webhook, bytes | None]] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: addresses by how it ended."""

    accepted: int = 0
    refused: int = 0
    later: int = 0
    unsure: int = 0

    def __add__(self, other: Round) -> Round:
        return Round(
            self.accepted + other.accepted,
            self.refused + other.refused,
            self.later + other.later,
            self.unsure + other.unsure,
        )


@contextmanager
def alone(desk: Desk) -> Iterator[bool]:
    """Whether this process is the courier of the desk's file while the block runs."""
    path = desk.path.with_suffix(".courier")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DeskFileError(
            f"{path} cannot be used: {error.strerror}; mend owner and mode of its folder"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def settle_interrupted(outbox: Outbox, calls: Calls) -> Round:
    """What a courier that is dead was sending: mail is unsure, a webhook goes again.

    For the courier that has the file alone.
    """
    done = Round()
    for message, addresses in outbox.interrupted():
        if message.channel == "webhook":
            outbox.again(message, addresses, "interrupted; the receiver knows its number")
            done += Round(later=len(addresses))
            continue
        words = "interrupted after its end was sent; the answer is not known"
        _conclude(outbox, calls, message, dict.fromkeys(addresses, Answer("unsure", words)))
        done += Round(unsure=len(addresses))
    return done


async def deliver(outbox: Outbox, calls: Calls, means: Means) -> Round:
    """One round: try everything that is due once. For the courier that has the file alone."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(message: Message, deliveries: Sequence[Delivery]) -> Round:
        async with limit:
            answers = await _try(outbox, means, message, [d.address for d in deliveries])
        _conclude(outbox, calls, message, answers)
        kinds = [answer.kind for answer in answers.values()]
        return Round(
            kinds.count("accepted"), kinds.count("refused"), kinds.count("later"),
            kinds.count("unsure"),
        )  # fmt: skip

    due = outbox.due(outbox.desk.clock())
    rounds = await asyncio.gather(*(one(message, deliveries) for message, deliveries in due))
    return sum(rounds, Round())


def run_courier(
    desk: Desk,
    means: Means,
    *,
    until_empty: bool,
    rest: Callable[[float], None] = time.sleep,
) -> Round | None:
    """Settle what was interrupted, then deliver; None where another courier is at it.

    Without `until_empty` what is due now is tried once; with it, as long as something is due within
    a second. What waits longer is for the next courier, which reads the configuration afresh.
    """
    done = Round()
    while True:
        outbox, calls = Outbox(desk), Calls(desk)
        with alone(desk) as mine:
            if not mine:
                return None
            done += settle_interrupted(outbox, calls)
            while True:
                done += asyncio.run(deliver(outbox, calls, means))
                wait_s = _wait_s(outbox)
                if wait_s > SOON_S or not until_empty:
                    break
                rest(wait_s)
        # What was put in between the last look and the end of the lock found us still there.
        if not until_empty or _wait_s(outbox) > SOON_S:
            return done


def _wait_s(outbox: Outbox) -> float:
    due = outbox.next_due_ns()
    return inf if due is None else max(0.0, (due - outbox.desk.clock()) / 1e9)


def start_courier(config: Path, data_dir: Path) -> subprocess.Popen[bytes]:
    """A courier in a session of its own that delivers what is due, then ends."""
    command = [
        sys.executable, "-P", "-m", "pasprobe", "incident", "deliver",
        "--until-empty", "--config", str(config.absolute()), "--data-dir", str(data_dir.absolute()),
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )


async def _try(
    outbox: Outbox, means: Means, message: Message, addresses: Sequence[str]
) -> dict[str, Answer]:
    if message.channel == "mail":
        if means.login is None:
            answer = Answer("later", "there is no [mail] — write host and from")
            return dict.fromkeys(addresses, answer)
        return await send(
            means.login,
            message.content,
            addresses,
            lambda agreed: outbox.mark_sending(message, agreed),
        )
    known = means.webhooks.get(message.subject)
    if known is None:
        words = f'there is no [[webhook]] "{message.subject}" any more'
        return dict.fromkeys(addresses, Answer("refused", words))
    webhook, secret = known
    outbox.mark_sending(message, addresses)
    number, at_s = delivery_number(message), outbox.desk.clock() // 10**9
    answer = await asyncio.to_thread(post, webhook, secret, message.content, number, at_s)
    return dict.fromkeys(addresses, answer)


def delivery_number(message: Message) -> str:
    """What a receiver knows a webhook call by; the same for every attempt."""
    return f"{message.created_ns}-{message.id}"


def _conclude(
    outbox: Outbox, calls: Calls, message: Message, answers: Mapping[str, Answer]
) -> None:
    """Write down how it went, with what follows from it, all or nothing."""
    with outbox.desk.transaction("writing down what was sent"):
        for address, answer in answers.items():
            if answer.kind == "later":
                outbox.again(message, [address], answer.words)
                attempts = next(
                    d.attempts for d in outbox.deliveries(message.id) if d.address == address
                )
                if message.channel == "mail" and attempts == CALL_AFTER_ATTEMPTS:
                    _ask_for_a_call(calls, message, address, answer)
                continue
            outbox.mark(message, [address], answer.kind, answer.words)
            if message.channel == "mail" and answer.kind != "accepted":
                _ask_for_a_call(calls, message, address, answer)
        _record(outbox, message, answers)


def _ask_for_a_call(calls: Calls, message: Message, address: str, answer: Answer) -> None:
    state = {
        "refused": "was refused",
        "unsure": "may or may not have been accepted; ask whether it came",
        "later": "has not been accepted yet; it is still tried",
    }[answer.kind]
    calls.add(
        f"{message.key}/{address}/{answer.kind}",
        ticket=message.ticket,
        party="",
        role=address,
        phones=(),
        script=f'Mail {message.id} "{message.subject}" to {address} {state}: {answer.words}',
    )


def _record(outbox: Outbox, message: Message, answers: Mapping[str, Answer]) -> None:
    """The history of the ticket, and the declaration: the provider's mailbox has accepted it."""
    if not message.ticket:
        return
    for kind in ("accepted", "refused", "unsure"):
        who = [address for address, answer in answers.items() if answer.kind == kind]
        if who:
            text = f"{message.purpose} to {', '.join(who)}: {kind}"
            data = (("message", str(message.id)), ("state", kind))
            outbox.desk.change(message.ticket, SYSTEM, Record("notice", text, data))
    if not any(answer.kind == "accepted" for answer in answers.values()):
        return
    ticket = outbox.desk.ticket(message.ticket)
    now = outbox.desk.clock()
    try:
        if message.purpose == "declaration" and ticket.declared_ns is None:
            outbox.desk.change(ticket.id, SYSTEM, DeclareToProvider(now, f"mail {message.id}"))
        if message.purpose == "plan":
            party = message.key.split("/")[2]
            unsent = tuple(a.number for a in ticket.plan if a.party == party and a.sent_ns is None)
            if unsent:
                outbox.desk.change(ticket.id, SYSTEM, PlanSent(unsent, now))
    except RefusedError as error:
        # A ticket that was closed meanwhile: the mail went all the same.
        outbox.desk.change(message.ticket, SYSTEM, Record("notice", str(error)))
