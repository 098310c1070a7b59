"""`pasprobe ping` and `pasprobe stamp`: one train to each target, now."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agent.probing import Progress, Request, Result

Count = Annotated[int, typer.Option("-c", "--count", min=1, max=1_000_000, help="Packets each.")]
Interval = Annotated[
    float, typer.Option("-i", "--interval", min=0.0001, max=3600, help="Seconds between packets.")
]
Size = Annotated[
    int, typer.Option("--size", "-s", help="Octets of the ICMP message or UDP payload; 0 = least.")
]
Dscp = Annotated[int, typer.Option("--dscp", min=0, max=63, help="Differentiated services code.")]
Timeout = Annotated[
    float, typer.Option("--timeout", "-W", min=0.001, max=3600, help="Seconds; later is late.")
]
Limit = Annotated[
    float | None, typer.Option("--limit", min=0, help="Delay limit in ms to count packets by.")
]
Share = Annotated[
    str, typer.Option("--share", help="Percent of the received packets that must keep the limit.")
]
AsJson = Annotated[bool, typer.Option("--json", help="An object, or a list for several targets.")]
Samples = Annotated[bool, typer.Option("--samples", help="With --json: every packet.")]
Four = Annotated[bool, typer.Option("-4", help="IPv4 only.")]
Six = Annotated[bool, typer.Option("-6", help="IPv6 only.")]
File = Annotated[
    Path | None, typer.Option("--file", "-f", help="Targets from a file, one a line; - = stdin.")
]
PLAIN_ROWS = 100
"""Beyond so many targets the results come as plain lines: a drawn table would take longer than
the measurement."""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("ping")(ping)
    app.command("stamp")(stamp)


def ping(
    targets: Annotated[list[str] | None, typer.Argument(help="Names or addresses.")] = None,
    count: Count = 10,
    interval: Interval = 0.1,
    size: Size = 0,
    dscp: Dscp = 0,
    timeout: Timeout = 3.0,
    limit: Limit = None,
    share: Share = "99",
    file: File = None,
    as_json: AsJson = False,
    samples: Samples = False,
    only_v4: Four = False,
    only_v6: Six = False,
) -> None:
    """Send one ICMP echo train to each target, all at the same time.

    Exit 1: a target did not answer, its train is invalid, or too few packets kept the limit.

    Example: pasprobe ping 192.0.2.1 2001:db8::1 -c 50 -i 0.02 --limit 300
    """
    request = _request("icmp", count, interval, size, dscp, timeout, limit, (only_v4, only_v6))
    _run([(name, 0) for name in _names(targets, file)], request, share, as_json, samples)


def stamp(
    targets: Annotated[list[str] | None, typer.Argument(help="HOST, HOST:PORT, [V6]:PORT.")] = None,
    count: Count = 10,
    interval: Interval = 0.1,
    size: Size = 0,
    dscp: Dscp = 0,
    timeout: Timeout = 3.0,
    limit: Limit = None,
    share: Share = "99",
    auth_key_file: Annotated[
        Path | None, typer.Option(help="HMAC-SHA-256 key, hex or base64; authenticated mode.")
    ] = None,
    follow_up: Annotated[
        bool, typer.Option("--follow-up", help="Ask for the reflector's kernel TX stamps.")
    ] = False,
    class_of_service: Annotated[
        bool, typer.Option("--class-of-service", help="Ask which DSCP arrived there.")
    ] = False,
    ptp: Annotated[bool, typer.Option("--ptp", help="PTPv2 stamps in place of NTP.")] = False,
    file: File = None,
    as_json: AsJson = False,
    samples: Samples = False,
    only_v4: Four = False,
    only_v6: Six = False,
) -> None:
    """Send one STAMP train (RFC 8762) to each reflector, all at the same time.

    Round trips are without the reflector's stay; one-way delays need synchronised clocks.

    Example: pasprobe stamp 192.0.2.7 198.51.100.3:8620 -c 100 -i 0.02 --follow-up
    """
    from dataclasses import replace

    from agent.probing import split_host_port
    from agent.reflector.access import read_key
    from agent.samples import StampOptions

    request = _request("stamp", count, interval, size, dscp, timeout, limit, (only_v4, only_v6))
    options = StampOptions(
        auth_key=read_key(auth_key_file) if auth_key_file else None,
        time_format="ptp" if ptp else "ntp",
        follow_up=follow_up,
        class_of_service=class_of_service,
    )
    ends = [split_host_port(name, 862) for name in _names(targets, file)]
    _run(ends, replace(request, stamp=options), share, as_json, samples)


def _names(targets: list[str] | None, file: Path | None) -> list[str]:
    from agent.errors import ProbeError

    names = list(targets or ())
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ProbeError(f"{file}: {error}; --file takes one target a line") from None
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        names += [line for line in lines if line]
    if not names:
        raise ProbeError("no target: name one or more, or give --file")
    return names


def _request(
    method: Any,
    count: int,
    interval: float,
    size: int,
    dscp: int,
    timeout: float,
    limit: float | None,
    families: tuple[bool, bool],
) -> Request:
    import socket

    from agent.errors import ProbeError
    from agent.probing import Request

    if all(families):
        raise ProbeError("-4 and -6 exclude each other: give one of them, or none")
    family = {(True, False): socket.AF_INET, (False, True): socket.AF_INET6}.get(families, 0)
    return Request(
        method=method,
        packets=count,
        spacing_ns=round(interval * 1e9),
        size=size,
        timeout_ns=round(timeout * 1e9),
        dscp=dscp,
        limit_ns=None if limit is None else round(limit * 1e6),
        family=family,
    )


def _run(
    ends: list[tuple[str, int]], request: Request, share: str, as_json: bool, samples: bool
) -> None:
    from agent.engine.loop import quiet_python
    from agent.errors import ProbeError
    from agent.probing import checked, measure, resolve

    try:
        percent = Fraction(share)
    except (ValueError, ZeroDivisionError):
        raise ProbeError(f"--share {share!r}: a percentage like 99 or 99.9") from None
    request = checked(request)
    targets = resolve(ends, request.family)
    quiet_python()
    live = sys.stderr.isatty()
    results = list(measure(targets, request, _live_line if live else None))
    if live:
        sys.stderr.write("\r\x1b[K")
    for target in targets:
        if target.error:
            typer.echo(target.error, err=True)
    if as_json:
        _print_json(results, samples)
    else:
        _print_table(results)
    fine = all(r.reached and r.record.valid and r.within(percent / 100) for r in results)
    raise typer.Exit(0 if fine else 1)


def _live_line(progress: Progress) -> None:
    sys.stderr.write(
        f"\r\x1b[K{progress.sent} of {progress.planned} packets sent, {progress.answered} answered"
    )
    sys.stderr.flush()


def _print_json(results: list[Result], samples: bool) -> None:
    from agent.presentation import result_object

    objects = [result_object(r.record, r.samples if samples else None) for r in results]
    typer.echo(json.dumps(objects[0] if len(objects) == 1 else objects))


def _print_table(results: list[Result]) -> None:
    from agent.presentation import results_lines, results_table

    records = [result.record for result in results]
    if len(records) > PLAIN_ROWS:
        for line in results_lines(records):
            typer.echo(line)
        return
    from rich.console import Console

    Console().print(results_table(records))
