"""Reading InfluxDB: the records of many agents, by InfluxQL (`GET /query`).

The one language that 1.x, 2.x (with a DBRP mapping) and 3 Core answer; only SELECT, WHERE, GROUP BY
tag, ORDER BY time and LIMIT are used. Sums are made here, from whole records: every field that is
added up is an integer, so both stores give the same figures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, cast

from timeseries.codec import SUBJECT, identity_of, subject_of
from timeseries.errors import StoreError
from timeseries.influx import InfluxTarget
from timeseries.line_protocol import record_of
from timeseries.reader import FOREVER_NS, Only, Paths, PathSummary, Reader
from timeseries.records import (
    Record,
    TrainRecord,
)

PAGE_ROWS = 5_000
"""Records of one answer: it has to fit into memory, and below a server's `max-row-limit`."""
_MOST_NS = 2**63 - 2
MOST_NAMED = 50
"""Paths that a query names; of more, all are read and the others left out: proxies limit the length
of an address."""
_RETRIES = 3


class InfluxReader(Reader):
    """Reads one bucket.

    The bucket is a database, or database/retention-policy, of the InfluxQL interface. Raises
    `StoreError` for what the server or the network does.
    """

    def __init__(self, target: InfluxTarget) -> None:
        import urllib3

        self._target = target
        self._database, _, self._policy = target.bucket.partition("/")
        common: dict[str, Any] = {
            "cert_reqs": "CERT_REQUIRED" if target.verify else "CERT_NONE",
            "ca_certs": None if target.ca_file is None else str(target.ca_file),
            "cert_file": None if target.client_cert is None else str(target.client_cert),
            "key_file": None if target.client_key is None else str(target.client_key),
            "timeout": urllib3.Timeout(connect=target.timeout_s, read=6 * target.timeout_s),
            "retries": urllib3.Retry(_RETRIES, backoff_factor=0.5, status_forcelist=(429, 503)),
        }
        self._http: urllib3.PoolManager = (
            urllib3.ProxyManager(target.proxy, **common)
            if target.proxy
            else urllib3.PoolManager(**common)
        )

    def last_trains(self, from_ns: int = 0) -> list[TrainRecord]:
        """See `Reader`."""
        newest: dict[tuple[str, str], TrainRecord] = {}
        where = _where("trains", None, from_ns, FOREVER_NS)
        for record in self._select(
            "trains", f"{where} GROUP BY agent, path ORDER BY time DESC LIMIT 1"
        ):
            train = cast(TrainRecord, record)
            known = newest.get((train.agent, train.path))
            if known is None or known.start_ns < train.start_ns:
                newest[train.agent, train.path] = train
        return [newest[identity] for identity in sorted(newest)]

    def summary_since(self, from_ns: int) -> list[PathSummary]:
        """See `Reader`."""
        mine: dict[tuple[str, str], list[TrainRecord]] = {}
        for train in self.trains(None, from_ns):
            mine.setdefault((train.agent, train.path), []).append(train)
        return [summary_of(trains) for _, trains in sorted(mine.items())]

    def paths(self, kind: str = "trains", from_ns: int = 0, to_ns: int = FOREVER_NS) -> list[str]:
        """See `Reader`."""
        name = SUBJECT[kind]
        where = _where(kind, None, from_ns, to_ns)
        answer = self._query(
            f'SELECT count("schema") FROM {self._from(kind)}{where} GROUP BY {name}'
        )
        return sorted(series["tags"][name] for series in answer)

    def _records(
        self, kind: str, subject: Paths, from_ns: int, to_ns: int, only: Only | None = None
    ) -> Iterator[Record]:
        wanted = None if subject is None or isinstance(subject, str) else set(subject)
        if wanted is not None and len(wanted) > MOST_NAMED:
            subject = None
        found = self._pages(kind, subject, from_ns, to_ns, only)
        for _, together in groupby(found, key=lambda record: record.start_ns):
            previous: tuple[object, ...] | None = None
            for record in sorted(together, key=_newest_revision_first):
                identity = identity_of(record)
                if identity != previous and (wanted is None or subject_of(record) in wanted):
                    yield record
                previous = identity

    def _pages(
        self, kind: str, path: Paths, from_ns: int, to_ns: int, only: Only | None = None
    ) -> Iterator[Record]:
        """All records by time, page by page; the next one begins at the last instant of the one
        before, of which some may be missing yet."""
        limit = PAGE_ROWS
        known: list[Record] = []
        while from_ns < to_ns:
            where = _where(kind, path, from_ns, to_ns) + _only(only or {})
            clauses = f"{where} ORDER BY time ASC LIMIT {limit}"
            page = list(self._select(kind, clauses))
            yield from (record for record in page if record not in known)
            if len(page) < limit:
                return
            last_ns = page[-1].start_ns
            if last_ns == from_ns:
                limit *= 2  # more of one instant than a page holds
            from_ns = last_ns
            known = [record for record in page if record.start_ns == last_ns]

    def _from(self, kind: str) -> str:
        return f'"{self._policy}"."{kind}"' if self._policy else f'"{kind}"'

    def _select(self, kind: str, clauses: str) -> Iterator[Record]:
        for series in self._query(f"SELECT * FROM {self._from(kind)}{clauses}"):
            tags = series.get("tags", {})
            names = [*series["columns"], *tags]
            for values in series["values"]:
                yield record_of(kind, names, [*values, *tags.values()])

    def drop_series(self, kind: str, subject: str) -> None:
        """Delete all records of a path or device and kind (InfluxDB 1.x)."""
        where = f"{SUBJECT[kind]} = {_quoted(subject)}"
        self._query(f'DROP SERIES FROM "{kind}" WHERE {where}', "POST")

    def _query(self, text: str, method: str = "GET") -> list[dict[str, Any]]:
        """The series of an answer."""
        from urllib3.exceptions import HTTPError

        target = self._target
        url = f"{target.url.rstrip('/')}/query"
        fields = {"db": self._database, "q": text, "epoch": "ns"}
        if target.org:
            fields["org"] = target.org
        headers = {"Authorization": f"Token {target.token}"} if target.token else {}
        try:
            answer = self._http.request(method, url, fields=fields, headers=headers)
        except (HTTPError, OSError) as error:
            raise StoreError(f"{url} cannot be read: {error}") from error
        try:
            told = json.loads(answer.data)
        except ValueError:
            raise StoreError(
                f"{url} answered {answer.status} without JSON, so it is no InfluxDB (a proxy or a"
                " login page?): correct `url` or `proxy`"
            ) from None
        return _series(told, f"{url}, database {self._database}")


def _series(told: Any, where: str) -> list[dict[str, Any]]:
    """The series of an InfluxQL answer. Raises `StoreError` with the server's words."""
    if not isinstance(told, dict):
        raise StoreError(f"{where}: an answer that is none of InfluxQL: {str(told)[:200]}")
    result = (told.get("results") or [{}])[0]
    words = told.get("error") or told.get("message") or result.get("error")
    if words:
        raise StoreError(f"{where}: {words}")
    found = list(result.get("series", ()))
    if any(one["columns"][:1] != ["time"] for one in found):
        raise StoreError(
            f"{where}: answers without the time of its rows, so it is no InfluxDB that can be read"
        )
    if any(series.get("partial") for series in found):
        raise StoreError(
            f"{where}: the server cut its answer short: raise its max-row-limit, or set it to 0"
        )
    return found


def _where(kind: str, path: Paths, from_ns: int, to_ns: int) -> str:
    where = f" WHERE time >= {from_ns} AND time < {min(to_ns, _MOST_NS)}"
    if path is None:
        return where
    names = [path] if isinstance(path, str) else sorted(path)
    subject = SUBJECT[kind]
    if not names:
        return f"{where} AND {subject} = ''"
    return f"{where} AND ({' OR '.join(f'{subject} = {_quoted(name)}' for name in names)})"


def _only(wanted: Only) -> str:
    """An empty tag is left out when written, and is '' here."""
    return "".join(
        f" AND ({' OR '.join(f'{column} = {_quoted(value)}' for value in sorted(values))})"
        if values
        else f" AND {SUBJECT['device_rollups']} = ''"
        for column, values in wanted.items()
    )


def _newest_revision_first(record: Record) -> tuple[tuple[object, ...], int]:
    """A roll-up that was revised after its path was assigned anew is there twice, under both tags;
    the later one has more trains."""
    return identity_of(record), -getattr(record, "trains", getattr(record, "polls", 0))


def _quoted(text: str) -> str:
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"


def summary_of(trains: Sequence[TrainRecord]) -> PathSummary:
    """Sums over the trains of one agent's path, ordered by time; at least one. Pure."""
    newest = trains[-1]
    valid = [train for train in trains if train.valid]
    judged = [train.rtt.within_limit for train in valid if train.rtt.within_limit is not None]
    jitters = [train.rtt.ipdv_mean_ns for train in valid if train.rtt.ipdv_mean_ns is not None]
    return PathSummary(
        agent=newest.agent,
        path=newest.path,
        pas=newest.pas,
        service=newest.service,
        trains=len(trains),
        valid=len(valid),
        sent=sum(train.sent for train in valid),
        received=sum(train.received for train in valid),
        lost=sum(train.lost for train in valid),
        late=sum(train.late for train in valid),
        within_limit=sum(judged) if judged else None,
        jitter_sum_ns=sum(jitters),
        jitter_count=len(jitters),
        local_drops=sum(train.local_drops for train in trains),
        lateness_max_ns=max(train.lateness_max_ns for train in trains),
        last_start_ns=newest.start_ns,
    )
