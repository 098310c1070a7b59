"""Configurations made in Python, and the questions that are asked of them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from inventory.models import (
    Agent,
    Configuration,
    Pas,
    Path,
    Train,
    own_paths,
    packet_octets,
    pas_of,
    peer_of,
    target_of,
)
from inventory.values import HostPort


def pas(identifier: str, reflector: HostPort | None = None) -> Pas:
    return Pas(
        id=identifier, country="IT", timezone="Europe/Rome", profile="high", reflector=reflector
    )


def test_a_train_made_in_python_is_in_nanoseconds() -> None:
    train = Train(packets=5, spacing_ns=1_000_000, every_ns=10**9, timeout_ns=10**8)
    assert train.spacing_ns == 1_000_000
    with pytest.raises(ValidationError):
        Train(spacing_ns=0)


def test_values_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Train(), "packets", 7)  # noqa: B010 - mypy knows that it is frozen


def test_a_path_goes_to_its_target_or_to_the_reflector_of_its_peer() -> None:
    to_target = Path(id="a", pas="x", service="voip", target="2001:db8::1", method="stamp")
    to_peer = Path(id="b", pas="x", service="voip", peer="y", method="stamp")
    other_port = Path(id="c", pas="x", service="voip", peer="y", method="stamp", port=9)
    y = pas("y", HostPort("192.0.2.9", 4000))
    configuration = Configuration(pas=(pas("x"), y), paths=(to_target, to_peer, other_port))
    assert target_of(configuration, to_target) == ("2001:db8::1", 862)
    assert target_of(configuration, to_peer) == ("192.0.2.9", 4000)
    assert target_of(configuration, other_port) == ("192.0.2.9", 9)
    assert peer_of(configuration, to_target) is None
    assert peer_of(configuration, to_peer) is y
    with pytest.raises(KeyError):
        pas_of(configuration, "z")


@pytest.mark.parametrize(
    ("target", "method", "octets"),
    [
        ("192.0.2.1", "icmp", 64 + 20),
        ("2001:db8::1", "icmp", 64 + 40),
        ("fe80::1%eth0", "icmp", 64 + 40),
        ("a.example.net", "icmp", 64 + 20),
        ("192.0.2.1", "stamp", 44 + 8 + 20),
        ("2001:db8::1", "stamp", 44 + 8 + 40),
    ],
)
def test_a_packet_counts_from_its_ip_header(target: str, method: str, octets: int) -> None:
    path = Path.model_validate(
        {"id": "a", "pas": "x", "service": "voip", "target": target, "method": method}
    )
    assert packet_octets(Configuration(pas=(pas("x"),), paths=(path,)), path) == octets


def test_a_host_runs_the_paths_of_its_own_pas() -> None:
    paths = tuple(
        Path(id=f"from-{name}", pas=name, service="ip-base", target="192.0.2.1") for name in "xy"
    )
    both = Configuration(pas=(pas("x"), pas("y")), paths=paths)
    assert own_paths(both) == paths
    agent = Agent.model_validate({"name": "n", "data_dir": "/d", "pas": ["y"]})
    assert own_paths(both.model_copy(update={"agent": agent})) == paths[1:]
