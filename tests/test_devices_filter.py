"""The packet filter of the emulated devices, and which changes shut our own session out."""

from __future__ import annotations

from typing import Any

import pytest

ASA = """\
interface GigabitEthernet0/0
 nameif outside
 security-level 0
 ip address 192.0.2.1 255.255.255.0
interface GigabitEthernet0/1
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.255.0
object network WEB
 host 10.0.0.5
object-group network NETS
 network-object object WEB
 network-object 10.0.1.0 255.255.255.0
object-group service PORTS tcp
 port-object eq www
 port-object range 8000 8010
access-list OUT remark first match decides
access-list OUT extended deny tcp host 198.51.100.66 any
access-list OUT extended permit tcp any object-group NETS object-group PORTS
access-list OUT extended permit icmp any any echo
access-group OUT in interface outside
route inside 10.0.0.0 255.0.0.0 10.0.0.254 1
ssh 10.0.0.0 255.255.255.0 inside
"""
IOS = """\
interface Vlan10
 ip address 10.0.0.1 255.255.255.0
 ip access-group L in
interface Vlan20
 ip address 10.0.20.1 255.255.255.0
ip access-list extended L
 10 permit tcp 10.0.0.0 0.0.0.255 any eq 22
 20 permit udp any 10.0.20.0 0.0.0.15 eq domain
line vty 0 4
 transport input ssh
 login local
"""


@pytest.mark.parametrize(
    ("source", "target", "protocol", "port", "passes"),
    [
        ("198.51.100.1", "10.0.0.5", "tcp", 80, True),
        ("198.51.100.1", "10.0.0.5", "tcp", 8005, True),
        ("198.51.100.1", "10.0.0.5", "tcp", 8011, False),
        ("198.51.100.1", "10.0.1.77", "tcp", 80, True),
        ("198.51.100.1", "10.0.0.6", "tcp", 80, False),
        ("198.51.100.66", "10.0.0.5", "tcp", 80, False),
        ("198.51.100.66", "10.0.0.6", "icmp", 0, True),
        ("198.51.100.1", "10.0.0.5", "udp", 80, False),
    ],
)
def test_the_first_entry_that_matches_decides_and_the_end_is_a_deny(
    devices: Any, source: str, target: str, protocol: str, port: int, passes: bool
) -> None:
    device = devices.Device("asa", ASA)
    flow = devices.Flow("outside", "inside", protocol, source, target, dport=port)
    assert device.permits(flow) is passes


def test_without_a_list_the_security_levels_decide(devices: Any) -> None:
    device = devices.Device("asa", ASA)
    out = devices.Flow("inside", "outside", "tcp", "10.0.0.7", "198.51.100.1", dport=25)
    assert device.permits(out)
    device.type("interface GigabitEthernet0/0", "security-level 100")
    assert not device.permits(out)
    device.type("same-security-traffic permit inter-interface")
    assert device.permits(out)
    device.type("interface GigabitEthernet0/0", "shutdown")
    assert not device.permits(out)


def test_an_ios_list_that_is_empty_or_gone_permits_everything(devices: Any) -> None:
    device = devices.Device("ios", IOS)
    flow = devices.Flow("Vlan10", "Vlan20", "tcp", "10.0.0.7", "10.0.20.3", dport=80)
    assert not device.permits(flow)
    assert device.permits(flow._replace(protocol="udp", dport=53))
    assert not device.permits(flow._replace(protocol="udp", dport=53, destination="10.0.20.16"))
    device.type("ip access-list extended L", "no 10", "no 20")
    assert device.permits(flow)
    device.type("no ip access-list extended L")
    assert device.permits(flow)


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (["no ssh 10.0.0.0 255.255.255.0 inside"], "no ssh line"),
        (["interface GigabitEthernet0/1", "shutdown"], "shut down"),
        (["interface GigabitEthernet0/1", "no ip address"], "no address"),
        (["interface GigabitEthernet0/1", "no nameif"], "no interface inside"),
    ],
)
def test_a_firewall_shuts_us_out_by_its_interface_or_its_ssh_lines(
    devices: Any, commands: list[str], reason: str
) -> None:
    device = devices.Device("asa", ASA, management=devices.Management("10.0.0.9", "inside"))
    assert device.way_in() is None
    assert "no telnet line" in device.way_in("telnet")
    device.type("access-list IN extended deny ip any any", "access-group IN in interface inside")
    assert device.way_in() is None  # interface lists are not for traffic to the device
    device.type(*commands)
    assert reason in device.way_in()


def test_we_are_shut_out_where_the_way_back_is_missing(devices: Any) -> None:
    device = devices.Device("asa", ASA, management=devices.Management("10.5.5.5", "inside"))
    device.type("ssh 10.0.0.0 255.0.0.0 inside")
    assert device.way_in() is None
    device.type("no route inside 10.0.0.0 255.0.0.0 10.0.0.254 1")
    assert "no route back" in device.way_in()


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (["ip access-list extended L", "no 10"], "denies"),
        (["line vty 0 4", "transport input telnet"], "no vty line"),
        (["line vty 0 4", "access-class NOBODY in"], "no vty line"),
        (["interface Vlan10", "no ip address"], "no address"),
    ],
)
def test_a_switch_shuts_us_out_by_its_lists_and_lines(
    devices: Any, commands: list[str], reason: str
) -> None:
    device = devices.Device("ios", IOS, management=devices.Management("10.0.0.9", "Vlan10"))
    device.type("ip access-list standard NOBODY", "permit 192.0.2.1")
    assert device.way_in() is None
    device.type(*commands)
    assert reason in device.way_in()
