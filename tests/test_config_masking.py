"""No secret is shown; nothing but secrets is hidden."""

from __future__ import annotations

import pytest

from device_configs.masking import masked, masked_line

SECRET = "Xq7Zsecret"


@pytest.mark.parametrize(
    "line",
    [
        "enable secret 5 {}",
        "enable secret {}",
        "enable password {} encrypted",
        "enable password level 7 0 {}",
        "passwd {} encrypted",
        "username admin password {} encrypted privilege 15",
        "username admin privilege 15 secret 5 {}",
        "username admin secret 9 {}",
        "username admin password 7 {}",
        "snmp-server community {} RO 10",
        "snmp-server community {}",
        "snmp-server host inside 10.0.0.1 community {} version 2c",
        "snmp-server host inside 10.0.0.1 poll community {}",
        "snmp-server host 10.0.0.1 version 2c {}",
        "snmp-server host 10.0.0.1 {}",
        "snmp-server user u g v3 auth sha {} priv aes 128 other",
        "snmp-server user u g v3 auth sha other priv aes 128 {}",
        "snmp-server user u g v3 engineID 80 encrypted auth md5 {}",
        "isakmp key {} address 203.0.113.1 netmask 255.255.255.255",
        "crypto isakmp key 6 {} address 203.0.113.1",
        " pre-shared-key {}",
        " ikev1 pre-shared-key {}",
        " ikev2 remote-authentication pre-shared-key {}",
        " ikev2 local-authentication pre-shared-key {}",
        " pre-shared-key address 0.0.0.0 0.0.0.0 key {}",
        "tacacs-server key 7 {}",
        "tacacs-server host 10.0.0.1 key 7 {}",
        "radius-server host 10.0.0.1 auth-port 1812 key {}",
        "aaa-server TAC (inside) host 10.0.0.1 {} timeout 10",
        " key {}",
        " key 7 {}",
        " server-key 7 {}",
        " client 10.0.0.1 server-key {}",
        "  key-string 7 {}",
        "ntp authentication-key 1 md5 {} 7",
        "failover key {}",
        "failover key hex {}",
        "failover ipsec pre-shared-key {}",
        " password 7 {}",
        " password {}",
        " ldap-login-password {}",
        " neighbor 10.0.0.1 password 7 {}",
        " ip ospf message-digest-key 1 md5 7 {}",
        " ip ospf authentication-key {}",
        " standby 1 authentication md5 key-string 7 {}",
        " standby 1 authentication {}",
        "vpdn username u password {}",
        "vpngroup g password {}",
        " ppp chap password 7 {}",
        "ip ftp password 7 {}",
        "vtp password {}",
        "set session-key inbound esp 256 cipher {}",
        "crypto map M 10 set session-key inbound esp 256 cipher {}",
        "snmp-server community 7 {}",
        "snmp-server host 10.0.0.1 vrf V {}",
        "ospf message-digest-key 1 md5 {}",
        " vrrp 1 authentication text {}",
        " glbp 1 authentication md5 key-string {}",
        " ip nhrp authentication {}",
        " isis password {}",
        " area-password {}",
        " radius-common-pw {}",
        " authentication key eigrp 1 {} key-id 1",
        " ipv6 ospf authentication ipsec spi 500 md5 {}",
        "key config-key password-encrypt {}",
        "mpls ldp neighbor 10.0.0.1 password 7 {}",
        " ip msdp password peer 10.0.0.1 7 {}",
        " pac key 7 {}",
        " wpa-psk ascii 7 {}",
        "copy ftp://u:{}@10.0.0.1/x",
        "boot config-url ftp://u:{}@10.0.0.1/x",
    ],
)
def test_a_secret_is_hidden_and_its_line_is_still_known(line: str) -> None:
    hidden = masked_line(line.format(SECRET))
    assert SECRET not in hidden
    gone = masked_line(f"no {line.format(SECRET).lstrip()}")
    assert SECRET not in gone
    assert hidden == line.format("<secret>").replace("auth sha other", "auth sha <secret>").replace(
        "aes 128 other", "aes 128 <secret>"
    )


@pytest.mark.parametrize(
    "line",
    [
        "hostname keyless",
        "key chain K",
        " key 1",
        "aaa-server TAC protocol tacacs+",
        "aaa-server TAC (inside) host 10.0.0.1 timeout 10",
        "access-list A permit tcp any host 10.0.0.1 eq www",
        "ip access-list extended password",
        " description enable secret door",
        "service password-encryption",
        "snmp-server location community hall",
        "snmp-server enable traps snmp authentication linkup",
        "snmp-server host inside 10.0.0.1",
        "crypto isakmp policy 10 authentication pre-share",
        "isakmp policy 10 authentication pre-share",
        "username admin privilege 15",
        " pre-shared-key *****",
        "isakmp key ******** address 203.0.113.1 netmask 255.255.255.255",
        "crypto key generate rsa modulus 2048",
        "ip ssh version 2",
        " ip ospf authentication message-digest",
        "ntp trusted-key 1",
        "no service password-recovery",
        "interface GigabitEthernet0/1",
    ],
)
def test_what_is_no_secret_is_shown(line: str) -> None:
    assert masked_line(line) == line


def test_a_text_keeps_its_lines() -> None:
    text = "a\n\nenable secret 5 $1$x\nb\n"
    assert masked(text) == "a\n\nenable secret 5 <secret>\nb\n"
