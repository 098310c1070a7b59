"""A newer holidays or time-zone package changes no cent of an archive."""

from __future__ import annotations

import json
import zoneinfo
from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from archive_cases import archive, gather

from analysis.archive import layout
from analysis.archive.frozen import freeze, thaw
from analysis.archive.verify import verify
from analysis.catalogue_rows import catalogue_files
from analysis.errors import ArchiveError
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.inputs import Inputs
from analysis.readings import SWITCHES
from inventory.clocks import local


@pytest.mark.usefixtures("place")
def test_thawed_inputs_are_the_inputs() -> None:
    inputs = gather()
    contents = {**freeze(inputs, catalogue_files()), layout.ABOUT: about(inputs)}
    back = thaw(contents)
    for name in ("facts", "traffic", "gaps", "outages_seen", "catalogue", "period", "as_of_ns"):
        assert getattr(back, name) == getattr(inputs, name), name
    assert back.calendars == inputs.calendars
    assert {key: back.readings[key] for key in SWITCHES} == {
        key: inputs.readings[key] for key in SWITCHES
    }
    assert back.configuration.contract == inputs.configuration.contract
    assert back.configuration.pas == inputs.configuration.pas
    for name, zone in inputs.zones.items():
        for month in range(1, 13):
            instant = int(datetime(2011, month, 27, 1, tzinfo=ZoneInfo("UTC")).timestamp()) * 10**9
            assert local(instant, back.zones[name]).isoformat() == local(instant, zone).isoformat()
    assert evaluate(back) == evaluate(inputs)
    assert freeze(back, catalogue_files()) == freeze(inputs, catalogue_files())


def about(inputs: Inputs) -> bytes:
    return json.dumps({"period": inputs.period.text, "as_of_ns": inputs.as_of_ns}).encode()


class AlwaysHoliday(dict[Any, str]):
    """A library that has learned of a holiday on every 22nd and 26th, and of no other."""

    start_year, end_year = 1, 9999

    def __iter__(self) -> Iterator[Any]:
        from datetime import date

        return (date(2011, month, day) for month in range(1, 13) for day in (22, 26))


@pytest.mark.usefixtures("place")
def test_a_newer_holidays_package_changes_no_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    import holidays

    archive("--period", "2011-1", "-o", "a.zip")
    before = verify(Path("a.zip"))
    monkeypatch.setattr(holidays, "country_holidays", lambda *_, **__: AlwaysHoliday())
    assert str(evaluate(gather()).total_eur) != before.total_eur, "the control shows no difference"
    after = verify(Path("a.zip"))
    assert after.ok, after.problems
    assert after.recomputed_eur == before.total_eur


@pytest.fixture
def other_zones(tmp_path: Path) -> Iterator[Any]:
    """Call it, and Rome has the clocks of Tokyo, and Tokyo those of Rome."""
    folder = tmp_path / "zones"

    def change() -> None:
        for name, as_if in (("Europe/Rome", "Asia/Tokyo"), ("Asia/Tokyo", "Europe/Rome")):
            file = folder / name
            file.parent.mkdir(parents=True)
            source = resources.files("tzdata") / "zoneinfo" / as_if
            file.write_bytes(source.read_bytes())
        zoneinfo.reset_tzpath(to=[str(folder)])
        ZoneInfo.clear_cache()

    yield change
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("place")
def test_another_time_zone_database_changes_no_cent(other_zones: Any) -> None:
    archive("--period", "2011-1", "-o", "a.zip")
    before = verify(Path("a.zip"))
    other_zones()
    assert str(evaluate(gather()).total_eur) != before.total_eur, "the control shows no difference"
    after = verify(Path("a.zip"))
    assert after.ok, after.problems
    assert after.recomputed_eur == before.total_eur


@pytest.mark.usefixtures("place")
def test_neither_package_is_asked_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    import holidays

    archive("--period", "2011-1", "-o", "a")

    def asked(*words: object, **_: object) -> Any:
        if words != ("UTC",):
            raise AssertionError(f"asked for {words}")
        return ZoneInfo("UTC")

    monkeypatch.setattr(holidays, "country_holidays", asked)
    for module in ("inventory.clocks", "inventory.values", "analysis.facts_contract"):
        monkeypatch.setattr(f"{module}.ZoneInfo", asked)
    assert verify(Path("a")).ok


@pytest.mark.usefixtures("place")
def test_another_catalogue_than_the_one_evaluated_is_refused() -> None:
    inputs = gather()
    texts = dict(catalogue_files())
    texts["voip.toml"] = texts["voip.toml"].replace('rate = "0.02"', 'rate = "0.03"')
    with pytest.raises(ArchiveError, match="catalogue"):
        freeze(inputs, texts)
