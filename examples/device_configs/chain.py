"""Template, blank device, restore, read back, block, allow, drift: the chain in front of you.

    python examples/device_configs/chain.py [--keep DIR] [pix-1|asa-1|switch-1]...

The devices are emulated (tests/devices), on 127.0.0.1; every command is the real `pasprobe`.
Exit 1: a command ended otherwise than it should, or a device is not what its template says.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import devices  # noqa: E402 - the test devices lie beside the tests

UNITS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "pix-1": ("pix6", ("ethernet0", "ethernet1"), "inside"),
    "asa-1": ("asa", ("GigabitEthernet0/0", "GigabitEthernet0/1"), "inside"),
    "switch-1": ("ios", ("GigabitEthernet1/0/1", "GigabitEthernet1/0/24"), "Vlan10"),
}
"""Platform, ports and the interface by which the management comes in, of each device."""
STATION = "10.10.0.9"
ADDRESS = "172.20.8.77"
"""Of the tunnel to INFOMIL: permitted, until it is blocked."""
SECRETS = {
    # As the devices show them; the emulator takes a hash that it did not make for its own password.
    "FIREWALL_USER_HASH": "a1B2c3D4e5F6g7H8",
    "FIREWALL_ENABLE_HASH": "h8G7f6E5d4C3b2A1",
    "FIREWALL_PASSWD_HASH": "2KFQnbNIdI.2KYOU",
    "SWITCH_USER_HASH": "$9$abcdefghijklmn$chain",
    "SWITCH_ENABLE_HASH": "$9$nmlkjihgfedcba$chain",
    "TUNNEL_INFOMIL_KEY": "infomil-shared",
    "TUNNEL_DUBLIN_KEY": "dublin-shared",
    **dict.fromkeys(("PIX_PASSWORD", "ASA_PASSWORD", "SWITCH_PASSWORD"), "admin-pw"),
    **dict.fromkeys(("PIX_ENABLE", "ASA_ENABLE"), "enable-pw"),
}


class WrongEndError(Exception):
    """The chain is broken."""


class Chain:
    """The blank devices, and the configuration file that reaches them."""

    def __init__(self, folder: Path, names: tuple[str, ...], stack: ExitStack) -> None:
        self.file = folder / "pasprobe.toml"
        self.units: dict[str, Any] = {}
        text = (HERE / "pasprobe.toml").read_text()
        for entry in tomllib.loads(text)["device"]:
            name = entry["id"]
            if name not in names:
                text = re.sub(rf'\[\[device\]\]\nid = "{name}"\n(?:(?!\[\[).*\n?)*', "", text)
                continue
            platform, ports, way = UNITS[name]
            management = devices.Management(STATION, way)
            unit = devices.Device.blank(platform, ports, user="restore", management=management)
            box = stack.enter_context(unit.serve())
            port = box.telnet_port if entry.get("transport") == "telnet" else box.ssh_port
            here = f'host = "{box.host}"\nport = {port}'
            text = text.replace(f'host = "{entry["host"]}"', here)
            self.units[name] = unit
        self.file.write_text(text)
        (folder / "templates").symlink_to(HERE / "templates")

    def pasprobe(self, *words: str, ends: int = 0) -> str:
        """Run one command in front of the reader; `WrongEndError` where it ends otherwise."""
        shown = " ".join(words)
        print(f"\n$ pasprobe config {shown}", flush=True)
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pasprobe", "config", *words, "--config", str(self.file)],
            cwd=ROOT,
            env={**os.environ, **SECRETS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(done.stdout, end="")
        print(f"(exit {done.returncode}, {time.monotonic() - begun:.1f} s)", flush=True)
        if done.returncode != ends:
            raise WrongEndError(f"`{shown}` ended with {done.returncode}, not with {ends}")
        return done.stdout

    def type_on_console(self, name: str, lines: list[str]) -> None:
        """What the technician beside the rack does with the lines of `bootstrap`."""
        print(f"\n... typed on the console of {name}:")
        console = self.units[name].session("console", None)
        shown = console.greet() + "".join(
            console.receive(f"{line}\r")
            # A blank unit asks for an enable password and takes an empty one.
            + (console.receive("\r") if console.question is not None else "")
            for line in lines
        )
        print(shown.replace("\r", ""))

    def expect(self, good: bool, what: str) -> None:
        """Something that the device itself knows, from behind pasprobe's back."""
        print(f"{'ok' if good else 'WRONG'}: {what}", flush=True)
        if not good:
            raise WrongEndError(f"not so: {what}")

    def run(self, name: str) -> None:
        """One device, from blank to drift."""
        unit = self.units[name]
        print(f"\n=== {name}: {unit.platform}, out of its box ===")
        template = self.pasprobe("render", name)
        self.type_on_console(
            name, self.pasprobe("bootstrap", name, "--to", "template").splitlines()
        )
        if unit.platform != "pix6":
            self.pasprobe("trust", name, "--yes")
        self.pasprobe("plan", name, "--to", "template", ends=1)
        self.pasprobe(
            "restore", name, "--to", "template", "--replacement", "--yes", "--ticket", "INC-7"
        )
        # A PIX 6 shows no keys of tunnels, so a restore would type them again.
        self.pasprobe("plan", name, "--to", "template", ends=int(unit.platform == "pix6"))
        self.expect(unit.same_as(template), f"{name} runs what the template says")
        self.expect(unit.startup != "" and not unit.cuts, "it is saved; no session was cut")
        self.pasprobe("backup", name)
        self.pasprobe("drift", name)
        if unit.platform == "ios":
            self._drift(unit, name, "ip default-gateway 10.10.0.254")
            return
        flow = devices.Flow("outside", "inside", "tcp", ADDRESS, "10.10.0.10", dport=443)
        self.expect(unit.permits(flow), f"{ADDRESS} reaches the server")
        before = unit.running()
        self.pasprobe("block", name, ADDRESS)
        self.expect(not unit.permits(flow), f"{ADDRESS} is shut out")
        self.pasprobe("block", name, ADDRESS)
        self.pasprobe("blocks")
        self.pasprobe("drift", name, "--live", ends=1)
        self.pasprobe("allow", name, ADDRESS)
        self.expect(unit.running() == before, "its configuration is to the letter what it was")
        self.pasprobe("rules", name)
        self._drift(unit, name, "no access-list OUTSIDE-IN permit icmp any any echo-reply")

    def _drift(self, unit: Any, name: str, line: str) -> None:
        print(f"\n... somebody types on {name}: {line}")
        print("\n".join(unit.type(line)), end="")
        self.pasprobe("drift", name, "--live", ends=1)
        # As on a real device: what nobody saved would be lost by the restart of the timer.
        print("\n... and saves it")
        console = unit.session("console", None)
        console.greet()
        for word in ("enable", "enable-pw", "write memory"):
            console.receive(f"{word}\r")
        self.pasprobe("restore", name, "--to", "template", "--yes")
        self.pasprobe("drift", name, "--live")


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True)
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="pasprobe-chain-") as made:
        yield Path(made)


def main() -> int:
    """Run the chain for each device."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("device", nargs="*", help="default: all three")
    parser.add_argument("--keep", type=Path, help="new folder for repository and protocols")
    asked = parser.parse_args()
    if unknown := set(asked.device) - set(UNITS):
        parser.error(f"no such device: {', '.join(sorted(unknown))}")
    names = tuple(asked.device or UNITS)
    begun = time.monotonic()
    with _folder(asked.keep) as folder, ExitStack() as stack:
        chain = Chain(folder, names, stack)
        try:
            for name in names:
                chain.run(name)
        except WrongEndError as error:
            print(f"chain: {error}", file=sys.stderr)
            return 1
    print(
        f"\n{len(names)} devices, from blank to drift and back, in {time.monotonic() - begun:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
