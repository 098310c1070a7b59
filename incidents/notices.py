"""What is written to whom: mails, webhook calls and call tasks, put into the outbox.

Each function is called inside the transaction of what it tells of, or makes one: a ticket without
its notice, or a notice without its step in the history, cannot be found in the file.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING

import orjson

from incidents.calls import Call, Calls
from incidents.changes import Record
from incidents.desk import Desk
from incidents.errors import IncidentError, RefusedError
from incidents.escalation import audience, check_party, hours_told
from incidents.outbox import Message, Outbox
from incidents.templates import (
    Notice,
    Voice,
    firewall_subject,
    one_line,
    render,
    subject_of,
)
from incidents.tickets import SYSTEM, Actor, Ticket
from incidents.working_hours import Rota
from inventory.operations import Contact, Notices

if TYPE_CHECKING:
    from inventory.models import Configuration

ATTACHED_OCTETS = 2 << 20
"""Evidence up to this is in the mail; what is beyond is named with its hash."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a mail."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Post:
    """Where the desk's notices come from and go to: its file, its people, its words."""

    desk: Desk
    outbox: Outbox
    calls: Calls
    configuration: Configuration
    rota: Rota
    voice: Voice
    sender: str
    gtr_ns: int
    """Garantie de temps de rétablissement (procedure, 1.5.2 and 2), around the clock."""

    @property
    def own(self) -> str:
        """Our party."""
        return notices_of(self.configuration).own

    @property
    def provider(self) -> str:
        """The party that incidents are declared to."""
        return notices_of(self.configuration).provider


def notices_of(configuration: Configuration) -> Notices:
    """The table `[notices]`; `IncidentError` where there is none."""
    if configuration.notices is None:
        raise IncidentError("there is no [notices] — write own and provider, ids of a [[party]]")
    return configuration.notices


def post_of(desk: Desk, configuration: Configuration, rota: Rota) -> Post:
    """The post of a desk by its configuration; `IncidentError` where [notices] or [mail] miss."""
    notices = notices_of(configuration)
    if configuration.mail is None:
        raise IncidentError("there is no [mail], so nobody can be written to — write host and from")
    names = {party.id: party.name for party in configuration.parties}
    voice = Voice(
        notices.operator or names[notices.own], notices.language, rota.zone, notices.subject, names
    )
    return Post(
        desk, Outbox(desk), Calls(desk), configuration, rota, voice, configuration.mail.sender,
        configuration.incident.gtr_ns,
    )  # fmt: skip


def tell(
    post: Post,
    key: str,
    notice: Notice,
    ticket: Ticket,
    contacts: Sequence[Contact],
    *,
    subject: str = "",
    hotline: bool = False,
    **values: object,
) -> tuple[list[Message], list[Call]]:
    """Write to these contacts of one party; who has no address is to be called.

    With `hotline` those with a telephone are called besides the mail (procedure, 1.4). The key lets
    the same notice in once.
    """
    now = post.desk.clock()
    messages, calls = [], []
    to = [address for contact in contacts for address in contact.to]
    cc = [address for contact in contacts for address in contact.cc if address not in to]
    with post.desk.transaction(f"putting the notices of {ticket.id} into the outbox"):
        if to:
            attached = _attachable(ticket)
            begins = ticket.declared_ns if ticket.declared_ns is not None else now
            text = render(
                notice,
                post.voice,
                ticket=ticket,
                now_ns=now,
                gtr_ns=begins + post.gtr_ns,
                gtr_wait_ns=post.gtr_ns,
                attached=attached,
                **values,
            )
            files = [
                Attachment(piece.name, post.desk.content(piece))
                for piece in ticket.evidence
                if piece.number in attached
            ]
            messages.append(
                _put_mail(
                    post, key, notice, subject or subject_of(post.voice, ticket), text, to, cc,
                    ticket=ticket.id, files=files,
                )
            )  # fmt: skip
        for contact in contacts:
            if contact.to and not (hotline and contact.phones):
                continue
            party = post.voice.name_of(contact.party)
            script = render(
                "call", post.voice, ticket=ticket, role=contact.role, party=party, hotline=hotline
            )
            calls.append(
                post.calls.add(
                    f"{key}/{contact.role}",
                    ticket=ticket.id,
                    party=contact.party,
                    role=contact.role,
                    phones=contact.phones,
                    script=script.strip(),
                )
            )
        messages += _hooks(post, key, notice, ticket, now)
    return messages, calls


def tell_of_firewall(
    post: Post,
    ticket_id: str,
    device: str,
    *,
    cause: str = "",
    estimate_ns: int | None = None,
    party: str = "",
    who: Actor = SYSTEM,
) -> tuple[list[Message], list[Call]]:
    """The notice of 1.5.2 to the first level of a party (ours): which PIX, why, until when.

    The same words are sent once; another cause or estimate is another notice.
    """
    ticket = post.desk.ticket(ticket_id)
    found = next((d for d in post.configuration.devices if d.id == device), None)
    if found is None:
        there = ", ".join(d.id for d in post.configuration.devices) or "none"
        raise IncidentError(f'there is no [[device]] "{device}" — there are: {there}')
    asked = party or post.own
    check_party(post.configuration, asked)
    hours = hours_told(post.desk.clock(), post.rota)
    levels = sorted(c.level for c in post.configuration.contacts if c.party == asked)
    contacts = audience(post.configuration.contacts, asked, levels[0], hours)
    subject = firewall_subject(post.voice, device, found.host, cause, estimate_ns)
    key = f"{ticket.id}/firewall/{asked}/{_short(subject)}"
    with post.desk.transaction("telling of a firewall"):
        if post.outbox.by_key(key) is None:
            text = f"firewall notice to {post.voice.name_of(asked)}: {subject}"
            post.desk.change(ticket.id, who, Record("notice", text))
        return tell(
            post, key, "firewall", ticket, contacts, subject=subject, device=device,
            address=found.host, cause=cause, estimate_ns=estimate_ns,
        )  # fmt: skip


def send_plan(post: Post, ticket_id: str, who: Actor = SYSTEM) -> list[Message]:
    """Send the plan to each party that has an action in it which was not sent yet (1.3)."""
    ticket = post.desk.ticket(ticket_id)
    unsent: dict[str, list[int]] = {}
    for action in ticket.plan:
        if action.sent_ns is None:
            unsent.setdefault(action.party, []).append(action.number)
    if not unsent:
        raise RefusedError(
            f"ticket {ticket.id}", "its plan has no action that is not sent", "add one first"
        )
    messages = []
    with post.desk.transaction("sending the plan"):
        for party, numbers in unsent.items():
            name = check_party(post.configuration, party)
            hours = hours_told(post.desk.clock(), post.rota)
            level = min(c.level for c in post.configuration.contacts if c.party == party)
            contacts = audience(post.configuration.contacts, party, level, hours)
            listed = "+".join(map(str, numbers))
            key = f"{ticket.id}/plan/{party}/{listed}"
            if post.outbox.by_key(key) is None:
                text = f"plan to {name}: action {listed}"
                post.desk.change(ticket.id, who, Record("notice", text))
            sent, _ = tell(post, key, "plan", ticket, contacts, party=name)
            messages += sent
    return messages


def send_report(
    post: Post, key: str, title: str, to: Sequence[str], files: Sequence[Attachment]
) -> Message:
    """Put a report into the outbox; `Outbox.accepted_ns` says when it was delivered."""
    text = render("report", post.voice, title=title)
    return _put_mail(post, key, "report", one_line(title), text, to, (), files=files)


def message_id(key: str, created_ns: int, sender: str) -> str:
    """RFC 5322, 3.6.4: the same for every attempt, so that a server can see a duplicate."""
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    return f"<{_short(f'{created_ns} {key}')}@{domain}>"


def _put_mail(
    post: Post,
    key: str,
    purpose: str,
    subject: str,
    text: str,
    to: Sequence[str],
    cc: Sequence[str],
    *,
    ticket: str = "",
    files: Sequence[Attachment] = (),
) -> Message:
    now = post.desk.clock()
    mail = EmailMessage(policy=SMTP)
    mail["From"] = post.sender
    mail["To"] = ", ".join(to)
    if cc:
        mail["Cc"] = ", ".join(cc)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now // 10**9, UTC))
    mail["Message-ID"] = message_id(key, now, post.sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    if ticket:
        mail["X-Pasprobe-Ticket"] = ticket
    mail.set_content(text)
    for file in files:
        kind = (mimetypes.guess_type(file.name)[0] or "application/octet-stream").split("/", 1)
        mail.add_attachment(
            file.content, maintype=kind[0], subtype=kind[1], filename=one_line(file.name)
        )
    return post.outbox.put(
        key, purpose=purpose, channel="mail", subject=subject,
        content=_subject_line(subject) + mail.as_bytes(),
        addresses=[*to, *cc], ticket=ticket,
    )  # fmt: skip


def _subject_line(subject: str) -> bytes:
    """RFC 2047; `EmailMessage` of Python 3.11 doubles a space where it folds encoded words."""
    header = Header(subject, None if subject.isascii() else "utf-8", header_name="Subject")
    return f"Subject: {header.encode(linesep=chr(13) + chr(10))}\r\n".encode("ascii")


def _hooks(post: Post, key: str, notice: Notice, ticket: Ticket, now_ns: int) -> list[Message]:
    """One call a webhook; what it says is a table in docs/notices.md."""
    body = orjson.dumps(
        {
            "event": notice,
            "at_ns": now_ns,
            "ticket": ticket.id,
            "state": ticket.state.value,
            "summary": ticket.summary,
            "criticality": ticket.criticality,
            "severity": ticket.severity,
            "services": ticket.services,
            "pas": ticket.pas,
            "affected": ticket.affected,
            "client": ticket.client,
            "device": ticket.device,
            "address": ticket.address,
            "cause": ticket.cause,
            "opened_ns": ticket.opened_ns,
            "provider_ticket": ticket.provider_ticket,
        }
    )
    return [
        post.outbox.put(
            f"{key}/webhook/{hook.id}", purpose=notice, channel="webhook", subject=hook.id,
            content=body, addresses=[hook.url], ticket=ticket.id,
        )
        for hook in post.configuration.webhooks
    ]  # fmt: skip


def _attachable(ticket: Ticket) -> frozenset[int]:
    """Pieces of evidence that fit into a mail together, the first ones first."""
    chosen, octets = set(), 0
    for piece in ticket.evidence:
        if octets + piece.size <= ATTACHED_OCTETS:
            chosen.add(piece.number)
            octets += piece.size
    return frozenset(chosen)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
