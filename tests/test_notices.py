"""Declarations, escalations, plans and firewall notices, from the desk to a real mail server."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from incidents.calls import Calls
from incidents.changes import Acknowledge, Plan, Reopen, Restore, Update
from incidents.courier import Means, alone, run_courier
from incidents.desk import Desk, open_desk
from incidents.errors import IncidentError, RefusedError
from incidents.escalating import begin, declare, escalate, next_due_ns, taken
from incidents.mail import Login
from incidents.notices import (
    Attachment,
    Post,
    post_of,
    send_plan,
    send_report,
    tell_of_firewall,
)
from incidents.outbox import Outbox
from incidents.templates import Language, firewall_subject, one_line, subject_of
from incidents.tickets import Actor, NewTicket, Ticket
from incidents.working_hours import rota_of
from inventory.clocks import utc_ns
from inventory.models import Configuration
from inventory.operations import Contact, Device, Mail, Notices, Party, Webhook

PARIS = ZoneInfo("Europe/Paris")
MINUTE = 60 * 10**9
OPERATOR = Actor("somebody", "operator")
SUPPORT = "support@provider.example"
CONTACTS = (
    Contact(party="provider", level=1, role="Support", to=(SUPPORT,), phones=("+33 1 00",)),
    Contact(
        party="provider", level=2, role="Responsable Exploitation Clients",
        to=("rec@provider.example",), cc=(SUPPORT,),
    ),
    Contact(party="provider", level=3, role="Astreinte", phones=("+33 2 00", "+33 3 00")),
    Contact(party="alphyra", level=1, role="ROC", to=("roc@alphyra.example",), hours="working"),
    Contact(party="alphyra", level=1, role="Call Center", phones=("+33 4 00",), hours="other"),
    Contact(party="alphyra", level=2, role="RSC", to=("rsc@alphyra.example",)),
)  # fmt: skip


class Clock:
    """A clock that goes when it is told."""

    def __init__(self, text: str) -> None:
        self.ns = at(text)

    def __call__(self) -> int:
        return self.ns


def at(text: str) -> int:
    return utc_ns(datetime.fromisoformat(text).replace(tzinfo=PARIS))


def configuration(language: Language = "fr", **keys: Any) -> Configuration:
    return Configuration.model_validate(
        {
            "mail": Mail(host="127.0.0.1", sender="desk@alphyra.example", security="none"),
            "notices": Notices(own="alphyra", provider="provider", language=language),
            "parties": (
                Party(id="alphyra", name="Alphyra"), Party(id="provider", name="Claranet"),
            ),
            "contacts": CONTACTS,
            "devices": (
                Device(id="pix-1", host="192.0.2.10", role="firewall", platform="cisco_pix"),
            ),
            "escalation": {"timezone": "Europe/Paris", "country": "FR"},
            **keys,
        }
    )  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    return Clock("2026-11-23T09:00:00")


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    with open_desk(tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture
def post(desk: Desk) -> Post:
    return post_with(desk)


def post_with(desk: Desk, language: Language = "fr", **keys: Any) -> Post:
    found = configuration(language, **keys)
    return post_of(desk, found, rota_of(found, range(2025, 2029)))


def opened(desk: Desk, **keys: Any) -> Ticket:
    new = NewTicket(
        ("ip-base",), "le serveur ne répond plus", "blocking", desk.clock() - 5 * MINUTE,
        pas=("till-1",), criticality="minor", client="Leclerc", address="172.20.8.10",
    )  # fmt: skip
    return desk.open(replace(new, **keys), OPERATOR)


def means(server: Any, *hooks: tuple[Webhook, bytes | None]) -> Means:
    mail = Mail(host=server.host, port=server.port, sender="desk@alphyra.example", security="none")
    return Means(Login(mail, None), {hook.id: (hook, secret) for hook, secret in hooks})


def test_a_declaration_has_the_procedure_s_subject_and_body(post: Post, mail_servers: Any) -> None:
    ticket = opened(post.desk)
    post.desk.change(ticket.id, OPERATOR, Plan("remplacer le serveur", "provider"))
    post.desk.attach(ticket.id, OPERATOR, "traceroute", "trace.txt", b"1 192.0.2.1\n")
    declare(post, ticket.id, OPERATOR)
    with mail_servers.smtp() as server:
        done = run_courier(post.desk, means(server), until_empty=True)
        (mail,) = server.mails
    assert done is not None
    assert done.accepted == 1
    assert mail["Subject"] == "Alphyra_Leclerc_172.20.8.10_Mineur"
    assert mail["To"] == SUPPORT
    assert mail["X-Pasprobe-Ticket"] == ticket.id
    assert post.outbox.ticket_of(mail["Message-ID"]) == ticket.id
    body = mail.get_body().get_content()
    for words in (
        "le serveur ne répond plus", "[Claranet] remplacer le serveur", "2026-11-23 13:00:00 +0100",
        "reste 4 h 00 min", "trace.txt", "avant le 2026-11-23 09:30:00 +0100",
    ):  # fmt: skip
        assert words in body
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("trace.txt", "1 192.0.2.1\n")


def test_a_declaration_counts_when_the_mailbox_accepted_it(
    post: Post, clock: Clock, mail_servers: Any
) -> None:
    ticket = opened(post.desk)
    declare(post, ticket.id)
    assert post.desk.ticket(ticket.id).declared_ns is None
    clock.ns += MINUTE
    with mail_servers.smtp() as server:
        run_courier(post.desk, means(server), until_empty=True)
    assert post.desk.ticket(ticket.id).declared_ns == clock.ns
    (call,) = Calls(post.desk).all(open_only=True)
    assert (call.role, call.phones) == ("Support", ("+33 1 00",))
    assert "Demander le numéro de ticket" in call.script


def test_what_is_told_twice_is_sent_once(post: Post) -> None:
    ticket = opened(post.desk)
    for _ in range(3):
        declare(post, ticket.id)
    assert len(post.outbox.messages()) == 1
    assert len(Calls(post.desk).all()) == 1


def test_nobody_answers_and_each_level_is_told_once(post: Post, clock: Clock) -> None:
    ticket = opened(post.desk)
    declare(post, ticket.id)
    assert next_due_ns(post) == at("2026-11-23T09:30:00")
    clock.ns = at("2026-11-23T09:30:00") - 1
    assert escalate(post) == []
    clock.ns += 1
    assert [(s.level, s.due_ns) for s in escalate(post)] == [(2, clock.ns)]
    assert escalate(post) == []
    second = post.outbox.messages()[-1]
    assert [d.address for d in post.outbox.deliveries(second.id)] == [
        "rec@provider.example", SUPPORT,
    ]  # fmt: skip
    clock.ns += 30 * MINUTE
    assert [s.level for s in escalate(post)] == [3]
    # Without an address it is a call, and nobody is above.
    call = Calls(post.desk).all()[-1]
    assert (call.role, call.phones) == ("Astreinte", ("+33 2 00", "+33 3 00"))
    assert len(post.outbox.messages()) == 2
    assert next_due_ns(post) is None
    clock.ns += 48 * 60 * MINUTE
    assert escalate(post) == []
    steps = [
        e for e in post.desk.history(ticket.id) if getattr(e.change, "topic", "") == "escalation"
    ]
    assert len(steps) == 3


@pytest.mark.parametrize("stop", [Acknowledge("provider"), Restore()])
def test_an_answer_or_the_restoration_stops_it(post: Post, clock: Clock, stop: Any) -> None:
    ticket = opened(post.desk)
    declare(post, ticket.id)
    clock.ns += MINUTE
    post.desk.change(ticket.id, OPERATOR, stop)
    clock.ns += 60 * MINUTE
    assert escalate(post) == []
    assert next_due_ns(post) is None


def test_our_own_acknowledgement_does_not_answer_for_the_provider(post: Post, clock: Clock) -> None:
    ticket = opened(post.desk)
    declare(post, ticket.id)
    post.desk.change(ticket.id, OPERATOR, Acknowledge())
    clock.ns += 30 * MINUTE
    assert [s.level for s in escalate(post)] == [2]


def test_after_a_night_without_a_desk_one_level_is_told_and_the_next_gets_its_time(
    post: Post, clock: Clock
) -> None:
    ticket = opened(post.desk)
    declare(post, ticket.id)
    clock.ns = at("2026-11-23T11:00:00")
    assert [s.level for s in escalate(post)] == [2]
    assert escalate(post) == []
    assert next_due_ns(post) == at("2026-11-23T11:30:00")
    assert taken(post.desk, ticket.id)[1].due_ns == at("2026-11-23T09:30:00")


def test_a_reopened_ticket_begins_a_new_round_whoever_had_taken_it_over(
    post: Post, clock: Clock
) -> None:
    ticket = opened(post.desk)
    declare(post, ticket.id)
    post.desk.change(ticket.id, OPERATOR, Update(provider_ticket="4711"))
    post.desk.change(ticket.id, OPERATOR, Acknowledge("provider"))
    clock.ns += 10 * MINUTE
    post.desk.change(ticket.id, OPERATOR, Restore())
    clock.ns += MINUTE
    post.desk.change(ticket.id, OPERATOR, Reopen("the till freezes again"))
    assert next_due_ns(post) == clock.ns
    assert [(s.round, s.level) for s in escalate(post)] == [(1, 1)]
    declare(post, ticket.id)  # as the watch does at each look
    assert escalate(post) == []
    assert next_due_ns(post) == clock.ns + 30 * MINUTE
    clock.ns += 30 * MINUTE
    assert [(s.round, s.level) for s in escalate(post)] == [(1, 2)]
    first, again, _ = (_text(message.content.decode()) for message in post.outbox.messages())
    assert "est rouvert (votre ticket 4711)" not in first
    assert "est rouvert (votre ticket 4711)" in again
    assert len(Calls(post.desk).all()) == 2  # the hotline each time
    post.desk.change(ticket.id, OPERATOR, Acknowledge("provider"))
    assert next_due_ns(post) is None


def test_who_takes_a_reopened_ticket_over_at_once_is_not_told_again(
    post: Post, clock: Clock
) -> None:
    ticket = opened(post.desk)
    declare(post, ticket.id)
    for change in (Restore(), Reopen("it was another fault"), Acknowledge("provider")):
        clock.ns += MINUTE
        post.desk.change(ticket.id, OPERATOR, change)
    assert next_due_ns(post) is None
    assert escalate(post) == []


def test_the_provider_may_use_our_levels(post: Post, clock: Clock) -> None:
    clock.ns = at("2026-11-23T18:00:00")
    ticket = opened(post.desk)
    begin(post, ticket.id, "alphyra")
    (call,) = Calls(post.desk).all()
    assert call.role == "Call Center"
    assert post.outbox.messages() == ()
    clock.ns = at("2026-11-23T19:30:00")
    assert [s.level for s in escalate(post)] == [2]


def test_a_call_task_is_acknowledged_once(post: Post) -> None:
    declare(post, opened(post.desk).id)
    calls = Calls(post.desk)
    assert calls.acknowledge(1, OPERATOR, "reached", "ticket 4711").outcome == "reached"
    with pytest.raises(RefusedError, match="somebody said already: reached"):
        calls.acknowledge(1, OPERATOR, "not-reached")
    assert calls.all(open_only=True) == ()


def test_the_firewall_notice_says_which_why_and_until_when(post: Post, mail_servers: Any) -> None:
    ticket = opened(post.desk, kind="firewall", device="pix-1")
    for _ in range(2):
        tell_of_firewall(post, ticket.id, "pix-1", cause="alimentation", estimate_ns=90 * MINUTE)
    tell_of_firewall(post, ticket.id, "pix-1")
    with mail_servers.smtp() as server:
        run_courier(post.desk, means(server), until_empty=True)
        subjects = {mail["Subject"] for mail in server.mails}
        assert server.recipients() == ["roc@alphyra.example"] * 2
    assert subjects == {
        "PIX en anomalie: pix-1 192.0.2.10 - alimentation - correction estimée 1 h 30 min",
        "PIX en anomalie: pix-1 192.0.2.10 - cause inconnue - rétablissement non estimé",
    }
    with pytest.raises(IncidentError, match="there are: pix-1"):
        tell_of_firewall(post, ticket.id, "pix-2")


def test_the_plan_goes_to_each_party_and_is_marked_as_sent(post: Post, mail_servers: Any) -> None:
    ticket = opened(post.desk)
    for party in ("provider", "alphyra"):
        post.desk.change(ticket.id, OPERATOR, Plan("faire", party))
    send_plan(post, ticket.id)
    with mail_servers.smtp() as server:
        run_courier(post.desk, means(server), until_empty=True)
        assert server.recipients() == ["roc@alphyra.example", SUPPORT]
    assert all(action.sent_ns is not None for action in post.desk.ticket(ticket.id).plan)
    with pytest.raises(RefusedError, match="no action that is not sent"):
        send_plan(post, ticket.id)


@pytest.mark.parametrize(
    ("language", "word", "declares"),
    [("fr", "Mineur", "déclare"), ("it", "Minore", "dichiara"), ("en", "Minor", "declares")],
)
def test_the_words_are_in_the_language(
    desk: Desk, language: Language, word: str, declares: str
) -> None:
    post = post_with(desk, language)
    ticket = opened(desk)
    declare(post, ticket.id)
    begin(post, ticket.id, "alphyra")
    tell_of_firewall(post, ticket.id, "pix-1")
    assert subject_of(post.voice, ticket) == f"Alphyra_Leclerc_172.20.8.10_{word}"
    first = post.outbox.messages()[0].content.decode()
    assert declares.encode("utf-8") in _text(first).encode("utf-8")


def _text(raw: str) -> str:
    from email import message_from_string, policy

    return str(message_from_string(raw, policy=policy.default).get_content())


def test_a_name_with_a_line_end_cannot_add_a_header(post: Post) -> None:
    ticket = opened(post.desk, client="Leclerc\r\nBcc: all@example.net")
    declare(post, ticket.id)
    head = post.outbox.messages()[0].content.split(b"\r\n\r\n")[0]
    assert b"\r\nBcc:" not in head
    assert one_line("a\r\n\tb\x00c") == "a b c"
    assert firewall_subject(post.voice, "a", "b", "c\nd", None).count("\n") == 0


def test_what_was_refused_or_is_unsure_is_a_call_and_goes_again_only_by_hand(
    post: Post, mail_servers: Any
) -> None:
    declare(post, opened(post.desk).id)
    with mail_servers.smtp() as server:
        server.drop_after_end = True
        done = run_courier(post.desk, means(server), until_empty=True)
        assert done is not None
        assert done.unsure == 1
        run_courier(post.desk, means(server), until_empty=True)
        assert len(server.accepted) == 1
        assert "ask whether it came" in Calls(post.desk).all()[-1].script
        assert post.outbox.accepted_ns(1) is None
        server.drop_after_end = False
        assert post.outbox.resend(1, OPERATOR) == (SUPPORT,)
        run_courier(post.desk, means(server), until_empty=True)
        ids = {mail["Message-ID"] for mail in server.mails}
    assert len(ids) == 1
    assert post.outbox.accepted_ns(1) is not None
    with pytest.raises(RefusedError):
        post.outbox.resend(1, OPERATOR)


def test_a_server_that_is_down_is_tried_ever_more_rarely_and_somebody_is_called(
    post: Post, clock: Clock, mail_servers: Any
) -> None:
    declare(post, opened(post.desk).id)
    with mail_servers.smtp() as server:
        way = means(server)
    waits = []
    for _ in range(10):
        done = run_courier(post.desk, way, until_empty=False)
        assert done is not None
        assert done.later == 1
        due = post.outbox.next_due_ns()
        assert due is not None
        waits.append((due - clock.ns) // 10**9)
        clock.ns = due
    assert waits == [5, 15, 30, 60, 120, 300, 600, 900, 900, 900]
    assert [call.role for call in Calls(post.desk).all()].count(SUPPORT) == 1


def test_there_is_one_courier_at_a_time(post: Post, mail_servers: Any) -> None:
    declare(post, opened(post.desk).id)
    with mail_servers.smtp() as server, alone(post.desk) as mine:
        assert mine
        assert run_courier(post.desk, means(server), until_empty=True) is None
        assert server.accepted == []


def test_a_report_is_delivered_when_every_address_has_accepted_it(
    post: Post, mail_servers: Any
) -> None:
    to = ["a@example.net", "b@example.net"]
    files = [Attachment("rapport.pdf", b"%PDF-1.7\n")]
    message = send_report(post, "report/supervision/2026-10/Leclerc", "Rapport", to, files)
    assert post.outbox.accepted_ns(message.id) is None
    with mail_servers.smtp() as server:
        server.recipient_answers = {"b@example.net": "452 full"}
        run_courier(post.desk, means(server), until_empty=False)
        assert Outbox(post.desk).accepted_ns(message.id) is None
        server.recipient_answers = {}
        post.desk.clock.ns += 5 * 10**9  # type: ignore[attr-defined]
        run_courier(post.desk, means(server), until_empty=False)
        assert server.recipients() == to
    assert Outbox(post.desk).accepted_ns(message.id) is not None


@pytest.fixture
def hook_server() -> Iterator[Any]:
    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.calls.append((dict(self.headers), body))  # type: ignore[attr-defined]
            self.send_response(self.server.answers.pop(0))  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.calls, server.answers = [], []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_signed_and_posted_again_under_the_same_number(
    desk: Desk, clock: Clock, mail_servers: Any, hook_server: Any
) -> None:
    hook = Webhook(id="chat", url=f"http://127.0.0.1:{hook_server.server_port}/x?y=1")
    post = post_with(desk, webhooks=(hook,))
    ticket = opened(desk)
    declare(post, ticket.id)
    hook_server.answers = [503, 204]
    with mail_servers.smtp() as server:
        way = means(server, (hook, b"key"))
        run_courier(desk, way, until_empty=False)
        clock.ns += 5 * 10**9
        run_courier(desk, way, until_empty=False)
        run_courier(desk, way, until_empty=False)
    first, second = hook_server.calls
    assert first[0]["X-Pasprobe-Delivery"] == second[0]["X-Pasprobe-Delivery"]
    headers, body = second
    stamp = clock.ns // 10**9
    good = hmac.new(b"key", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Pasprobe-Signature"] == f"t={stamp},v1={good}"
    told = json.loads(body)
    assert (told["event"], told["ticket"]) == ("declaration", ticket.id)


def test_a_mail_that_a_dead_courier_was_sending_is_looked_after_though_nothing_else_waits(
    post: Post, mail_servers: Any
) -> None:
    declare(post, opened(post.desk).id)
    (message,) = post.outbox.messages()
    post.outbox.mark_sending(message, [SUPPORT])
    due = post.outbox.next_due_ns()
    assert due is not None
    assert due <= post.desk.clock()
    with mail_servers.smtp() as server:
        done = run_courier(post.desk, means(server), until_empty=True)
        assert server.accepted == []
    assert done is not None
    assert done.unsure == 1
    assert post.outbox.next_due_ns() is None


def test_the_clock_of_the_mail_is_the_configured_one(desk: Desk) -> None:
    post = post_with(desk, incident={"gtr": "90m"})
    declare(post, opened(desk).id)
    body = _text(post.outbox.messages()[0].content.decode())
    assert "GTR (1 h 30 min, 24/7)" in body
    assert "2026-11-23 10:30:00 +0100" in body
