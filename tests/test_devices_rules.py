"""The emulated devices keep the platforms' rules (tests/devices/rules.py says where they stand)."""

from __future__ import annotations

from typing import Any

import pytest

FIREWALL = """\
hostname fw
interface GigabitEthernet0/0
 nameif outside
 security-level 0
 ip address 192.0.2.1 255.255.255.0
interface GigabitEthernet0/1
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.255.0
interface GigabitEthernet0/2
 shutdown
object network WEB
 host 10.0.0.5
object-group network ADM
 network-object host 10.0.0.9
access-list OUT extended permit tcp any object WEB eq www
access-list OUT extended permit ip object-group ADM any
access-list OUT extended deny ip any any
access-group OUT in interface outside
route outside 0.0.0.0 0.0.0.0 192.0.2.254 1
ssh 10.0.0.0 255.255.255.0 inside
crypto ipsec ikev1 transform-set TS esp-3des esp-sha-hmac
crypto map VPN 10 set peer 198.51.100.1
crypto map VPN 10 set ikev1 transform-set TS
tunnel-group 198.51.100.1 type ipsec-l2l
tunnel-group 198.51.100.1 ipsec-attributes
 ikev1 pre-shared-key between-us
snmp-server host inside 10.0.0.20 community hushed
"""
SWITCH = """\
hostname sw
interface Vlan10
 ip address 10.0.0.1 255.255.255.0
 ip access-group L in
interface GigabitEthernet1/0/1
 switchport trunk allowed vlan 10,20
 switchport mode trunk
ip access-list extended L
 10 permit tcp any any eq 22
 20 deny   ip any any
"""
PIX6 = """\
interface ethernet0 auto
interface ethernet1 auto
nameif ethernet0 outside security0
nameif ethernet1 inside security100
ip address outside 192.0.2.1 255.255.255.0
ip address inside 10.0.0.1 255.255.255.0
route outside 0.0.0.0 0.0.0.0 192.0.2.254 1
access-list OUT permit tcp any host 192.0.2.5 eq www
access-list OUT deny ip any any
access-group OUT in interface outside
isakmp key between-us address 198.51.100.1 netmask 255.255.255.255
"""


@pytest.fixture
def asa(devices: Any) -> Any:
    return devices.Device("asa", FIREWALL)


@pytest.fixture
def pix(devices: Any) -> Any:
    return devices.Device("pix6", PIX6)


@pytest.fixture
def switch(devices: Any) -> Any:
    return devices.Device("ios", SWITCH)


def entries(device: Any, name: str) -> list[str]:
    start = f"access-list {name} "
    return [
        line.removeprefix(start) for line in device.running().splitlines() if line.startswith(start)
    ]


@pytest.mark.parametrize(("platform", "text"), [("asa", FIREWALL), ("pix6", PIX6), ("ios", SWITCH)])
def test_a_saved_configuration_boots_without_a_complaint_and_is_shown_alike(
    devices: Any, platform: str, text: str
) -> None:
    device = devices.Device(platform, text)
    assert device.config.errors == []
    again = devices.Device(platform, device.running())
    assert again.running() == device.running()
    assert device.same_as(text)


def test_a_line_number_inserts_and_without_one_an_entry_goes_last(asa: Any) -> None:
    asa.type(
        "access-list OUT line 2 extended permit udp any any eq 53",
        "access-list OUT extended permit icmp any any",
    )
    assert entries(asa, "OUT") == [
        "extended permit tcp any object WEB eq www",
        "extended permit udp any any eq domain",
        "extended permit ip object-group ADM any",
        "extended deny ip any any",
        "extended permit icmp any any",
    ]


@pytest.mark.parametrize("fixture", ["asa", "pix"])
def test_an_entry_that_is_there_is_not_added_again(fixture: str, request: Any) -> None:
    device = request.getfixturevalue(fixture)
    before = device.running()
    extended = "extended " if fixture == "asa" else ""
    (said,) = device.type(f"access-list OUT line 1 {extended}deny ip any any")
    assert "uplicate" in said
    assert device.running() == before


def test_known_ports_hosts_and_any_are_shown_in_their_own_words(asa: Any) -> None:
    asa.type("access-list X permit tcp 0.0.0.0 0.0.0.0 10.0.0.7 255.255.255.255 eq 443")
    assert entries(asa, "X") == ["extended permit tcp any host 10.0.0.7 eq https"]


def test_a_network_with_host_bits_is_refused(asa: Any) -> None:
    assert (
        "doesn't pair" in asa.type("access-list X extended permit ip 10.0.0.7 255.255.255.0 any")[0]
    )


def test_what_is_referred_to_can_be_neither_deleted_nor_emptied(asa: Any) -> None:
    said = asa.type("no object network WEB", "no object-group network ADM",
                    "object-group network ADM", "no network-object host 10.0.0.9")  # fmt: skip
    assert "being used" in said[0]
    assert "not allowed, it is being used" in said[1]
    assert "not allowed, it is being used" in said[3]
    assert asa.same_as(FIREWALL)
    said = asa.type(
        "no access-list OUT extended permit tcp any object WEB eq www", "no object network WEB"
    )
    assert said == ["", ""]


def test_an_entry_needs_the_objects_it_names(asa: Any) -> None:
    assert "does not exist" in asa.type("access-list OUT extended permit ip object NEW any")[0]
    asa.type("object-group network EMPTY")
    assert "empty" in asa.type("access-list OUT extended permit ip object-group EMPTY any")[0]


def test_a_member_is_added_once(asa: Any) -> None:
    said = asa.type("object-group network ADM", "network-object host 10.0.0.9")
    assert "already exists" in said[1]


def test_the_second_value_of_an_object_takes_the_place_of_the_first(asa: Any) -> None:
    asa.type("object network WEB", "subnet 10.0.0.0 255.255.255.0")
    text = asa.running()
    assert " subnet 10.0.0.0 255.255.255.0\n" in text
    assert " host 10.0.0.5\n" not in text


def test_the_last_entry_takes_the_access_group_with_it(asa: Any) -> None:
    asa.type(*(f"no access-list OUT {text}" for text in entries(asa, "OUT")))
    assert "access-group" not in asa.running()
    assert "does not exist" in asa.type("access-group OUT in interface outside")[0]


def test_a_second_list_takes_the_place_of_the_first_on_an_interface(asa: Any) -> None:
    asa.type("access-list NEW extended permit ip any any", "access-group NEW in interface outside")
    assert asa.running().count("access-group") == 1
    assert "is not configured" in asa.type("no access-group OUT in interface outside")[0]


def test_a_pix_has_one_default_route_and_an_asa_three_on_one_interface(asa: Any, pix: Any) -> None:
    assert "already exists" in pix.type("route outside 0 0 192.0.2.253 1")[0]
    said = asa.type("route outside 0 0 192.0.2.253", "route outside 0 0 192.0.2.252",
                    "route outside 0 0 192.0.2.251", "route inside 0 0 10.0.0.254")  # fmt: skip
    assert said[:2] == ["", ""]
    assert all("Cannot add route entry" in one for one in said[2:])
    assert "route outside 0.0.0.0 0.0.0.0 192.0.2.253 1" in asa.running()


def test_without_its_name_an_interface_loses_all_that_refers_to_it(asa: Any) -> None:
    asa.type("interface GigabitEthernet0/0", "no nameif")
    text = asa.running()
    for gone in ("access-group", "route outside", "mtu outside"):
        assert gone not in text
    assert "access-list OUT" in text


def test_a_name_brings_a_security_level_with_it(asa: Any) -> None:
    said = asa.type("interface GigabitEthernet0/2", "nameif dmz")
    assert said[1] == 'INFO: Security level for "dmz" set to 0 by default.\n'
    assert "mtu dmz 1500" in asa.running()


def test_a_transform_set_in_use_stays(asa: Any) -> None:
    assert "in use" in asa.type("no crypto ipsec ikev1 transform-set TS esp-3des esp-sha-hmac")[0]
    assert "does not exist" in asa.type("crypto map VPN 20 set ikev1 transform-set OTHER")[0]


def test_a_tunnel_group_goes_with_its_attributes(asa: Any) -> None:
    asa.type("no tunnel-group 198.51.100.1 type ipsec-l2l")
    assert "tunnel-group" not in asa.running()
    assert "does not exist" in asa.type("tunnel-group 192.0.2.9 ipsec-attributes")[0]


def test_passwords_typed_in_clear_are_shown_as_hashes(asa: Any, pix: Any, switch: Any) -> None:
    for device in (asa, pix):
        device.type("enable password open-sesame", "username bob password open-sesame privilege 15")
    switch.type("enable secret open-sesame", "username bob privilege 15 secret open-sesame")
    for device in (asa, pix, switch):
        assert "open-sesame" not in device.running()
        assert device.enables("open-sesame")
        assert not device.enables("other")
        assert device.admits("bob", "open-sesame", "ssh")
        assert not device.admits("bob", "other", "ssh")


def test_nat_of_before_8_3_is_unknown_to_an_asa_and_objects_are_to_a_pix(
    asa: Any, pix: Any
) -> None:
    assert "deprecated" in asa.type("nat (inside) 1 10.0.0.0 255.255.255.0")[0]
    assert "Type help" in pix.type("object network WEB")[0]


def test_a_static_is_given_once(pix: Any) -> None:
    static = "static (inside,outside) 192.0.2.5 {} netmask 255.255.255.255 0 0"
    said = pix.type(static.format("10.0.0.5"), static.format("10.0.0.6"))
    assert said[0] == ""
    assert "duplicate of existing static" in said[1]


def test_manual_nat_keeps_its_order(asa: Any) -> None:
    asa.type(
        "object network A", "host 10.0.0.2",
        "nat (inside,outside) source static A A",
        "nat (inside,outside) 1 source static WEB WEB",
    )  # fmt: skip
    lines = [line for line in asa.running().splitlines() if line.startswith("nat ")]
    assert lines == [
        "nat (inside,outside) source static WEB WEB",
        "nat (inside,outside) source static A A",
    ]


def test_the_whole_list_goes_by_no_on_a_pix_6_and_by_clear_configure_later(
    asa: Any, pix: Any
) -> None:
    assert pix.type("no access-list OUT") == [""]
    assert "ncomplete" in asa.type("no access-list OUT")[0]
    assert asa.type("clear configure access-list OUT") == [""]
    for device in (asa, pix):
        assert "access-list OUT" not in device.running()
        assert "access-group" not in device.running()


def test_a_firewall_banner_grows_by_the_line_and_goes_as_a_whole(asa: Any) -> None:
    asa.type("banner motd one", "banner motd two")
    assert "banner motd one\nbanner motd two\n" in asa.running()
    asa.type("no banner motd")
    assert "banner" not in asa.running()


def test_ios_entries_count_in_tens_and_a_taken_number_is_refused(switch: Any) -> None:
    said = switch.type(
        "ip access-list extended L",
        "permit icmp any any",
        "15 permit tcp any any eq 23",
        "15 permit tcp any any eq 80",
        "99 permit icmp any any",
    )
    assert said[3] == "% Duplicate sequence number\n"
    lines = [line.strip() for line in switch.running().splitlines()]
    at = lines.index("ip access-list extended L")
    assert lines[at + 1 : at + 5] == [
        "10 permit tcp any any eq 22",
        "15 permit tcp any any eq telnet",
        "20 deny   ip any any",
        "30 permit icmp any any",
    ]
    switch.type("ip access-list resequence L 100 5")
    assert " 115 permit icmp any any" in switch.running()


def test_vlans_are_added_to_a_trunk_and_taken_away(switch: Any) -> None:
    line = "switchport trunk allowed vlan"
    switch.type("interface GigabitEthernet1/0/1", f"{line} add 30-32", f"{line} remove 20,31")
    assert f" {line} 10,30,32\n" in switch.running()


def test_hardware_stays_and_unknown_interfaces_are_refused(asa: Any, switch: Any) -> None:
    assert asa.type("no interface GigabitEthernet0/0")[0].startswith("ERROR")
    assert "Invalid" in switch.type("interface GigabitEthernet9/0/1")[0]
    assert switch.type("interface Vlan99", "ip address 10.9.0.1 255.255.255.0") == ["", ""]


def test_a_replacement_is_shut_down(devices: Any) -> None:
    blank = devices.Device.blank("asa", ("GigabitEthernet0/0", "Management0/0"))
    assert blank.startup == ""
    assert blank.running().count(" shutdown\n") == 2
    assert blank.interfaces() == []


def test_what_differs_is_named(asa: Any) -> None:
    asa.type("hostname other", "access-list OUT line 1 extended deny ip any any log")
    assert asa.difference(FIREWALL) == [
        "- : hostname other",
        "+ : hostname fw",
        "- access-list OUT: extended deny ip any any log",
    ]


def test_entries_in_another_order_are_another_configuration(asa: Any) -> None:
    asa.type("no access-list OUT extended deny ip any any",
             "access-list OUT line 1 extended deny ip any any")  # fmt: skip
    assert asa.difference(FIREWALL) == ["! access-list OUT: another order"]
