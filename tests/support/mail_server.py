"""A real mail server on loopback: it keeps what it takes, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboard.embedded import free_port
from dashboard.mail_settings import MailServer, Security, Sender
from dashboard.secret import Secret

HOST = "127.0.0.1"
SENDER = Sender("chase.md", "alerts@chase.example")
LATCH_SECONDS = 20.0


@dataclass
class Mailbox:
    """What the server took, and how it behaves. `answers`: what it says to a recipient or sender.

    While `latch` is set, the server keeps each message in its hands until the latch is released.
    """

    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    logins: list[tuple[str, str, bool]] = field(default_factory=list)
    connections: int = 0
    being_taken: int = 0
    most_at_once: int = 0
    latch: threading.Event | None = None

    def to(self, address: str) -> list[EmailMessage]:
        """Return what was sent to *address*."""
        return [message for recipient, message in self.taken if recipient == address]

    @property
    def recipients(self) -> list[str]:
        """Who was sent something, in the order of its arrival."""
        return [recipient for recipient, _ in self.taken]

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds it by this name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, answers: Any
    ) -> Any:
        """Count whoever says hello."""
        session.host_name = hostname
        self.connections += 1
        return answers

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take the sender, unless told otherwise."""
        envelope.mail_from = address
        return self.answers.get(address, "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take the recipient, unless told otherwise."""
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the message; with a latch only when it is released."""
        self.being_taken += 1
        self.most_at_once = max(self.most_at_once, self.being_taken)
        if self.latch is not None:
            await asyncio.to_thread(self.latch.wait, LATCH_SECONDS)
        content = cast(bytes, envelope.content)
        message = cast(EmailMessage, message_from_bytes(content, policy=policy.default))
        self.taken += [(recipient, message) for recipient in envelope.rcpt_tos]
        self.being_taken -= 1
        return "250 taken"

    def authenticate(
        self, _server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        """Let in whoever says "right", and remember whether that was said in the open."""
        login = cast(LoginPassword, data)
        user, password = login.login.decode(), login.password.decode()
        self.logins.append((user, password, session.ssl is not None))
        return AuthResult(success=password == "right", handled=False)


@dataclass(frozen=True)
class Certificate:
    """A certificate for localhost that signs itself, in files, and who trusts it."""

    chain: Path
    key: Path

    def serving(self) -> ssl.SSLContext:
        """Return what a server uses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context

    def trusting(self) -> ssl.SSLContext:
        """Return what a client uses that trusts it."""
        return ssl.create_default_context(cafile=str(self.chain))


@contextmanager
def mail_server(
    mailbox: Mailbox,
    *,
    security: Security = "none",
    certificate: Certificate | None = None,
    user: str = "",
    password: str = "",
    port: int | None = None,
) -> Iterator[MailServer]:
    """Run a server for *mailbox*; yield its address as our settings hold it."""
    listening = port or free_port()
    context = certificate.serving() if certificate else None
    controller = Controller(
        mailbox,
        hostname=HOST,
        port=listening,
        ssl_context=context if security == "tls" else None,
        tls_context=context if security == "starttls" else None,
        auth_require_tls=security == "starttls",
        authenticator=mailbox.authenticate if user else None,
        ready_timeout=LATCH_SECONDS,
    )
    controller.start()
    try:
        name = HOST if security == "none" else "localhost"
        yield MailServer(name, listening, security, user, Secret(password))
    finally:
        if mailbox.latch is not None:
            mailbox.latch.set()
        controller.stop()


def make_certificate(folder: Path) -> Certificate:
    """Return a fresh certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    made.chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


def until(condition: Callable[[], bool], seconds: float = LATCH_SECONDS) -> None:
    """Wait for *condition*, which another thread brings about; fail when it does not."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("It did not come about.")
