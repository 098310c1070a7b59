"""What is wrong in a configuration is said all at once, each with file, line and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.errors import ConfigurationError, Problem
from inventory.load import Loaded, load
from inventory.template import commented_configuration
from inventory.values import HostPort

PAS = """\
[[pas]]
id = "roma"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [ { id = "ip-base", level = "L3", window = "normal" } ]
"""
BARI = PAS.replace('"roma"', '"bari"') + 'reflector = "192.0.2.9"\n'
PATH = """\
[[path]]
id = "p"
pas = "roma"
service = "ip-base"
target = "192.0.2.1"
"""
CLIENT = """\
[[client]]
name = "shops"
[[client.applications]]
name = "web"
host = "192.0.2.80"
check = "tcp:443"
"""


def read(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Loaded:
    file = folder / "pasprobe.toml"
    file.write_text(text)
    return load(file, environ=environ or {})


def wrong(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """`line: message` of each problem, in order."""
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, environ)
    for problem in caught.value.problems:
        assert problem.file == folder / "pasprobe.toml"
        assert problem.remedy, problem
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems)
    return [line.removeprefix(f"{folder / 'pasprobe.toml'}:") for line in lines]


def test_the_sketch_of_the_design_is_a_configuration(tmp_path: Path) -> None:
    names = ("TOKEN", "AUTH", "PRIV", "PASSWORD", "ENABLE")
    loaded = read(
        tmp_path,
        """\
[agent]
name = "roma-01"
data_dir = "/var/lib/pasprobe"
[influxdb]
url = "http://127.0.0.1:8086"
org = "ops"
bucket = "pasprobe"
token = { env = "TOKEN" }
[[pas]]
id = "roma-01"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [ { id = "ip-base", level = "L3", window = "normal", fee = "12000.00", \
start = "2011-01-01", bandwidth_mbps = 8, interface = "pix-infomil/inside" } ]
reflector = "198.51.100.7:862"
[[path]]
id = "roma-01/ip-base"
pas = "roma-01"
service = "ip-base"
target = "192.0.2.1"
method = "icmp"
train = { packets = 10, spacing = "100ms", every = "60s", size = 64, dscp = "default", \
timeout = "3s" }
endpoint = "qxn"
[[device]]
id = "pix-infomil"
host = "192.0.2.10"
role = "firewall"
platform = "cisco_pix"
snmp = { version = "3", user = "probe", auth = { env = "AUTH" }, priv = { env = "PRIV" } }
login = { user = "backup", password = { env = "PASSWORD" }, enable = { env = "ENABLE" } }
template = "pix.j2"
pas = ["roma-01"]
transport = "telnet"
[contract]
administration = "Example"
country = "IT"
timezone = "Europe/Rome"
min_coverage = "95"
services = [ { id = "email", fee = "9000.00", start = "2011-01-01", units = 100 } ]
options = ["help-desk-on-site"]
[contract.readings]
[[calendar]]
country = "IT"
weekend = ["sat", "sun"]
holidays = []
""",
        dict.fromkeys(names, "xxxxxxxx"),
    ).configuration
    (pas,) = loaded.pas
    (service,) = pas.services
    assert (service.fee, service.bandwidth_mbps) == (Decimal("12000.00"), Decimal(8))
    assert service.start == date(2011, 1, 1)
    assert pas.reflector == HostPort("198.51.100.7", 862)
    (path,) = loaded.paths
    train = path.train
    assert (train.packets, train.size, train.dscp) == (10, 64, 0)
    assert (train.spacing_ns, train.every_ns, train.timeout_ns) == (10**8, 60 * 10**9, 3 * 10**9)


def test_all_problems_are_said_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    problems = wrong(
        tmp_path,
        PAS.replace("high", "base").replace(
            "services = [",
            'services = [ { id = "video-conference", level = "L3", window = "normal" },',
        )
        + '[[path]]\nid = "a"\npas = "milano"\nservice = "ip-base"\ntarget = "192.0.2.1"\n'
        + 'colour = "red"\n'
        + PATH
        + 'train = { packets = 601, spacing = "100ms", every = "60s" }\n'
        + '[[path]]\nid = "s"\npas = "roma"\nservice = "ip-base"\ntarget = "192.0.2.1"\n'
        + 'method = "stamp"\nauth_key = { env = "NOT_THERE" }\n',
    )
    assert [p.partition(":")[0] for p in problems] == ["6", "9", "12", "18", "25"]
    service, pas, key, train, secret = problems
    assert 'a PAS of profile "base" may not have video-conference' in service
    assert "— the service is for profile high" in service
    assert 'pas = "milano": there is no such [[pas]] — there are: roma' in pas
    assert 'unknown key "colour" — ' in key
    assert "the train lasts 63100ms (packets x spacing + timeout)" in train
    assert "the environment variable NOT_THERE is not set — set it" in secret


def test_a_misspelt_key_gets_a_suggestion_and_is_read_as_it_was_meant(tmp_path: Path) -> None:
    (problem,) = wrong(
        tmp_path, PAS + PATH + 'train = { packets = 900, spacing = "100ms", evry = "2m" }\n'
    )
    assert problem == '12: [[path]] train: unknown key "evry" — did you mean "every"?'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[agnt]\n", '1: unknown table "agnt" — did you mean "agent"?'),
        ("[path]\n", "1: path is a list of tables — write [[path]]"),
        ("[[agent]]\n", "1: agent is a single table — write [agent]"),
        ("path = [1]\n", "1: path is a list of tables — write [[path]]"),
        (PAS.replace("high", "hihg"), '5: [[pas]]: profile = "hihg" is not one of'),
        (PAS.replace("Europe/Rome", "Europe/Rom"), "4: [[pas]]: timezone: unknown time zone"),
        (PAS.replace('"IT"', '"it"'), '3: [[pas]]: country = "it" is not written'),
        (PAS.replace(', window = "normal"', ""), "6: [[pas]] services: ip-base names no delivery"),
        (PAS.replace(', level = "L3"', ""), "6: [[pas]] services: ip-base needs a level"),
        (PAS.replace("ip-base", "ip-bse"), '6: [[pas]] services: unknown service "ip-bse"'),
        (PAS.replace("ip-base", "email"), "6: [[pas]] services: email is charged as a whole"),
        (PAS.replace('"normal"', '"normal", fee = true'), "6: [[pas]] services: fee: True is not"),
        (
            PAS.replace("ip-base", "video-collaboration").replace("L3", "L1"),
            "6: [[pas]] services: video-collaboration has no level L1 (annex 6.2",
        ),
        (PAS + PAS, '8: [[pas]]: id = "roma" stands twice'),
        (PAS + PATH + PATH, '13: [[path]]: id = "p" stands twice'),
        (PAS + PATH.replace('pas = "roma"\n', ""), '7: [[path]]: the key "pas" is missing'),
        (PAS + PATH.replace('"ip-base"', '"voip"'), '10: [[path]]: pas "roma" does not have'),
        (PAS + PATH.replace('"ip-base"', '"vip"'), '10: [[path]]: unknown service "vip"'),
        (PAS + PATH.replace('"ip-base"', '"email"'), "10: [[path]]: email has no packets"),
        (PAS + BARI + PATH + 'peer = "bari"\n', "14: [[path]]: a path has one far end"),
        (PAS + PATH.replace('target = "192.0.2.1"\n', ""), "7: [[path]]: a path has one far end"),
        (PAS + PATH.replace("target", "peer"), '11: [[path]]: peer = "192.0.2.1": there is no'),
        (
            PAS + PATH.replace('target = "192.0.2.1"', 'peer = "roma"'),
            "11: [[path]]: the peer is the PAS itself",
        ),
        (
            PAS
            + PAS.replace('"roma"', '"bari"')
            + PATH.replace('target = "192.0.2.1"', 'peer = "bari"'),
            '17: [[path]]: peer "bari" has no reflector',
        ),
        (PAS + PATH + "port = 862\n", "7: [[path]]: port belongs to STAMP"),
        (PAS + PATH + "train.size = 23\n", "12: [[path]] train: size should be greater"),
        (
            PAS + PATH + 'train.spacing = "2 weeks"\n',
            "12: [[path]] train: spacing: '2 weeks' is no",
        ),
        (PAS + PATH + "train.spacing = 100\n", "12: [[path]] train: spacing: 100 is not written"),
        (PAS + PATH + 'train.every = "48h"\n', "12: [[path]] train: every: 48h is out of range"),
        (PAS + PATH + "train.packets = 1.5\n", "12: [[path]] train: packets should be a valid int"),
        (
            PAS + PATH + 'method = "stamp"\ntrain.size = 43\n',
            "13: [[path]] train: size = 43 is too",
        ),
        (
            '[agent]\nname = "x"\ndata_dir = "d"\npas = ["y"]\n',
            '4: [agent]: pas = "y": there is no',
        ),
        (
            '[contract]\nadministration = "A"\ncountry = "IT"\ntimezone = "UTC"\n'
            'services = [\n  { id = "email" },\n  { id = "voip" },\n]\n',
            "7: [contract] services: voip is charged per PAS",
        ),
        ('[reflector]\nlisten = ["[::]:862"]\n', '1: [reflector]: the key "allow" is missing'),
        (
            '[reflector]\nlisten = [""]\nallow = ["::/0"]\n',
            "2: [reflector]: listen: '' is no",
        ),
        (
            "[incident.detection]\nlost = [4, 3]\n",
            "2: [incident] detection: lost: 4 of 3 trains cannot be",
        ),
        (
            "[incident.detection]\nlost = [2]\n",
            "2: [incident] detection: ",
        ),
        (CLIENT.replace("443", "70000"), "6: [[client]] applications: check: TCP ports end"),
        (CLIENT + 'timeout = "4s"\nevery = "4s"\n', "3: [[client]]: applications: a check lasts"),
        (CLIENT + 'pas = "roma"\n', '7: [[client]] applications: pas = "roma": there is no'),
        (CLIENT + 'service = "vip"\n', '7: [[client]] applications: unknown service "vip"'),
        (CLIENT + 'service = "ip-base"\n', "7: [[client]] applications: ip-base fails at a PAS"),
        (
            PAS + CLIENT + 'pas = "roma"\nservice = "voip"\n',
            '14: [[client]] applications: pas "roma" does not have the service voip',
        ),
        (
            CLIENT + CLIENT[CLIENT.index("[[client.") :],
            '8: [[client]] applications: name = "web": its checks would be told by a path id',
        ),
        (
            PAS + PATH.replace('id = "p"', 'id = "check/shops/web"') + CLIENT,
            '15: [[client]] applications: name = "web": its checks would be told by a path id',
        ),
    ],
)
def test_each_mistake_has_its_line_and_its_message(
    tmp_path: Path, text: str, expected: str
) -> None:
    (problem,) = wrong(tmp_path, text)
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("options", "smallest"),
    [
        ("", 44),
        ("follow_up = true\n", 64),
        ('auth_key = { env = "K" }\n', 112),
        ('auth_key = { env = "K" }\nfollow_up = true\n', 152),
    ],
)
def test_a_stamp_train_is_as_large_as_its_packets_and_that_is_the_default(
    tmp_path: Path, options: str, smallest: int
) -> None:
    text = PAS + PATH + 'method = "stamp"\n' + options
    environ = {"K": "secret"}
    assert read(tmp_path, text, environ).configuration.paths[0].train.size == smallest
    (problem,) = wrong(tmp_path, f"{text}train.size = {smallest - 1}\n", environ)
    assert f"write size = {smallest} or more" in problem
    fits = read(tmp_path, f"{text}train.size = {smallest}\n", environ)
    assert fits.configuration.paths[0].train.size == smallest


def test_a_train_may_last_exactly_as_long_as_its_interval(tmp_path: Path) -> None:
    read(tmp_path, PAS + PATH + 'train = { packets = 570, spacing = "100ms", timeout = "3s" }\n')
    (problem,) = wrong(tmp_path, PAS + PATH + "train.packets = 571\n")
    assert "longer than its interval of 1m" in problem


def test_both_ends_of_a_pair_have_the_service_of_pairs(tmp_path: Path) -> None:
    voip = PAS.replace("ip-base", "voip")
    pair = PATH.replace("ip-base", "voip").replace('target = "192.0.2.1"', 'peer = "bari"')
    (problem,) = wrong(tmp_path, voip + BARI + pair)
    assert problem.startswith('18: [[path]]: peer "bari" does not have the service voip')
    read(tmp_path, voip + BARI.replace("ip-base", "voip") + pair)


def test_an_entry_may_stand_again_from_a_later_start_only(tmp_path: Path) -> None:
    again = PAS.replace(
        "services = [",
        'services = [ { id = "ip-base", level = "L2", window = "normal", start = 2012-01-01 },',
    )
    read(tmp_path, again)
    (problem,) = wrong(tmp_path, again.replace(", start = 2012-01-01", ""))
    assert "ip-base stands twice from the same start" in problem


def test_a_pas_that_is_itself_wrong_is_not_called_unknown(tmp_path: Path) -> None:
    (problem,) = wrong(tmp_path, PAS.replace('"high"', "7") + PATH)
    assert problem.startswith("5:")


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    (problem,) = wrong(tmp_path, PAS + 'id = "again\n')
    assert problem.startswith("7: not TOML: ")
    (problem,) = wrong(tmp_path, PAS + "services = [\n")
    assert problem.startswith(("7: ", "8: "))
    (tmp_path / "pasprobe.toml").write_bytes(b'a = "x"\nb = "\xff"\n')
    with pytest.raises(ConfigurationError, match=r":2: this is not UTF-8 text"):
        load(tmp_path / "pasprobe.toml", environ={})


def test_a_secret_is_never_in_a_message_nor_in_a_repr(tmp_path: Path) -> None:
    text = PAS + PATH + 'method = "stamp"\n'
    for value in (
        '"hunter2"',
        '{ env = "K", file = "hunter2" }',
        '{ value = "hunter2" }',
        "{ env = 'K', hunter = 'hunter2' }",
    ):
        for problem in wrong(tmp_path, f"{text}auth_key = {value}\n", {"K": "hunter2"}):
            assert problem.startswith("13: ")
            assert "hunter2" not in problem
    loaded = read(tmp_path, f'{text}auth_key = {{ env = "K" }}\n', {"K": "hunter2"})
    assert "hunter2" not in repr(loaded)
    (path,) = loaded.configuration.paths
    assert path.auth_key is not None
    assert path.auth_key.reveal({"K": "hunter2"}) == "hunter2"


def test_a_secret_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    text = PAS + PATH + 'method = "stamp"\nauth_key = { file = "keys/stamp" }\n'
    (problem,) = wrong(tmp_path, text)
    assert problem.startswith(f"13: the secret file {tmp_path / 'keys/stamp'} cannot be read")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/stamp").write_text("\n")
    (problem,) = wrong(tmp_path, text)
    assert "is empty" in problem
    (tmp_path / "keys/stamp").write_bytes(b"\x00\xffkey\r\n")
    (path,) = read(tmp_path, text).configuration.paths
    assert path.auth_key is not None
    assert path.auth_key.reveal_bytes({}) == b"\x00\xffkey"


def test_a_command_that_needs_no_secret_runs_where_there_are_none(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(PAS + PATH + 'method = "stamp"\nauth_key = { env = "K" }\n')
    assert load(file, environ={}, resolve_secrets=False).configuration.paths
    with pytest.raises(ConfigurationError):
        load(file, environ={})


def test_the_files_of_a_folder_add_up(tmp_path: Path) -> None:
    (tmp_path / "10-pas.toml").write_text(PAS)
    (tmp_path / "20-paths.toml").write_text(PATH)
    (tmp_path / "30-more.toml").write_text(PATH.replace('"p"', '"q"'))
    (tmp_path / "notes.txt").write_text("not TOML")
    loaded = load(tmp_path, environ={})
    assert [path.id for path in loaded.configuration.paths] == ["p", "q"]
    assert [file.name for file in loaded.files] == ["10-pas.toml", "20-paths.toml", "30-more.toml"]


def test_two_files_may_not_have_the_same_single_table_nor_the_same_id(tmp_path: Path) -> None:
    agent = '[agent]\nname = "a"\ndata_dir = "d"\n'
    (tmp_path / "a.toml").write_text(PAS + PATH + agent)
    (tmp_path / "b.toml").write_text("\n" + agent + PATH)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'b.toml'}:2: [agent] stands twice, first in {tmp_path / 'a.toml'}:12"
        " — join the two",
        f'{tmp_path / "b.toml"}:6: [[path]]: id = "p" stands twice'
        " — give each its own, or remove one",
    ]


def test_one_broken_file_does_not_hide_what_is_wrong_in_another(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("= 1\n")
    (tmp_path / "b.toml").write_text("[agnt]\n")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    assert [p.file.name for p in caught.value.problems] == ["a.toml", "b.toml"]


def test_the_configuration_is_searched_in_the_documented_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("inventory.load.SYSTEM", tmp_path / "etc")
    with pytest.raises(ConfigurationError, match="run `pasprobe init`"):
        load(None, environ={})
    (tmp_path / "etc").mkdir()
    with pytest.raises(ConfigurationError, match=r"there is no \*.toml"):
        load(None, environ={})
    (tmp_path / "etc/a.toml").write_text(PAS)
    assert load(None, environ={}).path == tmp_path / "etc"
    (tmp_path / "pasprobe.toml").write_text(PAS)
    assert load(None, environ={"PASPROBE_CONFIG": ""}).path == Path("pasprobe.toml")
    (tmp_path / "env.toml").write_text(PAS)
    environ = {"PASPROBE_CONFIG": str(tmp_path / "env.toml")}
    assert load(None, environ=environ).path == tmp_path / "env.toml"
    assert load(tmp_path / "etc", environ=environ).path == tmp_path / "etc"
    with pytest.raises(ConfigurationError, match="--config names it"):
        load(tmp_path / "gone.toml", environ=environ)
    with pytest.raises(ConfigurationError, match=r"\$PASPROBE_CONFIG names it"):
        load(None, environ={"PASPROBE_CONFIG": "gone.toml"})


def spoilt_texts() -> st.SearchStrategy[str]:
    """The full commented configuration with some of its lines and values put out of place."""
    full = re.sub(r"(?m)^#(?=[^ #\n])", "", commented_configuration("host"))
    lines = [line for line in full.splitlines() if line and not line.startswith("#")]
    values = ["1", '"x"', "[]", "{}", "[1]", "[{}]", '{ env = "K" }', "true", "1.5", "2011-01-01"]
    change = st.tuples(
        st.integers(0, len(lines) - 1),
        st.sampled_from(["drop", "twice", "move", "value", "key", "cut"]),
        st.sampled_from(values),
        st.integers(0, len(lines) - 1),
    )

    def spoil(changes: list[tuple[int, str, str, int]]) -> str:
        out = [*lines]
        for at, how, value, to in changes:
            key, equals, _ = out[at].partition(" = ")
            if how == "drop":
                out[at] = ""
            elif how == "twice":
                out[at] = f"{out[at]}\n{out[at]}"
            elif how == "move":
                out[at], out[to] = out[to], out[at]
            elif how == "value" and equals:
                out[at] = f"{key} = {value}"
            elif how == "key" and equals:
                out[at] = f"{key}x{out[at][len(key) :]}"
            elif how == "cut":
                out[at] = out[at][: len(out[at]) // 2]
        return "\n".join(out)

    return st.lists(change, max_size=6).map(spoil)


class AnySecret(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002
        return "secret-value"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(spoilt_texts())
def test_whatever_is_in_the_file_it_loads_or_is_refused_with_places(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "pasprobe.toml"
    file.write_text(text)
    problems: tuple[Problem, ...] = ()
    try:
        loaded = load(file, environ=AnySecret())
    except ConfigurationError as error:
        problems = error.problems
    else:
        assert loaded.files == (file,)
        return
    assert problems
    for problem in problems:
        assert problem.line is not None
        assert 1 <= problem.line <= text.count("\n") + 1
        assert "secret-value" not in str(problem)


def test_a_passphrase_that_no_device_takes_is_found_before_it_is_used(tmp_path: Path) -> None:
    text = (
        '[[device]]\nid = "d"\nhost = "192.0.2.1"\nrole = "firewall"\nplatform = "cisco_asa"\n'
        '[device.snmp]\nversion = "3"\nuser = "u"\nauth = { env = "A" }\npriv = { env = "P" }\n'
    )
    read(tmp_path, text, {"A": "12345678", "P": "12345678"})
    (problem,) = wrong(tmp_path, text, {"A": "12345678", "P": "1234567"})
    assert problem.startswith("10: the passphrase is shorter than 8 octets")
    assert "1234567" not in problem
