"""Records as line protocol: what cannot be written is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from timeseries.codec import KINDS, columns, flatten
from timeseries.errors import DamagedRecordError, SchemaError
from timeseries.influx import (
    Accepted,
    InfluxTarget,
    Refused,
    TooLarge,
    Unwilling,
    answer_of,
    retry_after_s,
)
from timeseries.line_protocol import TAGS, line, record_of
from timeseries.records import PlanRecord, SampleRecord

PLAN = PlanRecord(
    "roma", "roma 1/ip,base", 5, True, 60, 10, None, pas="a=b", target='say "hi" \\ there'
)
TARGET = InfluxTarget("http://127.0.0.1:8086", "ops")


def test_a_line_has_tags_typed_fields_and_the_start_as_its_time() -> None:
    assert line("plans", flatten(PLAN)) == (
        "plans,agent=roma,path=roma\\ 1/ip\\,base,pas=a\\=b"
        ' active=true,every_ns=60i,packets=10i,target="say \\"hi\\" \\\\ there",phase_ns=0i,'
        "schema=1i 5"
    )


def test_tags_are_columns_of_their_kind_and_start_is_the_time() -> None:
    for kind in KINDS:
        names = [name for name, _ in columns(kind)]
        assert set(TAGS[kind]) <= set(names)
        assert "start_ns" in names
        assert "time" not in names


@pytest.mark.parametrize("name", ["two\nlines", "back\\", "cr\r"])
def test_a_name_that_cannot_be_a_tag_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match=r"path .* cannot be a tag"):
        line("plans", flatten(replace(PLAN, path=name)))


def test_a_train_too_long_for_a_string_field_is_refused() -> None:
    many = tuple(range(10**18, 10**18 + 4_000))
    sample = SampleRecord("a", "p", 1, (2,) * 4_000, many, many, (), (), (), ())
    with pytest.raises(SchemaError, match=r"field tx_ns has .* octets, InfluxDB takes 65535"):
        line("samples", flatten(sample))


def test_a_row_of_influxql_is_the_record_again() -> None:
    names = ["time", "active", "every_ns", "packets", "target", "phase_ns", "schema", "limit_ns"]
    values = [5, True, 60, 10, 'say "hi" \\ there', 0, 1, None]
    tags = {"agent": "roma", "path": "roma 1/ip,base", "pas": "a=b", "peer": None}
    found = record_of("plans", [*names, *tags], [*values, *tags.values()])
    assert found == PLAN


def test_an_integer_that_came_back_as_a_float_is_damage_and_is_named() -> None:
    with pytest.raises(DamagedRecordError, match=r"plans whose every_ns is 60000000000\.0"):
        record_of("plans", ["time", "every_ns", "schema"], [5, 6e10, 1])


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (204, "", Accepted),
        (400, '{"code":"invalid","message":"partial write"}', Refused),
        (422, '{"error":"points beyond retention policy"}', Refused),
        (413, "too large", TooLarge),
        (401, '{"message":"unauthorized"}', Unwilling),
        (404, '{"error":"database not found"}', Unwilling),
        (429, "", Unwilling),
        (500, "<html>oops</html>", Unwilling),
        (200, "<html>log in</html>", Unwilling),
        (302, "", Unwilling),
        (None, "", Unwilling),
    ],
)
def test_what_an_answer_means(status: int | None, body: str, wanted: type) -> None:
    assert type(answer_of(status, body, {}, TARGET)) is wanted


def test_a_page_of_a_proxy_is_told_as_such() -> None:
    answer = answer_of(200, "<html>log in</html>", {}, TARGET)
    assert isinstance(answer, Unwilling)
    assert "no InfluxDB" in answer.words
    assert "an HTML page" in str(answer_of(502, "<html>bad gateway</html>", {}, TARGET))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        (None, None),
        ("-5", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after_s(text, 10.0) == seconds


def test_a_token_is_in_no_text() -> None:
    assert "secret" not in repr(replace(TARGET, token="secret"))
