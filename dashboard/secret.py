"""A value that must never be seen: tokens, keys, passwords."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn

MASK = "***"


class Secret:
    """A secret string that shows `***` wherever it is printed and refuses to be serialised.

    `reveal()` is the only way to the value, so a search for it finds every place that needs one.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself; call this only where it leaves for its one purpose."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, _format_spec: str) -> str:
        return MASK

    def __dir__(self) -> list[str]:
        # Debuggers and inspectors show what is listed here.
        return ["reveal"]

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("A secret is never pickled or copied into a queue.")

    def __getstate__(self) -> NoReturn:
        raise TypeError("A secret is never pickled or copied into a queue.")
