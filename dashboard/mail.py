"""The door to the mail server: messages as values, a total time for every step, errors as types.

Nothing here knows why an email is sent. `MailDoor.open` gives a session over which any number of
messages go, one after the other; what goes wrong is `MailRefused` (this message only) or
`MailServerTrouble` (nothing can be sent now).
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from dashboard.mail_settings import MailServer, Sender, ascii_address

TOTAL_SECONDS = 20.0
CONNECT_SECONDS = 5.0
GOODBYE_SECONDS = 2.0
SERVICE_CLOSING = 421
PERMANENT = 500
LONGEST_HEADER = 200
# Letters beyond ASCII are written in it: not every server passes on eight bits.
SEVEN_BITS = SMTP.clone(cte_type="7bit")
LONGEST_WORDS = 300
AMONG_ADDRESSES = str.maketrans(dict.fromkeys('()<>[]:;@\\,"', " "))


class MailError(Exception):
    """A message was not sent. `sentence` is for people, `said` are the server's own words."""

    def __init__(self, sentence: str, said: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.said = said


class MailRefused(MailError):
    """The server did not take this one message; it may take others. `is_final`: it never will."""

    def __init__(self, sentence: str, said: str | None = None, *, is_final: bool) -> None:
        super().__init__(sentence, said)
        self.is_final = is_final


class MailServerTrouble(MailError):
    """Nothing can be sent now. A message that was under way may have been taken."""


@dataclass(frozen=True, slots=True)
class Message:
    """One email to one person. `id` is unique and stays the same when the message is repeated."""

    id: str
    to_name: str
    to_address: str
    subject: str
    text: str
    html: str
    date: datetime


class MailSession:
    """An open connection to the mail server."""

    def __init__(self, smtp: smtplib.SMTP, watch: _Watch, sender: Sender, total: float) -> None:
        self._smtp = smtp
        self._watch = watch
        self._sender = sender
        self._total = total

    def send(self, message: Message, within: float | None = None) -> None:
        """Hand *message* over; returns when the server has taken it.

        Takes at most 20 seconds, or *within* if that is less. Raises `MailRefused` or
        `MailServerTrouble`; after the latter the session is of no use any more.
        """
        try:
            address = ascii_address(message.to_address)
        except ValueError:
            raise MailRefused(
                "This is not an address that email can be sent to.", is_final=True
            ) from None
        content = bytes(compose(message, self._sender))
        seconds = self._total if within is None else min(self._total, within)
        if seconds <= 0:
            raise MailServerTrouble("The time for this message was over before it was sent.")
        problem: MailError
        with self._watch.running(seconds):
            try:
                self._smtp.sendmail(self._sender.address, [address], content)
            except (smtplib.SMTPException, OSError) as error:
                problem = _meaning(error, is_over=self._watch.is_over)
            else:
                return
        # Raised outside the handler: the error itself may hold the message.
        raise problem


class MailDoor:
    """Opens sessions with one mail server."""

    def __init__(
        self,
        server: MailServer,
        sender: Sender,
        *,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        total: float = TOTAL_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls
        self._total = total
        self._monotonic = monotonic

    @contextmanager
    def open(self) -> Iterator[MailSession]:
        """Yield a session; raises `MailServerTrouble` when there can be none within 20 seconds."""
        watch = _Watch(self._monotonic)
        smtp = self._connected(watch)
        try:
            yield MailSession(smtp, watch, self._sender, self._total)
        finally:
            with suppress(smtplib.SMTPException, OSError), watch.running(GOODBYE_SECONDS):
                smtp.quit()
            smtp.close()
            watch.let_go()

    def check(self) -> None:
        """Return if the server answers and accepts us; raises `MailServerTrouble` otherwise."""
        with self.open():
            return

    def _connected(self, watch: _Watch) -> smtplib.SMTP:
        problem: MailError
        with watch.running(self._total):
            try:
                return self._signed_in(watch)
            except (smtplib.SMTPException, OSError) as error:
                problem = _meaning(error, is_over=watch.is_over)
        watch.let_go()
        raise problem

    def _signed_in(self, watch: _Watch) -> smtplib.SMTP:
        server = self._server
        smtp = _WatchedSmtp(
            server,
            watch,
            tls=self._tls() if server.security == "tls" else None,
            greet_as=self._sender.domain,
            timeout=self._total,
        )
        try:
            if server.security == "starttls":
                smtp.starttls(context=self._tls())
            if server.user:
                smtp.login(server.user, server.password.reveal())
        except BaseException:
            smtp.close()
            raise
        return smtp


def compose(message: Message, sender: Sender) -> EmailMessage:
    """Return the email as it travels; ValueError if it has no address to go to."""
    local, _, domain = ascii_address(message.to_address).rpartition("@")
    email = EmailMessage(policy=SEVEN_BITS)
    sender_local, _, sender_domain = sender.address.rpartition("@")
    email["From"] = Address(_person(sender.name), sender_local, sender_domain)
    email["To"] = Address(_person(message.to_name), local, domain)
    email["Subject"] = one_line(message.subject)
    email["Date"] = format_datetime(message.date)
    email["Message-ID"] = f"<{message.id}@{sender.domain}>"
    # No holiday notice and no other machine answers such a message (RFC 3834).
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(message.text)
    email.add_alternative(message.html, subtype="html")
    return email


def one_line(value: str) -> str:
    """Return *value* as it may stand in a header: one line, nothing that controls, not too long."""
    shown = (" " if unicodedata.category(c) in {"Cc", "Cs"} else c for c in value)
    line = " ".join("".join(shown).split())[:LONGEST_HEADER]
    # The library would decode what looks like an encoded word (RFC 2047), line ends included.
    return line.replace("=?", "= ?")


def _person(name: str) -> str:
    """Return a name without what means something among addresses.

    The library loses the quotes of a long name when it folds the line.
    """
    return one_line(name.translate(AMONG_ADDRESSES))


class _Watch:
    """Cuts the connection when a step is out of time, however slowly the server speaks.

    A socket's own time-out holds for each read, so a server that sends a byte now and then could
    keep us for ever, longer than the lease of whoever sends.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: socket.socket | None = None
        self._ends_at = 0.0
        self._was_cut = False

    @property
    def is_over(self) -> bool:
        return self._was_cut or self._monotonic() >= self._ends_at

    @property
    def remaining(self) -> float:
        # A socket's time-out of 0 would mean "do not block".
        return max(self._ends_at - self._monotonic(), 0.001)

    def hold(self, opened: socket.socket) -> None:
        """Know the connection by a second handle, which stays good when TLS takes the first."""
        with self._lock:
            self._held = opened.dup()

    def let_go(self) -> None:
        with self._lock:
            if self._held is not None:
                self._held.close()
                self._held = None

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        self._ends_at = self._monotonic() + seconds
        alarm = threading.Timer(seconds, self._cut)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()

    def _cut(self) -> None:
        with self._lock:
            self._was_cut = True
            if self._held is not None:
                with suppress(OSError):
                    self._held.shutdown(socket.SHUT_RDWR)


class _WatchedSmtp(smtplib.SMTP):
    """The standard library's client, on a connection that the watch can cut."""

    def __init__(
        self,
        server: MailServer,
        watch: _Watch,
        *,
        tls: ssl.SSLContext | None,
        greet_as: str,
        timeout: float,
    ) -> None:
        self._watch = watch
        self._implicit_tls = tls
        # Named, because the library would otherwise look the name up, without any time limit.
        super().__init__(server.host, server.port, local_hostname=greet_as, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        seconds = min(CONNECT_SECONDS, self._watch.remaining)
        opened = socket.create_connection((host, port), seconds)
        opened.settimeout(timeout)
        self._watch.hold(opened)
        if self._watch.is_over:
            opened.close()
            raise TimeoutError
        if self._implicit_tls is None:
            return opened
        return self._implicit_tls.wrap_socket(opened, server_hostname=host)


# What a failed step means, the narrowest first.
_TROUBLES: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLCertVerificationError, "The mail server's certificate was not accepted."),
    (ssl.SSLError, "The mail server did not agree to an encrypted connection."),
    (
        smtplib.SMTPNotSupportedError,
        "The mail server does not offer what SMTP_URL asks for: encryption or signing in.",
    ),
    (
        smtplib.SMTPAuthenticationError,
        "The mail server did not accept the user and password of SMTP_URL.",
    ),
    (smtplib.SMTPSenderRefused, "The mail server did not accept the sender in MAIL_FROM."),
    (smtplib.SMTPResponseException, "The mail server refused to work with us."),
    (smtplib.SMTPServerDisconnected, "The connection to the mail server broke."),
    (TimeoutError, "The mail server did not answer in time."),
    (OSError, "The mail server could not be reached."),
)


def _meaning(error: Exception, *, is_over: bool) -> MailError:
    """Return what *error* means for us; it is dropped then, since it may hold the message."""
    code, said = _answer(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError):
        if code == SERVICE_CLOSING:
            return MailServerTrouble("The mail server is closing.", said)
        is_final = code >= PERMANENT
        what = "address" if isinstance(error, smtplib.SMTPRecipientsRefused) else "message"
        yet = "" if is_final else " yet"
        return MailRefused(
            f"The mail server did not accept this {what}{yet}.", said, is_final=is_final
        )
    if is_over:
        return MailServerTrouble("The mail server did not answer in time.", said)
    sentence = next((words for kind, words in _TROUBLES if isinstance(error, kind)), None)
    return MailServerTrouble(sentence or "The mail server did not understand us.", said)


def _answer(error: Exception) -> tuple[int, str | None]:
    """Return the code and the words of the server's answer, if *error* holds one."""
    code: Any = 0
    words: Any = b""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, words = error.smtp_code, error.smtp_error
    if not code:
        return 0, None
    text = words.decode("ascii", "replace") if isinstance(words, bytes) else str(words)
    return code, f"{code} {' '.join(text.split())}"[:LONGEST_WORDS]
