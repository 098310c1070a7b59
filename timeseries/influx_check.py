"""Try a real InfluxDB: write, read back, compare, write again, clean up.

This is `pasprobe check --influx`. What cannot be had where pasprobe is tested (InfluxDB 2.x and
3.x) a user tries with this.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timeseries.codec import SUBJECT, flatten, kind_of
from timeseries.device_rollup import device_rollups
from timeseries.errors import StoreError
from timeseries.influx import Accepted, Answer, InfluxTarget, InfluxWriter, Refused
from timeseries.influx_reader import InfluxReader
from timeseries.line_protocol import line
from timeseries.records import (
    DelayFigures,
    DeviceEventRecord,
    DeviceSampleRecord,
    PlanRecord,
    Record,
    SampleRecord,
    TrainRecord,
)
from timeseries.rollup import QUARTER_NS, quarter_of, rollup

VISIBLE_S = 15.0
"""How long what was written may take to be readable."""
_AGENT = "pasprobe-check"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried."""

    name: str
    good: bool
    words: str


def check(target: InfluxTarget, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Step]:
    """Try everything that pasprobe asks of the server; each step as it is done.

    Ends early where the rest would make no sense. What was written is taken away again.
    """
    path = f"{_AGENT}/{os.urandom(4).hex()}"
    records = _records(path, quarter_of(time.time_ns()) - QUARTER_NS)
    writer = InfluxWriter(target)
    try:
        body = "\n".join(line(kind_of(one), flatten(one)) for one in records).encode()
        answer = writer.write(body)
        yield Step("write", isinstance(answer, Accepted), _said(answer))
        if not isinstance(answer, Accepted):
            return
        reader = InfluxReader(target)
        yield _compared(reader, records, path, sleep)
        again = writer.write(body)
        yield _written_again(reader, again, path)
        # At a time beside theirs: InfluxDB 1.x keeps the types of fields by shard.
        at_ns = records[0].start_ns + 1
        bad = f'trains,agent={_AGENT},path={path} sent="text" {at_ns}'
        refusal = writer.write(bad.encode())
        yield Step(
            "refuse what does not fit",
            isinstance(refusal, Refused),
            _said(refusal)
            if isinstance(refusal, Refused)
            else f"{_said(refusal)}: records that do not fit would be lost without a word",
        )
    finally:
        writer.close()
    yield _cleaned(target, path)


def _records(path: str, start_ns: int) -> list[Record]:
    """One of each kind, with awkward values in it."""
    figures = DelayFigures(
        min_ns=1, mean_ns=2, p50_ns=2, p95_ns=3, p99_ns=3, max_ns=2**62, stddev_ns=0,
        within_limit=9, histogram=((3, 9), (200, 1)),
    )  # fmt: skip
    train = TrainRecord(
        agent=_AGENT, path=path, pas='a "pas", with =', service="ip-base", peer="",
        endpoint="qxn", method="icmp", target="è.example", address="192.0.2.1",
        start_ns=start_ns + 1, planned=10, sent=10, received=10, lost=0, late=0, duplicates=0,
        reordered=0, corrupted=0, spoofed=0, limit_ns=300_000_000, limit_on="rtt", rtt=figures,
        forward=None, backward=None, one_way_error_ns=None, one_way_judged=False,
        lost_forward=None, lost_backward=None, valid=True, reasons=(), flags=("a, flag",),
        tx_kernel=10, rx_kernel=10, t3_kernel=0, lateness_max_ns=7, local_drops=0,
        clock_step_ns=-1, clock_synchronised=True, clock_error_ns=None,
        icmp_errors=((4, 3, 1, "192.0.2.9", 2),), send_errors=(),
    )  # fmt: skip
    plan = PlanRecord(_AGENT, path, start_ns, True, 60_000_000_000, 10, 300_000_000)
    sample = SampleRecord(
        _AGENT, path, start_ns + 1, (2, 1), (start_ns, start_ns), (start_ns + 5, 0), (2, 2),
        (2, 0), (0, 0), (0, 0),
    )  # fmt: skip
    polled = DeviceSampleRecord(
        agent=_AGENT, device=path, figure="in_rate", instance="Gi1/0/1, up =", start_ns=start_ns,
        value=2**62, text="", unit="bit/s", scale=-3, amount=2**40, interval_ns=60_000_000_000,
    )  # fmt: skip
    happened = DeviceEventRecord(
        _AGENT, path, "tunnel-lost", "192.0.2.9", start_ns + 1, "raised", 'no "tunnel"', start_ns
    )
    ups: list[Record] = [
        rollup([train], [plan], start_ns, path),
        *device_rollups([polled], start_ns),
    ]
    return [train, sample, plan, polled, happened, *ups]


def _compared(
    reader: InfluxReader, records: Sequence[Record], path: str, sleep: Callable[[float], None]
) -> Step:
    wanted = {kind_of(one): one for one in records}
    deadline = time.monotonic() + VISIBLE_S
    while True:
        try:
            found = {kind: list(_of(reader, kind, path)) for kind in wanted}
        except StoreError as error:
            return Step("read back", False, str(error))
        different = [kind for kind, one in wanted.items() if found[kind] != [one]]
        if not different:
            return Step("read back and compare", True, f"{len(records)} records are the same")
        if time.monotonic() > deadline:
            told = ", ".join(f"{kind}: {found[kind] or 'none'}" for kind in different)
            return Step("read back and compare", False, f"not the same: {told}"[:2000])
        sleep(0.5)


def _of(reader: InfluxReader, kind: str, path: str) -> Iterator[Any]:
    readers: Mapping[str, Callable[[str], Iterator[Any]]] = {
        "trains": reader.trains,
        "samples": reader.samples,
        "plans": reader.plans,
        "rollups": reader.rollups,
        "device_samples": reader.device_samples,
        "device_rollups": reader.device_rollups,
        "device_events": reader.device_events,
    }
    return readers[kind](path)


def _written_again(reader: InfluxReader, answer: Answer, path: str) -> Step:
    name = "write again without doubling"
    if not isinstance(answer, Accepted):
        return Step(name, False, _said(answer))
    try:
        count = sum(1 for _ in reader.trains(path))
    except StoreError as error:
        return Step(name, False, str(error))
    return Step(name, count == 1, f"{count} train where one was written twice")


def _cleaned(target: InfluxTarget, path: str) -> Step:
    """Delete what was written: the delete API of 2.x, DROP SERIES of 1.x."""
    from influxdb_client import InfluxDBClient
    from influxdb_client.rest import ApiException
    from urllib3.exceptions import HTTPError

    name = "clean up"
    with InfluxDBClient(
        url=target.url, token=target.token or "", org=target.org or "-",
        verify_ssl=target.verify, proxy=target.proxy, timeout=int(target.timeout_s * 1000),
        ssl_ca_cert=None if target.ca_file is None else str(target.ca_file),
        cert_file=None if target.client_cert is None else str(target.client_cert),
        cert_key_file=None if target.client_key is None else str(target.client_key),
    ) as client:  # fmt: skip
        try:
            for subject in sorted(set(SUBJECT.values())):
                client.delete_api().delete(
                    "1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z", f'{subject}="{path}"',
                    bucket=target.bucket, org=target.org or "-",
                )  # fmt: skip
            return Step(name, True, "deleted (v2 API)")
        except (ApiException, HTTPError):
            pass
    try:
        reader = InfluxReader(target)
        for kind in SUBJECT:
            reader.drop_series(kind, path)
    except StoreError as error:
        return Step(name, False, f"records of {path} are left there: {error}")
    return Step(name, True, "dropped (InfluxQL)")


def _said(answer: Answer) -> str:
    if isinstance(answer, Accepted):
        return "204"
    if isinstance(answer, Refused):
        return f"{answer.status}: {answer.words}"
    return answer.words
