"""`pasprobe trace` and `pasprobe identify`: where a path leads, and who answers at its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.evidence.path import Hop


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("trace")(trace)
    app.command("identify")(identify)


def trace(
    target: Annotated[str, typer.Argument(help="Name or address, IPv4 or IPv6.")],
    queries: Annotated[int, typer.Option("-q", help="Probes for each hop.", min=1, max=50)] = 3,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for answers.", min=0.05, max=30)
    ] = 1.0,
    max_hops: Annotated[int, typer.Option(help="Greatest distance.", min=1, max=255)] = 30,
    ipv4: Annotated[bool, typer.Option("-4", help="Use an IPv4 address of the name.")] = False,
    ipv6: Annotated[bool, typer.Option("-6", help="Use an IPv6 address of the name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show the routers on the way to a target, with the answers and round trips of each.

    Works without root where net.ipv4.ping_group_range allows it, with CAP_NET_RAW otherwise.
    Routers limit the rate of their answers: silence of a hop in between is no loss on the path,
    silence from a hop on to the end is. Exit 1: the target was not reached.

    Example: pasprobe trace 192.0.2.1
    """
    from agent.errors import ProbeError
    from agent.evidence.path import reached, resolve, traceroute

    try:
        if ipv4 and ipv6:
            raise ProbeError("trace: choose one of -4 and -6")
        address = resolve(target, 4 if ipv4 else 6 if ipv6 else 0)
        hops = traceroute(address, queries=queries, timeout_s=timeout, max_hops=max_hops)
    except ProbeError as error:
        typer.echo(f"pasprobe: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(_trace_json(target, address, hops)))
    else:
        _print_trace(target, address, hops)
    if not reached(hops):
        raise typer.Exit(1)


def _trace_json(target: str, address: str, hops: tuple[Hop, ...]) -> dict[str, object]:
    from agent.evidence.path import reached

    return {
        "target": target,
        "address": address,
        "reached": reached(hops),
        "hops": [
            {
                "distance": hop.distance,
                "addresses": list(hop.addresses),
                "sent": hop.sent,
                "received": hop.received,
                "rtt_ms": [rtt / 1e6 for rtt in hop.rtt_ns],
                "reached": hop.reached,
                "refusal": hop.refusal,
            }
            for hop in hops
        ],
    }


def _print_trace(target: str, address: str, hops: tuple[Hop, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from agent.evidence.path import reached

    table = Table(title=f"{target} ({address})" if target != address else target)
    table.add_column("hop", justify="right")
    table.add_column("address")
    for name in ("sent", "answered", "lost", "min ms", "mean ms", "max ms"):
        table.add_column(name, justify="right")
    for hop in hops:
        figures = ["", "", ""]
        if hop.rtt_ns:
            mean = sum(hop.rtt_ns) / hop.received
            figures = [f"{ns / 1e6:.3f}" for ns in (min(hop.rtt_ns), mean, max(hop.rtt_ns))]
        lost = f"{(hop.sent - hop.received) / hop.sent:.0%}" if hop.sent else ""
        who = ", ".join(hop.addresses) or "no answer"
        table.add_row(
            str(hop.distance),
            f"{who}: {hop.refusal}" if hop.refusal else who,
            str(hop.sent),
            str(hop.received),
            lost,
            *figures,
        )
    console = Console()
    console.print(table)
    if not reached(hops):
        last = f"hop {hops[-1].distance}, {hops[-1].addresses[0]}" if hops else "nobody"
        console.print(f"The target was not reached; the last to answer was {last}.")


def identify(
    ip: Annotated[str, typer.Argument(help="IPv4 or IPv6 address on a link of this host.")],
    interface: Annotated[
        str | None, typer.Option(help="Ask on this interface; default: by the routing table.")
    ] = None,
    expect: Annotated[
        str | None, typer.Option(help="The MAC address that should answer, and no other.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds to listen for each question.", min=0.05, max=30)
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Ask which MAC address answers for an IP address (ARP; neighbour solicitation for IPv6).

    Needs CAP_NET_RAW. Exit 1: nobody answers, several do, or another than expected.

    Example: pasprobe identify 192.0.2.1 --expect 00:1b:21:3c:4d:5e
    """
    from agent.errors import ProbeError
    from agent.evidence.link import identify as ask
    from agent.evidence.link import normal_mac

    try:
        expected = normal_mac(expect) if expect is not None else None
        found = ask(ip, interface, timeout_s=timeout)
    except ProbeError as error:
        typer.echo(f"pasprobe: {error}", err=True)
        raise typer.Exit(2) from None
    as_expected = len(found.macs) == 1 and expected in (None, found.macs[0])
    if as_json:
        answer = {
            "address": found.address,
            "interface": found.interface,
            "macs": list(found.macs),
            "expected": expected,
            "as_expected": as_expected,
        }
        typer.echo(json.dumps(answer))
    else:
        place = f"{found.address} on {found.interface}"
        if not found.macs:
            typer.echo(f"{place}: nobody answers")
        elif len(found.macs) > 1:
            typer.echo(f"{place}: claimed by {len(found.macs)}: {', '.join(found.macs)}")
        else:
            note = "" if expected is None else ", as expected"
            typer.echo(
                f"{place}: {found.macs[0]}" + (note if as_expected else f", expected {expected}")
            )
    if not as_expected:
        raise typer.Exit(1)
