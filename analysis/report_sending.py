"""`sla report --send`: puts documents into the mail outbox of the incident desk.

The delivery counts from the moment at which every address has accepted the mail; the evaluation
reads that from the outbox (`analysis.desk_tickets.deliveries_as_facts`), nobody writes it down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis.desk_tickets import report_key
from analysis.documents.content import Document
from analysis.documents.language import Language
from analysis.errors import ReportError
from incidents.desk import open_desk
from incidents.notices import Attachment, post_of, send_report
from incidents.working_hours import rota_of
from inventory.models import Configuration


def send_documents(
    configuration: Configuration,
    documents: Sequence[Document],
    written: Sequence[Path],
    to: Sequence[str],
    *,
    period: str,
    words: Language,
) -> list[int]:
    """A mail a document with its files; the numbers of the messages in the outbox.

    Without `to` a supervision report goes to its client's `report_to`. The same files for the same
    period are sent once. Raises `ReportError`, `IncidentError`.
    """
    folder = configuration.incident.data_dir
    if folder is None and configuration.agent is not None:
        folder = configuration.agent.data_dir
    if folder is None:
        raise ReportError("--send: nothing says where the outbox is — write [incident] data_dir")
    clients = {client.name: client.report_to for client in configuration.clients}
    addressees = {one.name: tuple(to) or clients.get(one.addressee, ()) for one in documents}
    for name, addresses in addressees.items():
        if not addresses:
            raise ReportError(f"--send: nobody is said to get {name} — add --to ADDRESS")
    year = datetime.now(UTC).year
    rota = rota_of(configuration, range(year - 1, year + 2))
    numbers = []
    with open_desk(folder) as desk, desk.transaction("putting reports into the outbox"):
        post = post_of(desk, configuration, rota)
        for document in documents:
            files = [
                Attachment(file.name, _content(file))
                for file in written
                if file.name.startswith(f"{document.name}.")
            ]
            digest = hashlib.sha256(b"\0".join(file.content for file in files)).hexdigest()[:16]
            key = report_key(document.kind, period, f"{document.name}-{digest}")
            title = f"{words.text(document.title)}, {words.text(document.period)}"
            numbers.append(send_report(post, key, title, addressees[document.name], files).id)
    return numbers


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror} — write the report again") from None
