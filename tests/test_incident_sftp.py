"""A server's SFTP folder against its manifest, served by Debian's sshd."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incidents.errors import IncidentError
from incidents.sftp_manifest import MANIFEST, check, compare, parse_manifest, parse_place, words


def folder(place: Path) -> Path:
    """Two files and what `sha256sum` writes about them."""
    files = {"rse/setup.bin": b"installer", "conf/rse.conf": b"id = 1\n"}
    lines = []
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    (place / MANIFEST).write_text("".join(lines))
    return place


def test_a_folder_is_what_its_manifest_says(tmp_path: Path) -> None:
    place = folder(tmp_path / "f")
    assert compare(place).good
    (place / "rse/setup.bin").write_bytes(b"another")
    (place / "conf/rse.conf").unlink()
    (place / "notes").write_text("x")
    found = compare(place)
    assert (found.changed, found.missing, found.unlisted) == (
        ("rse/setup.bin",), ("conf/rse.conf",), ("notes",),
    )  # fmt: skip
    assert "changed: rse/setup.bin" in words(found)


@pytest.mark.parametrize("text", ["nonsense", f"{'0' * 64}  ../away", f"{'0' * 64}  /etc/passwd"])
def test_a_wrong_manifest_names_its_line(text: str) -> None:
    with pytest.raises(IncidentError, match="line 2"):
        parse_manifest(f"{'0' * 64}  good\n{text}\n")


def test_an_empty_manifest_accepts_nothing(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("")
    assert not compare(tmp_path).good


@pytest.mark.parametrize("url", ["host/folder", "sftp://u:secret@h/f", "sftp://h:x/f"])
def test_what_is_no_sftp_folder_is_refused(url: str) -> None:
    with pytest.raises(IncidentError, match="is no SFTP folder"):
        parse_place(url)


@pytest.fixture
def sshd(need: Callable[..., None], tmp_path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(port, options of sftp) of a real sshd on loopback that lets this user in by key."""
    need("sshd", "ssh-keygen", "sftp", "root")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    public = (tmp_path / "host.pub").read_text().split()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(tmp_path / "config")]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stderr=log) as server:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port, (
            "-i", str(tmp_path / "user"), "-o", f"UserKnownHostsFile={tmp_path}/known",
        )  # fmt: skip
        server.terminate()


def test_a_folder_on_a_real_server_is_compared(
    tmp_path: Path, sshd: tuple[int, tuple[str, ...]]
) -> None:
    port, options = sshd
    place = folder(tmp_path / "server 7")
    url = f"sftp://{getpass.getuser()}@127.0.0.1:{port}{str(place).replace(' ', '%20')}"
    assert check(url, options).good
    (place / "conf/rse.conf").write_text("id = 2\n")
    assert check(url, options).changed == ("conf/rse.conf",)


def test_a_server_that_is_not_known_is_refused(
    tmp_path: Path, sshd: tuple[int, tuple[str, ...]]
) -> None:
    port, options = sshd
    (tmp_path / "known").write_text("")
    with pytest.raises(IncidentError, match="cannot be fetched"):
        check(f"sftp://{os.environ.get('USER', 'root')}@127.0.0.1:{port}/x", options)
