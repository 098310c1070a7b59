"""What the probes of a runbook look at: a train, a machine's identity, a spare that is ready.

Those that need another room's state (a restore, a block, a tunnel by SNMP) are made by
`pasprobe.py` and passed beside these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from agent.errors import ProbeError
from agent.evidence.link import Identity, identify
from agent.probing import Request, measure, resolve
from incidents.errors import IncidentError, RefusedError
from incidents.runbook import Seen, Situation, Tools
from incidents.sftp_manifest import check, words
from incidents.tickets import Ticket
from inventory.models import ICMP_SIZE, Configuration, Path, target_of
from inventory.operations import Device, Server
from timeseries.records import TrainRecord

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a train must keep."""

    packets: int = 10
    spacing_ns: int = 100 * _MS
    timeout_ns: int = 2_000 * _MS
    loss_percent: Fraction = Fraction(0)
    limit_ns: int | None = None


Trains = Callable[[str, Acceptance], TrainRecord]
Identities = Callable[[str], Identity]


def tools(
    configuration: Configuration,
    acceptance: Acceptance | None = None,
    *,
    send: Trains | None = None,
    who: Identities = identify,
    sftp_options: tuple[str, ...] = (),
) -> Tools:
    """The probes that this room can make by itself, by their names in the runbooks."""
    wanted = acceptance or Acceptance()
    train = send or one_train

    def answers(host: str) -> Seen:
        return _answered(host, train(host, replace(wanted, loss_percent=Fraction(50))))

    def accepted(situation: Situation) -> Seen:
        hosts = acceptance_targets(situation.ticket, configuration)
        return _together([judged(host, train(host, wanted), wanted) for host in hosts])

    def server_fails(situation: Situation) -> Seen:
        server = server_of(situation.ticket, configuration)
        seen = answers(server.production)
        text = f"{server.id}: {seen.text}"
        data = _identity(server.production, who)
        return Seen(not seen.good, text, {"server": server.id, **data})

    def spare_ready(situation: Situation) -> Seen:
        server = server_of(situation.ticket, configuration)
        seen = [answers(_address(server, "spare"))]
        if server.sftp is not None:
            seen.append(_manifest(server.sftp, sftp_options))
        return _together(seen)

    def dedicated(situation: Situation) -> Seen:
        return answers(_address(server_of(situation.ticket, configuration), "dedicated"))

    def free(situation: Situation) -> Seen:
        server = server_of(situation.ticket, configuration)
        found = who(server.production)
        macs = ", ".join(found.macs)
        said = f"{macs} answers for it" if macs else "nobody answers for it"
        return Seen(not found.macs, f"{server.production}: {said}")

    def other(situation: Situation) -> Seen:
        server = server_of(situation.ticket, configuration)
        found = who(server.production)
        before = next((d["mac"] for d in situation.seen.values() if d.get("mac")), "")
        one = found.macs[0] if len(found.macs) == 1 else ""
        text = f"{server.production}: {', '.join(found.macs) or 'nobody'} answers for it"
        if before:
            text += f", {before} did before"
        # Two that answer are a conflict; the one of before means that nothing was moved.
        return Seen(bool(one) and one != before, text, {"mac_now": one})

    def manifest(situation: Situation) -> Seen:
        server = server_of(situation.ticket, configuration)
        if server.sftp is None:
            raise IncidentError(f"server {server.id} has no sftp — write it in [[server]]")
        return _manifest(server.sftp, sftp_options)

    def device(situation: Situation) -> Seen:
        return answers(device_of(situation.ticket, configuration).host)

    return {
        "train": _told(accepted),
        "server-fails": _told(server_fails),
        "spare-ready": _told(spare_ready),
        "dedicated-answers": _told(dedicated),
        "address-free": _told(free),
        "who-answers": _told(other),
        "sftp-manifest": _told(manifest),
        "device-answers": _told(device),
    }


def tunnel_by_train(
    configuration: Configuration, send: Trains | None = None
) -> Callable[[Situation], Seen]:
    """The probe `tunnel` without SNMP: a train over a path of the PAS behind the device."""
    train = send or one_train

    def tunnel(situation: Situation) -> Seen:
        hosts = acceptance_targets(situation.ticket, configuration)
        acceptance = Acceptance(loss_percent=Fraction(50))
        return _together([_answered(host, train(host, acceptance)) for host in hosts])

    return _told(tunnel)


def one_train(host: str, acceptance: Acceptance) -> TrainRecord:
    """One ICMP train from this host; `ProbeError` where none can be sent."""
    (target,) = resolve([(host, 0)], 0)
    if not target.address:
        raise ProbeError(f"{host}: {target.error}")
    request = Request(
        method="icmp",
        packets=acceptance.packets,
        spacing_ns=acceptance.spacing_ns,
        size=ICMP_SIZE,
        timeout_ns=acceptance.timeout_ns,
        limit_ns=acceptance.limit_ns,
    )
    (result,) = measure([target], request)
    return result.record


def judged(host: str, train: TrainRecord, acceptance: Acceptance) -> Seen:
    """Whether a train is good enough to accept by."""
    text = f"{host}: {train.received} of {train.sent} packets came back"
    if not train.valid:
        why = ", ".join(train.reasons)
        return Seen(False, f"{text}; the train says nothing, this host spoiled it ({why})")
    lost = 100 * train.lost <= acceptance.loss_percent * train.sent
    within = train.rtt.within_limit
    late = 0 if within is None or acceptance.limit_ns is None else train.received - within
    if late:
        text += f", {late} of them later than {Fraction(acceptance.limit_ns or 0, _MS)} ms"
    return Seen(train.sent > 0 and lost and not late, text)


def server_of(ticket: Ticket, configuration: Configuration) -> Server:
    """The server of a ticket: by its device, its address, or its only PAS; `RefusedError`."""
    for server in configuration.servers:
        addresses = {server.production, server.dedicated, server.spare} - {None}
        if ticket.device == server.id or (ticket.address and ticket.address in addresses):
            return server
    found = [server for server in configuration.servers if server.pas in ticket.pas]
    if len(found) == 1:
        return found[0]
    raise RefusedError(
        f"ticket {ticket.id}",
        "it names no server of the configuration",
        "say which it is (`incident update --device ID`)",
    )


def device_of(ticket: Ticket, configuration: Configuration) -> Device:
    """The device of a ticket, or the only one before its PAS; `RefusedError`."""
    found = [d for d in configuration.devices if ticket.device == d.id]
    found = found or [d for d in configuration.devices if set(d.pas) & set(ticket.pas)]
    if len(found) == 1:
        return found[0]
    raise RefusedError(
        f"ticket {ticket.id}",
        "it names no device of the configuration",
        "say which it is (`incident update --device ID`)",
    )


def acceptance_targets(ticket: Ticket, configuration: Configuration) -> tuple[str, ...]:
    """What must answer: the server's production address, or the targets of the ticket's paths."""
    try:
        return (server_of(ticket, configuration).production,)
    except RefusedError:
        mine = [path for path in configuration.paths if _of(path, ticket)]
        hosts = tuple(dict.fromkeys(target_of(configuration, path).host for path in mine))
        if hosts:
            return hosts
        raise


def _of(path: Path, ticket: Ticket) -> bool:
    return path.pas in ticket.pas and (not ticket.services or path.service in ticket.services)


def _answered(host: str, train: TrainRecord) -> Seen:
    seen = f"{host}: {train.received} of {train.sent} packets came back"
    return Seen(train.received * 2 >= train.sent > 0, seen)


def _address(server: Server, which: str) -> str:
    found: str | None = getattr(server, which)
    if found is None:
        raise IncidentError(f"server {server.id} has no {which} address — write it in [[server]]")
    return found


def _identity(host: str, who: Identities) -> dict[str, str]:
    try:
        macs = who(host).macs
    except ProbeError:
        return {}  # another host of the link may know; the person is asked at that step
    return {"mac": macs[0]} if macs else {}


def _manifest(url: str, options: tuple[str, ...]) -> Seen:
    found = check(url, options)
    return Seen(found.good, f"{url}: {words(found)}")


def _together(seen: list[Seen]) -> Seen:
    return Seen(bool(seen) and all(s.good for s in seen), "; ".join(s.text for s in seen))


def _told(tool: Callable[[Situation], Seen]) -> Callable[[Situation], Seen]:
    """What cannot be looked at is not seen, and the text says why."""

    def told(situation: Situation) -> Seen:
        try:
            return tool(situation)
        except (ProbeError, IncidentError) as error:
            return Seen(False, str(error))

    return told
