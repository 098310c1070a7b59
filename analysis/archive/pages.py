"""The read-only pages of an archive, for the administration and the supervising body ([R-9.1-4]).

From the total to a service, from its lines to the very row of a facts file. Static: no script, no
server, every link relative, nothing from outside.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from analysis.archive import layout
from analysis.archive.page import Head, Link, PageSection, PageTable, Row, render
from analysis.catalogue_types import Service
from analysis.documents.content import Cell, Moment, Money, Number, Said, Text, msg
from analysis.documents.items_lines import limit_cell, measured, place_of
from analysis.documents.language import Language
from analysis.documents.material import Material, parameter_name, service_name
from analysis.documents.render_html import render_html
from analysis.documents.words import STATUS
from analysis.lines import Line, Status
from analysis.method import method_document

SHOWN_ROWS = 5000
"""Of one facts file on its page; the file itself has them all."""
METHOD = f"{layout.PAGES}method.html"
BASIS = f"{layout.PAGES}basis.html"
_EVIDENCE = re.compile(r"([A-Za-z0-9._/-]+\.csv):(\d+)")


def pages(
    material: Material, facts_files: Mapping[str, bytes], files: Iterable[str], words: Language
) -> dict[str, bytes]:
    """Name -> page; `files` are the other files of the archive, which the index leads to."""
    services = [s for s in material.services if _lines(material, s)]
    method = method_document(
        material.inputs.catalogue, material.inputs.readings, material.inputs.configuration
    )
    found = {
        layout.INDEX: _index(material, services, sorted(facts_files), sorted(files), words),
        METHOD: render_html(method, words).encode(),
        BASIS: _basis(material, words),
    }
    for service in services:
        found[_service_page(service)] = _service(material, service, facts_files, words)
    for name, octets in facts_files.items():
        found[_facts_page(name)] = _facts(material, name, octets, words)
    return found


def _index(
    material: Material, services: list[Service], facts: list[str], files: list[str], words: Language
) -> bytes:
    result = material.result
    sections = [
        PageSection(
            "services",
            msg("Result by service"),
            table=_by_service(material, services, words),
        ),
        _reports(files),
        PageSection(
            "records",
            msg("Records as they were handed in"),
            links=tuple(Link(name, _facts_page(name)) for name in facts),
        ),
        PageSection(
            "basis",
            msg("What the figures rest on"),
            links=(
                Link(words.text(msg("Warnings, gaps and readings")), BASIS),
                Link(words.text(msg("How the service levels are measured")), METHOD),
                *_others(files),
            ),
        ),
        PageSection(
            "check",
            msg("How to check this archive"),
            notes=(
                msg(
                    "`sha256sum -c SHA256SUMS` says whether each file is as it was written."
                    " `pasprobe sla archive --verify` computes every amount again from the frozen"
                    " inputs alone."
                ),
            ),
        ),
    ]
    facts_on_top: list[tuple[Text, Cell]] = [
        (msg("administration"), result.administration),
        (msg("period"), _dates(material)),
        (msg("evaluated up to"), Moment(result.as_of_ns, material.zone)),
        (msg("lines"), len(result.lines)),
        (msg("lines not met"), sum(line.status is Status.NOT_MET for line in result.lines)),
        (msg("warnings"), len(result.warnings)),
    ]
    if material.period.kind == "four-months":
        facts_on_top.append((msg("penalties"), Money(result.total_eur)))
    shown = [one for one in sections if one.links or one.table or one.notes]
    head = Head(result.administration, _dates(material))
    return render(head, msg("Archive of the service levels"), shown, words, facts_on_top)


def _reports(files: list[str]) -> PageSection:
    """The documents; their tables as CSV are many, and lie beside them."""
    names = [name.removeprefix(layout.REPORTS) for name in files if name.startswith(layout.REPORTS)]
    tables = [name for name in names if name.endswith(".csv")]
    shown = [name for name in names if name not in tables] or tables
    note = msg("{count} tables as CSV lie beside them, in {folder}.", count=len(tables),
               folder=layout.REPORTS)  # fmt: skip
    return PageSection(
        "reports",
        msg("Reports"),
        notes=(note,) if tables and shown is not tables else (),
        links=tuple(Link(name, layout.REPORTS + name) for name in shown),
    )


def _by_service(material: Material, services: list[Service], words: Language) -> PageTable:
    rows = []
    for service in services:
        lines = _lines(material, service)
        counts = [sum(line.status is status for line in lines) for status in Status]
        euro = sum((line.penalty_eur for line in lines), Decimal("0.00"))
        link = Link(words.text(service_name(service)), _service_page(service))
        rows.append(Row(([link], len(lines), *counts, Money(euro))))
    return PageTable(
        msg("Each service leads to its lines."),
        (msg("service"), msg("lines"), *(STATUS[one].text for one in Status), msg("penalties")),
        tuple(rows),
        frozenset(range(1, 3 + len(Status))),
    )


def _service(
    material: Material, service: Service, facts: Mapping[str, bytes], words: Language
) -> bytes:
    by_parameter: dict[str, list[Line]] = {}
    for line in _lines(material, service):
        by_parameter.setdefault(line.parameter, []).append(line)
    sections = [
        PageSection(
            parameter,
            parameter_name(service.parameter(parameter), parameter),
            notes=_why(lines),
            table=_lines_table(material, lines, facts),
        )
        for parameter, lines in by_parameter.items()
    ]
    return render(_head(material), service_name(service), sections, words)


def _why(lines: list[Line]) -> tuple[Text, ...]:
    """Clause and readings, where all lines have the same."""
    readings = {line.readings for line in lines}
    same = ", ".join(next(iter(readings))) if len(readings) == 1 else ""
    return (msg("Readings: {readings}.", readings=same),) if same else ()


def _lines_table(material: Material, lines: list[Line], facts: Mapping[str, bytes]) -> PageTable:
    return PageTable(
        msg("Figures, amounts and what they rest on."),
        (
            msg("line"),
            msg("what it is about"),
            msg("measured"),
            msg("limit"),
            msg("status"),
            msg("penalty"),
            msg("how it comes about"),
            msg("clause"),
            msg("evidence"),
            msg("notes"),
        ),
        tuple(_line(material, line, facts) for line in lines),
        frozenset({0, 2, 3, 5}),
    )


def _line(material: Material, line: Line, facts: Mapping[str, bytes]) -> Row:
    parameter = material.inputs.catalogue.parameter(line.service, line.parameter)
    place = f"{line.pas} → {line.peer}" if line.peer else line.pas
    about = tuple(filter(None, (place, line.level, line.severity, line.event)))
    coverage = () if line.coverage is None else (
        msg("coverage: {share}", share=Number(line.coverage, "percent", "down")),
    )  # fmt: skip
    return Row(
        (
            line.number,
            about or msg("whole service"),
            measured(parameter, line),
            limit_cell(material, parameter, line),
            STATUS[line.status],
            Money(line.penalty_eur),
            Said(line.formula),
            place_of(line.clause),
            _evidence(line.evidence, facts),
            (*coverage, *(Said(note) for note in line.notes)),
        ),
        f"line-{line.number}",
    )


def _evidence(evidence: Iterable[str], facts: Mapping[str, bytes]) -> list[Link]:
    """What a line rests on; a row of a facts file leads there, neighbouring rows are one link."""
    found: list[Link] = []
    runs: list[tuple[str, int, int]] = []
    for text in evidence:
        match = _EVIDENCE.fullmatch(text)
        if match is None or match[1] not in facts:
            found.append(Link(text))
            continue
        file, row = match[1], int(match[2])
        if runs and runs[-1][0] == file and runs[-1][2] + 1 == row:
            runs[-1] = (file, runs[-1][1], row)
        else:
            runs.append((file, row, row))
    for file, first, last in runs:
        page = _facts_page(file).removeprefix(layout.PAGES)
        rows = f"{first}" if first == last else f"{first}-{last}"
        found.append(Link(f"{file}:{rows}", f"{page}#row-{first}"))
    return found


def _facts(material: Material, name: str, octets: bytes, words: Language) -> bytes:
    rows = list(_csv_rows(octets))
    header = rows[0][1] if rows else []
    shown = rows[1 : SHOWN_ROWS + 1]
    left = len(rows) - 1 - len(shown)
    up = "../" * _facts_page(name).count("/")
    table = PageTable(
        msg("Each row with its line in the file."),
        (msg("line"), *header),
        tuple(
            Row((number, *_filled(cells, len(header))), f"row-{number}") for number, cells in shown
        ),
        frozenset({0}),
    )
    section = PageSection(
        "rows",
        name,
        notes=(msg("{count} more rows are in the file.", count=left),) if left > 0 else (),
        links=(Link(words.text(msg("the file itself")), f"{up}{layout.FACTS_FILES}{name}"),),
        table=table,
    )
    return render(_head(material, up), msg("Records as they were handed in"), [section], words)


def _csv_rows(octets: bytes) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each row that is not blank; the archive's facts have been read."""
    reader = csv.reader(io.StringIO(octets.decode("utf-8-sig"), newline=""), strict=True)
    line = 1
    for record in reader:
        if any(cell.strip() for cell in record):
            yield line, [cell.strip() for cell in record]
        line = reader.line_num + 1


def _filled(cells: list[str], width: int) -> list[str]:
    return (cells + [""] * width)[:width]


def _basis(material: Material, words: Language) -> bytes:
    result = material.result
    sections = [
        PageSection(
            "warnings",
            msg("Warnings"),
            notes=() if result.warnings else (msg("None."),),
            table=PageTable(
                msg("Nothing in here costs anything by itself."),
                (msg("service"), msg("PAS"), msg("warning")),
                tuple(Row((one.service, one.pas, Said(one.text))) for one in result.warnings),
            )
            if result.warnings
            else None,
        ),
        PageSection(
            "gaps",
            msg("Gaps in the measurements"),
            notes=() if result.gaps else (msg("None."),),
            table=PageTable(
                msg("Stretches without valid measurements."),
                (msg("path"), msg("PAS"), msg("from"), msg("to"), msg("cause")),
                tuple(
                    Row(
                        (
                            gap.path,
                            gap.pas,
                            Moment(gap.start_ns, material.zone_of(gap.pas)),
                            Moment(gap.end_ns, material.zone_of(gap.pas)),
                            Said(gap.cause),
                        )
                    )
                    for gap in result.gaps
                ),
            )
            if result.gaps
            else None,
        ),
        PageSection(
            "readings",
            msg("How the annex was read"),
            table=PageTable(
                msg("Another reading gives another figure."),
                (msg("reading"), msg("how it is read")),
                tuple(Row((one, Said(text))) for one, text in result.readings.items()),
            ),
        ),
    ]
    return render(_head(material), msg("Warnings, gaps and readings"), sections, words)


def _lines(material: Material, service: Service) -> list[Line]:
    return [line for line in material.result.lines if line.service == service.id]


def _others(files: Iterable[str]) -> tuple[Link, ...]:
    """Every file that has no page and is no report."""
    elsewhere = (layout.REPORTS, layout.FACTS_FILES)
    return tuple(Link(name, name) for name in files if not name.startswith(elsewhere))


def _service_page(service: Service) -> str:
    return f"{layout.PAGES}{service.id}.html"


def _facts_page(name: str) -> str:
    return f"{layout.PAGES}facts/{name.removesuffix('.csv')}.html"


def _head(material: Material, up: str = "../") -> Head:
    return Head(material.result.administration, _dates(material), f"{up}{layout.INDEX}")


def _dates(material: Material) -> Text:
    period = material.period
    last = date.fromordinal(period.end.toordinal() - 1)
    return msg("{name}: {begin} to {end}", name=str(period), begin=period.begin, end=last)
