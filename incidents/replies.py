"""Mails that come back: the provider's answer to a declaration, with its ticket number (1.4).

An answer is known by what it answers to (`In-Reply-To`, `References`: Message-IDs of the outbox),
else by the id of a ticket in its subject. A mail that answers nothing of ours is an alert.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from incidents.changes import Record, Update
from incidents.desk import Desk
from incidents.errors import IncidentError, NoSuchError
from incidents.outbox import Outbox
from incidents.tickets import Actor, Ticket

_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_OURS = re.compile(r"\bINC-\d{6,}\b")
_NUMBER = re.compile(
    r"(?:ticket|case|r[ée]f(?:[ée]rence)?|reference|numero|num[ée]ro|number)"
    r"[\s:#°nNo.]{0,12}(?P<number>[A-Z]{0,6}[-_]?\d{3,14})\b",
    re.IGNORECASE,
)
_READ_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What a mail says, as far as it concerns us."""

    sender: str
    subject: str
    answers: tuple[str, ...]
    """Message-IDs, the one answered first."""
    text: str
    number: str
    """The ticket number that it names; empty where there is none or more than one."""
    message_id: str = ""
    date: str = ""
    """Both as they stand in the header."""


def read_mail(raw: bytes) -> Reply:
    """Read a mail (RFC 5322) as a server delivered it; `IncidentError` where it is none."""
    mail = message_from_bytes(raw, policy=policy.default)
    if not isinstance(mail, EmailMessage) or mail["From"] is None:
        raise IncidentError("this is no mail: it has no From — save it with its headers, as .eml")
    body = mail.get_body(("plain", "html"))
    try:
        content = "" if body is None else body.get_content()
    except (LookupError, UnicodeDecodeError):  # a charset that nobody knows
        content = ""
    text = content[:_READ_CHARACTERS] if isinstance(content, str) else ""
    subject = str(mail["Subject"] or "")
    answers = _MESSAGE_ID.findall(f"{mail['In-Reply-To'] or ''} {mail['References'] or ''}")
    return Reply(
        str(mail["From"]), subject, tuple(dict.fromkeys(answers)), text, _number(subject, text),
        str(mail["Message-ID"] or "").strip(), str(mail["Date"] or ""),
    )  # fmt: skip


def ticket_answered(desk: Desk, outbox: Outbox, reply: Reply) -> Ticket | None:
    """The ticket that a mail is about; None where it answers nothing of ours."""
    for answered in reply.answers:
        number = outbox.ticket_of(answered)
        if number:
            return desk.ticket(number)
    for name in _OURS.findall(reply.subject):
        try:
            return desk.ticket(name)
        except NoSuchError:
            continue
    return None


def take_reply(desk: Desk, outbox: Outbox, raw: bytes, who: Actor) -> Ticket | None:
    """Attach an answer to its ticket and record the provider's number; None: it answers nothing.

    The same mail counts once. A number that is there already is not replaced: a person decides.
    """
    reply = read_mail(raw)
    with desk.transaction("taking an answer in"):
        ticket = ticket_answered(desk, outbox, reply)
        if ticket is None:
            return None
        name = f"reply-{hashlib.sha256(raw).hexdigest()[:12]}.eml"
        if any(piece.name == name for piece in ticket.evidence):
            return ticket
        ticket = desk.attach(ticket.id, who, "mail", name, raw)
        text = f"answer of {reply.sender}: {reply.subject}"
        ticket = desk.change(ticket.id, who, Record("reply", text, (("number", reply.number),)))
        if reply.number and not ticket.provider_ticket:
            ticket = desk.change(ticket.id, who, Update(provider_ticket=reply.number))
        return ticket


def _number(subject: str, text: str) -> str:
    """Named in the subject, else before the quotation in the text, if it is one number."""
    fresh = "\n".join(line for line in text.splitlines() if not line.startswith(">"))
    for place in (subject, fresh):
        found = {match["number"] for match in _NUMBER.finditer(_OURS.sub("", place))}
        if found:
            return found.pop() if len(found) == 1 else ""
    return ""
