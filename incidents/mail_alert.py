"""The provider's mail as an alert (procedure, 1.2): raised, and left to a person to analyse.

Which PAS and device it is about is found by their ids and addresses as whole words; nothing is
declared from a mail by rule.
"""

from __future__ import annotations

import hashlib
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from incidents.errors import IncidentError
from incidents.tickets import NewAlert
from inventory.clocks import utc_ns
from inventory.models import Configuration

_SUBJECT_LONGEST = 200


def alert_from_mail(raw: bytes, configuration: Configuration, now_ns: int) -> NewAlert:
    """An alert of a mail (RFC 5322); the same mail gives the same key. `IncidentError`."""
    mail = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
    if not mail.get("From") or not (mail.get("Subject") or mail.get("Date")):
        raise IncidentError("the file is no mail (no From, Subject or Date) — save it as .eml")
    subject = " ".join(str(mail.get("Subject", "")).split())[:_SUBJECT_LONGEST]
    part = mail.get_body(("plain", "html"))
    words = f"{subject}\n{part.get_content() if part is not None else ''}"
    number = str(mail.get("Message-ID", "")).strip() or hashlib.sha256(raw).hexdigest()
    devices = [d for d in configuration.devices if _named(d.id, words) or _named(d.host, words)]
    pas = {p.id for p in configuration.pas if _named(p.id, words)}
    pas |= {name for device in devices for name in device.pas}
    return NewAlert(
        key=f"mail/{number}",
        source="mail",
        text=subject or "a mail without a subject",
        first_ns=min(_sent_ns(mail, now_ns), now_ns),
        pas=tuple(sorted(pas)),
        device=devices[0].id if len(devices) == 1 else "",
        data=(("from", str(mail["From"])), ("message-id", number)),
    )


def _named(name: str, words: str) -> bool:
    """As a word of its own: 192.0.2.1 is not in 192.0.2.10, pix-1 not in pix-10."""
    found = rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)"
    return re.search(found, words, re.IGNORECASE) is not None


def _sent_ns(mail: EmailMessage, now_ns: int) -> int:
    try:
        moment = parsedate_to_datetime(str(mail["Date"]))
    except (TypeError, ValueError):
        return now_ns
    return utc_ns(moment) if moment.tzinfo else now_ns
