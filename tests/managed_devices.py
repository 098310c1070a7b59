"""An emulated device, its `pasprobe.toml`, and the room that manages it and trusts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device_configs.changing import Room
from device_configs.known_hosts import KnownHosts
from device_configs.trusting import trust
from device_configs.wire import Patience
from inventory.load import load

SECRETS = {"PW": "admin-pw", "EN": "enable-pw"}
"""What `LOGIN` names."""
LOGIN = 'login = { user = "admin", password = { env = "PW" }, enable = { env = "EN" } }\n'
ASA = """\
hostname fw-1
enable password enable-pw
interface GigabitEthernet0/0
 nameif outside
 security-level 0
 ip address 198.51.100.1 255.255.255.0
interface GigabitEthernet0/1
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.255.0
access-list OUT extended permit tcp any host 10.0.0.5 eq https
access-list OUT extended deny ip any any
access-group OUT in interface outside
route outside 0.0.0.0 0.0.0.0 198.51.100.2 1
aaa authentication ssh console LOCAL
ssh 10.0.0.0 255.255.255.0 inside
username admin password admin-pw privilege 15
"""
"""A server behind a firewall whose outside lets its HTTPS in and nothing else."""


def saved_device(
    devices: Any, platform: str, text: str, interface: str = "inside", **options: Any
) -> Any:
    """A device with this configuration as it writes it itself, managed through `interface`."""
    written = devices.Device(platform, text).running()
    way = devices.Management("10.0.0.9", interface)
    return devices.Device(platform, written, management=way, **options)


def configuration_file(
    folder: Path, box: Any, name: str, platform: str, *, role: str = "firewall", more: str = ""
) -> Path:
    """A `pasprobe.toml` whose one device, of this name, is the box; `more`: further keys of it."""
    file = folder / "pasprobe.toml"
    file.write_text(
        '[device_configs]\nfolder = "kept"\n'
        f'[[device]]\nid = "{name}"\nhost = "{box.host}"\nport = {box.ssh_port}\n'
        f'role = "{role}"\nplatform = "{platform}"\n{more}{LOGIN}'
    )
    return file


def trusting_room(file: Path) -> Room:
    """The room of this configuration file, which trusts its one device as it is."""
    room = Room(load(file, environ=SECRETS), SECRETS)
    (device,) = room.loaded.configuration.devices
    hosts = KnownHosts(room.folder / "known_hosts")
    trust(device, SECRETS, hosts, Patience(), replace=False, agree=lambda *_: True)
    return room
