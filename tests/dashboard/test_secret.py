"""A secret shows itself only when it is asked to."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import marshal
import pickle
import pprint
import string
import sys
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import structlog
from rq.serializers import DefaultSerializer, JSONSerializer
from structlog.tracebacks import ExceptionDictTransformer
from werkzeug.debug.repr import DebugReprGenerator, debug_repr

from dashboard.config import MasterKey
from dashboard.secret import Secret
from dashboard.xero import TokenSet

SECRET = Secret("refresh-token-value")
TOKENS = TokenSet(access=SECRET, refresh=SECRET, expires_in=1800, scopes=("files",))


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    """A result that carries a secret."""

    token: Secret = SECRET


def _template() -> str:
    return string.Template("$token").substitute(token=SECRET)


def _logged(*, as_json: bool) -> str:
    """Return what a log line looks like, from our kind of call to the last letter."""
    out = io.StringIO()
    render = structlog.processors.JSONRenderer if as_json else structlog.processors.KeyValueRenderer
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[_flat, render()]))
    logger = logging.Logger("shown", logging.DEBUG)
    logger.addHandler(handler)
    logger.debug("%s %r %s %r", SECRET, SECRET, [SECRET], TOKENS, extra={"token": SECRET})
    return out.getvalue()


def _flat(_logger: Any, _method: str, event: Any) -> Any:
    return {"event": event["event"], "token": event["_record"].token}


def _fails(token: Secret) -> None:
    raise ValueError(token)


def _traceback_with_locals() -> str:
    try:
        _fails(SECRET)
    except ValueError as problem:
        whole = traceback.TracebackException.from_exception(problem, capture_locals=True)
        return "".join(whole.format())


def _frames_with_locals() -> str:
    try:
        _fails(SECRET)
    except ValueError:
        return str(ExceptionDictTransformer(show_locals=True)(sys.exc_info()))  # type: ignore[arg-type]


SHOWN: dict[str, Callable[[], str]] = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "f-string": lambda: f"{SECRET}",
    "f-string with a width": lambda: f"{SECRET!r:>40}",
    "format": lambda: format(SECRET, ">40"),
    "percent": lambda: "%s %r" % (SECRET, SECRET),  # noqa: UP031
    "template": _template,
    "in a list": lambda: repr([SECRET]),
    "in a dictionary": lambda: str({"token": SECRET}),
    "in a dataclass": lambda: repr(Holder()),
    "in a struct": lambda: repr(TOKENS),
    "in a master key": lambda: repr(MasterKey(1, SECRET)),
    "in an exception": lambda: f"{ValueError(SECRET)} {ValueError(SECRET)!r}",
    "pprint": lambda: pprint.pformat({"token": SECRET, "more": Holder()}),
    "log line": lambda: _logged(as_json=False),
    "log line as JSON": lambda: _logged(as_json=True),
    "traceback with locals": _traceback_with_locals,
    "frames with locals": _frames_with_locals,
    "debugger": lambda: debug_repr({"token": SECRET}),
    "debugger's look into it": lambda: DebugReprGenerator().dump_object(SECRET) + str(SECRET),
}
SERIALISED: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "old pickle": lambda value: pickle.dumps(value, protocol=0),
    "json": json.dumps,
    "json of a list": lambda value: json.dumps([value]),
    "marshal": marshal.dumps,
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "dataclass as a dictionary": lambda value: dataclasses.asdict(Holder(value)),
    "msgspec json": msgspec.json.encode,
    "msgspec msgpack": msgspec.msgpack.encode,
    "msgspec struct": lambda _value: msgspec.json.encode(TOKENS),
    "msgspec builtins": msgspec.to_builtins,
    "rq": DefaultSerializer.dumps,
    "rq as json": JSONSerializer.dumps,
    "joining": lambda value: ",".join([value]),
    "adding": lambda value: "token=" + value,
    "bytes": bytes,
    "iterating": list,
    "measuring": len,
    "state": lambda value: value.__getstate__(),
}


class TestSecret:
    def test_reveal_is_the_way_out(self) -> None:
        assert SECRET.reveal() == "refresh-token-value"

    @pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN.keys())
    def test_nothing_that_prints_shows_it(self, show: Callable[[], str]) -> None:
        shown = show()
        assert "refresh-token-value" not in shown
        assert "***" in shown

    @pytest.mark.parametrize("serialise", SERIALISED.values(), ids=SERIALISED.keys())
    def test_it_is_never_serialised(self, serialise: Callable[[Any], object]) -> None:
        with pytest.raises((TypeError, ValueError)) as refusal:
            serialise(SECRET)
        assert "refresh-token-value" not in str(refusal.value)

    def test_it_has_no_dict_to_look_into(self) -> None:
        assert not hasattr(SECRET, "__dict__")
        assert dir(SECRET) == ["reveal"]

    def test_equal_secrets_are_equal(self) -> None:
        assert Secret("refresh-token-value") == SECRET
        assert Secret("another") != SECRET
        assert SECRET != "refresh-token-value"

    def test_an_empty_secret_is_false(self) -> None:
        assert not Secret("")
        assert SECRET
