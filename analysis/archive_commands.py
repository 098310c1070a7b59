"""`pasprobe sla archive` and `sla method`. Heavy imports are inside: `ping` starts at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analysis.sla_options import (
    AsOfOption,
    ConfigOption,
    FactsOption,
    JsonOption,
    StoreOption,
    TrainsOption,
    fail,
    told,
)

if TYPE_CHECKING:
    from analysis.archive.container import Octets, Written
    from analysis.documents.content import Document
    from analysis.documents.language import Code
    from analysis.documents.material import Material
    from analysis.evaluation.asked import Asked
    from inventory.models import Configuration, Influxdb
    from timeseries.reader import Reader

LangOption = Annotated[str, typer.Option("--lang", help="it | en | fr.")]


def register(sla: typer.Typer, open_influx: Callable[[Influxdb], Reader]) -> None:
    """Add `archive` and `method` to `sla`; `open_influx` opens the server of `[influxdb]`."""
    _register_archive(sla, open_influx)
    _register_method(sla)


def _register_archive(sla: typer.Typer, open_influx: Callable[[Influxdb], Reader]) -> None:
    @sla.command()
    def archive(
        period: Annotated[
            str | None, typer.Option("--period", help="A month (2011-05) or four months (2011-2).")
        ] = None,
        output: Annotated[
            Path | None,
            typer.Option("--output", "-o", help="Folder, or *.zip. Default: pasprobe-<period>.zip"),
        ] = None,
        verify: Annotated[
            Path | None,
            typer.Option("--verify", metavar="ARCHIVE", help="Compute this one again instead."),
        ] = None,
        digest: Annotated[
            str, typer.Option("--digest", help="With --verify: the digest that was noted.")
        ] = "",
        reports: Annotated[
            Path | None,
            typer.Option(
                "--reports", metavar="DIR", help="Reports as they were sent; else made anew."
            ),
        ] = None,
        rollups: Annotated[
            bool,
            typer.Option(help="Add the measurements by quarter of an hour, up to 256 MB."),
        ] = True,
        lang: LangOption = "it",
        facts: FactsOption = None,
        store: StoreOption = None,
        as_of: AsOfOption = None,
        from_trains: TrainsOption = False,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Freeze a period: inputs, catalogue, calendars, UTC offsets, result, reports and pages.

        --verify computes an archive again from its frozen inputs alone, whatever the configuration,
        the public holidays or the time zones of this host say. Exit 1: a file was changed, or a
        figure came out otherwise; each is named.

        Example: pasprobe sla archive --period 2011-2 --as-of 2011-09-20 -o 2011-2.zip
        """
        from analysis.evaluation.asked import Asked

        with _told():
            if verify is not None:
                _verify(verify, digest, as_json=as_json)
                return
            if period is None:
                fail("say --period to write an archive, or --verify ARCHIVE to check one")
            code = _language(lang)
            asked = Asked(period, config, facts, tuple(store or ()), as_of, from_trains)
            written = _write(asked, output, reports, code, open_influx, rollups=rollups)
        if as_json:
            said = {"archive": str(written.path), "digest": written.digest, "files": written.files}
            typer.echo(json.dumps(said))
        else:
            typer.echo(f"{written.path}: {written.files} files, verified; digest {written.digest}")


def _register_method(sla: typer.Typer) -> None:
    @sla.command()
    def method(
        service: Annotated[
            str | None, typer.Option("--service", help="Only this one, by its id.")
        ] = None,
        output: Annotated[
            Path | None,
            typer.Option("--output", "-o", help="File: *.html, *.pdf or *.json. Default: text."),
        ] = None,
        lang: LangOption = "it",
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Describe how each parameter is measured: statistic, sampling, end point, error, reading.

        With a configuration for the services, switches and paths of its contract; where there is
        none, for the whole catalogue.

        Example: pasprobe sla method --service voip --lang en --output method.html
        """
        with _told():
            code = _language(lang)
            document = _method_document(service, config)
            _write_method(document, code, output, as_json=as_json)


def _write(
    asked: Asked,
    output: Path | None,
    reports: Path | None,
    code: Code,
    open_influx: Callable[[Influxdb], Reader],
    *,
    rollups: bool,
) -> Written:
    import tempfile

    from analysis.archive.rollups import rollups_file
    from analysis.archive.write import Parts, facts_files, write_archive
    from analysis.documents.language import language
    from analysis.documents.material import Material
    from analysis.evaluation.asked import facts_folder, gathered, reader_of
    from analysis.evaluation.evaluate import evaluate
    from inventory.load import load
    from timeseries.reader import EmbeddedReader
    from timeseries.seal import head_line

    inputs = gathered(asked, os.environ, open_influx, each_day=True, devices=True)
    loaded = load(asked.config, environ=os.environ, resolve_secrets=False)
    reader = reader_of(asked, loaded.configuration, open_influx)
    folders = reader.folders if isinstance(reader, EmbeddedReader) else ()
    material = Material(inputs, evaluate(inputs), tuple(head_line(folder) for folder in folders))
    with tempfile.TemporaryDirectory(prefix="pasprobe-archive-") as name:
        scratch = Path(name)
        file, why = None, "--no-rollups was said"
        if rollups:
            file, why = rollups_file(reader, inputs, scratch / "rollups.parquet")
        parts = Parts(
            material,
            facts_files(facts_folder(asked, loaded)),
            _reports(reports, material, code, scratch / "reports"),
            file,
            why,
        )
        destination = output or Path(f"pasprobe-{inputs.period}.zip")
        return write_archive(parts, destination, language(code))


def _reports(
    given: Path | None, material: Material, code: Code, scratch: Path
) -> dict[str, Octets]:
    """Those that were sent; else the period's own, as a page and as tables."""
    from analysis.archive.write import folder_files

    if given is not None:
        return folder_files(given)
    from analysis.documents.files import write_documents
    from analysis.documents.language import language
    from analysis.documents.periodic import periodic_document
    from analysis.evaluation.result_json import result_object

    kind: Literal["contractual", "technical"]
    kind = "contractual" if material.period.kind == "four-months" else "technical"
    document = periodic_document(material, kind, result_object(material.result))
    write_documents([document], language(code), ("html", "csv", "json"), scratch)
    return folder_files(scratch)


def _verify(path: Path, digest: str, *, as_json: bool) -> None:
    from analysis.archive.verify import verify

    found = verify(path, digest)
    said = json.dumps(found.as_json(), ensure_ascii=False) if as_json else "\n".join(found.text())
    typer.echo(said)
    if not found.ok:
        raise typer.Exit(1)


def _method_document(service: str | None, config: Path | None) -> Document:
    from analysis.catalogue_rows import load_catalogue
    from analysis.method import method_document
    from analysis.readings import Readings, readings_of
    from inventory.checks import nearest

    catalogue = load_catalogue()
    if service is not None and catalogue.service(service) is None:
        known = [one.id for one in catalogue.services]
        fail(f'--service: there is no service "{service}" — {nearest(service, known)}')
    configuration = _configuration(config)
    readings = Readings() if configuration is None else readings_of(configuration)
    return method_document(catalogue, readings, configuration, service or "")


def _configuration(config: Path | None) -> Configuration | None:
    """None where no configuration is named, and none lies where one is looked for."""
    from inventory.load import HERE, SYSTEM, VARIABLE, load

    if config is None and not os.environ.get(VARIABLE) and not (HERE.exists() or SYSTEM.exists()):
        return None
    found = load(config, environ=os.environ, resolve_secrets=False).configuration
    return None if found.contract is None else found


def _write_method(document: Document, code: Code, output: Path | None, *, as_json: bool) -> None:
    from analysis.documents.language import language
    from analysis.documents.render_html import render_html
    from analysis.errors import ReportError
    from analysis.method import method_text
    from timeseries.store_files import written_aside

    if as_json or (output is not None and output.suffix == ".json"):
        text = json.dumps(document.data, ensure_ascii=False, indent=1) + "\n"
    elif output is None:
        text = "\n".join(method_text(document, language(code))) + "\n"
    else:
        text = render_html(document, language(code))
    if output is None:
        typer.echo(text, nl=False)
        return
    octets = text.encode()
    if output.suffix == ".pdf":
        from analysis.documents.render_pdf import render_pdf

        octets = render_pdf(text)
    elif output.suffix not in (".html", ".json"):
        fail(f"--output {output}: name it *.html, *.pdf or *.json")
    try:
        with written_aside(output) as aside:
            aside.write_bytes(octets)
    except OSError as error:
        raise ReportError(f"{output} cannot be written: {error.strerror}") from None
    if not as_json:
        typer.echo(f"wrote {output}")


def _language(lang: str) -> Code:
    from analysis.documents.language import CODES

    for code in CODES:
        if code == lang:
            return code
    fail(f"--lang: there is no {lang!r} — one of {', '.join(CODES)}")
    raise AssertionError  # for the linter, which does not know that `fail` never returns


@contextmanager
def _told() -> Iterator[None]:
    """What a user got wrong ends in its text and exit status 2."""
    from analysis.errors import ArchiveError, ReportError

    try:
        with told():
            yield
    except (ArchiveError, ReportError) as error:
        fail(str(error))
