"""STAMP against codecs that are not ours: scapy's and tshark's.

scapy names the TLV flags from the wrong end (its U is 0x01, the RFC's 0x80): numbers here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scapy.contrib.stamp import (
    ErrorEstimate,
    STAMPSessionReflectorTestUnauthenticated,
    STAMPSessionSenderTestUnauthenticated,
    STAMPTestTLV,
)
from scapy.layers.inet import IP, UDP
from scapy.utils import wrpcap

from agent.reflector.access import Prefixes
from agent.reflector.core import Policy, Reflection, Requests
from agent.reflector.rate_limit import RateLimit
from agent.reflector.server import LOOPBACK
from agent.reflector.sessions import SessionTable
from agent.wire.ntp import to_ntp
from agent.wire.stamp import build_sender, parse_replies
from agent.wire.tlv import SenderTlvs, read_reply_tlvs, shape

NOW = 1_700_000_000_250_000_000
T1 = 0xE8FE6F80_40000000
"""NOW, as NTP: a quarter of a second."""
ALL = SenderTlvs(timestamp_information=True, class_of_service=46, follow_up=True)


def request(size: int = 44, tlvs: SenderTlvs | None = None) -> bytes:
    packets = build_sender(
        np.array([258], np.uint32), np.array([T1], np.uint64), 0x8F84, 0xBEEF, size, None,
        tlvs or SenderTlvs(),
    )  # fmt: skip
    return packets[0].tobytes()


def reflected(packet: bytes) -> bytes:
    data = np.zeros((1, 2048), np.uint8)
    data[0, : len(packet)] = np.frombuffer(packet, np.uint8)
    names = np.zeros((1, 32), np.uint8)
    names[0, :8] = (2, 0, 0x9C, 0x40, 127, 0, 0, 1)
    requests = Requests(
        data, np.array([len(packet)], np.uint32), names, np.array([NOW + 1_000_000]),
        np.array([251], np.int16), np.array([0xB8], np.int16),
    )  # fmt: skip
    reflection = Reflection(Policy(Prefixes(LOOPBACK)), RateLimit(0))
    replies = reflection.reflect(requests, SessionTable(), NOW, 0)
    reflection.depart(data, replies, slice(0, 1), NOW + 2_000_000)
    assert len(replies.rows) == 1
    return data[0, : len(packet)].tobytes()


def test_scapy_reads_our_request() -> None:
    read = STAMPSessionSenderTestUnauthenticated(request(100, ALL))
    assert (read.seq, read.ssid, read.mbz) == (258, 0xBEEF, 0)
    assert (read.err_estimate.S, read.err_estimate.Z) == (1, 0)
    assert (read.err_estimate.scale, read.err_estimate.multiplier) == (15, 0x84)
    assert bytes(read)[4:12] == T1.to_bytes(8)
    assert float(read.ts) == T1 / 2**32
    assert [(int(tlv.flags), tlv.type, tlv.len) for tlv in read.tlv_objects] == [
        (0x80, 3, 4), (0x80, 4, 4), (0x80, 7, 16), (0x80, 1, 16),
    ]  # fmt: skip


def test_scapy_reads_our_reply() -> None:
    read = STAMPSessionReflectorTestUnauthenticated(reflected(request(100, ALL)))
    assert (read.seq, read.seq_sender, read.ssid) == (258, 258, 0xBEEF)
    assert (read.ttl_sender, read.mbz1, read.mbz2) == (251, 0, 0)
    assert float(read.ts_sender) == T1 / 2**32
    assert float(read.ts_rx) == int(to_ntp(NOW + 1_000_000)) / 2**32
    assert float(read.ts) == int(to_ntp(NOW + 2_000_000)) / 2**32
    assert (read.err_estimate_sender.scale, read.err_estimate_sender.multiplier) == (15, 0x84)
    assert read.err_estimate.S == 0
    assert [(int(tlv.flags), tlv.type, tlv.len) for tlv in read.tlv_objects] == [
        (0, 3, 4), (0, 4, 4), (0, 7, 16), (0, 1, 16),
    ]  # fmt: skip


def test_our_reflector_answers_scapys_request() -> None:
    packet = STAMPSessionSenderTestUnauthenticated(
        seq=9, ts=T1 / 2**32, err_estimate=ErrorEstimate(S=1, scale=5, multiplier=3), ssid=77,
        tlv_objects=[STAMPTestTLV(flags=0x80, type=240, len=2, value=b"hi")],
    )  # fmt: skip
    reply = STAMPSessionReflectorTestUnauthenticated(reflected(bytes(packet)))
    assert (reply.seq, reply.seq_sender, reply.ssid) == (9, 9, 77)
    assert bytes(reply)[28:36] == bytes(packet)[4:12]
    assert reply.err_estimate_sender.scale == 5
    assert [(int(t.flags), t.type, t.value) for t in reply.tlv_objects] == [(0x80, 240, b"hi")]


def test_we_read_scapys_reply() -> None:
    octets = bytes(
        STAMPSessionReflectorTestUnauthenticated(
            seq=3, ts=T1 / 2**32, ssid=5, ts_rx=(T1 - 2**30) / 2**32, seq_sender=4,
            ts_sender=(T1 - 2**31) / 2**32, ttl_sender=61,
            err_estimate=ErrorEstimate(S=1, scale=25, multiplier=128),
            tlv_objects=[STAMPTestTLV(flags=0, type=4, len=4, value=b"\xba\xe4\x00\x00")],
        )
    )  # fmt: skip
    data = np.frombuffer(octets.ljust(64, b"\0"), np.uint8)[None]
    reply = parse_replies(data, np.array([len(octets)]))
    assert (reply.seq[0], reply.sender_seq[0], reply.ssid[0]) == (3, 4, 5)
    assert (reply.t3[0], reply.t2[0], reply.sender_t1[0]) == (T1, T1 - 2**30, T1 - 2**31)
    assert (reply.error_estimate[0], reply.sender_ttl[0]) == (0x9980, 61)
    asked = shape(52, False, SenderTlvs(class_of_service=46))
    tlvs = read_reply_tlvs(data, np.array([len(octets)]), asked)
    # 101110 101110 01 00: DSCP1 46, DSCP2 46, ECN 1, RP 0.
    assert (tlvs.dscp_seen[0], tlvs.ecn_seen[0], tlvs.dscp_refused[0]) == (46, 1, False)


def test_tshark_reads_request_and_reply(need: Callable[..., None], tmp_path: Path) -> None:
    need("tshark")
    capture = tmp_path / "stamp.pcap"
    ours = request()
    wrpcap(
        str(capture),
        [
            IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=40000, dport=862) / ours,
            IP(src="192.0.2.2", dst="192.0.2.1") / UDP(sport=862, dport=40000) / reflected(ours),
        ],
    )
    said = subprocess.run(
        ["tshark", "-r", str(capture), "-d", "udp.port==862,twamp.test", "-T", "json"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    sent, back = (packet["_source"]["layers"]["twamp.test"] for packet in json.loads(said.stdout))

    def value(layer: dict[str, object], name: str) -> str:
        found = layer.get(f"twamp.test.{name}")
        if found is None:
            pytest.fail(f"tshark shows no {name} in {layer}")
        return str(found)

    assert value(sent, "seq_number") == "258"
    assert value(sent, "timestamp").startswith("Nov 14, 2023 22:13:20.25")
    assert value(back, "seq_number") == "258"
    assert value(back, "timestamp").startswith("Nov 14, 2023 22:13:20.252")
    # .251 s has no exact fraction of 2^-32 s, and tshark cuts where we round.
    assert value(back, "receive_timestamp").startswith("Nov 14, 2023 22:13:20.250999999")
    assert value(back, "sender_seq_number") == "258"
    assert value(back, "sender_timestamp").startswith("Nov 14, 2023 22:13:20.25")
    assert value(back, "sender_ttl") == "251"
