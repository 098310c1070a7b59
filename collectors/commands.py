"""The commands of this room: snmp poll, snmp discover."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, get_args

import typer

if TYPE_CHECKING:
    from collectors.snmp import Target
    from inventory.models import Configuration
    from inventory.operations import Device

_Result = TypeVar("_Result")


_OF_COMMUNITIES = ("community_env",)
_OF_USERS = ("user", "auth_env", "auth_protocol", "priv_env", "priv_protocol", "context")
"""Options of `discover` that one kind of version has a use for."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked, and what the configuration says of it."""

    target: Target
    device: Device | None = None
    interfaces: tuple[str, ...] = ()


class Version(StrEnum):
    """Of SNMP."""

    V1 = "1"
    V2C = "2c"
    V3 = "3"


ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration with the [[device]].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="An object for machines.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    snmp = typer.Typer(no_args_is_help=True, help="Ask firewalls and switches how they are (SNMP).")
    app.add_typer(snmp, name="snmp")

    @snmp.command()
    def poll(
        device: Annotated[str, typer.Argument(help="Id of a [[device]] with an snmp table.")],
        watch: Annotated[
            bool, typer.Option("--watch", help="Go on until Ctrl-C, with events.")
        ] = False,
        seconds: Annotated[
            float, typer.Option(min=0, max=3600, help="From one poll to the next; 0: only one.")
        ] = 5,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Show the figures of a device: interfaces, processor, memory, connections, tunnels.

        Polls twice, because a rate is what was counted in between. Nothing is recorded.
        Exit status 1: the device does not answer, or refuses us.

        Example: pasprobe snmp poll pix-infomil --watch --seconds 10
        """
        if watch and not seconds:
            _fail("--watch --seconds 0 would ask without a pause: give --seconds 1 or more")
        asked = _of_configuration(device, config)
        _run(_poll(asked, watch=watch, seconds=seconds, as_json=as_json))

    @snmp.command()
    def discover(
        call: typer.Context,
        host: Annotated[str, typer.Argument(help="Id of a [[device]], or an address.")],
        profile: Annotated[
            str | None, typer.Option(help="Ask for the figures of this profile.")
        ] = None,
        version: Annotated[Version, typer.Option(help="Of SNMP, for an address.")] = Version.V2C,
        community_env: Annotated[
            str, typer.Option(metavar="NAME", help="Variable with the community.")
        ] = "PASPROBE_SNMP_COMMUNITY",
        user: Annotated[str, typer.Option(help="Version 3: the user.")] = "",
        auth_env: Annotated[
            str | None, typer.Option(metavar="NAME", help="Variable with its passphrase.")
        ] = None,
        auth_protocol: Annotated[str, typer.Option(help="md5, sha, sha256, ...")] = "sha",
        priv_env: Annotated[
            str | None, typer.Option(metavar="NAME", help="Variable with the privacy passphrase.")
        ] = None,
        priv_protocol: Annotated[str, typer.Option(help="des, aes, aes256, ...")] = "aes",
        context: Annotated[str, typer.Option(help="Version 3: the context.")] = "",
        port: Annotated[int, typer.Option(min=1, max=65_535)] = 161,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Ask a device for every figure that is known, and say which are missing and why.

        An address that is no device of the configuration is asked with the secrets of the
        environment; community "public" where $PASPROBE_SNMP_COMMUNITY is not set.
        Exit status 1: it does not answer.

        Example: pasprobe snmp discover 192.0.2.10 --profile asa
        """
        given = [
            name
            for name in ("version", "port", *_OF_COMMUNITIES, *_OF_USERS)
            if (source := call.get_parameter_source(name)) and source.name == "COMMANDLINE"
        ]
        asked, hint = _known(host, config)
        if asked is not None:
            if given:
                _fail(f"the configuration says how {host} is asked: leave out {_options(given)}")
        else:
            idle = _OF_COMMUNITIES if version is Version.V3 else _OF_USERS
            if foreign := [name for name in given if name in idle]:
                told = f"SNMP version {version.value} has no use for {_options(foreign)}"
                _fail(f"{told}: leave it out, or give another --version")
            asked = _Asked(
                _target(
                    host=host,
                    port=port,
                    version=version.value,
                    community="" if version is Version.V3 else _secret(community_env, "public"),
                    user=user,
                    auth=None if auth_env is None else _secret(auth_env),
                    auth_protocol=auth_protocol,
                    priv=None if priv_env is None else _secret(priv_env),
                    priv_protocol=priv_protocol,
                    context=context,
                )
            )
        _run(_discover(asked, host, profile, as_json=as_json), hint)


async def _poll(asked: _Asked, *, watch: bool, seconds: float, as_json: bool) -> None:
    import asyncio

    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from collectors.clients import open_client
    from collectors.device import DeviceCollector
    from collectors.errors import SnmpError
    from collectors.tables import poll_object, poll_tables
    from timeseries.records import DeviceEventRecord, DeviceSampleRecord

    samples: list[DeviceSampleRecord] = []
    events: list[DeviceEventRecord] = []

    def keep(records: Any) -> None:
        events[:0] = [one for one in records if isinstance(one, DeviceEventRecord)]
        del events[20:]

    device = asked.device
    assert device is not None
    client = open_client()
    noticed: list[str] = []
    collector = DeviceCollector(
        "", device, asked.target, client, keep, noticed=noticed.append, interfaces=asked.interfaces
    )
    rounds = 2 if seconds else 1
    try:
        if watch and not as_json:
            with Live(console=Console(), auto_refresh=False) as live:
                while True:
                    try:
                        samples[:] = (await collector.poll()).records
                    except SnmpError as error:
                        live.update(str(error), refresh=True)
                    else:
                        assert collector.profile is not None
                        title = f"{device.id}, every {seconds:g} s"
                        tables = poll_tables(samples, events, collector.profile, title)
                        live.update(Group(*tables, *map(Text, noticed)), refresh=True)
                    await asyncio.sleep(seconds)
        while watch or rounds:
            samples[:] = (await collector.poll()).records
            rounds -= 1
            if collector.profile is not None and as_json and (watch or not rounds):
                typer.echo(json.dumps(poll_object(device.id, collector.profile, samples, events)))
            if watch or rounds:
                await asyncio.sleep(seconds)
        if not as_json and collector.profile is not None:
            for table in poll_tables(samples, events, collector.profile, device.id):
                Console().print(table)
        _notice(device.id, noticed)
    finally:
        await collector.close()
        await client.close()


async def _discover(asked: _Asked, host: str, profile: str | None, *, as_json: bool) -> None:
    from rich.console import Console

    from collectors.clients import open_client
    from collectors.discovery import discover, unknown_interfaces
    from collectors.tables import discovery_object, discovery_table

    client = open_client()
    try:
        session = client.session(asked.target)
        platform = "" if asked.device is None else asked.device.platform
        found = await discover(session, profile_name=profile, platform=platform)
        await session.close()
    finally:
        await client.close()
    if as_json:
        typer.echo(json.dumps(discovery_object(found, host)))
    else:
        Console().print(discovery_table(found))
        there = len({one.field for one in found.found if not one.why_absent})
        missing = len({one.field for one in found.missing})
        typer.echo(f"{there} figures are there, {missing} are not")
    _notice(host, unknown_interfaces(asked.interfaces, found.interfaces))


def _notice(name: str, texts: Iterable[str]) -> None:
    for text in texts:
        sys.stderr.write(f"pasprobe: {name}: {text}\n")


def _run(work: Coroutine[Any, Any, _Result], hint: str = "") -> _Result:
    """Run it; what goes wrong ends in one line and an exit status. `hint`: of a name unknown."""
    import asyncio

    from collectors.errors import NamelessError, ProfileError, SnmpError

    try:
        return asyncio.run(work)
    except SnmpError as error:
        also = f"; {hint}" if hint and isinstance(error, NamelessError) else ""
        sys.stderr.write(f"pasprobe: {error}{also}\n")
        raise typer.Exit(1) from None
    except ProfileError as error:
        _fail(str(error))


def _of_configuration(name: str, config: Path | None) -> _Asked:
    from inventory.checks import nearest
    from inventory.load import load

    loaded = load(config, environ=os.environ, resolve_secrets=False)
    devices = {one.id: one for one in loaded.configuration.devices}
    if name not in devices:
        remedy = nearest(name, list(devices)) or "add one"
        _fail(f'{loaded.path}: there is no [[device]] "{name}": {remedy}')
    return _asked(devices[name], loaded.configuration)


def _known(name: str, config: Path | None) -> tuple[_Asked | None, str]:
    """The device of this id, where a configuration has it; else what may be wrong with the name."""
    from inventory.checks import nearest
    from inventory.errors import ConfigurationError
    from inventory.load import find, load

    try:
        place = find(config, os.environ)
    except ConfigurationError:
        if config is not None or os.environ.get("PASPROBE_CONFIG"):
            raise
        return None, ""  # an address needs none
    try:
        loaded = load(place, environ=os.environ, resolve_secrets=False)
    except ConfigurationError:
        if config is not None:
            raise
        return None, f"or is it a device? {place} cannot be read: see `pasprobe check`"
    devices = {one.id: one for one in loaded.configuration.devices}
    if name in devices:
        return _asked(devices[name], loaded.configuration), ""
    close = nearest(name, list(devices))
    return None, close and f'{place} has no [[device]] "{name}": {close}'


def _asked(device: Device, configuration: Configuration) -> _Asked:
    from collectors.snmp import target_of
    from inventory.models import named_interfaces

    if device.snmp is None:
        _fail(f'device {device.id} is not asked by SNMP: add snmp = {{ version = "2c", ... }}')
    target = target_of(device, os.environ)
    return _Asked(target, device, named_interfaces(device, configuration))


def _target(**values: Any) -> Target:
    from collectors.snmp import AuthProtocol, PrivProtocol, Target

    for key, allowed in (("auth_protocol", AuthProtocol), ("priv_protocol", PrivProtocol)):
        names = get_args(allowed)
        if values[key] not in names:
            _fail(f'there is no protocol "{values[key]}": choose one of {", ".join(names)}')
    if values["version"] == "3" and not values["user"]:
        _fail("SNMP version 3 needs a user: give --user")
    if values["priv"] is not None and values["auth"] is None:
        _fail("privacy needs authentication (RFC 3411, section 3.4.3): give --auth-env too")
    try:
        return Target(**values)
    except ValueError as error:
        _fail(str(error))


def _options(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _secret(name: str, otherwise: str | None = None) -> str:
    value = os.environ.get(name) or otherwise
    if value is None:
        _fail(f"the environment variable {name} is not set: put the secret there")
    return value


def _fail(text: str) -> NoReturn:
    sys.stderr.write(f"pasprobe: {text}\n")
    raise typer.Exit(2)
