"""The commented configuration that `pasprobe init` writes; its text is `commented.toml`.

A line that begins with `#` and no space is a setting out of use: without the `#` it is valid, and a
test takes all of them at their word.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import tempfile
from importlib import resources
from pathlib import Path


class InitError(Exception):
    """The configuration cannot be written; the text says where and what to do."""


def commented_configuration(host_name: str) -> str:
    """The text of a first configuration for this host; it passes `check`."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", host_name).strip("-._") or "probe-01"
    template = resources.files("inventory") / "commented.toml"
    return template.read_text(encoding="utf-8").replace("@NAME@", name)


def write_configuration(path: Path, *, force: bool) -> Path:
    """Write it aside and rename; refuse a file that is there, unless forced."""
    if path.is_dir():
        path = path / "pasprobe.toml"
    if path.exists() and not force:
        raise InitError(f"{path}: there is such a file already — say --force to replace it")
    temporary: str | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(commented_configuration(socket.gethostname()))
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes a file for its owner alone; this one holds no secret.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise InitError(
            f"{path}: cannot be written ({error.strerror}) — choose a folder you may write to"
        ) from None
    return path
