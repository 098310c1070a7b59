"""Secrets in configurations, hidden in whatever is shown.

A line is masked by what it is for, never by what it looks like, so nothing else is mangled: only
the secret's own characters are replaced.
"""

from __future__ import annotations

import re

SHOWN = "<secret>"

# Each pattern has one group: the secret. Cisco's optional encryption type stands before it.
_TYPE = r"(?:(?:0|4|5|6|7|8|9|encrypted|clear) )?"
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^\s*enable (?:secret|password)(?: level \d+)? {_TYPE}(\S+)",
        rf"^\s*passwd {_TYPE}(\S+)",
        rf"^\s*(?:no )?username \S+ .*?\b(?:password|secret) {_TYPE}(\S+)",
        rf"^\s*username \S+ (?:nt-)?(?:password|secret) {_TYPE}(\S+)",
        r"^\s*(?:no )?snmp-server community (\S+)",
        r"^\s*(?:no )?snmp-server host \S+ \S+ (?:(?:poll|trap) )?community (?:\d )?(\S+)",
        r"^\s*(?:no )?snmp-server host [\d.:A-Fa-f]+ (?:(?:traps|informs) )?(?:version (?:1|2c) )?"
        r"(?!version |udp-port )(\S+)(?: |$)",
        r"^\s*(?:no )?snmp-server user .*? auth (?:md5|sha\d*|sha-\d+) (\S+)",
        r"^\s*(?:no )?snmp-server user .*? priv (?:des|3des|aes(?: \d+)?) (\S+)",
        rf"^\s*(?:no )?(?:crypto )?isakmp key {_TYPE}(\S+) (?:address|hostname)",
        rf"^\s*(?:no )?(?:ikev[12] )?(?:local-authentication |remote-authentication )?"
        rf"pre-shared-key (?:(?:local|remote|address \S+(?: \S+)?|hostname \S+) )*"
        rf"(?:key )?{_TYPE}(\S+)",
        rf"^\s*(?:no )?(?:tacacs|radius)-server (?:host \S+ .*?\b)?key {_TYPE}(\S+)",
        rf"^\s*(?:no )?aaa-server \S+ (?:\(\S+\) )?host \S+ {_TYPE}(?!timeout)(\S+)",
        rf"^\s*client \S+ server-key {_TYPE}(\S+)",
        rf"^\s*(?:no )?server-(?:private \S+ .*?\b)?key {_TYPE}(\S+)",
        r"^\s*key (?:0|5|6|7|8) (\S+)",
        r"^\s*key (?!chain|\d+$)(\S+)$",
        rf"^\s*(?:no )?key-string {_TYPE}(\S+)",
        rf"^\s*(?:no )?(?:ntp )?authentication-key \d+ md5 {_TYPE}(\S+)",
        rf"^\s*(?:no )?failover (?:lan )?(?:ipsec pre-shared-)?key (?:hex )?{_TYPE}(\S+)",
        rf"^\s*(?:login |ldap-login-)?password {_TYPE}(\S+)",
        rf"^\s*(?:no )?neighbor \S+ password {_TYPE}(\S+)",
        rf"^\s*(?:no )?ip ospf (?:message-digest-key \d+ md5|authentication-key) {_TYPE}(\S+)",
        rf"^\s*(?:no )?area \S+ .*?(?:md5|authentication-key) {_TYPE}(\S+)",
        rf"^\s*(?:no )?standby \d* ?authentication (?:md5 key-string |text )?{_TYPE}(\S+)",
        rf"^\s*(?:no )?vpdn username \S+ password {_TYPE}(\S+)",
        r"^\s*(?:no )?vpngroup \S+ password (\S+)",
        rf"^\s*(?:no )?ppp (?:chap|pap sent-username \S+) password {_TYPE}(\S+)",
        rf"^\s*(?:no )?ip (?:ftp|http client) password {_TYPE}(\S+)",
        r"^\s*(?:no )?vtp password (\S+)",
        r"^\s*(?:no )?set session-key (?:in|out)bound (?:ah|esp) \S+ (?:cipher )?(\S+)",
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
    for pattern in _SECRETS:
        found = pattern.search(line)
        if found is not None and set(found[1]) != {"*"}:
            line = line[: found.start(1)] + SHOWN + line[found.end(1) :]
    return line
