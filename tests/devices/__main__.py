"""A device in a process of its own; see emulator.py."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> None:
    """Serve until standard input ends."""
    from devices import Device, Management

    parser = argparse.ArgumentParser(prog="python tests/devices")
    parser.add_argument("platform", choices=("pix6", "pix7", "asa", "ios"))
    parser.add_argument("file", type=Path, help="startup configuration; empty: a blank device")
    parser.add_argument(
        "--interfaces", default="", help="hardware of a blank device, comma-separated"
    )
    parser.add_argument("--management", help="ADDRESS/INTERFACE that sessions come from")
    parser.add_argument("--log", type=Path, help="one line of JSON a command")
    asked = parser.parse_args()
    text = asked.file.read_text() if asked.file.exists() else ""
    way = None
    if asked.management:
        source, _, interface = asked.management.partition("/")
        way = Management(source, interface)
    names = tuple(name for name in asked.interfaces.split(",") if name)
    device = Device(asked.platform, text, management=way, interfaces=names)

    def changed() -> None:
        asked.file.with_name(asked.file.name + ".running").write_text(device.running())
        asked.file.with_name(asked.file.name + ".startup").write_text(device.startup)
        if asked.log:
            asked.log.write_text("".join(json.dumps(one._asdict()) + "\n" for one in device.log))

    changed()
    device.changed = changed
    with device.serve() as box:
        told = {
            "host": box.host,
            "ssh": box.ssh_port,
            "telnet": box.telnet_port,
            "key": box.host_key,
        }
        print(json.dumps(told), flush=True)
        sys.stdin.read()
    changed()


if __name__ == "__main__":
    main()
