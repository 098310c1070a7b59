"""Both SNMP clients against net-snmp's snmpd: every version and protocol, restarts, swaps."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from collectors.clients import open_client
from collectors.errors import SnmpError, UnreachableError, WrongCredentialsError
from collectors.snmp import Client, Session, Target

T = TypeVar("T")
SYSTEM = "1.3.6.1.2.1.1"
DESCR, OBJECT_ID, UPTIME = f"{SYSTEM}.1.0", f"{SYSTEM}.2.0", f"{SYSTEM}.3.0"
NOWHERE = f"{SYSTEM}.99.0"
OPAQUE = "1.3.6.1.4.1.2021.10.1.6.1"
"""UCD-SNMP-MIB laLoadFloat, an Opaque."""
BOOTS = "1.3.6.1.6.3.10.2.1.2.0"
IF_DESCR, IF_OCTETS = "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.10"
AUTH, PRIV = "authpass12", "privpass12"
V3: dict[str, dict[str, str]] = {
    "plain": {},
    "md5": {"auth_protocol": "md5"},
    "sha": {"auth_protocol": "sha"},
    "sha224": {"auth_protocol": "sha224"},
    "sha256": {"auth_protocol": "sha256"},
    "sha384": {"auth_protocol": "sha384"},
    "sha512": {"auth_protocol": "sha512"},
    "md5-des": {"auth_protocol": "md5", "priv_protocol": "des"},
    "sha-aes": {"auth_protocol": "sha", "priv_protocol": "aes"},
    "sha512-aes192": {"auth_protocol": "sha512", "priv_protocol": "aes192"},
    "sha256-aes256": {"auth_protocol": "sha256", "priv_protocol": "aes256"},
    "sha-aes192": {"auth_protocol": "sha", "priv_protocol": "aes192"},
    "sha-aes256-cisco": {"auth_protocol": "sha", "priv_protocol": "aes256-cisco"},
}
LIBRARIES = ["pysnmp", "gufo"]


def user(port: int, name: str, **changes: Any) -> Target:
    settings: dict[str, Any] = dict(V3[name])
    if "auth_protocol" in settings:
        settings["auth"] = AUTH
    if "priv_protocol" in settings:
        settings["priv"] = PRIV
    changed = {"user": name, "timeout_s": 0.5, "retries": 0} | settings | changes
    return Target("127.0.0.1", port, "3", **changed)


def community(port: int, name: str = "public", version: Any = "2c", **changes: Any) -> Target:
    return Target("127.0.0.1", port, version, name, timeout_s=0.5, **changes)


def with_client(library: Any, work: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        client = open_client(library)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def in_session(library: str, target: Target, work: Callable[[Session], Awaitable[T]]) -> T:
    async def run(client: Client) -> T:
        session = client.session(target)
        try:
            return await work(session)
        finally:
            await session.close()

    return with_client(library, run)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("version", ["1", "2c"])
def test_a_community_reads_objects_and_tables(library: str, version: str, snmpd: Any) -> None:
    async def work(session: Session) -> None:
        found = await session.get([DESCR, OBJECT_ID, UPTIME, NOWHERE, OPAQUE])
        assert set(found) == {DESCR, OBJECT_ID, UPTIME}
        assert isinstance(found[DESCR], bytes)
        assert found[OBJECT_ID] == "1.3.6.1.4.1.8072.3.2.10"
        assert isinstance(found[UPTIME], int)
        assert session.response_ns is not None
        assert session.response_ns > 0
        tables = await session.walk([IF_DESCR, IF_OCTETS, f"{SYSTEM}.99"])
        assert b"lo" in tables[IF_DESCR].values()
        assert tables[IF_DESCR].keys() == tables[IF_OCTETS].keys()
        assert tables[f"{SYSTEM}.99"] == {}
        assert session.counts.unusable == 1

    in_session(library, community(snmpd.port, version=version), work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_protocol_of_version_3_reads_the_same(library: str, snmpd: Any) -> None:
    async def work(client: Client) -> None:
        engines = set()
        for name in V3:
            session = client.session(user(snmpd.port, name))
            found = await session.get([OBJECT_ID])
            assert found == {OBJECT_ID: "1.3.6.1.4.1.8072.3.2.10"}, name
            assert b"lo" in (await session.walk([IF_DESCR]))[IF_DESCR].values(), name
            engines.add(session.engine_id)
            await session.close()
        assert len(engines) == 1
        assert None not in engines

    with_client(library, work)


def test_both_clients_read_a_table_as_snmpbulkwalk_does(
    snmpd: Any, need: Callable[..., None]
) -> None:
    need("snmpbulkwalk")
    column = "1.3.6.1.2.1.1.9.1.3"  # sysORDescr: texts that stay
    ours = [
        in_session(library, community(snmpd.port), lambda session: session.walk([column]))
        for library in LIBRARIES
    ]
    theirs = subprocess.run(
        ["snmpbulkwalk", "-v2c", "-c", "public", "-On", "-Oq", f"127.0.0.1:{snmpd.port}", column],
        capture_output=True, text=True, check=True, env={"MIBS": "", "PATH": "/usr/bin"},
    )  # fmt: skip
    expected = {
        line.split(" ", 1)[0].removeprefix(f".{column}."): line.split(" ", 1)[1].strip('"').encode()
        for line in theirs.stdout.splitlines()
    }
    assert len(expected) > 3
    assert ours == [{column: expected}, {column: expected}]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("name", "changes", "part"),
    [
        ("sha", {"user": "nobody"}, "user"),
        ("sha", {"auth": "another-pass"}, "auth"),
        ("sha", {"auth_protocol": "sha256"}, "auth"),
        ("sha-aes", {"auth": "another-pass"}, "auth"),
        ("sha-aes", {"priv": "another-pass"}, "priv"),
        ("sha-aes", {"priv_protocol": "des"}, "priv"),
        ("md5-des", {"priv": "another-pass"}, "priv"),
        ("sha-aes256-cisco", {"priv_protocol": "aes256"}, "priv"),
        ("sha-aes", {"priv": None}, "level"),
        ("sha", {"auth": None}, "level"),
        ("sha", {"priv": PRIV}, "level"),
    ],
)
def test_what_is_wrong_with_a_user_is_named(
    library: str, name: str, changes: dict[str, Any], part: str, snmpd: Any
) -> None:
    target = user(snmpd.port, name, **changes)
    with pytest.raises(WrongCredentialsError) as caught:
        in_session(library, target, lambda session: session.get([UPTIME]))
    assert caught.value.part == part
    for secret in (AUTH, PRIV, "another-pass"):
        assert secret not in str(caught.value)
        assert secret not in repr(target)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_wrong_community_is_told_from_a_closed_port(library: str, snmpd: Any) -> None:
    with pytest.raises(WrongCredentialsError) as caught:
        in_session(library, community(snmpd.port, "guessed"), lambda one: one.get([UPTIME]))
    assert caught.value.part == "community"
    assert "guessed" not in str(caught.value)
    snmpd.stop()
    with pytest.raises(UnreachableError, match="nothing listens"):
        in_session(library, community(snmpd.port), lambda one: one.get([UPTIME]))
    nowhere = Target("does-not-exist.invalid", community="public")
    with pytest.raises(UnreachableError, match="has no address"):
        in_session(library, nowhere, lambda one: one.get([UPTIME]))


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_a_view_hides_is_absent(library: str, snmpd: Any) -> None:
    async def work(session: Session) -> None:
        assert set(await session.get([UPTIME, BOOTS])) == {UPTIME}
        assert await session.walk([IF_DESCR]) == {IF_DESCR: {}}

    in_session(library, community(snmpd.port, "narrow"), work)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["public", "plain", "sha", "sha-aes"])
def test_an_agent_that_restarts_is_read_on(library: str, name: str, snmpd: Any) -> None:
    async def work(session: Session) -> None:
        before = await session.get([BOOTS, UPTIME])
        snmpd.stop()
        with pytest.raises(SnmpError):
            await session.get([UPTIME])
        snmpd.start()
        after = await session.get([BOOTS, UPTIME])
        assert int(after[BOOTS]) == int(before[BOOTS]) + 1
        assert session.counts.engines == 0

    target = community(snmpd.port) if name == "public" else user(snmpd.port, name)
    in_session(library, target, work)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("name", "retries"), [("plain", 1), ("sha", 0), ("sha-aes", 0)])
def test_a_swapped_unit_is_noticed_and_read_on(
    library: str, name: str, retries: int, snmpd: Any
) -> None:
    async def work(session: Session) -> None:
        await session.get([UPTIME])
        old = session.engine_id
        snmpd.stop()
        snmpd.start(engine_id="another-unit")
        assert UPTIME in await session.get([UPTIME])
        assert session.counts.engines == 1
        assert session.engine_id != old
        assert b"another-unit" in (session.engine_id or b"")
        assert UPTIME in await session.get([UPTIME])
        assert session.counts.engines == 1

    in_session(library, user(snmpd.port, name, retries=retries), work)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("retries", [0, 1])
def test_a_clock_that_was_set_back_is_found_again(library: str, retries: int, snmpd: Any) -> None:
    """The same engine ID, but it has forgotten how often it was started."""

    async def work(session: Session) -> None:
        await session.get([UPTIME])
        for _ in range(2):
            snmpd.stop()
            snmpd.start()
            assert UPTIME in await session.get([UPTIME])
        assert (await session.get([BOOTS]))[BOOTS] == 3
        snmpd.stop()
        snmpd.start(engine_id="one-and-the-same")
        assert (await session.get([BOOTS]))[BOOTS] == 1
        assert session.counts.engines == 0

    snmpd.stop()
    snmpd.start(engine_id="one-and-the-same")
    in_session(library, user(snmpd.port, "sha", retries=retries), work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_devices_with_one_engine_id_are_all_read(
    library: str, snmpd: Any, agents: Any, tmp_path: Path
) -> None:
    """Their clocks differ, and an engine of pysnmp keeps one clock for an engine ID."""
    boots = {3: snmpd, 2: agents.Snmpd(tmp_path / "two"), 1: agents.Snmpd(tmp_path / "one")}

    async def work(client: Client) -> None:
        sessions = {n: client.session(user(one.port, "sha-aes")) for n, one in boots.items()}
        for _ in range(4):
            for number, session in sessions.items():
                assert (await session.get([BOOTS]))[BOOTS] == number
        late = [session.counts.timeouts for session in sessions.values()]
        for number, session in [*sessions.items(), *reversed(sessions.items())]:
            assert (await session.get([BOOTS]))[BOOTS] == number
        # Each has an engine of its own by now: none waits any more.
        assert [session.counts.timeouts for session in sessions.values()] == late
        assert len({session.engine_id for session in sessions.values()}) == 1
        for session in sessions.values():
            await session.close()

    for number, one in boots.items():
        one.stop()
        one.start(engine_id="one-for-all")
        for _ in range(number - 1):
            one.stop()
            one.start()
    try:
        with_client(library, work)
    finally:
        for one in boots.values():
            one.stop()


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_no_device_takes_is_no_target(library: str, snmpd: Any) -> None:
    for changes, why in (
        ({"auth": "short12"}, "authentication passphrase is shorter than 8 octets"),
        ({"priv": "short12"}, "privacy passphrase is shorter than 8 octets"),
        ({"user": "u" * 33}, "at most 32 octets"),
    ):
        with pytest.raises(ValueError, match=why):
            user(snmpd.port, "sha-aes", **changes)
    for target in (
        user(snmpd.port, "sha-aes", auth="pässwörter €"),
        user(snmpd.port, "sha-aes", priv="p" * 300),
        community(snmpd.port, "öffentlich €"),
    ):
        with pytest.raises(WrongCredentialsError):
            in_session(library, target, lambda session: session.get([UPTIME]))


def test_users_of_one_name_with_other_keys_do_not_disturb_each_other(
    snmpd: Any,
) -> None:
    async def work(client: Client) -> None:
        right = client.session(user(snmpd.port, "sha"))
        wrong = client.session(user(snmpd.port, "sha", auth="another-pass"))
        for _ in range(3):
            assert UPTIME in await right.get([UPTIME])
            with pytest.raises(WrongCredentialsError):
                await wrong.get([UPTIME])
        await wrong.close()
        await right.close()

    with_client("pysnmp", work)
