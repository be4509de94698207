"""Values that Xero writes in more than one way."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dashboard.xero.wire_values import WireDecoder, text


class Thing(msgspec.Struct):
    name: str | None = None
    size: int | None = None
    is_new: bool | None = None
    parts: list[Thing] | None = None


THINGS = WireDecoder(Thing)


class TestWireDecoder:
    @pytest.mark.parametrize(
        ("wire", "thing"),
        [
            ({}, Thing()),
            ({"name": "a", "size": 7, "is_new": True}, Thing("a", 7, True)),
            ({"name": None, "size": None, "is_new": None, "parts": None}, Thing()),
            ({"name": 42, "extra": {"x": [1]}}, Thing("42")),
            ({"name": True}, Thing("true")),
            ({"size": "12357", "is_new": "false"}, Thing(None, 12357, False)),
            ({"size": "", "is_new": ""}, Thing()),
            ({"is_new": "True"}, Thing(is_new=True)),
            ({"parts": [{"size": "1"}, {}]}, Thing(parts=[Thing(size=1), Thing()])),
            ({"parts": []}, Thing(parts=[])),
        ],
    )
    def test_scalars_are_read_whatever_their_type(self, wire: dict[str, Any], thing: Thing):
        assert THINGS.decode(json.dumps(wire).encode()) == thing

    @pytest.mark.parametrize(
        "wire", [[], "text", None, 7, {"parts": {}}, {"parts": ["x"]}, {"size": "many"}]
    )
    def test_another_shape_is_refused(self, wire: Any):
        with pytest.raises(msgspec.ValidationError):
            THINGS.decode(json.dumps(wire).encode())

    @pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff"])
    def test_what_is_not_json_is_refused(self, body: bytes):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            THINGS.decode(body)


class TestText:
    @pytest.mark.parametrize(
        ("value", "read"), [(None, None), ("", None), ("  ", None), (" a ", "a"), ("0", "0")]
    )
    def test_blank_is_nothing(self, value: str | None, read: str | None):
        assert text(value) == read
