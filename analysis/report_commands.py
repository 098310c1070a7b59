"""`pasprobe sla report`: documents as files. Heavy imports are inside: `ping` starts at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from analysis.sla_options import (
    AsOfOption,
    ConfigOption,
    FactsOption,
    JsonOption,
    PeriodOption,
    StoreOption,
    TrainsOption,
    fail,
    told,
)

if TYPE_CHECKING:
    from analysis.documents.content import Document
    from analysis.documents.language import Code
    from analysis.documents.material import Material
    from analysis.evaluation.asked import Asked
    from analysis.evaluation.inputs import Inputs
    from inventory.models import Influxdb
    from timeseries.reader import Reader

KINDS = ("contractual", "technical", "supervision", "incident")
LANGUAGES = ("it", "en", "fr")


def register(sla: typer.Typer, open_influx: Callable[[Influxdb], Reader]) -> None:
    """Add `report` to `sla`; `open_influx` opens the server of `[influxdb]`."""

    @sla.command()
    def report(
        kind: Annotated[str, typer.Option(help=" | ".join(KINDS))],
        period: PeriodOption,
        output: Annotated[
            Path, typer.Option("--output", metavar="DIR", help="Folder for the files.")
        ] = Path("reports"),
        lang: Annotated[
            str | None,
            typer.Option(
                help=f"{' | '.join(LANGUAGES)}; else it, and fr for supervision and incident."
            ),
        ] = None,
        formats: Annotated[
            str, typer.Option("--format", help="Some of html,pdf,csv,json, with commas.")
        ] = "html",
        client: Annotated[
            str | None, typer.Option(help="supervision: only this client, by its name.")
        ] = None,
        ticket: Annotated[
            str | None, typer.Option(help="incident: only this one, by its id.")
        ] = None,
        previous: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="`sla evaluate --json` of the report that this one corrects: "
                "each change is named with its euro.",
            ),
        ] = None,
        media: Annotated[
            bool,
            typer.Option("--media", help="One folder for optical media: all formats, checksums."),
        ] = False,
        send: Annotated[
            bool, typer.Option("--send", help="Put it into the mail outbox of the incident desk.")
        ] = False,
        to: Annotated[
            list[str] | None,
            typer.Option("--to", help="With --send: to whom (repeatable); else [[client]]."),
        ] = None,
        facts: FactsOption = None,
        store: StoreOption = None,
        as_of: AsOfOption = None,
        from_trains: TrainsOption = False,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Write the documents that the contract asks for, as HTML, PDF, CSV and JSON.

        contractual: four months with penalties. technical: a month, with actions. supervision: a
        month of a client's applications. incident: each incident closed in the period. Exit 1: an
        item has no data.

        Example: pasprobe sla report --kind contractual --period 2011-2 --format html,pdf
        """
        from analysis.documents.files import write_documents, write_media
        from analysis.documents.language import language
        from analysis.errors import ReportError
        from analysis.evaluation.asked import Asked

        wanted = _formats(formats)
        if kind not in KINDS:
            fail(f"--kind: there is no report {kind!r} — one of {', '.join(KINDS)}")
        code = _language(lang, kind)
        if send and media:
            fail("--send: a folder for optical media is not mailed — leave --media out")
        if to and not send:
            fail("--to: it says who is sent the report — add --send")
        asked = Asked(period, config, facts, tuple(store or ()), as_of, from_trains)
        try:
            with told():
                documents = _documents(kind, asked, open_influx, client, ticket, previous)
            if media:
                written = write_media(documents, language(code), output)
            else:
                written = write_documents(documents, language(code), wanted, output)
            sent = _sent(documents, written, to or (), asked, code) if send else []
        except ReportError as error:
            fail(str(error))
        missing = {d.name: [f"{s.id}.{i.id}" for s, i in d.missing] for d in documents}
        if as_json:
            files = [str(path) for path in written]
            said = {"files": files, "missing": missing, "messages": sent}
            typer.echo(json.dumps(said, ensure_ascii=False))
        else:
            _print(documents, written, output)
            if sent:
                numbers = ", ".join(map(str, sent))
                typer.echo(f"in the outbox: {numbers}; `pasprobe incident deliver` sends it")
        raise typer.Exit(1 if any(missing.values()) else 0)


def _sent(
    documents: Sequence[Document],
    written: Sequence[Path],
    to: Sequence[str],
    asked: Asked,
    code: Code,
) -> list[int]:
    from analysis.documents.language import language
    from analysis.report_sending import send_documents
    from inventory.load import load

    with told():
        configuration = load(asked.config, environ=os.environ, resolve_secrets=False).configuration
        return send_documents(
            configuration, documents, written, to, period=asked.period, words=language(code)
        )


def _formats(
    text: str,
) -> tuple[Literal["html", "pdf", "csv", "json"], ...]:
    from analysis.documents.files import FORMATS as KNOWN

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in KNOWN]
    if unknown or not names:
        fail(f"--format: {', '.join(unknown) or 'nothing'} — some of {','.join(KNOWN)}")
    return tuple(known for known in KNOWN if known in names)


def _language(lang: str | None, kind: str) -> Code:
    from analysis.documents.language import CODES

    if lang is None:
        # The procedure of the supervision and of the incident report is a French document.
        return "fr" if kind in ("supervision", "incident") else "it"
    for code in CODES:
        if code == lang:
            return code
    fail(f"--lang: there is no {lang!r} — one of {', '.join(CODES)}")
    raise AssertionError


def _documents(
    kind: str,
    asked: Asked,
    open_influx: Callable[[Influxdb], Reader],
    client: str | None,
    ticket: str | None,
    previous: Path | None,
) -> Sequence[Document]:
    from analysis.documents.incident import incident_documents
    from analysis.documents.periodic import periodic_document
    from analysis.errors import ReportError
    from analysis.evaluation.asked import gathered
    from analysis.evaluation.evaluate import evaluate
    from analysis.evaluation.result_json import result_object

    inputs = gathered(asked, os.environ, open_influx, each_day=True, devices=kind == "technical")
    if kind == "supervision":
        return _supervision(inputs, asked, open_influx, client)
    material = _material(inputs, evaluate(inputs), asked, previous)
    if kind == "incident":
        from analysis.desk_tickets import desk_folder, trails_of

        folder = desk_folder(inputs.configuration)
        trails = trails_of(folder, inputs.facts.tickets)
        documents = incident_documents(material, ticket or "", trails)
        if not documents:
            what = f"there is no ticket {ticket!r}" if ticket else "no incident was closed"
            raise ReportError(
                f"{what} in {asked.period}: see tickets.csv, or give another --period"
            )
        return documents
    data = result_object(material.result)
    return (
        periodic_document(material, "contractual" if kind == "contractual" else "technical", data),
    )


def _material(inputs: Inputs, result: Any, asked: Asked, previous: Path | None) -> Material:
    from analysis.documents.material import Material

    return Material(inputs, result, _seals(inputs, asked), _earlier(previous))


def _seals(inputs: Inputs, asked: Asked) -> tuple[str, ...]:
    """The newest seal head of each data directory that was read."""
    from analysis.evaluation.asked import INFLUX
    from timeseries.seal import head_line

    if INFLUX in asked.store:
        return ("Seal: a central server has none; the agents' data directories do.",)
    if not inputs.traffic and not inputs.devices:
        return ()
    agent = inputs.configuration.agent
    folders = [Path(folder) for folder in asked.store]
    if not folders and agent is not None:
        folders = [agent.data_dir]
    return tuple(head_line(folder) for folder in folders)


def _earlier(previous: Path | None) -> dict[str, Any] | None:
    from analysis.errors import ReportError

    if previous is None:
        return None
    try:
        found = json.loads(previous.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"--previous {previous}: {error.strerror}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ReportError(
            f"--previous {previous} is no JSON object: give what `pasprobe sla evaluate --json`"
            " printed"
        )
    return found


def _supervision(
    inputs: Inputs,
    asked: Asked,
    open_influx: Callable[[Influxdb], Reader],
    client: str | None,
) -> Sequence[Document]:
    from analysis.desk_tickets import desk_folder, desk_since_ns
    from analysis.documents.checks import supervised
    from analysis.documents.supervision import supervision_document
    from analysis.errors import ReportError
    from analysis.evaluation.asked import reader_of

    configuration = inputs.configuration
    clients = [one for one in configuration.clients if client in (None, one.name)]
    if not clients:
        known = ", ".join(one.name for one in configuration.clients) or "none is configured"
        raise ReportError(f"--client: there is no [[client]] {client or ''!r} — {known}")
    reader = reader_of(asked, configuration, open_influx)
    zone = inputs.zones[configuration.contract.timezone] if configuration.contract else None
    if zone is None:
        raise ReportError("a supervision report needs [contract]: its country says what days work")
    since_ns = desk_since_ns(desk_folder(configuration))
    return [
        supervision_document(
            supervised(
                configuration,
                one,
                inputs.period,
                inputs.facts,
                reader,
                zone=zone,
                calendars=inputs.calendars,
                as_of_ns=inputs.as_of_ns,
                desk_since_ns=since_ns,
            )
        )
        for one in clients
    ]


def _print(documents: Sequence[Document], written: Sequence[Path], output: Path) -> None:
    from analysis.documents.language import language

    english = language("en")
    for document in documents:
        typer.echo(f"{english.text(document.title)}, {english.text(document.period)}")
        typer.echo(f"  {english.text(document.summary)}")
        for section, item in document.missing:
            typer.echo(f"  no data: {section.id}, {english.text(item.text)}")
    typer.echo(f"{len(written)} files in {output}")
