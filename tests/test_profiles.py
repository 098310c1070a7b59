"""The device profiles: data that fits together, and the right one for a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors import profiles
from collectors.errors import ProfileError


@pytest.mark.parametrize(
    ("object_id", "description", "platform", "expected"),
    [
        ("1.3.6.1.4.1.9.1.451", "Cisco PIX Firewall Version 6.3(5)", "cisco_pix", "pix6"),
        ("1.3.6.1.4.1.9.1.451", "Cisco PIX Security Appliance Version 7.2(2)", "", "pix7"),
        ("1.3.6.1.4.1.9.1.451", "", "", "pix6"),
        ("", "Cisco PIX", "", "pix6"),
        ("", "Cisco Adaptive Security Appliance Version 9.12(2)", "cisco_pix", "asa"),
        ("1.3.6.1.4.1.9.1.716", "Cisco IOS Software, C2960 Software", "", "catalyst"),
        ("", "", "cisco_asa", "asa"),
        ("", "", "cisco_ios", "catalyst"),
        ("1.3.6.1.4.1.8072.3.2.10", "Linux probe", "", "generic"),
        # 4510 begins with the digits of 451 and is no PIX
        ("1.3.6.1.4.1.9.1.4510", "", "", "generic"),
    ],
)
def test_a_device_is_known_by_its_description_then_its_id_then_its_platform(
    object_id: str, description: str, platform: str, expected: str
) -> None:
    assert profiles.profile_for(object_id, description, platform).name == expected


def test_there_are_profiles_for_what_the_contract_has() -> None:
    assert profiles.names() == ["asa", "catalyst", "generic", "pix6", "pix7"]
    with pytest.raises(ProfileError, match='no device profile "pix9": choose one of asa, '):
        profiles.profile("pix9")
    with pytest.raises(ProfileError, match='no device profile "base"'):
        profiles.profile("base")  # a part of others, no profile


@pytest.mark.parametrize("name", profiles.names())
def test_a_profile_fits_together(name: str) -> None:
    made = profiles.profile(name)
    fields = [one.field for one in made.figures]
    assert len(fields) == len(set(fields))
    for figure in made.figures:
        assert {one.bits for one in figure.variants} <= {32, 64}
        if figure.event:
            assert figure.good <= dict(figure.states).keys()
            assert figure.good
        for one in figure.variants:
            assert (one.companions != ()) is (figure.measure == "sensor")
            assert (one.mark != "") is (figure.measure == "marked")
            if one.kind == "scalar" and figure.measure == "rate":
                assert one.oid.endswith(".0")


def test_64_bit_counters_go_before_those_of_32_bits() -> None:
    for name in profiles.names():
        for figure in profiles.profile(name).figures:
            widths = [one.bits for one in figure.variants]
            assert widths == sorted(widths, reverse=True), (name, figure.field)


def test_the_profile_goes_before_its_parts() -> None:
    figure = profiles.profile("generic").figure("cpu_1min")
    assert figure is not None
    assert [one.mib for one in figure.variants] == ["HOST-RESOURCES-MIB::hrProcessorLoad"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[figure]]\nfield = "CPU"\ntitle = ""\nvariants = []', "no field name"),
        (
            '[[figure]]\nfield = "a"\ntitle = ""\nmeasure = "guess"\nvariants = []',
            "unknown measure",
        ),
        ('[[figure]]\nfield = "a"\ntitle = ""\nvariants = []', "has variants"),
        (
            '[[figure]]\nfield = "a"\ntitle = ""\nvariants = [{ mib = "A-MIB::b", oid = "1.x" }]',
            "is no OID",
        ),
        (
            '[[figure]]\nfield = "a"\ntitle = ""\nvariants = [{ mib = "A", oid = "1.3" }]',
            "MIB name",
        ),
        ('titel = "A"', "unknown keys titel"),
    ],
)
def test_nonsense_in_a_profile_is_refused_with_its_place(text: str, complaint: str) -> None:
    import tomllib

    with pytest.raises(ProfileError, match=f"made.toml.*{complaint}"):
        profiles._file("made", tomllib.loads(text))  # noqa: SLF001


def test_every_figure_is_in_the_schema_document() -> None:
    text = (Path(__file__).parent.parent / "docs" / "schema.md").read_text()
    fields = {f.field for name in profiles.names() for f in profiles.profile(name).figures}
    assert not [field for field in sorted(fields) if f"`{field}`" not in text]
