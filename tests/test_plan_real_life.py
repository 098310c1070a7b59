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


def test_a_macro_is_one_command() -> None:
    macro = "macro name desktop\nswitchport mode access\nspanning-tree portfast\n@"
    assert macro in commands(SWITCH.format("ip routing"), SWITCH.format(f"ip routing\n{macro}"))


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


def test_a_certificate_of_ios_is_typed_whole_behind_its_trustpoint() -> None:
    chain = CERTIFICATE.format(DATA.format("04050030"))
    trust = "crypto pki trustpoint TP-1\n enrollment selfsigned\n"
    typed = commands(SWITCH.format("ip routing"), SWITCH.format("ip routing\n" + trust + chain))
    whole = "certificate self-signed 01" + DATA.format("04050030")
    assert typed.index("crypto pki trustpoint TP-1") < typed.index(whole)
    other = CERTIFICATE.format(DATA.format("04050031"))
    assert commands(SWITCH.format(chain), SWITCH.format(other))


def test_a_certificate_that_ios_keeps_in_a_file_is_the_running_one() -> None:
    running = SWITCH.format(CERTIFICATE.format(DATA.format("04050030")))
    startup = SWITCH.format(CERTIFICATE.format(" nvram:IOS-Self-Sig#1.cer"))
    assert boots(startup, running, "cisco_ios")
    assert not boots(startup.replace("01 nv", "02 nv"), running, "cisco_ios")


@pytest.mark.parametrize(
    ("platform", "above", "old", "new"),
    [
        ("cisco_ios", "", "ntp server 10.1.1.60", "ntp server 10.1.1.60 prefer"),
        ("cisco_ios", "", "spanning-tree vlan 1 priority 4096", "spanning-tree vlan 1 priority 0"),
        ("cisco_ios", "interface Vlan10", "ip ospf cost 10", "ip ospf cost 20"),
        ("cisco_ios", "interface Gi0/1", "channel-group 1 mode on", "channel-group 2 mode on"),
        ("cisco_asa", "", "logging host inside 10.1.1.5", "logging host inside 10.1.1.5 17/1514"),
        ("cisco_asa", "", "dhcpd lease 3600", "dhcpd lease 7200"),
        ("cisco_asa", "", "ip local pool P 10.9.0.1-10.9.0.9", "ip local pool P 10.9.0.1-10.9.0.8"),
        ("cisco_asa", "group-policy G attributes", "dns-server value 1.1.1.1",
         "dns-server value 1.1.1.2"),
        ("cisco_asa", "class-map voip", "match dscp ef", "match access-list voip"),
        ("cisco_asa", "policy-map p / class c", "inspect dns one", "inspect dns two"),
        ("cisco_pix", "", "fixup protocol dns maximum-length 512",
         "fixup protocol dns maximum-length 1500"),
    ],
)  # fmt: skip
def test_a_line_that_may_replace_another_comes_when_that_one_is_gone(
    platform: str, above: str, old: str, new: str
) -> None:
    headers = "".join(f"{' ' * n}{h}\n" for n, h in enumerate(above.split(" / ")) if h)
    indent = " " * headers.count("\n")
    now, then = (f"hostname x\n{headers}{indent}{line}\n" for line in (old, new))
    typed = commands(now, then, platform)
    assert [c for c in typed if c in (f"no {old}", new)] == [f"no {old}", new]


def test_what_a_target_switches_off_is_not_switched_on_in_between() -> None:
    now = "hostname x\nno failover ip address inside\nno failover\n"
    then = "hostname x\nfailover ip address inside 10.1.0.2\nfailover\n"
    assert set(commands(now, then, "cisco_pix")) == {
        "failover ip address inside 10.1.0.2",
        "failover",
    }
    assert set(commands(then, now, "cisco_pix")) == {
        "no failover ip address inside",
        "no failover",
    }


def test_another_key_of_a_tacacs_server_leaves_the_server_there() -> None:
    old, new = (f"tacacs-server host 10.1.1.40 key 7 {key}" for key in ("0822", "0833"))
    assert commands(SWITCH.format(old), SWITCH.format(new)) == (new,)


def test_the_domain_is_changed_in_one_command_in_either_spelling() -> None:
    now, then = SWITCH.format("ip domain-name a.fr"), SWITCH.format("ip domain name b.fr")
    assert commands(now, then) == ("ip domain name b.fr",)
    assert not commands(now, now.replace("domain-name", "domain name"))


def test_vlans_of_a_trunk_that_are_shown_in_several_lines_are_all_typed() -> None:
    start = "interface Gi0/1\n switchport trunk allowed vlan "
    now = SWITCH.format(f"{start}2,3\n switchport trunk allowed vlan add 20-30")
    wanted = "switchport trunk allowed vlan 2,3,20-30"
    assert wanted in commands(SWITCH.format("ip routing"), now)
    assert wanted.replace("2,3", "2") in commands(now, now.replace("2,3", "2"))
    assert not commands(now, SWITCH.format(f"{start}2,3,20-30"))


def test_two_lines_of_one_user_are_both_typed_and_never_take_the_user_away() -> None:
    both = "username a privilege 15\nusername a secret 5 $1$x"
    typed = commands(SWITCH.format("ip routing"), SWITCH.format(f"ip routing\n{both}"))
    assert set(both.split("\n")) <= set(typed)
    later = both.replace("privilege 15", "privilege 1")
    assert commands(SWITCH.format(both), SWITCH.format(later)) == ("username a privilege 1",)
    assert not commands(SWITCH.format(both), SWITCH.format("\n".join(both.split("\n")[::-1])))


def test_two_ways_in_one_vrf_are_two_routes() -> None:
    one, two = (f"ip route vrf X 10.0.0.0 255.0.0.0 10.9.9.{n}" for n in (1, 2))
    typed = commands(SWITCH.format(one), SWITCH.format(f"{one}\n{two}"))
    assert typed == (two,)


def test_a_list_with_remarks_is_not_edited_by_numbers_that_nobody_has_seen() -> None:
    rows = ["remark web", "permit tcp any any eq 80", "deny ip any any"]
    now = SWITCH.format("ip access-list extended L\n " + "\n ".join(rows))
    rows.insert(2, "permit udp any any eq 53")
    then = SWITCH.format("ip access-list extended L\n " + "\n ".join(rows))
    typed = commands(now, then)
    assert not [command for command in typed if "resequence" in command]
    assert [command for command in typed if command in rows] == rows


PIX = """\
PIX Version 6.3(5)
nameif ethernet0 outside security0
hostname pix
name 10.1.1.10 {name}
static (inside,outside) 203.0.113.10 {shown} netmask 255.255.255.255 0 0
ip address outside {address}
"""


def test_another_name_for_an_address_changes_the_name_alone() -> None:
    now = PIX.format(name="mail", shown="mail", address="203.0.113.2 255.255.255.0")
    assert commands(now, now.replace("mail", "post"), "cisco_pix") == ("name 10.1.1.10 post",)
    plain = now.replace("name 10.1.1.10 mail\n", "").replace("mail", "10.1.1.10")
    assert commands(now, plain, "cisco_pix") == ("no name 10.1.1.10 mail",)


def test_what_is_called_as_an_address_is_keeps_its_name() -> None:
    now = (
        "hostname fw\nname 10.1.1.10 mail\nobject-group network mail\n network-object host mail\n"
        "access-list mail extended permit tcp any object-group mail eq 25\n"
        "crypto map M 10 match address mail\naccess-group mail in interface outside\n"
    )
    then = now.replace("10.1.1.10 mail", "10.1.1.77 mail")
    typed = commands(now, then, "cisco_asa")
    assert "network-object host 10.1.1.77" in typed
    assert "object-group network mail" in typed
    assert not [c for c in typed if c.startswith("crypto") or "access-list 10." in c]


def test_a_name_that_moves_takes_its_translation_with_it() -> None:
    now = PIX.format(name="mail", shown="mail", address="203.0.113.2 255.255.255.0")
    typed = commands(now, now.replace("10.1.1.10 mail", "10.1.1.77 mail"), "cisco_pix")
    assert typed[:2] == ("no name 10.1.1.10 mail", "name 10.1.1.77 mail")
    assert typed[2:] == (
        "no static (inside,outside) 203.0.113.10 10.1.1.10 netmask 255.255.255.255 0 0",
        "static (inside,outside) 203.0.113.10 10.1.1.77 netmask 255.255.255.255 0 0",
    )


@pytest.mark.parametrize("address", ["dhcp", "dhcp setroute", "203.0.113.9"])
def test_an_address_without_a_mask_is_planned(address: str) -> None:
    now = PIX.format(name="mail", shown="mail", address="203.0.113.2 255.255.255.0")
    then = now.replace("203.0.113.2 255.255.255.0", address)
    assert f"ip address outside {address}" in commands(now, then, "cisco_pix")


def test_a_new_peer_has_its_key_before_the_map_leads_to_it() -> None:
    now = (
        "hostname fw\ncrypto map M 10 set peer 198.51.100.1\n"
        "tunnel-group 198.51.100.1 type ipsec-l2l\ntunnel-group 198.51.100.1 ipsec-attributes\n"
        " ikev1 pre-shared-key k\n"
    )
    typed = commands(now, now.replace("100.1", "100.7"), "cisco_asa")
    assert typed.index("ikev1 pre-shared-key k") < typed.index(
        "crypto map M 10 set peer 198.51.100.7"
    )


def test_a_gap_is_stated_without_the_secret() -> None:
    now = SWITCH.format("interface Vlan10\n ip ospf authentication-key first-key")
    made = plan(now, now.replace("first-key", "second-key"), "cisco_ios")
    assert made.gaps
    told = " ".join(made.gaps)
    assert "first-key" not in told
    assert "second-key" not in told


@pytest.mark.parametrize("above", ["router ospf 1", "route-map R permit 10", "ip sla 1"])
def test_a_section_that_a_template_writes_twice_is_one(above: str) -> None:
    twice = SWITCH.format(f"ip subnet-zero\n{above}\n one\n!\n{above}\n one\n two\nip subnet-zero")
    once = SWITCH.format(f"ip subnet-zero\n{above}\n one\n two")
    assert not commands(once, twice)
    assert not commands(twice, once)
    assert commands(SWITCH.format(f"{above}\n one"), twice).count("one") == 0


def test_an_interface_that_a_template_comes_back_to_stays_up() -> None:
    text = "hostname fw\ninterface Ethernet0\n nameif outside\n!\ninterface Ethernet0\n speed 100\n"
    assert not commands(text, text, "cisco_asa")


@pytest.mark.parametrize(
    "start", ["banner slip-ppp", "banner prompt-timeout", "aaa authentication fail-message"]
)
def test_every_kind_of_banner_is_one_command(start: str) -> None:
    banner = f"{start} ^C\nreload\n^C"
    typed = commands(SWITCH.format("ip routing"), SWITCH.format(f"ip routing\n{banner}"))
    assert banner in typed
    assert "reload" not in typed
    assert commands(SWITCH.format(banner), SWITCH.format(banner.replace("reload", "x")))


@pytest.mark.parametrize(
    ("wanted", "typed", "gap"),
    [
        ("abc", "", False),
        ("abcd", "+d", False),
        ("bc", "-a", False),
        ("abd", "+d -c", False),
        ("adbc", "-c -b +d +b +c", True),
        ("acb", "-c -b +c +b", True),
    ],
)
def test_conduits_keep_their_order(wanted: str, typed: str, gap: bool) -> None:
    def config(names: str) -> str:
        return "hostname pix\n" + "".join(f"conduit permit tcp host {n} any\n" for n in names)

    made = plan(config("abc"), config(wanted), "cisco_pix")
    short = [
        ("-" if command.startswith("no ") else "+") + command.split()[-2]
        for command in made.commands
    ]
    assert short == typed.split()
    assert bool(made.gaps) is gap
