"""`pasprobe config` on a real router: FRR's vtysh behind a real sshd."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
WANTED = """\
access-list GUARD seq 5 permit 10.0.0.0/8
access-list GUARD seq 10 deny any
ip route 10.200.0.0/16 blackhole
ip route 10.201.0.0/16 blackhole
"""


@pytest.fixture
def typed(frr_box: Any, tmp_path: Path) -> Any:
    (tmp_path / "pasprobe.toml").write_text(
        '[device_configs]\nfolder = "kept"\n'
        f'[[device]]\nid = "frr-1"\nhost = "{frr_box.host}"\nport = {frr_box.ssh_port}\n'
        'role = "switch"\nplatform = "frr"\n'
        f'login = {{ user = "{frr_box.user}", password = {{ env = "PW" }} }}\n'
    )

    def config(code: int, *words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pasprobe", "config", *words, "--json",
             "--config", str(tmp_path / "pasprobe.toml")],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "PW": frr_box.password},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if code < 2 else done.stderr

    config(0, "trust", "frr-1", "--yes")
    return config


def test_a_real_router_is_restored_read_back_and_keeps_it_over_a_restart(
    typed: Any, frr_box: Any, tmp_path: Path
) -> None:
    typed(0, "backup", "frr-1")
    before = typed(0, "show", "frr-1", "--secrets")["text"]
    target = tmp_path / "target.cfg"
    to = ("frr-1", "--to", str(target))
    for address in ("10.99.0.1/32", "10.99.0.2/32"):
        # FRR takes a second address beside the first, where IOS replaces it.
        wanted = f"{WANTED}interface lo\n ip address {address}\nexit\n"
        target.write_text(before.replace("end\n", f"{wanted}end\n"))
        assert typed(1, "plan", *to)["groups"]
        done = typed(0, "restore", *to, "--yes", "--accept", "ping:127.0.0.1")
        assert (done["state"], done["saved"]) == ("target", True)
        assert f" ip address {address}" in frr_box.startup
    assert frr_box.startup.count("ip address") == 1
    frr_box.restart()
    assert typed(0, "plan", *to)["groups"] == []
    # Its lists filter no packets, so there is nothing that a block could stand in.
    assert "no access list filters" in typed(2, "block", "frr-1", "192.0.2.7")


def test_what_a_dead_daemon_does_not_take_leads_back_to_the_preimage(
    typed: Any, frr_box: Any, tmp_path: Path
) -> None:
    frr_box.stop_daemon("staticd")
    before, startup = frr_box.vtysh("show running-config"), frr_box.startup
    target = tmp_path / "target.cfg"
    target.write_text(before.replace("end\n", f"{WANTED}end\n"))
    done = typed(1, "restore", "frr-1", "--to", str(target), "--yes")
    assert (done["state"], done["saved"]) == ("pre-image", False)
    assert "staticd" in done["reason"]
    assert frr_box.vtysh("show running-config") == before
    assert frr_box.startup == startup
