"""Fields of a batch of packets as columns: one view for all rows, no copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agent.samples import UInt8Array


def column(rows: UInt8Array, offset: int, dtype: str) -> npt.NDArray[Any]:
    """The field of `dtype` (`>u4`) at `offset` of every row: a view, writable, alignment free."""
    kind = np.dtype(dtype)
    return rows[:, offset : offset + kind.itemsize].view(kind)[:, 0]
