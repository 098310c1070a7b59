"""The provider's mails as alerts."""

from __future__ import annotations

from typing import Any

import pytest

from incidents.errors import IncidentError
from incidents.mail_alert import alert_from_mail

NOW = 1_777_888_800 * 10**9
MAIL = (
    b"From: support@provider.example\r\nMessage-ID: <1@provider.example>\r\n"
    b"Date: Mon, 04 May 2026 11:30:00 +0200\r\nSubject: pix-1 (192.0.2.10) unreachable\r\n\r\n"
    b"We look into it.\r\n"
)


def test_a_mail_names_its_device_and_the_pas_behind_it(incident_trains: Any) -> None:
    configuration = incident_trains.configuration(2, {"pix-1": [0, 1]})
    alert = alert_from_mail(MAIL, configuration, NOW)
    assert (alert.device, alert.pas) == ("pix-1", ("p0", "p1"))
    assert (alert.key, alert.source) == ("mail/<1@provider.example>", "mail")
    assert alert.first_ns == 1_777_887_000 * 10**9


def test_an_address_that_only_begins_alike_is_another(incident_trains: Any) -> None:
    configuration = incident_trains.configuration(1, {"pix-1": [0]})
    other = MAIL.replace(b"pix-1 (192.0.2.10)", b"pix-10 (192.0.2.100)")
    assert alert_from_mail(other, configuration, NOW).pas == ()


def test_what_is_no_mail_is_refused(incident_trains: Any) -> None:
    with pytest.raises(IncidentError, match="no mail"):
        alert_from_mail(b"hello", incident_trains.configuration(1, {}), NOW)
