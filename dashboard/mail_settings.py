"""Where emails are handed over and who sends them: SMTP_URL and MAIL_FROM, read and checked.

What cannot be read is a ValueError whose words never repeat the value: it may hold a password.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from dashboard.secret import Secret

Security: TypeAlias = Literal["tls", "starttls", "none"]

EXAMPLE_SMTP = "give smtp://user:password@host:587 or smtps://user:password@host:465"
EXAMPLE_SENDER = "give one address, such as chase.md <alerts@example.com>"
PORTS: dict[Security, int] = {"tls": 465, "starttls": 587, "none": 25}

LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where emails are handed over. Without a user nobody signs in there."""

    host: str
    port: int
    security: Security
    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Sender:
    """Who emails come from: a name, which may be empty, and an address in plain ASCII."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part of the address behind its @."""
        return self.address.rpartition("@")[2]


def parse_smtp_url(value: str) -> MailServer:
    """Return the server that an SMTP_URL names.

    `smtps://` is encrypted from the first byte, `smtp://` by STARTTLS, which is then demanded
    (RFC 8314). On this machine itself `smtp://` is plain: nobody can listen on the way, and no
    certificate is made out to such a name.
    """
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Its own words may repeat a piece of the password.
        host, port = None, None
    if not host or parts.scheme not in {"smtp", "smtps"} or _holds_more_than_a_server(parts):
        raise ValueError(f"{EXAMPLE_SMTP}, with special characters of the password as %XX")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError("give user and password, or neither of them")
    security: Security = "none" if _is_loopback(host) else "starttls"
    if parts.scheme == "smtps":
        security = "tls"
    return MailServer(host, port or PORTS[security], security, user, Secret(password))


def parse_mail_from(value: str) -> Sender:
    """Return who a MAIL_FROM names: an address, with or without a name before it."""
    found = getaddresses([value]) if value.isprintable() else []
    if len(found) != 1:
        raise ValueError(EXAMPLE_SENDER)
    name, address = found[0]
    try:
        return Sender(name, ascii_address(address))
    except ValueError:
        raise ValueError(EXAMPLE_SENDER) from None


def ascii_address(value: str) -> str:
    """Return an email address as every mail server takes it; ValueError if there is no such form.

    A domain in other letters is written in ASCII (RFC 5891). A local part in them is refused, since
    it needs an extension that many servers lack (RFC 6531).
    """
    local, at, domain = value.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        domain = ""
    if not at or not LOCAL_PART.fullmatch(local) or not DOMAIN.fullmatch(domain):
        raise ValueError("this is not an address that email can be sent to")
    return f"{local}@{domain}"


def _holds_more_than_a_server(parts: SplitResult) -> bool:
    return parts.path not in {"", "/"} or bool(parts.query or parts.fragment)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
