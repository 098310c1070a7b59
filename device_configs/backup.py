"""Fetching the configurations of many devices at once, and keeping those that changed.

A device that fails takes nothing from the others; its last backup stays as it was.
"""

from __future__ import annotations

import getpass
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from device_configs.completeness import require_whole
from device_configs.errors import CommandRefused, DeviceConfigError
from device_configs.facts import Facts, named_by
from device_configs.history import History, Meta, Seen, Version
from device_configs.known_hosts import KnownHosts
from device_configs.platforms import Platform
from device_configs.sections import masked, parse, revealed
from device_configs.session import Session, open_session
from device_configs.wire import Patience
from inventory.errors import ConfigurationError, Problem, SecretError
from inventory.models import Configuration
from inventory.operations import Device

_CONTEXT = re.compile(r"^context (\S+)$", re.MULTILINE)
# " customer-a      default  Gi0/1   disk0:/customer-a.cfg", the admin context with an asterisk.
_CONTEXT_ROW = re.compile(r"^[ *]([A-Za-z0-9][\w.-]*) +\S.*\S:/", re.MULTILINE)

RETRY_NS = 15 * 60 * 1_000_000_000
"""After a failure a schedule tries again this soon."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one session brought."""

    platform: Platform
    facts: Facts
    parts: Mapping[str, str] = field(repr=False)
    """`running`, `startup`, `version`, `context/NAME/running`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the backup of one device went."""

    device: str
    version: Version | None
    """The version that was written; None where nothing changed or it failed."""
    error: str | None
    notes: tuple[str, ...]
    """What somebody should look at, though the backup is good."""
    seconds: float

    @property
    def state(self) -> str:
        """`changed`, `unchanged` or `failed`."""
        if self.error is not None:
            return "failed"
        return "unchanged" if self.version is None else "changed"

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "device": self.device,
            "state": self.state,
            "version": None if self.version is None else self.version.id,
            "error": self.error,
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Job:
    """What a run of backups needs beside the devices."""

    history: History
    hosts: KnownHosts
    environ: Mapping[str, str] = field(repr=False)
    trigger: str
    """`command`, `schedule`, `snmp`: kept with each version."""
    parallel: int = 50
    smaller: bool = False
    """Whether a configuration of less than half the last one's lines is accepted."""
    patience: Patience = field(default_factory=Patience)


def folder_of(configuration: Configuration, place: Path) -> Path:
    """Where configurations are kept; `ConfigurationError` where nothing says so."""
    if configuration.device_configs.folder is not None:
        return configuration.device_configs.folder
    if configuration.agent is not None:
        return configuration.agent.data_dir / "device_configs"
    remedy = "write [device_configs] with folder, or [agent] with data_dir"
    raise ConfigurationError((Problem(place, None, "no folder for configurations", remedy),))


def history_of(configuration: Configuration, place: Path, environ: Mapping[str, str]) -> History:
    """The repository that a configuration names; its key is read."""
    secret = configuration.device_configs.key
    key = None if secret is None else secret.reveal_bytes(environ)
    return History(folder_of(configuration, place), key=key)


def hosts_of(configuration: Configuration, place: Path) -> KnownHosts:
    """The trusted host keys, beside the repository."""
    return KnownHosts(folder_of(configuration, place) / "known_hosts")


def back_up(
    devices: Sequence[Device], job: Job, progress: Callable[[Outcome], None] = lambda _: None
) -> tuple[Outcome, ...]:
    """Back up devices side by side; the outcomes come in the order of `devices`.

    `progress` is called in this thread as each device is done. Raises `HistoryError` only where
    the repository itself fails; what was kept before stays.
    """
    last = {device.id: _last_running(job.history, device.id) for device in devices}
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(max_workers=max(1, min(job.parallel, len(devices)))) as pool:
        running = {
            pool.submit(_fetch_one, device, job, last[device.id]): device for device in devices
        }
        try:
            for future in as_completed(running):
                device = running[future]
                outcome = _kept(device, *future.result(), job)
                outcomes[device.id] = outcome
                progress(outcome)
        except BaseException:
            for future in running:
                future.cancel()
            raise
    return tuple(outcomes[device.id] for device in devices)


def due(
    devices: Sequence[Device], history: History, every_ns: int, now_ns: int
) -> tuple[Device, ...]:
    """Which devices a schedule wants now: not tried within `every_ns`, or failed a while ago."""

    def wanted(device: Device) -> bool:
        seen = history.seen(device.id)
        if seen is None:
            return True
        pause_ns = every_ns if seen.error is None else min(every_ns, RETRY_NS)
        # A clock that was set back must not stop backups for good.
        return not 0 <= now_ns - seen.at_ns < pause_ns

    return tuple(device for device in devices if wanted(device))


def fetch(session: Session) -> Fetched:
    """All parts of a device's configuration, of every context where there are several."""
    facts = session.facts()
    parts = {"version": facts.version_text}
    if facts.multiple_contexts and changed_to(session, "system"):
        parts["running"] = session.running()
        parts["startup"] = session.startup()
        for name in _contexts(session, parts["running"]):
            if changed_to(session, f"context {name}"):
                parts[f"context/{name}/running"] = session.running()
                parts[f"context/{name}/startup"] = session.startup()
        changed_to(session, "system")
    else:
        parts["running"] = session.running()
        parts["startup"] = session.startup()
        facts = named_by(facts, parts["running"])
    return Fetched(session.platform, facts, parts)


def require_fetched(device: Device, fetched: Fetched, last: str | None, *, smaller: bool) -> None:
    """`IncompleteConfiguration`, where a part of what was fetched is not whole."""
    before = None if smaller else last
    parts = fetched.parts
    require_whole(device.id, fetched.platform, parts["running"], fetched.facts.hostname, before)
    for part, text in parts.items():
        if part.startswith("context/") and part.endswith("/running"):
            require_whole(f"{device.id} {part}", fetched.platform, text, "")


def meta_of(fetched: Fetched, trigger: str) -> Meta:
    """What is kept beside the text, taken now."""
    facts = fetched.facts
    return Meta(
        taken_ns=time.time_ns(),
        trigger=trigger,
        by=user_here(),
        hostname=facts.hostname,
        model=facts.model,
        serial=facts.serial,
        release=facts.release,
    )


def _fetch_one(device: Device, job: Job, last: str | None) -> tuple[Fetched | str, float]:
    """In a worker: what the device sent, or why there is nothing; and the seconds it took."""
    started = time.monotonic()
    try:
        with open_session(device, job.environ, job.hosts, patience=job.patience) as session:
            fetched = fetch(session)
        require_fetched(device, fetched, last, smaller=job.smaller)
    except (DeviceConfigError, SecretError) as error:
        return str(error), time.monotonic() - started
    return fetched, time.monotonic() - started


def _kept(device: Device, fetched: Fetched | str, seconds: float, job: Job) -> Outcome:
    if isinstance(fetched, str):
        job.history.note(device.id, Seen(time.time_ns(), fetched))
        return Outcome(device.id, None, fetched, (), seconds)
    notes = tuple(_notes(device.id, fetched, job.history))
    version = job.history.put(
        device.id, fetched.parts, meta_of(fetched, job.trigger), fetched.platform.stable
    )
    job.history.note(device.id, Seen(time.time_ns(), None))
    return Outcome(device.id, version, None, notes, seconds)


def _notes(device: str, fetched: Fetched, history: History) -> Iterable[str]:
    hidden = sum(
        len(masked(parse(text))) for part, text in fetched.parts.items() if part.endswith("running")
    )
    if hidden:
        yield (
            f"{hidden} secrets are hidden by the device and cannot be restored from this backup; "
            "keep them as secrets of its template"
        )
    startup, stable = fetched.parts["startup"], fetched.platform.stable
    if fetched.platform.startup and not startup:
        yield "there is no startup configuration, or this user may not see it"
    elif startup and not hidden and _differ(fetched, stable(startup)):
        yield "the running configuration is not saved: startup differs"
    last = history.newest(device)
    if last is not None:
        for name in ("hostname", "model", "serial"):
            was, now = getattr(last.meta, name), getattr(fetched.facts, name)
            if was and now and was != now:
                yield f"{name} was {was} and is {now}: another unit, or renamed"


def _differ(fetched: Fetched, startup: str) -> bool:
    running = fetched.platform.stable(fetched.parts["running"])
    # A key that is masked in the startup configuration alone is no difference.
    return parse(running) != parse(revealed(startup, running))


def _last_running(history: History, device: str) -> str | None:
    last = history.newest(device)
    return None if last is None else history.text(last)


def _contexts(session: Session, system: str) -> tuple[str, ...]:
    """All contexts, by the system's configuration and by the table of `show context`."""
    listed = _CONTEXT_ROW.findall(session.show("show context"))
    return tuple(dict.fromkeys((*_CONTEXT.findall(system), *listed)))


def changed_to(session: Session, context: str) -> bool:
    """Whether the session is in this context now (`system`, `context NAME`)."""
    try:
        session.show(f"changeto {context}")
    except CommandRefused:
        return False
    return True


def user_here() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
