"""Why a device does not answer: what can be found out without its credentials.

An agent drops a request with a wrong community or a wrong privacy key without a word. But nearly
all that speak version 3 tell their engine ID to whoever asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from collectors.engine_id import ask_engine_id
from collectors.errors import (
    MalformedError,
    RefusedError,
    SilentError,
    SnmpError,
    UnreachableError,
    WrongCredentialsError,
)
from collectors.snmp import Target

Try = Callable[[Target], Awaitable[None]]
"""Asks a target for one object that every device has, or raises a SnmpError."""


async def why_silent(target: Target, address: tuple[str, int], try_it: Try) -> SnmpError:
    """The error for a device that has never answered, as exact as it can be told.

    Takes up to two time-outs more.
    """
    try:
        engine_id = await ask_engine_id(address, target.timeout_s)
    except ConnectionRefusedError:
        return UnreachableError(
            target.place, f"nothing listens on UDP port {target.port}",
            "switch SNMP on in the device, or correct its port",
        )  # fmt: skip
    if engine_id is None:
        return silent(target)
    if target.version != "3":
        return WrongCredentialsError(
            target.place, "community",
            "it speaks SNMP, but does not answer this community",
            "correct the community, or allow it and this host in the device",
        )  # fmt: skip
    if target.priv is None:
        return silent(target)
    try:
        await try_it(replace(target, priv=None, retries=0))
    except WrongCredentialsError as error:
        if error.part != "level":
            return error
    except RefusedError:
        pass
    except SnmpError:
        return silent(target)
    return WrongCredentialsError(
        target.place, "priv",
        f"the authentication of user {target.user} is right, its privacy key or protocol "
        f"({target.priv_protocol}) is not",
        "correct priv or priv_protocol (Cisco devices use aes192-cisco, aes256-cisco)",
    )  # fmt: skip


def silent(target: Target) -> SilentError:
    """The error for no answer at all."""
    attempts = target.retries + 1
    asked = "once" if attempts == 1 else f"{attempts} times"
    what = "user and keys" if target.version == "3" else "community"
    return SilentError(
        target.place, f"no answer within {target.timeout_s:g} s, asked {asked}",
        f"is it up and reachable, does it allow SNMP from this host, is the {what} right?",
    )  # fmt: skip


def nonsense(target: Target) -> MalformedError:
    """Datagrams came, but none of them answers."""
    return MalformedError(
        target.place, "what it sends is no answer to what was asked",
        "does another program answer on this port?",
    )  # fmt: skip


def endless(target: Target, what: str) -> MalformedError:
    """A walk that would not end."""
    return MalformedError(
        target.place, f"a walk that leads nowhere ({what})",
        "the device's agent is broken: update its software",
    )  # fmt: skip


def wrong_user(target: Target) -> WrongCredentialsError:
    """usmStatsUnknownUserNames."""
    return WrongCredentialsError(
        target.place, "user", f"the device has no user {target.user}",
        "correct user, or create it in the device",
    )  # fmt: skip


def wrong_auth(target: Target) -> WrongCredentialsError:
    """usmStatsWrongDigests."""
    return WrongCredentialsError(
        target.place, "auth",
        f"user {target.user} exists, but its authentication key or protocol "
        f"({target.auth_protocol}) is another",
        "correct auth or auth_protocol",
    )  # fmt: skip


def wrong_priv(target: Target) -> WrongCredentialsError:
    """usmStatsDecryptionErrors."""
    return WrongCredentialsError(
        target.place, "priv",
        f"the device cannot decrypt what user {target.user} says: the privacy key or protocol "
        f"({target.priv_protocol}) is another",
        "correct priv or priv_protocol",
    )  # fmt: skip


def wrong_level(target: Target) -> WrongCredentialsError:
    """usmStatsUnsupportedSecLevels, or a view that this level does not open."""
    if target.priv is not None:
        level = "authentication and privacy"
    else:
        level = "neither key" if target.auth is None else "authentication alone"
    return WrongCredentialsError(
        target.place, "level", f"the device does not let user {target.user} in with {level}",
        "give the keys that it was created with (auth, priv), no more and no fewer",
    )  # fmt: skip


def refused(target: Target, status: str) -> SnmpError:
    """An error status that asking anew cannot help."""
    if status == "authorizationError" and target.version == "3":
        return wrong_level(target)
    return RefusedError(
        target.place, status, f"the device answers {status}",
        "allow the objects in the view of this community or user",
    )  # fmt: skip
