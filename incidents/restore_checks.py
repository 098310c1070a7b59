"""What must be so before a restored configuration is saved, by the words of `--accept`.

`ping:HOST`: at least half of five packets come back. `probe:PATH`: one train of a path, sent from
this host, keeps the limits of the contract (1 % of loss where it has none). `tunnel:PEER`: the
device has an IKE tunnel with this peer, by SNMP; `tunnel`: with each of its `peers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent.daemon.assignments import DEFAULT_LOSS_PERCENT, Assignment
from agent.daemon.reading import assignments
from agent.daemon.tally import faults
from agent.engine.loop import Engine
from agent.engine.timing import monotonic_now_ns, on_grid
from agent.errors import ProbeError
from agent.probing import LEAD_NS, resolve
from agent.summary import summarise
from collectors.errors import SnmpError
from collectors.snmp import target_of
from incidents.acceptance import Acceptance, one_train
from incidents.device_tools import peers_of
from incidents.errors import RefusedError
from inventory.checks import nearest
from inventory.limits import LimitSource
from inventory.load import Loaded
from inventory.models import Configuration
from inventory.operations import Device
from timeseries.records import TrainRecord

Check = Callable[[], str]
"""Why it is not so; empty where it is."""
_REMEDY = "write ping:HOST, probe:PATH, tunnel:PEER or tunnel"


def checks(
    loaded: Loaded,
    device: Device,
    words: Sequence[str],
    limits: LimitSource,
    environ: Mapping[str, str],
) -> Callable[[], list[str]]:
    """What asks them all, one after the other, and gives what is not so.

    Raises `RefusedError` for words that name nothing that could be asked, `SecretError`.
    """
    asked: list[Check] = []
    wanted: set[str] = set()
    for word in words:
        kind, colon, name = word.partition(":")
        if kind == "ping" and name:
            asked.append(_ping(name))
        elif kind == "probe" and name:
            asked.append(_probe(_assignment(loaded.configuration, word, name, limits, environ)))
        elif kind == "tunnel" and (name or not colon):
            wanted.update(_peers(device, word, name))
        else:
            raise RefusedError(f"--accept {word}", "there is no such check", _REMEDY)
    if wanted:
        asked.append(_tunnels(device, wanted, environ))
    return lambda: [why for check in asked if (why := check())]


def _ping(host: str) -> Check:
    acceptance = Acceptance(packets=5, timeout_ns=1_000_000_000)

    def check() -> str:
        try:
            train = one_train(host, acceptance)
        except ProbeError as error:
            return f"ping:{host}: {error}"
        good = train.received * 2 >= train.sent > 0
        return "" if good else f"ping:{host}: {train.received} of {train.sent} packets came back"

    return check


def _assignment(
    configuration: Configuration,
    word: str,
    name: str,
    limits: LimitSource,
    environ: Mapping[str, str],
) -> Assignment:
    """The path as this host would measure it, whose PAS it may be."""
    there = {path.id: path for path in configuration.paths}
    if name not in there:
        remedy = nearest(name, list(there)) or "add a [[path]] with this id"
        raise RefusedError(f"--accept {word}", "there is no such [[path]]", remedy)
    alone = configuration.model_copy(update={"paths": (there[name],), "agent": None})
    return assignments(alone, limits, environ)[name]


def _probe(assignment: Assignment) -> Check:
    judgement = assignment.judgement
    if judgement.loss_percent is None:
        judgement = replace(judgement, loss_percent=DEFAULT_LOSS_PERCENT)
    words = f"probe:{assignment.plan.path}"

    def check() -> str:
        try:
            record = _train(assignment)
        except ProbeError as error:
            return f"{words}: {error}"
        if not record.valid:
            why = ", ".join(record.reasons)
            return f"{words}: the train says nothing, this host spoiled it ({why})"
        found = faults(record, judgement)
        if not found and record.received:
            return ""
        came = f"{record.received} of {record.sent} packets came back"
        return f"{words}: {came}, over the limit: {', '.join(found) or 'loss'}"

    return check


def _train(assignment: Assignment) -> TrainRecord:
    """One train of a path, now; `ProbeError`."""
    (target,) = resolve([(assignment.host, assignment.plan.port)], 0)
    if not target.address:
        raise ProbeError(target.error)
    engine = Engine(early=True)
    try:
        plan = replace(assignment.plan, address=target.address)
        start_ns = on_grid(monotonic_now_ns() + LEAD_NS)
        (samples,) = engine.run([(plan, start_ns)])
    finally:
        engine.close()
    return summarise(samples, assignment.context)


def _peers(device: Device, word: str, name: str) -> tuple[str, ...]:
    if device.snmp is None:
        remedy = "write snmp = { ... } into the [[device]], or accept by ping: or probe:"
        raise RefusedError(f"--accept {word}", f"{device.id} is not asked by SNMP", remedy)
    if name:
        return (name,)
    if not device.peers:
        remedy = "write peers = [...] into the [[device]], or tunnel:PEER"
        raise RefusedError(f"--accept {word}", f"{device.id} has no peers", remedy)
    return device.peers


def _tunnels(device: Device, peers: set[str], environ: Mapping[str, str]) -> Check:
    # A secret that is missing is told now.
    target_of(device, environ)

    def check() -> str:
        try:
            there = peers_of(device, environ)
        except SnmpError as error:
            return f"tunnel: {error}"
        lost = sorted(peers - there)
        return f"tunnel: {device.id} has no IKE tunnel with {', '.join(lost)}" if lost else ""

    return check
