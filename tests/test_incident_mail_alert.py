"""The provider's mails as alerts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.errors import IncidentError
from incidents.mail_alert import alert_from_mail
from incidents.replies import read_mail

NOW = 1_777_888_800 * 10**9
MAIL = (
    b"From: support@provider.example\r\nMessage-ID: <1@provider.example>\r\n"
    b"Date: Mon, 04 May 2026 11:30:00 +0200\r\nSubject: pix-1 (192.0.2.10) unreachable\r\n\r\n"
    b"We look into it.\r\n"
)


def alert_of(raw: bytes, configuration: Any) -> Any:
    return alert_from_mail(read_mail(raw), configuration, NOW)


def test_a_mail_names_its_device_and_the_pas_behind_it(incident_trains: Any) -> None:
    alert = alert_of(MAIL, incident_trains.configuration(2, {"pix-1": [0, 1]}))
    assert (alert.device, alert.pas, alert.source) == ("pix-1", ("p0", "p1"), "mail")
    assert alert.first_ns == 1_777_887_000 * 10**9
    assert dict(alert.data)["text"].strip() == "We look into it."


def test_an_address_that_only_begins_alike_is_another(incident_trains: Any) -> None:
    other = MAIL.replace(b"pix-1 (192.0.2.10)", b"pix-10 (192.0.2.100)")
    assert alert_of(other, incident_trains.configuration(1, {"pix-1": [0]})).pas == ()


def test_the_same_mail_is_the_same_alert_by_whatever_way_it_came(incident_trains: Any) -> None:
    configuration = incident_trains.configuration(1, {})
    key = alert_of(MAIL, configuration).key
    assert alert_of(b"Received: from a by b\r\n" + MAIL, configuration).key == key
    again = MAIL.replace(b"We look", b"We still look")
    assert alert_of(again, configuration).key != key


@pytest.mark.parametrize("date", [b"", b"yesterday", b"Mon, 04 May 2026 11:30:00", b"99 99 99"])
def test_a_mail_without_a_usable_date_counts_from_now(incident_trains: Any, date: bytes) -> None:
    odd = re.sub(rb"Date: [^\r]*", b"Date: " + date, MAIL)
    assert alert_of(odd, incident_trains.configuration(1, {})).first_ns == NOW


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_whatever_is_in_a_mail_it_is_an_alert_or_refused(
    incident_trains: Any, head: bytes, body: bytes
) -> None:
    configuration = incident_trains.configuration(1, {"pix-1": [0]})
    raw = b"From: a@b.example\r\nContent-Type: text/plain; charset=x-none\r\n" + head
    try:
        alert = alert_of(raw + b"\r\n\r\n" + body, configuration)
    except IncidentError:
        return
    assert alert.text
    assert alert.first_ns <= NOW


def test_what_is_no_mail_is_refused() -> None:
    with pytest.raises(IncidentError, match="no mail"):
        read_mail(b"hello")
