"""The few lines to type on the console of a blank unit, so that the rest can be restored.

Pure. They come out of the target itself: a name, one interface, the way back to this host, a user
and what lets the session in. A PIX 6 needs no TFTP and no SCP for it: telnet from the inside is
enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_configs.errors import DeviceConfigError
from device_configs.sections import Family, Line, family, masked, parse
from inventory.operations import Device


def bootstrap(device: Device, target: str) -> tuple[str, ...]:
    """The commands for the console, from `enable` to `write memory`.

    Raises `DeviceConfigError` where the target does not say by which interface the device is
    reached, or hides a secret that is needed.
    """
    kind = family(device.platform, target)
    lines = parse(target)
    port = _port(device, lines)
    if port is None:
        raise DeviceConfigError(
            device.id,
            f"the target does not say which interface {device.host} is reached by",
            "write access_interface in the [[device]]",
        )
    chosen = tuple(_ios(device, lines, port) if kind == "ios" else _firewall(device, lines, port))
    if missing := _missing(device, chosen, port, kind):
        raise DeviceConfigError(
            device.id,
            f"the target has no {missing}, so it could not be reached",
            "give a whole configuration as target, and see that access_interface is right",
        )
    if hidden := masked(chosen):
        raise DeviceConfigError(
            device.id,
            f"the secret of `{hidden[0]}` is masked",
            "take a backup that shows secrets, or render the template",
        )
    typed = ["enable", "configure terminal", *_typed(chosen)]
    if device.transport == "ssh" and kind != "pix6":
        # Without a key there is no SSH; a name and a domain must be there before it (IOS).
        size = "general-keys modulus 2048" if kind == "ios" else "modulus 2048"
        typed.append(f"crypto key generate rsa {size}")
    return (*typed, "end" if kind != "pix6" else "exit", "write memory")


def _missing(device: Device, chosen: tuple[Line, ...], port: str, kind: Family) -> str:
    """What the session will need and the lines do not have; empty where it is all there."""
    texts = [line.text for line in chosen]
    below = [child.text for line in chosen for child in line.children]
    if not any(text.startswith("hostname ") for text in texts):
        return "hostname"
    if not any(text.startswith("ip address ") for text in (*texts, *below)):
        return f"address of the interface {port}"
    if kind == "ios":
        return "" if any(text.startswith("line vty") for text in texts) else "line vty"
    entry = f"`{device.transport} NETWORK MASK {port}`"
    return "" if any(re.match(rf"{device.transport} \d", text) for text in texts) else entry


def _typed(lines: tuple[Line, ...]) -> Iterator[str]:
    for line in lines:
        yield line.command
        for child in line.children:
            yield f" {child.command}"
        down = any(child.text == "shutdown" for child in line.children)
        if line.text.startswith("interface ") and line.children and not down:
            yield " no shutdown"
        if line.children:
            yield " exit"


def _port(device: Device, lines: tuple[Line, ...]) -> str | None:
    """What the target calls the interface that we come in by."""
    if device.access_interface is not None:
        return device.access_interface
    for line in lines:
        texts = [child.text for child in line.children]
        if found := re.match(rf"ip address (\S+) {re.escape(device.host)} ", line.text):
            return found[1]
        if any(text.startswith(f"ip address {device.host} ") for text in texts):
            named = [text.split()[1] for text in texts if text.startswith("nameif ")]
            return named[0] if named else line.text.removeprefix("interface ")
    return None


def _firewall(device: Device, lines: tuple[Line, ...], port: str) -> Iterator[Line]:
    """PIX and ASA: the interface by its name."""
    hardware = ""
    for line in lines:
        if found := re.match(rf"nameif (\S+) {re.escape(port)} ", line.text):
            hardware = found[1]
    for line in lines:
        text = line.text
        if (
            text.startswith(
                (
                    "hostname ",
                    "domain-name ",
                    "enable password ",
                    "passwd ",
                    f"ip address {port} ",
                    f"route {port} ",
                )
            )
            or any(child.text == f"nameif {port}" for child in line.children)
            or (hardware and text.startswith((f"nameif {hardware} ", f"interface {hardware} ")))
            or re.match(rf"{device.transport} \d\S* \S+ {re.escape(port)}$", text)
            or re.match(rf"aaa authentication ({device.transport}|enable) console LOCAL", text)
            or (device.login is not None and text.startswith(f"username {device.login.user} "))
        ):
            yield line


def _ios(device: Device, lines: tuple[Line, ...], port: str) -> Iterator[Line]:
    """IOS: a VLAN interface needs its VLAN and one port in it."""
    vlan = re.match(r"Vlan(\d+)$", port, re.IGNORECASE)
    plugged = _plugged(lines, vlan[1]) if vlan else None
    for line in lines:
        text = line.text
        if text.startswith("line vty"):
            # The list that guards the line is not there yet.
            below = tuple(c for c in line.children if not c.text.startswith("access-class"))
            yield Line(text, below)
        elif (
            text.startswith(
                (
                    "hostname ",
                    "ip domain",
                    "enable secret ",
                    "enable password ",
                    "ip default-gateway ",
                    "ip route 0.0.0.0 0.0.0.0 ",
                )
            )
            or text.lower() == f"interface {port}".lower()
            or (vlan is not None and text == f"vlan {vlan[1]}")
            or (device.login is not None and text.startswith(f"username {device.login.user} "))
            or line is plugged
        ):
            yield line
    if not any(line.text.startswith("ip domain") for line in lines):
        yield Line("ip domain name local")


def _plugged(lines: tuple[Line, ...], vlan: str) -> Line | None:
    """The first port that carries the VLAN."""
    for line in lines:
        texts = [child.text for child in line.children]
        if f"switchport access vlan {vlan}" in texts or any(
            text.startswith("switchport trunk allowed vlan ")
            and vlan in re.split(r"[ ,]", text)[4:]
            for text in texts
        ):
            return line
    return None
