"""What the demo holds at its start: a practice, two people, its clients and some documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select

from dashboard import wiring
from dashboard.database import db
from dashboard.models import Client, ClientDocument, Role, User
from dashboard.secret import Secret
from dashboard.simulator import demo_clients

PRACTICE = "Hartley & Finch Accountants"
ADMIN = "hannah.hartley@hartleyfinch.example"
STAFF = "sam.okafor@hartleyfinch.example"
FILES = Path(__file__).resolve().parent / "demo_documents"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody to sign in as."""

    role: str
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A document that a client sent in before the demo began."""

    client: str
    file_name: str
    document_type: str
    tax_year: str


ARRIVALS = (
    _Arrival(
        "Thornbury Joinery Limited", "bank-statement-september.pdf", "Bank statement", "2025-26"
    ),
    _Arrival("Thornbury Joinery Limited", "office-chair-receipt.jpg", "Receipt", "2025-26"),
    _Arrival("Zoe Bronte-Walsh", "end-of-year-certificate.pdf", "P60", "2024-25"),
    _Arrival("O'Brien & Daughters Roofing Ltd", "van-insurance.png", "Insurance", "2025-26"),
    _Arrival("Wójcik Electrical Limited", "mileage-log.xlsx", "Mileage log", "2025-26"),
    _Arrival("Severn Vale Vets", "card-transactions.csv", "Card transactions", "2025-26"),
    _Arrival("Aldous Blackwood Interiors Ltd", "engagement-letter.docx", "Engagement letter", ""),
)


def load(password_ending: str, done: Path) -> tuple[SignIn, ...]:
    """Return the demo's people, with everything loaded; the file *done* says that it was.

    Call it inside an app context. What an earlier start left half done is completed.
    """
    people = (
        SignIn("admin", ADMIN, f"admin-{password_ending}"),
        SignIn("staff", STAFF, f"staff-{password_ending}"),
    )
    if not done.exists():
        _load_people(people)
        _load_clients()
        _load_documents()
        done.touch()
    return people


def _load_people(people: tuple[SignIn, ...]) -> None:
    admin, *others = people
    if _user(admin.email) is None:
        wiring.practices().create_practice(PRACTICE, admin.email, Secret(admin.password))
    for person in others:
        if _user(person.email) is None:
            wiring.practices().create_user(
                _admin().practice_id, person.email, Secret(person.password), Role(person.role)
            )


def _load_clients() -> None:
    practice_id = _admin().practice_id
    known = set(db.session.scalars(select(Client.name).where(Client.practice_id == practice_id)))
    for fields in demo_clients():
        if fields["name"] not in known:
            wiring.clients().create(practice_id, fields)


def _load_documents() -> None:
    admin = _admin()
    practice_id, user_id = admin.practice_id, admin.id
    for arrival in ARRIVALS:
        client_id = db.session.scalars(
            select(Client.id).where(
                Client.practice_id == practice_id, Client.name == arrival.client
            )
        ).one()
        if not _has_arrived(client_id, arrival):
            with (FILES / arrival.file_name).open("rb") as stream:
                wiring.documents().receive(
                    practice_id,
                    user_id,
                    client_id=client_id,
                    file_name=arrival.file_name,
                    stream=stream,
                    document_type=arrival.document_type,
                    tax_year=arrival.tax_year,
                )


def _has_arrived(client_id: UUID, arrival: _Arrival) -> bool:
    count = db.session.scalar(
        select(func.count())
        .select_from(ClientDocument)
        .where(ClientDocument.client_id == client_id, ClientDocument.file_name == arrival.file_name)
    )
    return bool(count)


def _admin() -> User:
    user = _user(ADMIN)
    assert user is not None  # noqa: S101 - it was made before
    return user


def _user(email: str) -> User | None:
    return db.session.scalar(select(User).where(func.lower(User.email) == email))
