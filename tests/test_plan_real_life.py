"""Changes as they are made in real life, on lines that the random pairs do not have."""

from __future__ import annotations

import pytest

from device_configs.errors import DeviceConfigError
from device_configs.plan import boots, plan
from device_configs.sections import parse

SWITCH = """\
hostname sw-1
{}
line vty 0 4
 transport input ssh
"""
CERTIFICATE = """\
crypto pki certificate chain TP-1
 certificate self-signed 01{}
"""
DATA = "\n  3082024E 308201B7\n  2A864886 {}\n  quit"


def commands(now: str, then: str, platform: str = "cisco_ios") -> tuple[str, ...]:
    return plan(now, then, platform).commands


@pytest.mark.parametrize("text", ["(c) Infomil", '"Infomil', "# Infomil", "*** (no entry"])
def test_a_banner_of_a_firewall_takes_no_other_line_with_it(text: str) -> None:
    rows = ["hostname fw-1", "interface Ethernet0", " nameif outside", f"banner motd {text}"]
    rows += ["nat (inside) 1 10.0.0.0 255.0.0.0", "ssh 10.0.0.0 255.0.0.0 inside #"]
    lines = [line.text for line in parse("\n".join(rows))]
    assert lines[-2:] == rows[-2:]


def test_the_version_of_rip_is_a_setting_and_that_of_the_software_is_none() -> None:
    now = SWITCH.format("version 12.2\nrouter rip\n version 1\n network 10.0.0.0")
    then = now.replace("version 12.2", "version 15.0")
    assert not commands(now, then)
    assert "version 2" in commands(now, then.replace(" version 1\n", " version 2\n"))


def test_tabs_indent_as_blanks_do() -> None:
    text = SWITCH.format("interface Gi0/1\n switchport mode access")
    assert parse(text) == parse("\ufeff" + text.replace("\n ", "\n\t"))


@pytest.mark.parametrize(
    "start", ["banner motd ^C", "macro name m", CERTIFICATE.format("").rstrip("\n")]
)
def test_a_target_with_a_text_that_never_ends_is_refused(start: str) -> None:
    with pytest.raises(DeviceConfigError, match="has no end"):
        plan(SWITCH.format("ip routing"), SWITCH.format(start), "cisco_ios")


def test_a_certificate_that_ios_keeps_in_a_file_is_the_running_one() -> None:
    running = SWITCH.format(CERTIFICATE.format(DATA.format("04050030")))
    startup = SWITCH.format(CERTIFICATE.format(" nvram:IOS-Self-Sig#1.cer"))
    assert boots(startup, running, "cisco_ios")
    assert not boots(startup.replace("01 nv", "02 nv"), running, "cisco_ios")
