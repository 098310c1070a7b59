"""Secrets in configurations, hidden in whatever is shown.

A line is masked by what it is for, never by what it looks like, so nothing else is mangled: only
the secret's own characters are replaced.
"""

from __future__ import annotations

import re

SHOWN = "<secret>"

# Each pattern has one group: the secret. Cisco's optional encryption type stands before it. What
# stands before the command (blanks, `no`) is none of theirs.
_BEFORE = re.compile(r"\s*(?:no )?")
_TYPE = r"(?:(?:0|4|5|6|7|8|9|encrypted|clear) )?"
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^enable (?:secret|password)(?: level \d+)? {_TYPE}(\S+)",
        rf"^passwd {_TYPE}(\S+)",
        rf"^username \S+ .*?\b(?:password|secret) {_TYPE}(\S+)",
        rf"^username \S+ (?:nt-)?(?:password|secret) {_TYPE}(\S+)",
        r"^snmp-server community (?:[0-9] (?!RO|RW))?(\S+)",
        r"^snmp-server host \S+ \S+ (?:(?:poll|trap) )?community (?:\d )?(\S+)",
        r"^snmp-server host [\d.:A-Fa-f]+ (?:vrf \S+ )?(?:(?:traps|informs) )?"
        r"(?:version (?:1|2c) )?(?!version |udp-port )(\S+)(?: |$)",
        r"^snmp-server user .*? auth (?:md5|sha\d*|sha-\d+) (\S+)",
        r"^snmp-server user .*? priv (?:des|3des|aes(?: \d+)?) (\S+)",
        rf"^(?:crypto )?isakmp key {_TYPE}(\S+) (?:address|hostname)",
        rf"^(?:ikev[12] )?(?:local-authentication |remote-authentication )?"
        rf"pre-shared-key (?:(?:local|remote|address \S+(?: \S+)?|hostname \S+) )*"
        rf"(?:key )?{_TYPE}(\S+)",
        rf"^(?:tacacs|radius)-server (?:host \S+ .*?\b)?key {_TYPE}(\S+)",
        rf"^aaa-server \S+ (?:\(\S+\) )?host \S+ {_TYPE}(?!timeout)(\S+)",
        rf"^client \S+ server-key {_TYPE}(\S+)",
        rf"^server-(?:private \S+ .*?\b)?key {_TYPE}(\S+)",
        r"^key (?:0|5|6|7|8) (\S+)",
        r"^key (?!chain|\d+$)(\S+)$",
        rf"^key-string {_TYPE}(\S+)",
        rf"^(?:ntp )?authentication-key \d+ md5 {_TYPE}(\S+)",
        rf"^failover (?:lan )?(?:ipsec pre-shared-)?key (?:hex )?{_TYPE}(\S+)",
        rf"^(?:(?:login|isis|telnet|cns|l2tp tunnel) |(?:ldap-login|challenge|http|area|domain)-)?"
        rf"password {_TYPE}(\S+)",
        rf"^(?:mpls ldp neighbor \S+|ip msdp) password (?:peer \S+ )?{_TYPE}(\S+)",
        rf"^wlccp ap username \S+ password {_TYPE}(\S+)",
        r"^radius-common-pw (\S+)",
        r"^ip nhrp authentication (\S+)",
        r"^(?:rip )?authentication key (?:eigrp \S+ )?(\S+)",
        rf"^ipv6 ospf authentication ipsec spi \d+ (?:md5|sha1) {_TYPE}(\S+)",
        r"^key config-key (?:password-encrypt|\d+) (\S+)",
        rf"^(?:pac key|wpa-psk (?:ascii|hex)|sap pmk) {_TYPE}(\S+)",
        rf"^neighbor \S+ password {_TYPE}(\S+)",
        rf"^(?:ip )?ospf (?:message-digest-key \d+ md5|authentication-key) {_TYPE}(\S+)",
        rf"^area \S+ .*?(?:md5|authentication-key) {_TYPE}(\S+)",
        rf"^(?:standby|vrrp|glbp) \d* ?authentication (?:md5 key-string |text )?{_TYPE}(\S+)",
        rf"^vpdn username \S+ password {_TYPE}(\S+)",
        r"^vpngroup \S+ password (\S+)",
        rf"^ppp (?:chap|pap sent-username \S+) password {_TYPE}(\S+)",
        rf"^ip (?:ftp|http client) password {_TYPE}(\S+)",
        r"^vtp password (\S+)",
        r"^(?:crypto map \S+ \d+ )?set session-key (?:in|out)bound (?:ah|esp) \S+ "
        r"(?:cipher )?(\S+)",
        r"\bauthenticator (\S+)$",
        rf"\bpsk set-key (?:ascii|hex) {_TYPE}(\S+)",
        r"\b(?:ftp|https?|tftp|scp)://[^:/@\s]+:([^@\s]+)@",
    )
)


def masked(text: str) -> str:
    """A configuration as it may be shown: each secret is `<secret>`."""
    return "\n".join(masked_line(line) for line in text.split("\n"))


def masked_line(line: str) -> str:
    """One line as it may be shown; a mask of the device itself stays as it is."""
    before = _BEFORE.match(line)
    start = before.end() if before is not None else 0
    head, text = line[:start], line[start:]
    for pattern in _SECRETS:
        found = pattern.search(text)
        if found is not None and set(found[1]) != {"*"}:
            text = text[: found.start(1)] + SHOWN + text[found.end(1) :]
    return head + text
