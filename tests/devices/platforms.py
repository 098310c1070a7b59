"""Words of each platform around its configuration: prompts, pager, greetings, version.

Shaped after recordings of an ASA 5512 and a Catalyst 9200 and the command
references named in rules.py.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """What a platform says."""

    prompt_start: str
    prompt_end: str
    more: str
    erase: str
    """Sent when the pager is answered."""
    username: str
    denied: str
    bad_enable: str
    enable_denied: str
    restarting: str
    config_start: str


_FIREWALL = Words(
    prompt_start="\r",
    prompt_end=" ",
    more="<--- More --->",
    erase="\r              \r",
    username="Username: ",
    denied="\r\nUsername or password incorrect\r\n",
    bad_enable="Invalid password\r\n",
    enable_denied="Access denied.\r\n",
    restarting="\r\n\r\n***\r\n*** --- START GRACEFUL SHUTDOWN ---\r\n",
    config_start="",
)
WORDS = {
    "pix6": _FIREWALL._replace(prompt_start="", denied="\r\nInvalid password\r\n"),
    "pix7": _FIREWALL,
    "asa": _FIREWALL,
    "ios": Words(
        prompt_start="",
        prompt_end="",
        more=" --More-- ",
        erase="\b\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\b\b",
        username="Username: ",
        denied="\r\n% Login invalid\r\n\r\n",
        bad_enable="",
        enable_denied="% Bad secrets\r\n\r\n",
        restarting="",
        config_start="Enter configuration commands, one per line.  End with CNTL/Z.\n",
    ),
}
MODELS = {"pix6": "PIX-515E", "pix7": "PIX-515E", "asa": "ASA5512", "ios": "C9200L-24P-4G"}
SERIALS = {"pix6": "807654321", "pix7": "807654321", "asa": "FCH17000001", "ios": "JAE24000001"}
RELEASES = {"pix6": "6.3(5)", "pix7": "7.2(4)", "asa": "9.12(4)67", "ios": "17.09.04a"}


def version(platform: str, hostname: str, model: str, serial: str) -> str:
    """`show version`, as much of it as says what the device is."""
    release = RELEASES[platform]
    if platform == "pix6":
        return (
            f"\nCisco PIX Firewall Version {release}\nCisco PIX Device Manager Version 3.0(4)\n\n"
            "Compiled on Thu 04-Aug-05 21:40 by morlee\n\n"
            f"{hostname} up 12 days 3 hours\n\n"
            f"Hardware:   {model}, 128 MB RAM, CPU Pentium II 433 MHz\n"
            "Flash E28F128J3 @ 0x300, 16MB\n\n"
            "0: ethernet0: address is 0011.2233.4400, irq 10\n"
            "1: ethernet1: address is 0011.2233.4401, irq 11\n"
            f"Serial Number: {serial} (0x30243bb1)\n"
            "Running Activation Key: 0x00000000 0x00000000 0x00000000 0x00000000 \n"
            "Configuration last modified by enable_15 at 10:00:00.000 UTC Mon Jan 5 2026\n"
        )
    if platform in ("pix7", "asa"):
        name = (
            "Cisco Adaptive Security Appliance"
            if platform == "asa"
            else "Cisco PIX Security Appliance"
        )
        return (
            f"\n{name} Software Version {release} \n\nCompiled on Thu 14-Mar-24 18:01 GMT "
            'by builders\nSystem image file is "disk0:/image.bin"\n'
            'Config file at boot was "startup-config"\n\n'
            f"{hostname} up 173 days 16 hours\n\n"
            f"Hardware:   {model}, 4096 MB RAM, CPU Clarkdale 2800 MHz, 1 CPU (2 cores)\n\n"
            f"Serial Number: {serial}\n"
            "Running Permanent Activation Key: 0x00000000 0x00000000 0x00000000 0x00000000 "
            "0x00000000 \n"
            "Configuration register is 0x1\n"
            "Configuration last modified by enable_15 at 10:00:00.000 UTC Mon Jan 5 2026\n"
        )
    return (
        f"Cisco IOS XE Software, Version {release}\n"
        "Cisco IOS Software [Cupertino], Catalyst L3 Switch Software (CAT9K_LITE_IOSXE), Version "
        "17.9.4a, RELEASE SOFTWARE (fc3)\n\n"
        f"{hostname} uptime is 44 weeks, 4 days, 1 hour, 16 minutes\n"
        "System returned to ROM by Reload Command at 11:29:34 CET Thu Nov 2 2023\n"
        'System image file is "flash:image.bin"\nLast reload reason: Reload Command\n\n'
        f"cisco {model} (ARM64) processor with 519464K/3071K bytes of memory.\n"
        f"Processor board ID {serial}\n"
        f"Model Number                       : {model}\n"
        f"System Serial Number               : {serial}\n\n"
        "Configuration register is 0x102\n\n"
    )


def inventory(platform: str, model: str, serial: str) -> str:
    """`show inventory`."""
    name = "Chassis" if platform != "ios" else "Switch 1"
    return f'NAME: "{name}", DESCR: "{model}"\nPID: {model}, VID: V01  , SN: {serial}\n\n'


EXEC = {
    "": ("configure", "show", "write", "terminal", "enable", "disable", "exit", "quit", "logout",
         "reload", "more", "copy", "ping", "changeto", "login", "end", "do"),
    "configure": ("terminal", "confirm", "revert", "memory"),
    "show": ("running-config", "startup-config", "version", "inventory", "curpriv", "mode",
             "context", "failover", "checksum", "access-list", "access-lists", "ip", "reload",
             "clock", "privilege", "interface", "archive", "pager", "hostname", "firewall"),
    "write": ("memory", "terminal", "erase", "standby"),
    "terminal": ("length", "width", "pager", "monitor", "no"),
    "copy": ("running-config",),
}  # fmt: skip


def expand(line: str) -> str:
    """Abbreviated words of an exec command, written out where they are clear."""
    words = line.split()
    level = ""
    for at, word in enumerate(words[:2]):
        known = EXEC.get(level, ())
        fits = [one for one in known if one.startswith(word)]
        if word in ("wr", "sh", "conf", "en"):
            fits = [{"wr": "write", "sh": "show", "conf": "configure", "en": "enable"}[word]]
        if len(fits) != 1 and word not in fits:
            break
        words[at] = level = word if word in fits else fits[0]
    if words[:1] == ["copy"] and len(words) == 3 and "startup-config".startswith(words[2]):
        words[2] = "startup-config"
    if words == ["write"]:
        words = ["write", "memory"]
    if words[:1] == ["configure"] and len(words) > 1 and "terminal".startswith(words[1]):
        words[1] = "terminal"
    return " ".join(words)
