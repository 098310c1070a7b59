"""`pasprobe reflect`: the STAMP reflector as a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.reflector.server import Reflector


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("reflect")(reflect)


def reflect(
    listen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDR:PORT", help="Where to answer; repeatable. Default: 127.0.0.1:862."
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Who is answered; repeatable. Default: loopback."),
    ] = None,
    stateful: Annotated[
        bool, typer.Option("--stateful", help="Number the replies of each session.")
    ] = False,
    auth_key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HMAC keys, a line KEY or PREFIX KEY each."),
    ] = None,
    allow_unauthenticated: Annotated[
        bool,
        typer.Option("--allow-unauthenticated", help="With keys: answer the others also."),
    ] = False,
    rate: Annotated[
        int, typer.Option(min=0, help="Replies a second per source; 0 = no limit.")
    ] = 10_000,
    dscp: Annotated[
        list[int] | None,
        typer.Option(min=0, max=63, help="DSCP a request may ask for; repeatable. Default: all."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines.")] = False,
) -> None:
    """Answer STAMP and TWAMP-Light requests (RFC 8762, RFC 8972) until SIGTERM or Ctrl-C.

    Prints what became of every datagram at the end and on SIGUSR1. A reply is never longer than
    its request; an address that is not loopback needs --allow.

    Example: pasprobe reflect --listen 192.0.2.1:862 --allow 198.51.100.0/24 --auth-key-file keys
    """
    from agent.errors import ProbeError
    from agent.reflector.access import NO_KEYS, load_keys, parse_prefix
    from agent.reflector.listener import parse_listen
    from agent.reflector.server import Reflector, ReflectorOptions

    if allow_unauthenticated and auth_key_file is None:
        raise typer.BadParameter(
            "without --auth-key-file everything is answered unauthenticated",
            param_hint="--allow-unauthenticated",
        )
    defaults = ReflectorOptions()
    try:
        reflector = Reflector(
            ReflectorOptions(
                listen=tuple(map(parse_listen, listen)) if listen else defaults.listen,
                allow=tuple(map(parse_prefix, allow or ())),
                keys=load_keys(auth_key_file) if auth_key_file else NO_KEYS,
                allow_unauthenticated=allow_unauthenticated,
                stateful=stateful,
                rate=rate,
                dscp=frozenset(dscp) if dscp else None,
            )
        )
    except ProbeError as error:
        typer.echo(f"pasprobe reflect: {error}", err=True)
        raise typer.Exit(2) from None
    _serve(reflector, as_json)


def _serve(reflector: Reflector, as_json: bool) -> None:
    """Answer until a signal says stop; SIGUSR1 prints the counters."""
    import json
    import signal
    import threading

    from agent.reflector.listener import where

    stop, tell = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGUSR1, lambda *_: tell.set())

    places = [where(host, port) for host, port in reflector.addresses]
    if as_json:
        typer.echo(json.dumps({"listening": places}))
    else:
        typer.echo(f"listening on {', '.join(places)}", err=True)
    _notify("READY=1")
    while not stop.is_set():
        reflector.poll(0.2)
        if tell.is_set():
            tell.clear()
            _print(reflector, as_json)
    _notify("STOPPING=1")
    reflector.close()
    _print(reflector, as_json)


def _print(reflector: Reflector, as_json: bool) -> None:
    import json

    counters = reflector.counters.as_dict()
    if as_json:
        typer.echo(json.dumps(counters))
        return
    lines = []
    for name, value in counters.items():
        if not isinstance(value, dict):
            lines.append((name.replace("_", " "), value))
        else:
            lines += [(f"{name} ({reason})", count) for reason, count in value.items() if count]
    width = max(len(name) for name, _ in lines)
    for name, count in lines:
        typer.echo(f"{name:<{width}}  {count}")


def _notify(state: str) -> None:
    """Tell systemd (sd_notify(3)) where it asked to be told."""
    import os
    import socket

    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading @ is systemd's way to write an abstract socket.
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), target)
        except OSError as error:
            typer.echo(f"NOTIFY_SOCKET {address}: {error.strerror}", err=True)
