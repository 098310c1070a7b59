"""What was kept is there again, whole; what did not change is not kept twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dulwich.repo import Repo
from hypothesis import given, settings
from hypothesis import strategies as st

from device_configs.errors import HistoryError
from device_configs.files import locked
from device_configs.history import History, Meta, Seen
from device_configs.platforms import PLATFORMS
from device_configs.search import search

IOS = PLATFORMS["cisco_ios"]


def meta(second: int, **more: str) -> Meta:
    return Meta(taken_ns=second * 1_000_000_000, trigger="command", by="tester", **more)


def ios(*lines: str, changed: str = "09:37:40") -> str:
    body = "\n".join(lines)
    return f"! Last configuration change at {changed} by x\nhostname sw1\n{body}\nend\n"


def test_a_change_is_a_version_and_the_same_again_is_none(tmp_path: Path) -> None:
    history = History(tmp_path)
    first = history.put("sw-1", ios("ip routing"), meta(10), IOS.stable)
    assert first is not None
    assert history.put("sw-1", ios("ip routing", changed="11:00"), meta(20), IOS.stable) is None
    assert history.put("sw-1", ios("no ip routing"), meta(30), IOS.stable) is not None
    assert [version.meta.taken_ns // 10**9 for version in history.versions("sw-1")] == [30, 10]


def test_volatile_lines_are_in_the_file_though_not_compared(tmp_path: Path) -> None:
    history = History(tmp_path)
    text = ios("ip routing")
    history.put("sw-1", text, meta(10), IOS.stable)
    assert history.get("sw-1") == text


def test_the_version_in_force_at_a_time_is_the_last_one_before_it(tmp_path: Path) -> None:
    history = History(tmp_path)
    for second in (10, 20, 30):
        history.put("sw-1", f"hostname h{second}\n", meta(second))
    assert history.get("sw-1", at=29 * 10**9) == "hostname h20\n"
    assert history.get("sw-1", at=30 * 10**9) == "hostname h30\n"
    with pytest.raises(HistoryError, match=r"no backup before 1970-01-01T00:00:10Z"):
        history.get("sw-1", at=9 * 10**9)


def test_devices_do_not_disturb_each_other_whatever_their_ids(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number, device in enumerate(("a/b", "a", "a:b@c+d", "A")):
        history.put(device, f"hostname {device}\n", meta(number))
    assert history.devices() == ("A", "a", "a/b", "a:b@c+d")
    assert [history.get(d) for d in history.devices()] == [
        f"hostname {d}\n" for d in history.devices()
    ]


def test_a_part_that_is_not_given_stays_as_it_was(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.put("pix", {"running": "a\n", "startup": "b\n"}, meta(1))
    history.put("pix", {"running": "c\n"}, meta(2))
    assert (history.get("pix"), history.get("pix", part="startup")) == ("c\n", "b\n")
    with pytest.raises(HistoryError, match="it has running, startup"):
        history.get("pix", part="context/x/running")


def test_another_unit_with_the_same_text_is_a_version(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.put("pix", "hostname p\n", meta(1, serial="A1"))
    assert history.put("pix", "hostname p\n", meta(2, serial="A1")) is None
    assert history.put("pix", "hostname p\n", meta(3, serial="B2")) is not None
    assert [v.meta.serial for v in history.versions("pix")] == ["B2", "A1"]


# Each key is derived anew, which is meant to take its time.
@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_text_comes_back_as_it_was_encrypted_or_not(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    for key in (None, b"a passphrase"):
        history = History(tmp_path_factory.mktemp("history"), key=key)
        history.put("d", text, meta(1))
        assert history.get("d") == text


def test_git_itself_reads_the_repository(tmp_path: Path, need: Callable[..., None]) -> None:
    need("git")
    history = History(tmp_path)
    history.put("pix 1", {"running": "hostname p\n"}, meta(1, serial="X9"))
    history.put("sw", {"running": "hostname s\n"}, meta(2))

    def git(*words: str) -> str:
        command = ["git", f"--git-dir={tmp_path / 'configurations.git'}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert git("show", "main:pix%201/running") == "hostname p\n"
    assert "Serial: X9\n" in git("log", "--format=%B")
    git("fsck", "--strict")


def test_with_a_key_no_octet_of_a_configuration_is_on_the_disk(tmp_path: Path) -> None:
    secret = "Zq7-only-here-Zq7"
    open_history = History(tmp_path / "open")
    open_history.put("pix", f"enable password {secret}\n", meta(1))
    shut = History(tmp_path / "shut", key=b"passphrase")
    shut.put("pix", f"enable password {secret}\n", meta(1))
    assert secret.encode() in _all_objects(tmp_path / "open")
    assert secret.encode() not in _all_objects(tmp_path / "shut")
    assert secret in shut.get("pix")


def _all_objects(folder: Path) -> bytes:
    with Repo(str(folder / "configurations.git")) as repo:
        return b"".join(repo[name].as_raw_string() for name in repo.object_store)


def test_a_wrong_or_missing_key_and_a_moved_text_are_told(tmp_path: Path) -> None:
    History(tmp_path, key=b"right").put("pix", "hostname p\n", meta(1))
    with pytest.raises(HistoryError, match="cannot be decrypted"):
        History(tmp_path, key=b"wrong").get("pix")
    with pytest.raises(HistoryError, match="write key in"):
        History(tmp_path).get("pix")
    history = History(tmp_path, key=b"right")
    version = history.versions("pix")[0]
    with pytest.raises(HistoryError, match="cannot be decrypted"):
        history.text(replace(version, device="another"))


def test_encryption_may_begin_later(tmp_path: Path) -> None:
    History(tmp_path).put("pix", "hostname old\n", meta(1))
    history = History(tmp_path, key=b"k")
    history.put("pix", "hostname new\n", meta(2))
    assert history.get("pix", at=1_000_000_000) == "hostname old\n"
    assert history.get("pix") == "hostname new\n"


def _hold(file: Path, ready: multiprocessing.synchronize.Event) -> None:
    with locked(file, "x", 1.0):
        ready.set()
        time.sleep(60)


def test_a_repository_locked_by_another_process_names_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "lock", ready))
    other.start()
    try:
        assert ready.wait(30)
        history = History(tmp_path, lock_wait_s=0.1)
        with pytest.raises(HistoryError, match=rf"another process \({other.pid}\) keeps it locked"):
            history.put("pix", "hostname p\n", meta(1))
    finally:
        other.kill()
        other.join()
    # The lock ends with its holder.
    assert History(tmp_path).put("pix", "hostname p\n", meta(1)) is not None


@pytest.mark.parametrize("there", [True, False])
def test_a_disk_that_takes_no_more_leaves_what_was_kept_and_nothing_in_the_way(
    tmp_path: Path, there: bool
) -> None:
    history = History(tmp_path)
    if there:
        history.put("pix", "hostname p\n", meta(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(HistoryError, match="see to the disk"):
            history.put("pix", "hostname q\n" * 99, meta(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [history.text(one) for one in history.versions("pix")] == ["hostname p\n"] * there
    # The same again, now that there is room.
    assert history.put("pix", "hostname q\n" * 99, meta(2)) is not None
    assert history.get("pix") == "hostname q\n" * 99


def test_a_lock_that_a_killed_process_left_is_waited_for_and_then_taken_away(
    tmp_path: Path,
) -> None:
    history = History(tmp_path)
    history.put("pix", "hostname p\n", meta(1))
    lock = tmp_path / "configurations.git" / "refs" / "heads" / "main.lock"
    lock.touch()
    with pytest.raises(HistoryError, match="try again in 30 s"):
        history.put("pix", "hostname q\n", meta(2))
    os.utime(lock, (time.time() - 60,) * 2)
    assert history.put("pix", "hostname q\n", meta(2)) is not None
    assert history.get("pix") == "hostname q\n"


def test_how_the_last_attempt_went_is_remembered(tmp_path: Path) -> None:
    history = History(tmp_path)
    assert history.seen("pix/1") is None
    history.note("pix/1", Seen(5, "unreachable"))
    assert History(tmp_path).seen("pix/1") == Seen(5, "unreachable")
    (tmp_path / "seen" / "pix%2F1.json").write_text(json.dumps({"what": 1}))
    with pytest.raises(HistoryError, match="delete this file"):
        history.seen("pix/1")


def test_versions_of_one_device_are_found_among_those_of_many(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number in range(40):
        history.put(f"d{number % 8}", f"hostname h{number}\n", meta(number))
    assert [v.meta.taken_ns // 10**9 for v in history.versions("d3")] == [35, 27, 19, 11, 3]
    newest = history.newest("d3")
    assert newest is not None
    assert history.text(newest) == "hostname h35\n"
    assert history.newest("d9") is None


def test_the_search_knows_since_when_and_until_when_a_line_stood(tmp_path: Path) -> None:
    history = History(tmp_path)
    with_line = ios("interface Gi0/1", " ip address 10.0.0.1 255.255.255.0")
    without = ios("interface Gi0/1", " shutdown")
    for second, text in ((10, with_line), (20, without), (30, with_line)):
        history.put("sw", text, meta(second))
    hits = list(search(history, re.compile(r"10\.0\.0\.1"), ["sw"]))
    assert [(h.since_ns // 10**9, h.until_ns and h.until_ns // 10**9) for h in hits] == [
        (10, 20),
        (30, None),
    ]
    assert {h.section for h in hits} == {("interface Gi0/1",)}


def test_the_search_finds_a_secret_and_does_not_show_it(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.put("sw", ios("snmp-server community hush RO"), meta(1))
    (hit,) = search(history, re.compile("hush"), ["sw"], now=True)
    assert hit.line == "snmp-server community <secret> RO"
