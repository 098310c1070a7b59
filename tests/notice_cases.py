"""An operator's desk, a provider with two levels of contacts, and where the desk's mail goes."""

from __future__ import annotations

DESK = """
[mail]
host = "127.0.0.1"
port = {port}
from = "desk@operator.example"
security = "none"
[notices]
own = "operator"
provider = "provider"
[[party]]
id = "operator"
name = "Operator"
[[party]]
id = "provider"
name = "Provider"
[[contact]]
party = "provider"
level = 1
role = "Support"
to = ["support@provider.example"]
phones = ["+33 1 00"]
[[contact]]
party = "provider"
level = 2
role = "Responsable"
to = ["responsable@provider.example"]
cc = ["support@provider.example"]
[escalation]
timezone = "Europe/Paris"
country = "FR"
"""
"""Tables of a `pasprobe.toml`; `[escalation]` stands last, so that more of its keys can follow."""


def desk_toml(port: int) -> str:
    """The desk whose mail server listens on this port of loopback."""
    return DESK.format(port=port)
