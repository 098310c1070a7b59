"""Message headers of a group of trains, ready for sendmmsg."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agent.kernel.batch_socket import (
    HEADER,
    IOVEC,
    IP_TOS,
    IPV6_TCLASS,
    SCM_TS_OPT_ID,
    SOL_IP,
    SOL_IPV6,
    SOL_SOCKET,
)


def point_headers(
    words: npt.NDArray[np.uint64],
    packets: npt.NDArray[np.uint8],
    names: npt.NDArray[np.uint8],
    per_train: int,
    slots: npt.NDArray[np.int64],
    dscp: int,
    version: Literal[4, 6],
    chosen_ids: bool,
) -> tuple[Any, ...]:
    """Fill the message headers of a group of trains; returns the memory they point into."""
    total = len(packets)
    headers = words.view(HEADER)[:, 0]
    iov = np.zeros(total, IOVEC)
    iov["base"] = packets.ctypes.data + np.arange(total, dtype=np.uint64) * packets.strides[0]
    iov["len"] = packets.shape[1]
    headers["name"] = names.ctypes.data + np.repeat(
        np.arange(len(names), dtype=np.uint64) * names.strides[0], per_train
    )
    headers["namelen"] = 16 if version == 4 else 28
    headers["iov"] = iov.ctypes.data + np.arange(total, dtype=np.uint64) * IOVEC.itemsize
    headers["iovlen"] = 1
    messages: list[tuple[int, int, npt.NDArray[Any] | int]] = []
    if dscp:
        messages.append(
            (SOL_IP, IP_TOS, dscp << 2) if version == 4 else (SOL_IPV6, IPV6_TCLASS, dscp << 2)
        )
    if chosen_ids:
        messages.append((SOL_SOCKET, SCM_TS_OPT_ID, slots))
    control = np.zeros((total, 3 * len(messages)), np.uint64)
    for n, (level, kind, value) in enumerate(messages):
        control[:, 3 * n] = 20  # CMSG_LEN(4)
        control[:, 3 * n + 1] = level | kind << 32
        control[:, 3 * n + 2] = value
    if messages:
        headers["control"] = (
            control.ctypes.data + np.arange(total, dtype=np.uint64) * control.strides[0]
        )
    else:
        headers["control"] = 0
    headers["controllen"] = control.shape[1] * 8
    return iov, control, packets, names
