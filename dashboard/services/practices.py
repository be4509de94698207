"""Practices and the people who sign in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.database import AnySession
from dashboard.models import Practice, Role, User
from dashboard.secret import Secret
from dashboard.services.refusals import Conflict, InvalidInput, NotFound

PASSWORD_MIN = 8
NAME_MAX = 255


class PracticeService:
    """Creates practices and users, and checks passwords."""

    def __init__(
        self, *, session: AnySession, hasher: PasswordHasher, clock: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._hasher = hasher
        self._clock = clock
        # Checked when no user has the address, so that both answers take the same time.
        self._nobody = hasher.hash("nobody's password")

    def create_practice(self, name: str, admin_email: str, password: Secret) -> UUID:
        """Return the id of a new practice with its first admin, made in one commit."""
        practice = Practice(id=uuid4(), name=_practice_name(name))
        self._session.add(practice)
        self._session.flush()
        self._add_user(practice.id, admin_email, password, Role.ADMIN)
        return practice.id

    def create_user(self, practice_id: UUID, email: str, password: Secret, role: Role) -> UUID:
        """Return the id of a new user of the practice."""
        if self._session.get(Practice, practice_id) is None:
            raise NotFound("There is no practice with this id.", "Check the id.")
        return self._add_user(practice_id, email, password, role)

    def check_password(self, email: str, password: Secret) -> User | None:
        """Return the user whose e-mail and password these are, or None for either mistake."""
        # PostgreSQL refuses even to look for a text with a NUL; nobody's address has one.
        wanted = email.replace("\0", "\ufffd").strip().lower()
        user = self._session.scalar(select(User).where(User.email == wanted))
        try:
            self._hasher.verify(user.password_hash if user else self._nobody, password.reveal())
        except (VerificationError, InvalidHashError):
            return None
        if user is not None:
            user.signed_in_at = self._clock()
            self._session.commit()
        return user

    def _add_user(self, practice_id: UUID, email: str, password: Secret, role: Role) -> UUID:
        email = email.strip().lower()
        if "@" not in email or len(email) > NAME_MAX:
            raise InvalidInput("This is not an email address.", "Give one such as ada@example.com.")
        if len(password.reveal()) < PASSWORD_MIN:
            raise InvalidInput(
                "The password is too short.", f"Give at least {PASSWORD_MIN} characters."
            )
        user = User(
            id=uuid4(),
            practice_id=practice_id,
            email=email,
            name=name_from(email),
            password_hash=self._hasher.hash(password.reveal()),
            role=role,
        )
        self._session.add(user)
        try:
            self._session.commit()
        except IntegrityError as taken:
            self._session.rollback()
            raise Conflict("Somebody already signs in with this email address.") from taken
        return user.id


def name_from(email: str) -> str:
    """Return a readable name for somebody of whom only the e-mail address is known."""
    local = email.partition("@")[0]
    return " ".join(part.capitalize() for part in local.replace("_", ".").split(".") if part)


def _practice_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_MAX:
        raise InvalidInput(
            "A practice needs a name.", f"Give one of at most {NAME_MAX} characters."
        )
    return name
