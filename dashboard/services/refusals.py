"""How we say no: each refusal carries a sentence for people, a way on, and its HTTP status."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from dashboard.rules.consent_sentences import ConsentSentence


class Refusal(Exception):
    """We did not do it. `sentence` says what happened, `fix` what to do."""

    status: ClassVar[int] = HTTPStatus.BAD_REQUEST
    code: ClassVar[str] = "refused"

    def __init__(self, sentence: str, fix: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fix = fix

    @property
    def text(self) -> str:
        """The sentence and, where there is one, the way on."""
        return f"{self.sentence} {self.fix}".strip()


class NotFound(Refusal):
    """There is no such row in this practice; another practice's row looks exactly the same."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"

    def __init__(
        self, sentence: str = "There is nothing here with this id.", fix: str = ""
    ) -> None:
        super().__init__(sentence, fix)


class NotAllowed(Refusal):
    """This person may not do it."""

    status = HTTPStatus.FORBIDDEN
    code = "not_allowed"


class Conflict(Refusal):
    """It does not fit what is already there."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


class NotConnected(Conflict):
    """The practice has no connection to Xero."""

    code = "not_connected"

    def __init__(self) -> None:
        super().__init__(
            "Xero is not connected.", "Ask a practice admin to connect Xero on the settings page."
        )


class ConnectionNotUsable(Conflict):
    """The connection exists but Xero does not accept it; a person must reconnect."""

    code = "connection_not_usable"


class OrganisationHeld(Conflict):
    """Another practice here is connected to this organisation."""

    code = "organisation_held"

    def __init__(self) -> None:
        super().__init__(
            "This organisation is already connected to another practice.", "Contact support."
        )


class ConsentRefused(Refusal):
    """A connection attempt came to nothing; nothing was stored."""

    code = "consent_refused"

    @classmethod
    def saying(cls, sentence: ConsentSentence) -> ConsentRefused:
        """Return the refusal that says *sentence*."""
        return cls(sentence.text, sentence.fix)


class ChoiceNeeded(Refusal):
    """Several organisations were allowed: a person must choose one. `attempt_id` keeps the list."""

    status = HTTPStatus.CONFLICT
    code = "choice_needed"

    def __init__(self, attempt_id: str) -> None:
        super().__init__("Choose one organisation for this practice.")
        self.attempt_id = attempt_id


class InvalidInput(Refusal):
    """What was sent cannot be used; `field` names the part, if it was one."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_input"

    def __init__(self, sentence: str, fix: str = "", field: str | None = None) -> None:
        super().__init__(sentence, fix)
        self.field = field


class UploadRefused(Refusal):
    """A document that cannot be taken; the status says why (413, 415 or 422)."""

    code = "upload_refused"

    def __init__(self, sentence: str, fix: str = "", status: int = 422, code: str = "") -> None:
        super().__init__(sentence, fix)
        self.status = status  # type: ignore[misc]  # one class, three statuses
        self.code = code or self.code  # type: ignore[misc]  # the policy's own word
