"""Posts one JSON document to a webhook, signed so that its receiver can tell that it is ours.

`X-Pasprobe-Signature: t=<unix seconds>,v1=<hex>`, the HMAC-SHA-256 of `<t>.<body>` with the secret.
`X-Pasprobe-Delivery` is the same for every attempt at a message: a receiver that has seen it
answers 2xx and does nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from incidents.errors import IncidentError
from incidents.mail import Answer
from inventory.operations import Webhook

TIMEOUT_S = 20.0
SIGNATURE = "X-Pasprobe-Signature"
DELIVERY = "X-Pasprobe-Delivery"
_WORDS = 200


def signature(secret: bytes, body: bytes, at_s: int) -> str:
    """The value of the signature's header."""
    digest = hmac.new(secret, b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def is_signed_by(secret: bytes, body: bytes, header: str, now_s: int, *, tolerance_s: int) -> bool:
    """Whether a receiver may trust it: signed with this secret, and not older than that."""
    fields = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp = fields.get("t", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now_s - int(stamp)) > tolerance_s:
        return False
    return hmac.compare_digest(signature(secret, body, int(stamp)).encode(), header.encode())


def post(webhook: Webhook, secret: bytes | None, body: bytes, delivery: str, at_s: int) -> Answer:
    """Post once; redirections are not followed. Never raises for what a server does."""
    url = urlsplit(webhook.url)
    headers: Mapping[str, str] = {
        "Content-Type": "application/json",
        "User-Agent": "pasprobe",
        DELIVERY: delivery,
        **({} if secret is None else {SIGNATURE: signature(secret, body, at_s)}),
    }
    connection = _connection(webhook, url.scheme, url.hostname or "", url.port)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection.request("POST", target, body, dict(headers))
        response = connection.getresponse()
        said = response.read(_WORDS).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return Answer("later", f"{url.hostname}: {str(error) or type(error).__name__}")
    finally:
        connection.close()
    words = f"{response.status} {response.reason} {said}".strip()
    if 200 <= response.status < 300:
        return Answer("accepted", words)
    # 408 and 429 ask to come again; other 4xx and redirections say that the call is wrong.
    if response.status in (408, 429) or response.status >= 500:
        return Answer("later", words)
    return Answer("refused", words)


def _connection(
    webhook: Webhook, scheme: str, host: str, port: int | None
) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        context = ssl.create_default_context(
            cafile=None if webhook.ca_file is None else str(webhook.ca_file)
        )
    except (OSError, ssl.SSLError) as error:
        raise IncidentError(
            f"[[webhook]] {webhook.id}: ca_file {webhook.ca_file} cannot be used ({error})"
            " — name a PEM file that the user of pasprobe can read"
        ) from None
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
