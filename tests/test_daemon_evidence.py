"""A traceroute at the beginning of an outage: once, beside it, and not too many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from agent.daemon.assignments import Assignment, Judgement
from agent.daemon.loss_evidence import WAITING_MOST, LossEvidence
from agent.errors import ProbeError
from agent.evidence.path import Hop
from agent.samples import ClockState, Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, summarise
from timeseries.records import TrainRecord

S = 1_000_000_000
HOPS = (Hop(1, ("192.0.2.254",), 3, (1_000,), reached=False),)


def assignment(path: str = "a/b", loss: Decimal | None = Decimal(5)) -> Assignment:
    plan = TrainPlan(path, "icmp", "192.0.2.1", 20, S // 10, 64, S)
    context = TrainContext("agent", "pas", "ip-base", "", "", "192.0.2.1", None)
    return Assignment("192.0.2.1", plan, 60 * S, context, Judgement(None, loss, None))


def record(lost: int, of: Assignment, start_s: int = 1) -> TrainRecord:
    samples = TrainSamples.empty(of.plan, start_s * S, ClockState(True, 1_000))
    samples.status[:] = Status.RECEIVED
    samples.status[:lost] = Status.LOST
    samples.tx_ns[:] = S
    samples.rx_ns = np.where(samples.status == int(Status.RECEIVED), S + 1_000, 0)
    return summarise(samples, of.context)


def collecting(
    folder: Path,
    work: Callable[[LossEvidence], Awaitable[None]],
    trace: Callable[[str], tuple[Hop, ...]] = lambda _: HOPS,
) -> list[dict[str, object]]:
    async def main() -> None:
        await work(LossEvidence(folder, trace))
        while pending := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(pending)  # type: ignore[type-var]

    asyncio.run(main())
    return [json.loads(file.read_text()) for file in sorted((folder / "evidence").glob("*.json"))]


def test_an_outage_is_traced_at_its_first_train_and_the_next_outage_again(tmp_path: Path) -> None:
    of = assignment()

    async def work(evidence: LossEvidence) -> None:
        for second, lost in enumerate((0, 1, 5, 20, 5, 0, 3, 0), start=1):
            evidence.note(record(lost, of, second), of)

    found = collecting(tmp_path, work)
    assert [(one["train_start_ns"], one["lost"]) for one in found] == [(3 * S, 5), (7 * S, 3)]
    assert found[0]["path"] == "a/b"
    assert found[0]["hops"][0]["addresses"] == ["192.0.2.254"]  # type: ignore[index]


def test_without_a_limit_more_than_one_percent_is_an_outage(tmp_path: Path) -> None:
    of = assignment(loss=None)

    async def work(evidence: LossEvidence) -> None:
        evidence.note(record(1, of), of)

    assert len(collecting(tmp_path, work)) == 1


def test_loss_that_the_agent_made_is_no_outage(tmp_path: Path) -> None:
    of = assignment()

    async def work(evidence: LossEvidence) -> None:
        spoiled = replace(record(20, of), valid=False, reasons=("local-drops",))
        evidence.note(spoiled, of)

    assert collecting(tmp_path, work) == []


@pytest.mark.parametrize("failure", [ProbeError("no raw socket"), OSError(101, "unreachable")])
def test_a_trace_that_fails_is_kept_with_its_reason(failure: Exception, tmp_path: Path) -> None:
    of = assignment()

    def fails(_: str) -> tuple[Hop, ...]:
        raise failure

    async def work(evidence: LossEvidence) -> None:
        evidence.note(record(20, of), of)

    (found,) = collecting(tmp_path, work, fails)
    assert found["error"] == str(failure)
    assert found["hops"] == []


def test_when_everything_fails_at_once_a_bounded_number_is_traced(tmp_path: Path) -> None:
    skipped = []

    async def work(evidence: LossEvidence) -> None:
        for n in range(WAITING_MOST + 30):
            of = assignment(f"p{n}")
            evidence.note(record(20, of), of)
        skipped.append(evidence.skipped)

    assert len(collecting(tmp_path, work)) == WAITING_MOST
    assert skipped == [30]


def test_the_oldest_files_go_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.daemon.loss_evidence.FILES_KEPT", 5)

    async def work(evidence: LossEvidence) -> None:
        for n in range(12):
            of = assignment(f"p{n}")
            evidence.note(record(20, of, start_s=10 + n), of)

    found = collecting(tmp_path, work)
    assert [one["path"] for one in found] == [f"p{n}" for n in range(7, 12)]
