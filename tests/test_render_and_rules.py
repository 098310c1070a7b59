"""Templates, what to type on a blank unit, and the list of rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_configs.bootstrap import bootstrap
from device_configs.changing import Room
from device_configs.errors import DeviceConfigError
from device_configs.plan import plan
from device_configs.render import RenderError
from device_configs.rules import hit_counts, rules
from inventory.load import load

EXAMPLE = Path(__file__).parent.parent / "examples" / "device_configs" / "pasprobe.toml"
SECRETS = (
    "FIREWALL_USER_HASH FIREWALL_ENABLE_HASH FIREWALL_PASSWD_HASH TUNNEL_INFOMIL_KEY "
    "TUNNEL_DUBLIN_KEY SWITCH_USER_HASH SWITCH_ENABLE_HASH"
)


@pytest.fixture
def room() -> Room:
    environ = {name: f"s-{name.lower()}" for name in SECRETS.split()}
    return Room(load(EXAMPLE, environ=environ, resolve_secrets=False), environ)


@pytest.mark.parametrize(
    ("name", "platform"), [("pix-1", "pix6"), ("asa-1", "asa"), ("switch-1", "ios")]
)
def test_an_example_boots_on_the_device_and_is_what_it_says(
    devices: object, room: Room, name: str, platform: str
) -> None:
    known = next(d for d in room.loaded.configuration.devices if d.id == name)
    text = room.rendered(known)
    device = devices.Device(platform, text)  # type: ignore[attr-defined]
    assert not plan(device.running(), text, known.platform)
    if name != "switch-1":
        assert text.count("INFOMIL-TUNNEL") >= 2
        assert "s-tunnel_dublin_key" in text
    typed = bootstrap(known, text)
    assert typed[-1] == "write memory"
    assert any(line.strip().startswith("ip address") for line in typed)
    assert any(line.startswith("username restore") for line in typed)


@pytest.mark.parametrize(
    ("name", "gone", "says"),
    [
        ("pix-1", "hostname", "no hostname"),
        ("pix-1", "ip address inside", "no address of the interface inside"),
        ("pix-1", "telnet", "no `telnet NETWORK MASK inside`"),
        ("asa-1", "ssh", "no `ssh NETWORK MASK inside`"),
        ("switch-1", "line vty", "no line vty"),
    ],
)
def test_what_could_not_be_reached_is_not_typed_on_a_console(
    room: Room, name: str, gone: str, says: str
) -> None:
    known = next(d for d in room.loaded.configuration.devices if d.id == name)
    lines = room.rendered(known).splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith(gone))
    with pytest.raises(DeviceConfigError, match=says):
        bootstrap(known, text)


def test_a_missing_variable_is_named_with_its_line(room: Room, tmp_path: Path) -> None:
    known = room.loaded.configuration.devices[0].model_copy(update={"template": "mine.j2"})
    file = tmp_path / "pasprobe.toml"
    file.write_text(EXAMPLE.read_text())
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mine.j2").write_text("hostname x\nroute {{ gatway }}\n")
    other = Room(load(file, environ={}, resolve_secrets=False), {})
    with pytest.raises(RenderError, match=r"mine.j2:2: 'gatway' is undefined.*pix-1.toml"):
        other.rendered(known)


def test_rules_have_their_place_remark_and_hits() -> None:
    text = (
        "hostname fw\ninterface G0\n nameif outside\n"
        "access-list OUT remark the shop\n"
        "access-list OUT extended permit tcp any host 10.0.0.5 eq www log\n"
        "access-list OUT extended deny ip any any inactive\n"
        "access-group OUT in interface outside\n"
    )
    shown = "access-list OUT line 2 extended permit tcp any host 10.0.0.5 eq www log (hitcnt=7) 0x1"
    first, second = rules(text, "cisco_asa", hit_counts(shown, "cisco_asa"))
    assert (first.number, first.interface, first.direction) == (1, "outside", "in")
    assert (first.remark, first.destination_port, first.hits) == ("the shop", "eq www", 7)
    assert (second.action, second.active, second.hits) == ("deny", False, None)


def test_a_standard_entry_that_logs_has_its_address_alone_as_source() -> None:
    text = "hostname s\nip access-list standard M\n permit 10.1.0.0 0.0.255.255\n deny   any log\n"
    found = rules(text, "cisco_ios")
    assert [(one.source, one.options) for one in found] == [
        ("10.1.0.0 0.0.255.255", ""),
        ("any", "log"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_file_of_any_desk_is_read_as_what_a_device_prints_is(
    room: Room, tmp_path: Path, encoding: str
) -> None:
    text = "hostname fw\nbanner motd accès réservé\n"
    file = tmp_path / "old.cfg"
    file.write_bytes(text.encode(encoding))
    device = room.loaded.configuration.devices[0]
    assert room.target(device, str(file)).text == text


def test_conduits_are_rules_with_the_destination_written_first() -> None:
    text = (
        "hostname pix\nconduit permit tcp host 192.0.2.5 eq www any\n"
        "conduit deny udp 192.0.2.0 255.255.255.0 host 198.51.100.9 eq domain\n"
        "conduit permit icmp any any echo-reply\n"
    )
    found = [
        (r.number, r.list, r.action, r.protocol, r.source, r.source_port, r.destination,
         r.destination_port, r.options)
        for r in rules(text, "cisco_pix6")
    ]  # fmt: skip
    assert found == [
        (1, "conduit", "permit", "tcp", "any", "", "host 192.0.2.5", "eq www", ""),
        (2, "conduit", "deny", "udp", "host 198.51.100.9", "eq domain",
         "192.0.2.0 255.255.255.0", "", ""),
        (3, "conduit", "permit", "icmp", "any", "", "any", "", "echo-reply"),
    ]  # fmt: skip
