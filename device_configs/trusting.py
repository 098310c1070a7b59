"""Trust on first use, by an explicit command: jump host first, then the device through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import paramiko

from device_configs.errors import DeviceConfigError
from device_configs.known_hosts import KnownHosts, fingerprint, offered_key
from device_configs.session import endpoint_of, jump_of
from device_configs.wire import Endpoint, Patience, open_jump, through_jump
from inventory.operations import Device


@dataclass(frozen=True, slots=True)
class Trusted:
    """A key that is trusted now."""

    host: str
    port: int
    fingerprint: str
    new: bool
    """Whether it was not trusted before."""


def trust(
    device: Device,
    environ: Mapping[str, str],
    hosts: KnownHosts,
    patience: Patience,
    *,
    replace: bool,
    agree: Callable[[str, int, str], bool],
) -> tuple[Trusted, ...]:
    """Fetch the keys of a device and of its jump host, and trust those that `agree` accepts.

    A changed key raises `HostKeyRefused` with both fingerprints, unless `replace`. No password is
    sent to a host before its key is trusted.
    """
    jump = jump_of(device, environ)
    if jump is None and device.transport == "telnet":
        raise DeviceConfigError(
            device.id, "telnet has no host key", "there is nothing to trust; prefer SSH if it can"
        )
    done: list[Trusted] = []
    gate: paramiko.SSHClient | None = None
    try:
        if jump is not None:
            key = offered_key(device.id, jump.host, jump.port, patience.connect_s)
            done += _decide(jump, key, hosts, replace, agree)
            if not done or device.transport == "telnet":
                return tuple(done)
            gate = open_jump(jump, hosts, patience)
        place = endpoint_of(device, environ)
        channel = None if gate is None else through_jump(gate, place, patience)
        key = offered_key(device.id, place.host, place.port, patience.connect_s, channel)
        return (*done, *_decide(place, key, hosts, replace, agree))
    finally:
        if gate is not None:
            gate.close()


def _decide(
    place: Endpoint,
    key: paramiko.PKey,
    hosts: KnownHosts,
    replace: bool,
    agree: Callable[[str, int, str], bool],
) -> list[Trusted]:
    """The key of one place, trusted; empty where `agree` says no."""
    known = hosts.keys(place.host, place.port)
    shown = fingerprint(key)
    if key in known:
        return [Trusted(place.host, place.port, shown, new=False)]
    if known and not replace:
        raise hosts.changed(place.subject, place.host, place.port, key)
    if not agree(place.host, place.port, shown):
        return []
    hosts.trust(place.host, place.port, key)
    return [Trusted(place.host, place.port, shown, new=True)]
