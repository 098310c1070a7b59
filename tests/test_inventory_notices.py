"""What `[mail]`, `[notices]` and `[escalation]` refuse, and with which remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.errors import ConfigurationError
from inventory.load import load

PARTY = '[[party]]\nid = "a"\nname = "A"\n'
CONTACT = '[[contact]]\nparty = "a"\nlevel = 1\nrole = "r"\n'
MAIL = '[mail]\nhost = "mail.example.net"\nfrom = "a@example.net"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MAIL.replace("a@example.net", "a"), "'a' is no mail address"),
        (MAIL + 'user = "u"\n', "user and password belong together"),
        (
            MAIL + 'security = "none"\nuser = "u"\npassword = { env = "P" }\n',
            "a password would cross the network in clear",
        ),
        (PARTY + '[notices]\nown = "a"\nprovider = "b"\n', "there is no such [[party]]"),
        (
            PARTY + '[notices]\nown = "a"\nprovider = "a"\nsubject = "{tickets}"\n',
            "{tickets} is no field of a subject",
        ),
        (PARTY + '[notices]\nown = "a"\nprovider = "a"\nsubject = "{"\n', "is no template"),
        ('[escalation]\nduty_days = ["sunday"]\n', "'sunday' is no day"),
        (
            '[escalation]\nworking = [{ days = ["mon"], opens = "17:00", closes = "09:00" }]\n',
            "closes is not after opens",
        ),
        (
            PARTY + CONTACT + 'to = ["x@b.example, y@c.example"]\n',
            "more than one address",
        ),
        (
            PARTY + CONTACT + 'hours = "09:00-17:30"\n',
            "is not one of working, other",
        ),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "pasprobe.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, environ={"P": "secret"})
    assert says in str(caught.value)
    assert all(problem.remedy for problem in caught.value.problems)
