"""docs/configuration.md lists every table and key."""

from __future__ import annotations

import re
from pathlib import Path

from inventory.models import Train
from inventory.tables import key_of, table_models


def test_every_table_and_every_key_is_documented() -> None:
    text = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()
    words = set(re.findall(r"[a-z_]+", text))
    for key, (_, model, many) in table_models().items():
        assert (f"[[{key}]]" if many else f"[{key}]") in text
        for name, info in model.model_fields.items():
            assert key_of(name, info) in words, f"{key}.{key_of(name, info)}"
    for name, info in Train.model_fields.items():
        assert f"| {key_of(name, info)} |" in text
