"""One installation from end to end: bundled, installed without network, run as its own user under
the limits of its unit, upgraded, rolled back.

The wheels are made of what is installed in this environment (each file held against the hash that
pip recorded), because tests have no network; that bundle.sh fetches the locked ones is not seen
here. systemd is not at hand either: `confined` does to the agent what the unit says.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.metadata
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from waiting import until

from timeseries.reader import EmbeddedReader

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy" / "systemd" / "pasprobe-agent.service"
NOT_IN_WHEELS = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}
CAPABILITIES = 1 << 13 | 1 << 10
"""CAP_NET_RAW and CAP_NET_BIND_SERVICE (linux/capability.h)."""

CONFINE = """
import ctypes, errno, os, sys
class Compare(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
lib.seccomp_init.argtypes = [ctypes.c_uint32]
lib.seccomp_load.argtypes = [ctypes.c_void_p]
lib.seccomp_rule_add_array.argtypes = [
    ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Compare)]
ALLOW, ERRNO, EQUAL, MASKED = 0x7FFF0000, 0x00050000, 4, 7
number = lambda name: lib.seccomp_syscall_resolve_name(name.encode())
def done(result):
    if result < 0:
        raise OSError(-result, os.strerror(-result))
denied = lib.seccomp_init(ALLOW)
def deny(name, error, *compare):
    action = ERRNO | error
    done(lib.seccomp_rule_add_array(denied, action, number(name), 1, Compare(*compare)))
# MemoryDenyWriteExecute=: PROT_WRITE with PROT_EXEC, PROT_EXEC later on, SHM_EXEC.
for name, bits in (("mmap", 6), ("mprotect", 4), ("pkey_mprotect", 4), ("shmat", 0o100000)):
    deny(name, errno.EPERM, 2, MASKED, bits, bits)
for family in set(range(1, 46)) - {int(one) for one in sys.argv[1].split(",")}:
    deny("socket", errno.EAFNOSUPPORT, 0, EQUAL, family, 0)
done(lib.seccomp_load(denied))
allowed = lib.seccomp_init(ERRNO | errno.EPERM)
for name in sys.argv[2].split(","):
    if number(name) >= 0:  # others are of other machines
        done(lib.seccomp_rule_add_array(allowed, ALLOW, number(name), 0, None))
done(lib.seccomp_load(allowed))
os.execv(sys.argv[3], sys.argv[3:])
"""
"""System-call filters as systemd sets them for the unit, then the program."""

FILTERED = """
import ctypes, time
from agent.daemon.engine_process import run_first
from agent.kernel.clock import _libc, _Timex
print("asked" if _libc.adjtimex(ctypes.byref(_Timex())) >= 0 else "not asked")
try:
    time.clock_settime(time.CLOCK_REALTIME, -1)  # never right, but root may try
except PermissionError:
    print("refused")
print("first" if run_first() else "not first")
"""


def settings(key: str) -> list[str]:
    lines = (line.partition("=") for line in UNIT.read_text().splitlines())
    return [value for name, _, value in lines if name == key]


def system_calls(group: str) -> set[str]:
    """The names in a group of systemd's (`@system-service`), or the name itself."""
    if not group.startswith("@"):
        return {group}
    said = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", group],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    words = [line.strip() for line in said.splitlines()[1:]]
    return {
        call for word in words if word and not word.startswith("#") for call in system_calls(word)
    }


def allowed_calls() -> set[str]:
    """What SystemCallFilter= of the unit comes to: an allow list, `~` takes away."""
    allowed: set[str] = set()
    for line in settings("SystemCallFilter"):
        named = {call for group in line.removeprefix("~").split() for call in system_calls(group)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def needed(*texts: str) -> set[str]:
    """The distributions of these requirements (`netmiko[par4]`), and all that they require here."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in texts]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) in found:
                continue
            found.add((name, extra))
            for text in importlib.metadata.requires(name) or ():
                requirement = Requirement(text)
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    waiting.append(requirement)
    return {name for name, _ in found}


def repacked(name: str, folder: Path) -> None:
    """A wheel of what pip installed, file by file as its RECORD has them."""
    dist = importlib.metadata.distribution(name)
    tags = [line[5:].split("-") for line in (dist.read_text("WHEEL") or "").splitlines()
            if line.startswith("Tag: ")]  # fmt: skip
    tag = "-".join(".".join(sorted(set(part))) for part in zip(*tags, strict=True))
    files = [
        file
        for file in dist.files or ()
        if ".." not in file.parts and file.suffix != ".pyc" and file.name not in NOT_IN_WHEELS
    ]
    info = next(file.parts[0] for file in files if file.parts[0].endswith(".dist-info"))
    record = [f"{info}/RECORD,,"]
    wheel = folder / f"{info.removesuffix('.dist-info')}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for file in files:
            content = file.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            assert file.hash is not None
            assert file.hash.value == digest.rstrip("="), f"{file} is not as pip put it here"
            record.append(f"{file},sha256={file.hash.value},{len(content)}")
            packed.writestr(str(file), content)
        packed.writestr(f"{info}/RECORD", "\n".join(record) + "\n")


def interpreter() -> str:
    """A Python of this version that other users may run too."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in ("/usr/bin/python3", f"/usr/bin/python{ours}", f"/usr/local/bin/python{ours}"):
        if not Path(candidate).exists():
            continue
        asked = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        said = subprocess.run([candidate, "-c", asked], check=False, capture_output=True, text=True)
        if said.stdout.strip() == ours:
            return candidate
    reason = f"there is no Python {ours} outside of home directories"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true promises it")
    pytest.skip(reason)


@dataclass(frozen=True)
class Site:
    """An edge host's file system in a folder, and a bundle for it."""

    root: Path
    bundle: Path

    def script(self, name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a script of the bundle where there is no network."""
        return subprocess.run(
            ["unshare", "--net", "sh", self.bundle / "deploy" / name, "--root", self.root, *words],
            check=False, capture_output=True, text=True,
        )  # fmt: skip

    def install(self) -> subprocess.CompletedProcess[str]:
        return self.script("install.sh", "--python", interpreter(), self.bundle)

    @property
    def data(self) -> Path:
        return self.root / "var/lib/pasprobe"

    @property
    def configuration(self) -> Path:
        return self.root / "etc/pasprobe"

    @property
    def linked(self) -> str:
        return str((self.root / "opt/pasprobe").readlink())

    def confined(
        self, *command: str | Path, root: bool = False, **environ: str
    ) -> subprocess.Popen[str]:
        """Run as the unit does: as pasprobe, with two capabilities, filtered system calls, no
        writable code, and /opt the site's; in a network of its own with a loopback."""
        user, group = (self.data.stat().st_uid, self.data.stat().st_gid)
        families = ",".join(
            str(int(getattr(socket, family)))
            for family in settings("RestrictAddressFamilies")[0].split()
        )
        wanted = settings("AmbientCapabilities")[0].split()
        named = (f"+{one.removeprefix('CAP_').lower()}" for one in wanted)
        capabilities = ",".join(["-all", *named])
        limit = settings("LimitRTPRIO")[0]
        become = [] if root else [
            *(["prlimit", f"--rtprio={limit}:{limit}"] if may_raise_limits() else []),
            "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
            "--no-new-privs", f"--inh-caps={capabilities}",
            f"--ambient-caps={capabilities}", f"--bounding-set={capabilities}",
        ]  # fmt: skip
        inside = 'umask 027; mount --bind "$1" /opt; ip link set lo up; shift; exec "$@"'
        log = (self.root / "log").open("a")
        try:
            return subprocess.Popen(
                [
                    "unshare", "--mount", "--net",
                    "sh", "-eu", "-c", inside, "sh", self.root / "opt",
                    *become,
                    "/opt/pasprobe/bin/python", "-I", "-c", CONFINE,
                    families, ",".join(sorted(allowed_calls())), *command,
                ],
                cwd="/", env={"PATH": os.environ["PATH"], **environ},
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        finally:
            log.close()

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()


def may_raise_limits() -> bool:
    """Whether LimitRTPRIO= can be had here: a container's root may lack CAP_SYS_RESOURCE."""
    tried = subprocess.run(["prlimit", "--rtprio=1:1", "true"], check=False, capture_output=True)
    return tried.returncode == 0


@pytest.fixture
def site(need: Callable[..., None]) -> Iterator[Site]:
    need("root", "systemd-analyze", "systemd-sysusers", "setpriv", "prlimit", "unshare", "ip")
    # Not tmp_path: pasprobe's user must get in.
    folder = Path(tempfile.mkdtemp(prefix="pp-deploy-"))
    folder.chmod(0o755)
    try:
        wheels = folder / "wheels"
        wheels.mkdir()
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        ours = [Requirement(text).name for text in project["dependencies"]]
        for name in needed(*ours, "hatchling"):
            repacked(name, wheels)
        made = subprocess.run(
            ["unshare", "--net", "sh", ROOT / "deploy/bundle.sh", "--python", sys.executable,
             "--wheels", wheels, folder / "bundle"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        shutil.rmtree(wheels)
        (folder / "root").mkdir()
        yield Site(folder / "root", folder / "bundle")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """The service manager's end of sd_notify, which any user may write to."""
    folder = Path(tempfile.mkdtemp(prefix="pp-notify-"))
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(folder / "notify"))
        (folder / "notify").chmod(0o666)
        heard.settimeout(60)
        yield heard
    shutil.rmtree(folder)


def hear(manager: socket.socket, line: str) -> None:
    while line not in manager.recv(4096).decode().splitlines():
        pass


def configure(site: Site) -> None:
    path = (
        '[[path]]\nid = "{0}"\npas = "here"\nservice = "ip-base"\ntarget = "127.0.0.1"\n'
        'method = "{0}"\n'
        'train = {{ packets = 5, spacing = "10ms", every = "500ms", timeout = "200ms" }}\n'
    )
    text = (
        f'[agent]\nname = "here"\ndata_dir = "{site.data}"\n'
        '[[pas]]\nid = "here"\ncountry = "IT"\ntimezone = "Europe/Rome"\nprofile = "high"\n'
        'services = [{ id = "ip-base", level = "L3", window = "normal" }]\n'
        '[reflector]\nlisten = ["127.0.0.1:862"]\nallow = ["127.0.0.0/8"]\n'
    )
    (site.configuration / "pasprobe.toml").write_text(
        text + path.format("icmp") + path.format("stamp")
    )


def rights(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_an_offline_install_measures_as_its_own_user_is_upgraded_and_rolled_back(
    site: Site, manager: socket.socket
) -> None:
    installs(site)
    release = site.linked
    configure(site)
    measures(site, manager)
    upgrades_and_rolls_back(site, release)


def installs(site: Site) -> None:
    assert "pasprobe==" in (site.bundle / "requirements.txt").read_text()
    done = site.install()
    assert done.returncode == 0, done.stdout + done.stderr
    release = site.root / "opt" / site.linked
    assert release.name == "pasprobe-" + importlib.metadata.version("pasprobe")
    # Nothing in it knows that it was made elsewhere.
    for text in (release / "bin/pasprobe", release / "pyvenv.cfg"):
        assert str(site.root) not in text.read_text()
    assert (release / "bin/pasprobe").read_text().startswith(f"#!/opt/{release.name}/bin/python")
    assert {file.name for file in (site.root / "etc/systemd/system").iterdir()} == {
        "pasprobe-agent.service", "pasprobe-reflector.service",
    }  # fmt: skip
    # The user, and who owns what.
    users = (site.root / "etc/passwd").read_text()
    user = int(re.findall(r"^pasprobe:[^:]*:(\d+):", users, re.MULTILINE)[0])
    assert user != 0
    owned = {
        folder: (folder.stat().st_uid == user, folder.stat().st_mode & 0o7777)
        for folder in (site.data, site.configuration)
    }
    assert owned == {site.data: (True, 0o750), site.configuration: (False, 0o750)}
    # Again: nothing to do. Another bundle under the same name: refused, what is there stays.
    again = site.install()
    assert again.returncode == 0
    assert "installed already" in again.stdout
    assert not (site.root / "opt/pasprobe.previous").is_symlink()
    sums = site.bundle / "SHA256SUMS"
    kept = sums.read_text()
    sums.write_text("".join(reversed(kept.splitlines(keepends=True))))
    other = site.install()
    assert other.returncode == 2
    assert "--release" in other.stderr
    sums.write_text(kept)


def measures(site: Site, manager: socket.socket) -> None:
    # As root, to see what the filter does by itself.
    asked = site.confined("/opt/pasprobe/bin/python", "-I", "-c", FILTERED, root=True)
    assert asked.communicate(timeout=60)[0].split() == ["asked", "refused", "first"], site.log

    realtime = may_raise_limits()
    address = manager.getsockname()
    agent = site.confined(
        "/opt/pasprobe/bin/pasprobe", "run", "--config", site.configuration,
        NOTIFY_SOCKET=address, WATCHDOG_USEC="2000000",
    )  # fmt: skip
    try:
        until(lambda: agent.poll() is not None or "event=engine-ready" in site.log)
        assert agent.poll() is None, site.log
        hear(manager, "READY=1")
        hear(manager, "WATCHDOG=1")
        engine = int(re.findall(rf"event=engine-ready pid=(\d+) realtime={realtime}", site.log)[0])
        owner = site.data.stat().st_uid
        for pid in (agent.pid, engine):
            has = rights(pid)
            assert set(has["Uid"].split()) == {str(owner)}
            assert {int(has[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
                CAPABILITIES
            }
            assert (has["NoNewPrivs"], has["Seccomp"]) == ("1", "2")

        def measured(path: str) -> bool:
            if not (site.data / "spool.sqlite").exists():
                return False
            found = EmbeddedReader(site.data, threads=1).trains(path)
            return any(train.valid and train.received == train.sent == 5 for train in found)

        until(lambda: measured("icmp") and measured("stamp"))
        reload = site.confined(
            "/opt/pasprobe/bin/pasprobe", "reload", "--config", site.configuration
        )
        assert "now measures 2 paths" in reload.communicate(timeout=60)[0], site.log
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(20) == 0
    finally:
        if agent.poll() is None:
            agent.kill()
        agent.communicate()
    # DuckDB wrote, under the same limits.
    assert list((site.data / "store/trains").glob("*/*.parquet")), site.log
    assert "event=store-error" not in site.log
    foreign = [file for file in site.data.rglob("*") if file.stat().st_uid != owner]
    assert foreign == []
    assert not [file for file in site.data.rglob("*") if file.stat().st_mode & 0o007]


def upgrades_and_rolls_back(site: Site, release: str) -> None:
    newer = f"{release}-2"
    shutil.copytree(
        site.root / "opt" / release, site.root / "opt" / newer, symlinks=True, copy_function=os.link
    )
    activate = site.root / "opt" / newer / "deploy/activate.sh"
    subprocess.run(["sh", activate, "--root", site.root], check=True, capture_output=True)
    assert site.linked == newer
    assert (site.root / "opt" / release / "bin/pasprobe").exists()

    # A key that only the newer one knows.
    configuration = site.configuration / "pasprobe.toml"
    kept = configuration.read_text()
    configuration.write_text(kept + "[next]\n")
    refused = site.script("rollback.sh")
    assert refused.returncode == 1
    assert 'unknown table "next"' in refused.stderr
    assert site.linked == newer
    configuration.write_text(kept)

    # A spool that only the newer one reads.
    spool = site.data / "spool.sqlite"
    with contextlib.closing(sqlite3.connect(spool)) as connection:
        connection.execute("PRAGMA user_version = 999")
    refused = site.script("rollback.sh")
    assert refused.returncode == 1
    assert "has layout 999" in refused.stderr
    assert "--set-spool-aside" in refused.stderr
    assert (site.linked, spool.exists()) == (newer, True)

    done = site.script("rollback.sh", "--set-spool-aside")
    assert done.returncode == 0, done.stderr
    assert (site.linked, spool.exists()) == (release, False)
    aside = list(site.data.glob("spool-layout-999-*/spool.sqlite"))
    assert len(aside) == 1
    assert aside[0].parent.stat().st_uid == site.data.stat().st_uid

    # And forth again.
    assert site.script("rollback.sh").returncode == 0
    assert site.linked == newer
    back = site.script("rollback.sh", "--to", release.removeprefix("pasprobe-"))
    assert back.returncode == 0, back.stderr
    assert site.linked == release
    missing = site.script("rollback.sh", "--to", "0.0.0")
    assert missing.returncode == 2
    assert release in missing.stderr
