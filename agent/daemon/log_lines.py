"""Structured log lines on standard error: an event and its fields, as logfmt or JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

FIELDS = "fields"


def event(log: logging.Logger, level: int, name: str, **fields: object) -> None:
    """Log an event (a short name in words joined by `-`) with its fields."""
    log.log(level, name, extra={FIELDS: fields})


class _Lines(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        ms = int(record.msecs)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{ms:03d}Z"
        line: dict[str, object] = {
            "time": stamp,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if self._as_json:
            return json.dumps(line, default=str, ensure_ascii=False)
        return " ".join(f"{key}={_value(value)}" for key, value in line.items())


def _value(value: object) -> str:
    text = str(value)
    if not text or not text.isprintable() or any(c in ' "=' for c in text):
        return json.dumps(text, ensure_ascii=False)
    return text


def log_to_stderr(*, as_json: bool) -> None:
    """Send all log lines of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
