"""Documents as files: written aside, flushed, put in their place whole; and a folder for media."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Literal

from analysis.documents.content import Document, msg
from analysis.documents.language import Language
from analysis.documents.render_data import render_csv, render_json
from analysis.documents.render_html import render_html
from analysis.documents.render_pdf import render_pdf
from analysis.errors import ReportError

Format = Literal["html", "pdf", "csv", "json"]
FORMATS: tuple[Format, ...] = ("html", "pdf", "csv", "json")
SUMS_NAME = "SHA256SUMS"


def write_documents(
    documents: Sequence[Document], language: Language, formats: Collection[Format], folder: Path
) -> list[Path]:
    """Write each document in each format; the files written, in their order.

    HTML and PDF carry the language in their name; CSV and JSON are the same in all of them. Raises
    `ReportError` where a file cannot be written, or no PDF can be made here.
    """
    written: list[Path] = []
    for document in documents:
        for name, octets in _files(document, language, formats):
            _write(folder / name, octets)
            written.append(folder / name)
    return written


def _files(
    document: Document, language: Language, formats: Collection[Format]
) -> Iterator[tuple[str, bytes]]:
    if "html" in formats or "pdf" in formats:
        page = render_html(document, language)
        if "html" in formats:
            yield f"{document.name}.{language.code}.html", page.encode()
        if "pdf" in formats:
            yield f"{document.name}.{language.code}.pdf", render_pdf(page)
    if "json" in formats:
        yield f"{document.name}.json", render_json(document, language.code).encode()
    if "csv" in formats:
        for name, text in render_csv(document):
            # The byte order mark has spreadsheets take the file for UTF-8.
            yield f"{document.name}.tables/{name}", b"\xef\xbb\xbf" + text.encode()


def write_media(documents: Sequence[Document], language: Language, folder: Path) -> list[Path]:
    """One folder for optical media ([R-2-3]): all formats, an index page, checksums.

    Every link is relative and every name plain ASCII. Raises `ReportError`.
    """
    written = write_documents(documents, language, FORMATS, folder)
    index = folder / "index.html"
    _write(index, _index(documents, language, [path.relative_to(folder) for path in written]))
    sums = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted([*written, index])
    )
    _write(folder / SUMS_NAME, sums.encode())
    return [index, folder / SUMS_NAME, *written]


def _index(documents: Sequence[Document], language: Language, files: Sequence[Path]) -> bytes:
    """A page that leads to each file."""
    title = language.text(msg("Reports of {who}", who=documents[0].addressee))
    parts = []
    for document in documents:
        own = [path for path in files if path.parts[0].startswith(f"{document.name}.")]
        heading = f"{language.text(document.title)}, {language.text(document.period)}"
        links = "".join(
            f'<li><a href="{escape(path.as_posix())}">{escape(path.as_posix())}</a></li>\n'
            for path in own
        )
        parts.append(f"<h2>{escape(heading)}</h2>\n<ul>\n{links}</ul>\n")
    note = escape(language.text(msg("Checksums of all files: {file}.", file=SUMS_NAME)))
    page = (
        f'<!DOCTYPE html>\n<html lang="{language.code}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n"
        f"{''.join(parts)}<p>{note}</p>\n</main>\n</body>\n</html>\n"
    )
    return page.encode()


def _write(file: Path, octets: bytes) -> None:
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as out:
                out.write(octets)
                out.flush()
                os.fsync(out.fileno())
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"{file}: {error.strerror}; make room or choose a folder that can be written"
        ) from None
