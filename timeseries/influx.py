"""Writing to InfluxDB (v2 write API: 2.x, 3.x, 1.8+, VictoriaMetrics) with influxdb-client.

Synchronous, one ready body a call, and nothing is retried here: what the server or the network
answers becomes a value, and `timeseries.forwarder` decides. influxdb-client is imported when a
writer is made.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_GZIP_LEVEL = 1
"""Line protocol shrinks to a tenth with it already; more costs CPU on a small host."""
_WORDS = 500
"""So much of what a server says is kept."""


@dataclass(frozen=True, slots=True)
class InfluxTarget:
    """Where and how to reach an InfluxDB."""

    url: str
    bucket: str
    """A bucket, or database/retention-policy of InfluxDB 1.x."""
    org: str = ""
    token: str | None = field(default=None, repr=False)
    """An API token; `user:password` for InfluxDB 1.x."""
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify: bool = True
    """Check the server's certificate."""
    proxy: str | None = None
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """All points are stored."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not take (some of) these points, however often they come (400, 422)."""

    status: int
    words: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The body is larger than the server takes (413)."""

    words: str


@dataclass(frozen=True, slots=True)
class Unwilling:
    """Not now: no connection, a wrong token, an unknown bucket, a busy server, a strange answer."""

    words: str
    retry_after_s: float | None = None
    """What the server asked for (429, 503)."""


Answer = Accepted | Refused | TooLarge | Unwilling


class InfluxWriter:
    """Writes bodies to one bucket."""

    def __init__(self, target: InfluxTarget) -> None:
        from influxdb_client import InfluxDBClient, WriteService

        self.target = target
        if not target.verify:
            import urllib3

            # Whoever wrote `verify = false` knows; once a request would fill the log.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._client = InfluxDBClient(
            url=target.url,
            token=target.token or "",
            org=target.org or "-",
            timeout=int(target.timeout_s * 1000),
            verify_ssl=target.verify,
            ssl_ca_cert=_text(target.ca_file),
            cert_file=_text(target.client_cert),
            cert_key_file=_text(target.client_key),
            proxy=target.proxy,
            retries=False,
        )
        self._service = WriteService(self._client.api_client)

    def close(self) -> None:
        """Give the connection up."""
        self._client.close()

    def write(self, body: bytes) -> Answer:
        """Send lines (without an empty one among them), times in ns; never raises for what a
        server or the network does."""
        import gzip

        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            _, status, headers = self._service.post_write_with_http_info(
                self.target.org or "-",
                self.target.bucket,
                gzip.compress(body, _GZIP_LEVEL),
                precision="ns",
                content_encoding="gzip",
                content_type="text/plain; charset=utf-8",
                _return_http_data_only=False,
            )
        except ApiException as error:
            if not error.status:  # urllib3's SSLError in other words
                return Unwilling(f"{self.target.url}: {' '.join(str(error.reason).split())}")
            return answer_of(error.status, _decoded(error.body), error.headers, self.target)
        except HTTPError as error:
            return Unwilling(f"{self.target.url}: {_reason(error)}")
        except OSError as error:  # a CA file or a key that cannot be read
            return Unwilling(f"{self.target.url}: {error}")
        return answer_of(status, "", headers, self.target)


def answer_of(status: int | None, body: str, headers: Any, target: InfluxTarget) -> Answer:
    """What an HTTP answer to a write means. Pure."""
    words = _said(body)
    where = f"{target.url}, bucket {target.bucket}"
    if status == 204:
        return Accepted()
    if status in (400, 422):
        return Refused(status, words)
    if status == 413:
        return TooLarge(words)
    if status in (401, 403):
        return Unwilling(f"{where}: the token is not accepted ({status}: {words}): correct `token`")
    if status == 404:
        return Unwilling(f"{where}: not found ({words}): correct `bucket`, `org` or `url`")
    if status is not None and 200 <= status < 400:
        return Unwilling(
            f"{where}: answered {status} instead of 204, so it is no InfluxDB (a proxy or a login"
            f" page?): correct `url` or `proxy`"
        )
    asked = (headers or {}).get("Retry-After")
    return Unwilling(f"{where}: {status} {words}", retry_after_s(asked, time.time()))


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, section 10.2.3): a number or an HTTP date."""
    if text is None:
        return None
    import email.utils

    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now_s)


def _said(body: str) -> str:
    """The message in an error's body, in one line."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if isinstance(told, dict):
        body = str(told.get("message") or told.get("error") or body)
    text = " ".join(body.split())
    if text.startswith("<"):
        text = "an HTML page"
    return text[:_WORDS] or "no message"


def _decoded(body: object) -> str:
    if isinstance(body, bytes):
        return body.decode(errors="replace")
    return "" if body is None else str(body)


def _reason(error: BaseException) -> str:
    """The innermost cause, which names what is wrong."""
    inner = getattr(error, "reason", None)
    while isinstance(inner, BaseException):
        error, inner = inner, getattr(inner, "reason", None)
    text = str(error).rpartition(">: ")[2] or type(error).__name__
    return " ".join(text.split())[:_WORDS]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
