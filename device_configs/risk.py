"""Whether a target may be restored at all: the right device, and a way in afterwards.

Pure. Each refusal comes before anything is typed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from device_configs.errors import DeviceConfigError
from device_configs.facts import Facts
from device_configs.history import Meta
from device_configs.sections import Family, Line, hostname, parse
from inventory.operations import Device

_FACTORY = ("Router", "Switch", "ciscoasa", "pixfirewall", "pix")
_ADDRESS = re.compile(r"ip address (?:\S+ )??(\d+\.\d+\.\d+\.\d+) \d+\.\d+\.\d+\.\d+")


class TargetRefused(DeviceConfigError):  # noqa: N818 - says what is, as its kin do
    """The target would lock us out, or belongs to another device; nothing was typed."""


def require_same_device(
    device: str, target: str, facts: Facts, meta: Meta | None, *, replacement: bool
) -> None:
    """Refuse a backup of another device; `replacement` says that the unit was exchanged.

    A name as it comes from the factory is no other device.
    """
    wanted = hostname(target)
    if wanted is None:
        raise TargetRefused(
            device, "the target has no hostname", "give a whole configuration as target"
        )
    differing = []
    if facts.hostname and facts.hostname not in (wanted, *_FACTORY):
        differing.append(f"hostname {facts.hostname}, target {wanted}")
    if meta is not None:
        pairs = (("model", facts.model, meta.model), ("serial", facts.serial, meta.serial))
        differing += [f"{k} {a}, backup {b}" for k, a, b in pairs if a and b and a != b]
    if differing and not replacement:
        raise TargetRefused(
            device,
            f"this is another device than the target's ({'; '.join(differing)})",
            "see that host and target are right; after an exchange of the unit, --replacement",
        )


def require_way_in(device: Device, running: str, target: str, kind: Family) -> None:
    """Refuse a target that has no user, address or line for the session that restores it."""
    now, then = parse(running), parse(target)
    for what, remedy in _missing(device, now, then, kind):
        raise TargetRefused(
            device.id, f"the target has no {what}, so we would be locked out", remedy
        )


def _missing(
    device: Device, now: tuple[Line, ...], then: tuple[Line, ...], kind: Family
) -> Iterator[tuple[str, str]]:
    texts = [line.text for line in then]
    user = device.login.user if device.login is not None else ""
    held = any(line.text.startswith(f"username {user} ") for line in now)
    keeps = any(text.startswith(f"username {user} ") for text in texts)
    if user and held and not keeps:
        yield f"user {user} (the one of the login)", f"add `username {user} ...` to the target"
    if kind == "ios":
        lines = [line for line in then if line.text.startswith("line vty")]
        # FRR has none: its sessions are the host's.
        if not lines and any(line.text.startswith("line vty") for line in now):
            yield "line vty", "add `line vty 0 4` with its transport to the target"
        inputs = [c.text for line in lines for c in line.children if "transport input" in c.text]
        if inputs and not any(device.transport in text or " all" in text for text in inputs):
            yield (
                f"transport input {device.transport}",
                f"allow {device.transport} on a `line vty` of the target",
            )
    elif not any(re.match(rf"{device.transport} \d", text) for text in texts):
        yield (
            f"`{device.transport} NETWORK MASK INTERFACE`",
            "add the line that lets this host in to the target",
        )
    name = device.access_interface
    if name is not None and not _has_interface(then, name):
        yield f"management interface {name}", "add it, or correct access_interface"
    if _is_address(device.host) and device.host in _addresses(now) - _addresses(then):
        yield (
            f"interface with the address {device.host}",
            "keep the address in the target, and change it by hand afterwards",
        )


def _has_interface(lines: tuple[Line, ...], name: str) -> bool:
    for line in lines:
        if line.text.lower() == f"interface {name}".lower() or line.text.startswith(
            f"ip address {name} "
        ):
            return True
        if any(child.text == f"nameif {name}" for child in line.children):
            return True
    return False


def _addresses(lines: tuple[Line, ...]) -> set[str]:
    texts = [line.text for line in lines]
    texts += [child.text for line in lines for child in line.children]
    return {found[1] for text in texts if (found := _ADDRESS.match(text))}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
