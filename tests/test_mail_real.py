"""Mails against a real SMTP server: TLS, login, refusals, lines that break."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from incidents.mail import Answer, Login, send
from inventory.operations import Mail
from inventory.secrets import Secret

CONTENT = b"From: a@example.net\r\nSubject: x\r\n\r\n.a line with a dot\r\n"
TO = ["noc@example.net"]


def login(server: Any, security: str = "none", **keys: Any) -> Login:
    password = keys.pop("password", None)
    if password is not None:
        keys |= {"user": "pasprobe", "password": Secret(env="UNUSED")}
    mail = Mail(
        host=server.host, port=server.port, sender="desk@example.net", security=security, **keys
    )
    return Login(mail, password)


def deliver(
    way: Login, to: Sequence[str] = TO, marked: list[list[str]] | None = None, **keys: float
) -> dict[str, Answer]:
    ended = [] if marked is None else marked
    return asyncio.run(send(way, CONTENT, to, lambda who: ended.append(list(who)), **keys))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_goes_over_tls_with_login(
    mail_servers: Any, certificates: Any, security: str
) -> None:
    pair = certificates.signed("server")
    with mail_servers.smtp(security=security, certificate=pair, login=True) as server:
        way = login(
            server, security, ca_file=certificates.authority, password="a secret of the tests"
        )
        answers = deliver(way)
        assert answers == {TO[0]: Answer("accepted", "250 taken")}
        assert len(server.logins) == 1
        assert server.accepted == [(TO, CONTENT)]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_unknown_certificate_ends_it_before_anything_is_said(
    mail_servers: Any, certificates: Any, security: str
) -> None:
    pair = certificates.signed("server")
    with mail_servers.smtp(security=security, certificate=pair, login=True) as server:
        answer = deliver(login(server, security, password="a secret of the tests"))[TO[0]]
        assert answer.kind == "later"
        assert "certificate" in answer.words
        assert (server.accepted, server.logins) == ([], [])


def test_a_server_without_starttls_is_not_spoken_to(mail_servers: Any) -> None:
    with mail_servers.smtp() as server:
        answer = deliver(login(server, "starttls"))[TO[0]]
        assert answer.kind == "later"
        assert server.accepted == []


def test_a_wrong_password_waits_for_a_better_one(mail_servers: Any, certificates: Any) -> None:
    pair = certificates.signed("server")
    with mail_servers.smtp(security="starttls", certificate=pair, login=True) as server:
        way = login(server, "starttls", ca_file=certificates.authority, password="wrong")
        answer = deliver(way)[TO[0]]
        assert answer.kind == "later"
        assert "refuses the login of pasprobe" in answer.words
        assert "wrong" not in answer.words
        assert server.accepted == []


def test_each_address_has_its_own_answer(mail_servers: Any) -> None:
    with mail_servers.smtp() as server:
        server.recipient_answers = {
            "gone@example.net": "550 no such mailbox",
            "full@example.net": "452 mailbox full",
        }
        marked: list[list[str]] = []
        answers = deliver(login(server), [*TO, "gone@example.net", "full@example.net"], marked)
        assert {address: answer.kind for address, answer in answers.items()} == {
            "noc@example.net": "accepted",
            "gone@example.net": "refused",
            "full@example.net": "later",
        }
        assert marked == [TO]
        assert server.recipients() == TO


@pytest.mark.parametrize(
    ("said", "kind"), [("451 try later", "later"), ("554 not from you", "refused")]
)
def test_the_end_of_the_message_is_answered(mail_servers: Any, said: str, kind: str) -> None:
    with mail_servers.smtp() as server:
        server.data_answers = [said]
        assert deliver(login(server))[TO[0]] == Answer(kind, said)  # type: ignore[arg-type]
        assert server.accepted == []


def test_a_line_that_breaks_after_the_end_leaves_it_unsure(mail_servers: Any) -> None:
    with mail_servers.smtp() as server:
        server.drop_after_end = True
        assert deliver(login(server))[TO[0]].kind == "unsure"
        assert len(server.accepted) == 1


def test_a_server_that_does_not_answer_the_end_leaves_it_unsure(mail_servers: Any) -> None:
    with mail_servers.smtp() as server:
        import threading

        release = threading.Event()
        server.after_end = release.wait
        try:
            assert deliver(login(server), end_s=0.3)[TO[0]].kind == "unsure"
        finally:
            release.set()


def test_nobody_listening_means_later(mail_servers: Any) -> None:
    with mail_servers.smtp() as server:
        way = login(server)
    marked: list[list[str]] = []
    assert deliver(way, marked=marked)[TO[0]].kind == "later"
    assert marked == []


def test_the_login_of_a_server_in_clear_is_refused_by_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in clear"):
        Mail(
            host="mail.example.net", sender="desk@example.net", security="none", user="pasprobe",
            password=Secret(file=tmp_path / "secret"),
        )  # fmt: skip
