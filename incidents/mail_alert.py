"""The provider's mail as an alert (procedure, 1.2): raised, and left to a person to analyse.

Which PAS and device it is about is found by their ids and addresses as whole words; nothing is
declared from a mail by rule.
"""

from __future__ import annotations

import hashlib
import re
from email.utils import parsedate_to_datetime

from incidents.replies import Reply
from incidents.tickets import NewAlert
from inventory.clocks import utc_ns
from inventory.models import Configuration

_SUBJECT_LONGEST = 200


def alert_from_mail(mail: Reply, configuration: Configuration, now_ns: int) -> NewAlert:
    """An alert of a mail.

    The same mail gives the same key whatever was added to its headers on its way; another one
    under the same Message-ID is another alert.
    """
    subject = " ".join(mail.subject.split())[:_SUBJECT_LONGEST]
    words = f"{mail.subject}\n{mail.text}"
    devices = [d for d in configuration.devices if _named(d.id, words) or _named(d.host, words)]
    pas = {p.id for p in configuration.pas if _named(p.id, words)}
    pas |= {name for device in devices for name in device.pas}
    told = repr((mail.message_id, mail.sender, mail.date, mail.subject, mail.text))
    return NewAlert(
        key=f"mail/{hashlib.sha256(told.encode()).hexdigest()}",
        source="mail",
        text=subject or "a mail without a subject",
        first_ns=min(_sent_ns(mail.date, now_ns), now_ns),
        pas=tuple(sorted(pas)),
        device=devices[0].id if len(devices) == 1 else "",
        data=(
            ("from", mail.sender),
            ("message-id", mail.message_id),
            ("number", mail.number),
            ("text", mail.text),
        ),
    )


def _named(name: str, words: str) -> bool:
    """As a word of its own: 192.0.2.1 is not in 192.0.2.10, pix-1 not in pix-10."""
    found = rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)"
    return re.search(found, words, re.IGNORECASE) is not None


def _sent_ns(date: str, now_ns: int) -> int:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return now_ns
    return utc_ns(moment) if moment.tzinfo else now_ns
