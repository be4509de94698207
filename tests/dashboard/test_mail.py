"""The door to the mail server: what travels, how it is guarded, and what failures mean."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.embedded import free_port
from dashboard.mail import MailDoor, MailRefused, MailServerTrouble, Message, compose, one_line
from dashboard.mail_settings import MailServer, Sender
from dashboard.secret import Secret
from tests.support.mail_server import (
    HOST,
    SENDER,
    Certificate,
    Mailbox,
    mail_server,
    make_certificate,
)

MESSAGE = Message(
    id="1f0e",
    to_name="Priya Shah",
    to_address="priya@hartley.example",
    subject="Xero needs reconnecting: 7 documents are on hold",
    text="Hello\n.\nA line with a single dot, and Ångström.\n",
    html="<p>Hello</p>",
    date=datetime(2026, 11, 22, 14, 2, tzinfo=UTC),
)


HEADERS = sorted(compose(MESSAGE, SENDER).keys())
# Texts made of what has a meaning in headers, among all sorts of letters.
NASTY = st.lists(
    st.text(max_size=8)
    | st.sampled_from(
        ["\r\n", "\r\n\r\n", "Bcc: a@b\r\n", "=?", "?=", "=?utf-8?b?DQpCY2M6IGFAYg==?=", "=0D=0A"]
        + [*'<>,;:"\\()@', " " * 100, "é" * 120]
    ),
    max_size=12,
).map("".join)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def send(server: MailServer, *messages: Message, certificate: Certificate | None = None) -> None:
    door = MailDoor(server, SENDER, tls=certificate.trusting) if certificate else None
    with (door or MailDoor(server, SENDER)).open() as session:
        for message in messages or (MESSAGE,):
            session.send(message)


def trouble_of(server: MailServer, certificate: Certificate | None = None) -> MailServerTrouble:
    with pytest.raises(MailServerTrouble) as raised:
        send(server, certificate=certificate)
    return raised.value


class TestWhatTravels:
    def test_it_arrives_as_it_was_written(self, mailbox: Mailbox) -> None:
        with mail_server(mailbox) as server:
            send(server)
        [arrived] = mailbox.to("priya@hartley.example")
        assert arrived["Subject"] == MESSAGE.subject
        assert arrived["From"] == '"chase.md" <alerts@chase.example>'
        assert arrived["To"] == "Priya Shah <priya@hartley.example>"
        assert arrived["Message-ID"] == "<1f0e@chase.example>"
        assert arrived["Auto-Submitted"] == "auto-generated"
        assert arrived["Date"].datetime == MESSAGE.date
        assert not [name for name in arrived if name.lower().startswith("list-")]
        text, html = arrived.iter_parts()
        assert text.get_content().replace("\r\n", "\n") == MESSAGE.text
        assert (html.get_content_type(), html.get_content()) == ("text/html", "<p>Hello</p>\r\n")
        assert bytes(compose(MESSAGE, SENDER)).isascii()

    @pytest.mark.parametrize(
        ("given", "subject", "name"),
        [
            ("Priya\r\nBcc: eve@o.example", "Priya Bcc: eve@o.example", "Priya Bcc eve o.example"),
            ("a\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h\0i", "a b c d e f g h i", "a b c d e f g h i"),
            ("Zoë, Ø & Søn <b@c.example>", "Zoë, Ø & Søn <b@c.example>", "Zoë Ø & Søn b c.example"),
            ("شركة النور 😀", "شركة النور 😀", "شركة النور 😀"),
            (
                "=?utf-8?q?a=0D=0ABcc:_b?=",
                "= ?utf-8?q?a=0D=0ABcc:_b?=",
                "= ?utf-8?q?a=0D=0ABcc _b?=",
            ),
            ("x" * 5000, "x" * 200, "x" * 200),
            ("", "", ""),
        ],
        ids=["header", "separators", "address", "letters", "encoded", "long", "empty"],
    )
    def test_no_name_and_no_subject_can_add_a_header(
        self, mailbox: Mailbox, given: str, subject: str, name: str
    ) -> None:
        with mail_server(mailbox) as server:
            send(server, replace(MESSAGE, to_name=given, subject=given))
        # One recipient, whatever the name says.
        assert mailbox.recipients == ["priya@hartley.example"]
        [(_, arrived)] = mailbox.taken
        assert sorted(arrived.keys()) == HEADERS
        assert [one.addr_spec for one in arrived["To"].addresses] == ["priya@hartley.example"]
        assert (arrived["Subject"], arrived["To"].addresses[0].display_name) == (subject, name)

    @given(name=NASTY, subject=NASTY)
    @settings(max_examples=300, deadline=None)
    def test_whatever_stands_in_them(self, name: str, subject: str) -> None:
        whole = bytes(compose(replace(MESSAGE, to_name=name, subject=subject), SENDER))
        assert max(map(len, whole.split(b"\r\n"))) < 998
        read = message_from_bytes(whole, policy=default)
        assert sorted(read.keys()) == HEADERS
        assert [one.addr_spec for one in read["To"].addresses] == ["priya@hartley.example"]

    def test_a_lone_half_of_a_letter_is_left_out(self) -> None:
        assert one_line("a\ud83db") == "a b"

    @pytest.mark.parametrize(
        "address",
        [
            "no at",
            "a@b@c",
            "a b@c.example",
            "zoë@c.example",
            "<a@c.example>",
            "a@c.example\r\nX: y",
        ],
        ids=["no-at", "two-ats", "space", "letters", "brackets", "lines"],
    )
    def test_an_address_that_cannot_be_used_is_refused_for_good(
        self, mailbox: Mailbox, address: str
    ) -> None:
        with mail_server(mailbox) as server, pytest.raises(MailRefused) as refused:
            send(server, replace(MESSAGE, to_address=address))
        assert refused.value.is_final
        assert mailbox.taken == []

    def test_a_domain_in_other_letters_is_written_in_ascii(self, mailbox: Mailbox) -> None:
        with mail_server(mailbox) as server:
            send(server, replace(MESSAGE, to_address="a@müller.example"))
        assert mailbox.recipients == ["a@xn--mller-kva.example"]


class TestHowItIsGuarded:
    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_it_signs_in_over_an_encrypted_line(
        self, mailbox: Mailbox, certificate: Certificate, security: str
    ) -> None:
        given = {"user": "us", "password": "right", "certificate": certificate}
        with mail_server(mailbox, security=security, **given) as server:  # type: ignore[arg-type]
            send(server, certificate=certificate)
        assert len(mailbox.taken) == 1
        [(user, password, upgraded)] = mailbox.logins
        assert (user, password) == ("us", "right")
        assert upgraded == (security == "starttls")

    def test_a_server_without_encryption_hears_no_password(self, mailbox: Mailbox) -> None:
        with mail_server(mailbox, user="us", password="right") as plain:
            trouble = trouble_of(replace(plain, security="starttls"))
        assert "encryption" in trouble.sentence
        assert (mailbox.logins, mailbox.taken) == ([], [])

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_a_certificate_that_nobody_trusts_ends_it(
        self, mailbox: Mailbox, certificate: Certificate, security: str
    ) -> None:
        given = {"user": "us", "password": "right", "certificate": certificate}
        with mail_server(mailbox, security=security, **given) as server:  # type: ignore[arg-type]
            trouble = trouble_of(server)
        assert trouble.sentence == "The mail server's certificate was not accepted."
        assert (mailbox.logins, mailbox.taken) == ([], [])

    def test_a_wrong_password_is_said_without_the_password(
        self, mailbox: Mailbox, certificate: Certificate
    ) -> None:
        with mail_server(
            mailbox, security="starttls", certificate=certificate, user="us", password="wr0ng"
        ) as server:
            trouble = trouble_of(server, certificate)
        assert trouble.sentence.startswith("The mail server did not accept the user and password")
        assert (trouble.said or "").startswith("535")
        seen = f"{trouble!r} {trouble} {trouble.__cause__!r} {trouble.__context__!r} {server!r}"
        assert "wr0ng" not in seen


class TestWhatFailuresMean:
    @pytest.mark.parametrize(
        ("answer", "is_final"),
        [("550 no such person", True), ("450 come back later", False)],
        ids=["550", "450"],
    )
    def test_a_refused_recipient_does_not_keep_the_others_from_theirs(
        self, mailbox: Mailbox, answer: str, is_final: bool
    ) -> None:
        mailbox.answers["tom@hartley.example"] = answer
        with mail_server(mailbox) as server, MailDoor(server, SENDER).open() as session:
            with pytest.raises(MailRefused) as refused:
                session.send(replace(MESSAGE, to_address="tom@hartley.example"))
            session.send(MESSAGE)
        assert (refused.value.is_final, refused.value.said) == (is_final, answer)
        assert mailbox.recipients == ["priya@hartley.example"]
        assert mailbox.connections == 1

    @pytest.mark.parametrize("whose", ["sender", "recipient"])
    def test_a_refusal_of_all_is_trouble_with_the_server(
        self, mailbox: Mailbox, whose: str
    ) -> None:
        refused = {
            "sender": (SENDER.address, "550 not you"),
            "recipient": (MESSAGE.to_address, "421 bye"),
        }
        mailbox.answers.update([refused[whose]])
        with mail_server(mailbox) as server:
            assert trouble_of(server).said == refused[whose][1]

    def test_nobody_listening_is_said(self) -> None:
        nobody = MailServer(HOST, free_port(), "none", "", Secret(""))
        assert trouble_of(nobody).sentence == "The mail server could not be reached."

    @pytest.mark.parametrize("greeting", [b"", b"220 slow\r\n"], ids=["greeting", "answer"])
    def test_a_server_that_drips_is_left_when_the_time_is_over(self, greeting: bytes) -> None:
        with dripping_server(greeting) as server:
            began = time.monotonic()
            with (
                pytest.raises(MailServerTrouble, match="did not answer in time"),
                MailDoor(server, SENDER, total=0.5).open() as session,
            ):
                session.send(MESSAGE)
        assert time.monotonic() - began < 5

    def test_a_message_that_is_late_is_never_sent(self, mailbox: Mailbox) -> None:
        with (
            mail_server(mailbox) as server,
            MailDoor(server, SENDER).open() as session,
            pytest.raises(MailServerTrouble),
        ):
            session.send(MESSAGE, within=0.0)
        assert mailbox.taken == []


class TestSender:
    def test_a_name_with_letters_beyond_ascii_stands(self, mailbox: Mailbox) -> None:
        sender = Sender("Zoë's Büro", "z@buero.example")
        with mail_server(mailbox) as server, MailDoor(server, sender).open() as session:
            session.send(MESSAGE)
        [(_, arrived)] = mailbox.taken
        assert arrived["From"].addresses[0].display_name == "Zoë's Büro"


@contextmanager
def dripping_server(greeting: bytes) -> Iterator[MailServer]:
    """A server that greets, and then says a byte now and then without ever ending its line."""
    listener = socket.create_server((HOST, 0))
    over = threading.Event()

    def drip() -> None:
        line, _ = listener.accept()
        with line:
            line.sendall(greeting)
            while not over.wait(0.1):
                try:
                    line.sendall(b"2")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield MailServer(HOST, listener.getsockname()[1], "none", "", Secret(""))
    finally:
        over.set()
        thread.join()
        listener.close()
