"""The provider's answers: which ticket, which number (procedure, 1.4)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.desk import Desk, open_desk
from incidents.errors import IncidentError
from incidents.outbox import Outbox
from incidents.replies import read_mail, take_reply
from incidents.tickets import Actor, NewTicket

WHO = Actor("mailbox", "system")
SENT = "<0123@operator.example>"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        new = NewTicket(("ip-base",), "x", "blocking", opened.clock() - 10**9)
        opened.open(new, WHO)
        Outbox(opened).put(
            "k", purpose="declaration", channel="mail", subject="s", addresses=["a@b.example"],
            content=f"Subject: s\r\nMessage-ID: {SENT}\r\n\r\nx\r\n".encode(), ticket="INC-000001",
        )  # fmt: skip
        yield opened


def mail(subject: str, text: str = "", answers: str = "") -> bytes:
    head = f"From: Support <support@provider.example>\r\nSubject: {subject}\r\n"
    head += f"In-Reply-To: {answers}\r\n" if answers else ""
    return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (mail("Re: Alphyra_Leclerc_172.20.8.10_Mineur [ticket #4711]", answers=SENT), "4711"),
        (mail("Re: s", "Bonjour,\r\nvotre numéro de ticket : CLA-98765\r\n", SENT), "CLA-98765"),
        (mail("Re: INC-000001", "Ticket n° 123456 ouvert"), "123456"),
        (mail("Re: s", "> ticket 999999\r\nMerci", SENT), ""),
        (mail("Re: s", "ticket 1234, ancien ticket 5678", SENT), ""),
        (mail("Re: INC-000001 172.20.8.10", "merci"), ""),
    ],
)
def test_the_number_is_recorded(desk: Desk, raw: bytes, number: str) -> None:
    for _ in range(2):
        ticket = take_reply(desk, Outbox(desk), raw, WHO)
    assert ticket is not None
    assert (ticket.id, ticket.provider_ticket) == ("INC-000001", number)
    assert len(ticket.evidence) == 1


def test_a_number_that_is_there_stays(desk: Desk) -> None:
    take_reply(desk, Outbox(desk), mail("Re: s ticket 4711", answers=SENT), WHO)
    ticket = take_reply(desk, Outbox(desk), mail("Re: s ticket 4712", answers=SENT), WHO)
    assert ticket is not None
    assert ticket.provider_ticket == "4711"
    assert len(ticket.evidence) == 2


@pytest.mark.parametrize(
    "raw", [mail("Alerte RSE 172.20.8.10"), mail("Re: x", answers="<other@x>"), mail("INC-000009")]
)
def test_a_mail_that_answers_nothing_of_ours_is_none(desk: Desk, raw: bytes) -> None:
    assert take_reply(desk, Outbox(desk), raw, WHO) is None


@given(st.binary(max_size=400))
def test_any_octets_are_a_mail_or_refused(raw: bytes) -> None:
    for octets in (raw, b"From: a@b\r\nContent-Type: text/plain\r\n" + raw):
        with contextlib.suppress(IncidentError):
            read_mail(octets)


def test_a_file_that_is_no_mail_is_refused_with_the_remedy() -> None:
    with pytest.raises(IncidentError, match=r"no From .* as \.eml"):
        read_mail(b"hello")
