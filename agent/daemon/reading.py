"""From the configuration to what this host is to measure. Pure, but for the files and secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path as FilePath

from agent.daemon.assignments import Assignment, Judgement
from agent.daemon.device_service import PollingOrder
from agent.daemon.wanted import ReflectorOrder, Refusal, StorageOrder, Wanted
from agent.errors import ProbeError
from agent.samples import StampOptions, TrainPlan
from agent.summary import TrainContext
from inventory.applications import Check, run_here
from inventory.errors import ConfigurationError, SecretError
from inventory.limits import LimitSource
from inventory.load import load
from inventory.models import (
    ICMP_SIZE,
    Configuration,
    Influxdb,
    Path,
    Reflector,
    own_paths,
    pas_of,
    peer_of,
    target_of,
)
from inventory.operations import CHECK_PACKETS, CHECK_SPACING_NS
from timeseries.influx import InfluxTarget
from timeseries.retention import Retention
from timeseries.store_files import DAY_NS

OrderDevices = Callable[[Configuration, Mapping[str, str]], PollingOrder | None]
"""What of a configuration is asked by SNMP (`collectors.service.polling_order`)."""


def answer(
    config: FilePath | None,
    limits: LimitSource,
    environ: Mapping[str, str],
    order_devices: OrderDevices,
) -> Wanted | Refusal:
    """What the configuration wants, or all that is wrong with it."""
    try:
        return read_wanted(config, limits, environ, order_devices)
    except ConfigurationError as error:
        return Refusal(tuple(str(problem) for problem in error.problems))
    except (ProbeError, SecretError) as error:
        return Refusal((str(error),))


def read_wanted(
    config: FilePath | None,
    limits: LimitSource,
    environ: Mapping[str, str],
    order_devices: OrderDevices = lambda *_: None,
) -> Wanted:
    """Read the configuration; raises `ConfigurationError`, `SecretError`, `ProbeError`."""
    loaded = load(config, environ=environ)
    agent = loaded.configuration.agent
    if agent is None:
        raise ProbeError(
            f"{loaded.path}: there is no [agent]: it names this host and its data_dir"
            " (see `pasprobe init`)"
        )
    wanted = assignments(loaded.configuration, limits, environ)
    reflector = reflector_order(loaded.configuration.reflector, environ)
    polling = order_devices(loaded.configuration, environ)
    if not wanted and reflector is None and polling is None:
        raise ProbeError(
            f"{loaded.path}: this host has no path to measure and no device to ask: add a"
            " [[path]], or correct `pas` in [agent]"
        )
    # Absolute, since a reload may come after the folder was left.
    return Wanted(
        agent=agent.name,
        data_dir=agent.data_dir.resolve(),
        place=loaded.path.resolve(),
        assignments=wanted,
        reflector=reflector,
        storage=storage_order(loaded.configuration, environ),
        metrics=agent.metrics and (agent.metrics.host, agent.metrics.port),
        polling=polling,
        backups=loaded.configuration.device_configs.every_ns is not None,
    )


def assignments(
    configuration: Configuration, limits: LimitSource, environ: Mapping[str, str] | None
) -> dict[str, Assignment]:
    """The assignments of this host by path, in the configuration's order; then its checks.

    Raises `SecretError` where the key of a STAMP path cannot be had. `environ` None: nothing will
    be sent, so no key is needed.
    """
    agent = "" if configuration.agent is None else configuration.agent.name
    found = {
        path.id: _assignment(configuration, path, agent, limits, environ)
        for path in own_paths(configuration)
    }
    return found | {check.path: check_assignment(check, agent) for check in run_here(configuration)}


def check_assignment(check: Check, agent: str) -> Assignment:
    """The trains that check an application. No service is theirs: no figure of the contract is
    made from them."""
    application = check.application
    by_tcp = application.port is not None
    return Assignment(
        host=application.host,
        plan=TrainPlan(
            path=check.path,
            method="tcp" if by_tcp else "icmp",
            address="",
            packets=1 if by_tcp else CHECK_PACKETS,
            # A single attempt has no next one to be late for: up to a second is not.
            spacing_ns=1_000_000_000 if by_tcp else CHECK_SPACING_NS,
            size=0 if by_tcp else ICMP_SIZE,
            timeout_ns=application.timeout_ns,
            port=application.port or 0,
        ),
        every_ns=application.every_ns,
        context=TrainContext(
            agent=agent, pas=application.pas or "", service="", peer="", endpoint="",
            target=application.host, limit_ns=None,
        ),
        judgement=Judgement(delay_share_percent=None, loss_percent=None, jitter_ns=None),
    )  # fmt: skip


def _assignment(
    configuration: Configuration,
    path: Path,
    agent: str,
    limits: LimitSource,
    environ: Mapping[str, str] | None,
) -> Assignment:
    target = target_of(configuration, path)
    peer = peer_of(configuration, path)
    found = limits.limits_for(
        path.service,
        pas_of(configuration, path.pas).profile,
        None if peer is None else peer.profile,
    )
    stamp = None
    if path.method == "stamp":
        stamp = StampOptions(
            auth_key=path.auth_key.reveal_bytes(environ)
            if path.auth_key is not None and environ is not None
            else None,
            time_format=path.time_format,
            follow_up=path.follow_up,
        )
    train = path.train
    return Assignment(
        host=target.host,
        plan=TrainPlan(
            path=path.id,
            method=path.method,
            address="",
            packets=train.packets,
            spacing_ns=train.spacing_ns,
            size=train.size,
            timeout_ns=train.timeout_ns,
            dscp=train.dscp,
            port=target.port,
            stamp=stamp,
        ),
        every_ns=train.every_ns,
        context=TrainContext(
            agent=agent,
            pas=path.pas,
            service=path.service,
            peer=path.peer or "",
            endpoint=path.endpoint or "",
            target=target.host,
            limit_ns=_ns(found.delay_ms),
            limit_on=found.delay_kind or "rtt",
        ),
        judgement=Judgement(
            delay_share_percent=None
            if found.delay_ms is None
            else found.delay_share_percent or Decimal(100),
            loss_percent=found.loss_percent,
            jitter_ns=_ns(found.jitter_ms),
        ),
    )


def _ns(ms: Decimal | None) -> int | None:
    return None if ms is None else int(ms * 1_000_000)


def reflector_order(table: Reflector | None, environ: Mapping[str, str]) -> ReflectorOrder | None:
    """What the configuration asks for; None without `[reflector]`.

    Raises `SecretError` for a key that cannot be had, `ReflectorError` for an address that is none.
    """
    if table is None:
        return None
    order = ReflectorOrder(
        listen=tuple(str(one) for one in table.listen),
        allow=table.allow,
        keys=tuple((entry.prefix, entry.key.reveal_bytes(environ)) for entry in table.keys),
        stateful=table.stateful,
        rate=table.rate_pps,
    )
    order.options()
    return order


def storage_order(configuration: Configuration, environ: Mapping[str, str]) -> StorageOrder:
    """Where records go; raises `SecretError` for a token that cannot be had."""
    store, influx = configuration.store, configuration.influxdb
    return StorageOrder(
        spool_bytes=store.spool_mb << 20,
        retention=Retention(
            samples_days=store.samples_days,
            trains_days=store.trains_days,
            rollups_days=store.rollups_days,
        ),
        influx=None if influx is None else influx_target(influx, environ),
        replay_rate=0 if influx is None else influx.replay_rate,
        backlog_ns=None if influx is None else influx.backlog_days * DAY_NS,
    )


def influx_target(influx: Influxdb, environ: Mapping[str, str]) -> InfluxTarget:
    """`[influxdb]` with its token; raises `SecretError`."""
    return InfluxTarget(
        url=influx.url,
        bucket=influx.bucket,
        org=influx.org,
        token=None if influx.token is None else influx.token.reveal(environ),
        ca_file=influx.ca_file,
        client_cert=influx.client_cert,
        client_key=influx.client_key,
        verify=influx.verify,
        proxy=influx.proxy,
        timeout_s=influx.timeout_ns / 1e9,
    )
