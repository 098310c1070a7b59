"""`pasprobe lab`: an emulated link, as a UDP relay or between two namespaces."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agent.lab.link import LinkProfile
    from agent.lab.relay import Relay
    from agent.lab.tun import TunLink

_PROFILES = "high, medium, base, base-satellite, or one of them with -breach"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("lab")(lab)


def lab(
    profile: Annotated[str, typer.Option(help=f"The link: {_PROFILES}.")] = "base",
    listen: Annotated[
        str | None, typer.Option(help="UDP relay: where senders reach it, HOST:PORT.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="UDP relay: the reflector behind the link, HOST:PORT.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed decides the same fates.")] = 1,
    delay: Annotated[
        float | None, typer.Option(help="Fixed part of the one-way delay, ms.", min=0)
    ] = None,
    jitter: Annotated[
        float | None,
        typer.Option(help="Median of the variable part of the one-way delay, ms; 0 = none.", min=0),
    ] = None,
    loss: Annotated[
        float | None, typer.Option(help="Share lost in each direction, 0.02 = 2 %.")
    ] = None,
    loss_burst: Annotated[
        float | None, typer.Option(help="Mean number of packets lost in a row.", min=1)
    ] = None,
    duplicate: Annotated[
        float | None, typer.Option(help="Share duplicated in each direction.")
    ] = None,
    reorder: Annotated[
        float | None, typer.Option(help="Share held back in each direction, with --reorder-by.")
    ] = None,
    reorder_by: Annotated[
        float | None, typer.Option(help="How long they are held back, ms.", min=0)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Rate of each direction, Mbit/s.", min=0)
    ] = None,
    queue: Annotated[
        float | None, typer.Option(help="Longest wait in front of the rate, ms.", min=0)
    ] = None,
    free_order: Annotated[
        bool, typer.Option("--free-order", help="Packets may overtake each other by jitter.")
    ] = False,
    tun: Annotated[
        bool, typer.Option("--tun", help="A link for any protocol between two namespaces (root).")
    ] = False,
    near: Annotated[
        list[str] | None,
        typer.Option(help="TUN: address of the near end, 10.99.0.1/30 (and one for IPv6)."),
    ] = None,
    far: Annotated[
        list[str] | None, typer.Option(help="TUN: address of the far end, 10.99.0.2/30.")
    ] = None,
    near_netns: Annotated[
        str | None, typer.Option(help="TUN: namespace of the near end; default: this one.")
    ] = None,
    far_netns: Annotated[str | None, typer.Option(help="TUN: namespace of the far end.")] = None,
    near_device: Annotated[str, typer.Option(help="TUN: name of the near device.")] = "pplab0",
    far_device: Annotated[str, typer.Option(help="TUN: name of the far device.")] = "pplab1",
    as_json: Annotated[
        bool, typer.Option("--json", help="Two lines of JSON: at the start, and the counters.")
    ] = False,
) -> None:
    """Emulate a link with delay, jitter, loss, duplication, reordering and a rate.

    A UDP relay in front of any reflector, without privilege; with --tun, as root, a link for any
    protocol into another network namespace (`ip netns add lab-far`, then ping 10.99.0.2).
    Ctrl-C (SIGINT) or SIGTERM stops it and prints what became of the packets. The counters are for
    your information: a benchmark takes its truth from captures on both sides.

    Example: pasprobe lab --profile base --listen 127.0.0.1:8620 --to 127.0.0.1:8862

    Example: pasprobe lab --profile high-breach --tun --near 10.99.0.1/30 --far 10.99.0.2/30
    --far-netns lab-far
    """
    from agent.errors import ProbeError
    from agent.lab.profiles import overridden, preset

    try:
        chosen = overridden(
            preset(profile),
            delay_ms=delay,
            jitter_ms=jitter,
            loss=loss,
            loss_burst=loss_burst,
            duplicate=duplicate,
            reorder=reorder,
            reorder_by_ms=reorder_by,
            rate_mbps=rate,
            queue_ms=queue,
            in_order=False if free_order else None,
        )
        link: Relay | TunLink
        if tun:
            if listen or to:
                raise ProbeError("lab: --tun carries everything: leave out --listen and --to")
            link, where = _tun_link(
                chosen, seed, near, far, near_netns, far_netns, near_device, far_device
            )
        else:
            if near or far or near_netns or far_netns:
                raise ProbeError("lab: --near, --far and their namespaces need --tun")
            link, where = _relay(chosen, seed, listen, to)
    except ProbeError as error:
        typer.echo(f"pasprobe {error}", err=True)
        raise typer.Exit(2) from None
    failure = _serve(link, chosen, seed, where, as_json)
    if failure is not None:
        typer.echo(f"pasprobe {failure}", err=True)
        raise typer.Exit(2)


def _relay(
    profile: LinkProfile, seed: int, listen: str | None, to: str | None
) -> tuple[Relay, dict[str, str]]:
    from agent.errors import ProbeError
    from agent.lab.link import Link
    from agent.lab.relay import Relay, endpoint_text, parse_endpoint

    if not listen or not to:
        raise ProbeError(
            "lab: say where to listen and where the reflector is: "
            "--listen 127.0.0.1:8620 --to 127.0.0.1:862 (or --tun, see --help)"
        )
    relay = Relay(
        parse_endpoint(listen, "--listen"), parse_endpoint(to, "--to"), Link(profile, seed)
    )
    relay.start()
    return relay, {"listen": endpoint_text(relay.address), "to": to}


def _tun_link(
    profile: LinkProfile,
    seed: int,
    near: list[str] | None,
    far: list[str] | None,
    near_netns: str | None,
    far_netns: str | None,
    near_device: str,
    far_device: str,
) -> tuple[TunLink, dict[str, str]]:
    from agent.lab.link import Link
    from agent.lab.tun import End, TunLink, parse_interface

    ends = (
        End(near_device, tuple(parse_interface(text, "--near") for text in near or ()), near_netns),
        End(far_device, tuple(parse_interface(text, "--far") for text in far or ()), far_netns),
    )
    link = TunLink(*ends, Link(profile, seed)).start()
    near_text, far_text = (
        f"{end.device} {' '.join(map(str, end.addresses))}"
        + (f" in {end.netns}" if end.netns else "")
        for end in ends
    )
    return link, {"near": near_text, "far": far_text}


def _serve(
    link: Relay | TunLink, profile: LinkProfile, seed: int, where: dict[str, str], as_json: bool
) -> str | None:
    """Wait for a signal or a failure, stop, print the counters; the failure's text or None."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if as_json:
        started = {"event": "started", "profile": profile.name, "seed": seed, **where}
        typer.echo(json.dumps(started))
    else:
        typer.echo(f"lab {profile.name}, seed {seed}: {' -> '.join(where.values())}")
        for name in ("forward", "backward"):
            typer.echo(f"  {name:8} {_described(getattr(profile, name))}")
        typer.echo("Ctrl-C stops.")
    failure: str | None = None
    while failure is None and not stop.wait(0.5):
        failure = link.failure
    link.stop()
    if as_json:
        typer.echo(json.dumps({"event": "stopped", **link.as_json()}))
    else:
        _print_counters(link.as_json())
    return failure


def _described(direction: Any) -> str:
    base_ms = direction.delay.base_ns / 1e6
    parts = [f"delay {base_ms:g} ms"]
    if direction.delay.variable is not None:
        p50, p99 = (direction.delay.quantile_ns(share) / 1e6 for share in (0.5, 0.99))
        parts = [f"delay from {base_ms:g} ms, p50 {p50:.1f}, p99 {p99:.1f}"]
    parts.append(f"loss {direction.loss.mean:.2%}")
    if direction.duplicate:
        parts.append(f"duplicated {direction.duplicate:.2%}")
    if direction.reorder:
        parts.append(f"held back {direction.reorder:.2%} by {direction.reorder_by_ns / 1e6:g} ms")
    if direction.rate_bps:
        parts.append(f"{direction.rate_bps / 1e6:g} Mbit/s, queue {direction.queue_ns / 1e6:g} ms")
    return ", ".join(parts)


def _print_counters(counters: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("packets", "forward", "backward")
    for column in table.columns[1:]:
        column.justify = "right"
    forward, backward = counters["forward"], counters["backward"]
    for name in forward:
        label = name.replace("_ns", "").replace("_", " ")
        if name.endswith("_ns"):
            figures = [f"{way[name] / 1e6:.3f} ms" for way in (forward, backward)]
        else:
            figures = [str(way[name]) for way in (forward, backward)]
        table.add_row(label, *figures)
    console = Console()
    console.print(table)
    others = {name: value for name, value in counters.items() if isinstance(value, int)}
    if others:
        console.print(", ".join(f"{name.replace('_', ' ')} {n}" for name, n in others.items()))
