"""The PDF of a document, made from the same HTML."""

from __future__ import annotations

import logging

from analysis.errors import ReportError


def render_pdf(page: str) -> bytes:
    """A tagged PDF (PDF/UA-1). Raises `ReportError` where the system's libraries are missing."""
    try:
        from weasyprint import HTML
        from weasyprint.urls import FatalURLFetchingError, URLFetcher
    except OSError as error:
        raise ReportError(
            f"no PDF can be made here ({error}): install the packages libpango-1.0-0 and"
            " libpangoft2-1.0-0, or leave pdf out of --format"
        ) from None

    class Nothing(URLFetcher):  # type: ignore[misc]
        """Fetches nothing: a report is complete in itself."""

        def fetch(self, url: str, headers: object = None) -> object:  # noqa: ARG002
            raise FatalURLFetchingError(url)

    # Its advice about CSS that paper has no use for is nothing a reader could act on.
    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        octets: bytes = HTML(string=page, url_fetcher=Nothing()).write_pdf(pdf_variant="pdf/ua-1")
    except FatalURLFetchingError as error:
        raise ReportError(f"the page refers to {error}: a report is complete in itself") from None
    return octets
