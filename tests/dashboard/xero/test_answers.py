"""Every shape of answer that Xero is known to give, and what it means."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from requests.structures import CaseInsensitiveDict

from dashboard.xero.answers import Answer, decode, error_for, rate_problem, retry_after
from dashboard.xero.errors import (
    XeroError,
    XeroForbidden,
    XeroNoAnswer,
    XeroNotFound,
    XeroRateLimited,
    XeroRejected,
    XeroTooLarge,
    XeroUnauthorised,
    XeroUnavailable,
)

JSON = "application/json; charset=utf-8"
IIS_PAGE = b"<!DOCTYPE html><html><body><h1>413 - Request Entity Too Large</h1></body></html>"


def answer(status: int, body: Any = b"", kind: str = JSON, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, CaseInsensitiveDict({"Content-Type": kind, **named}), content)


def refusal(status: int, body: Any = b"", kind: str = JSON, **headers: str) -> XeroError:
    error = error_for(answer(status, body, kind, **headers))
    assert error is not None
    return error


class TestSuccess:
    @pytest.mark.parametrize("status", [200, 201, 204])
    def test_a_success_is_no_error(self, status: int):
        assert error_for(answer(status)) is None

    def test_not_modified_is_a_success_only_where_it_was_asked_for(self):
        assert error_for(answer(304), may_be_unmodified=True) is None
        assert isinstance(error_for(answer(304)), XeroUnavailable)


class TestTypes:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (301, XeroUnavailable),
            (302, XeroUnavailable),
            (307, XeroUnavailable),
            (400, XeroRejected),
            (401, XeroUnauthorised),
            (403, XeroForbidden),
            (404, XeroNotFound),
            (405, XeroRejected),
            (408, XeroUnavailable),
            (412, XeroRejected),
            (413, XeroTooLarge),
            (422, XeroRejected),
            (429, XeroRateLimited),
            (500, XeroUnavailable),
            (501, XeroUnavailable),
            (502, XeroUnavailable),
            (503, XeroUnavailable),
        ],
    )
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b'"text"',
            b"{half",
            b"\xff\xfe\x00",
            b"<html>",
            b"<ApiException/>",
            b"plain",
            b"[" * 100_000,
        ],
        ids=lambda body: repr(body[:14]),
    )
    def test_each_status_has_its_type_whatever_the_body(
        self, status: int, kind: type[XeroError], body: bytes
    ):
        error = refusal(status, body)
        assert type(error) is kind
        assert error.status == status
        assert error.message


class TestMessages:
    def test_validation_reasons_are_named_and_the_echoed_record_is_not(self):
        error = refusal(
            400,
            {
                "ErrorNumber": 10,
                "Type": "ValidationException",
                "Message": "A validation exception occurred",
                "Elements": [
                    {
                        "BankAccountDetails": "01-0123-0123456-00",
                        "ValidationErrors": [
                            {"Message": "Name is required."},
                            {"Message": "E-mail address must be valid."},
                        ],
                    }
                ],
            },
        )
        assert isinstance(error, XeroRejected)
        assert error.messages == ("Name is required.", "E-mail address must be valid.")
        assert error.message == "Name is required.; E-mail address must be valid."

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (
                {"ErrorNumber": 16, "Type": "QueryParseException", "Message": "No such field"},
                "No such field",
            ),
            (
                [
                    {
                        "type": "Validation",
                        "title": "Validation failure",
                        "detail": "Extension: boo is not a valid File extension.",
                    }
                ],
                "Extension: boo is not a valid File extension.",
            ),
            (
                {
                    "type": "Validation",
                    "title": "Validation failure",
                    "detail": "No file is was attached",
                },
                "No file is was attached",
            ),
            ({"title": "Bad Request", "status": 400, "detail": None}, "Bad Request"),
            ({"Title": "Bad Request", "Detail": "Wrong"}, "Wrong"),
            ({"elements": [{"validationErrors": [{"message": "Too long."}]}]}, "Too long."),
            (b'\xef\xbb\xbf{"Detail": "Behind a mark"}', "Behind a mark"),
            (b"\xef\xbb\xbf Offline", "Offline"),
        ],
    )
    def test_both_cases_arrays_and_single_objects_are_read(self, body: Any, message: str):
        assert refusal(400, body).message == message

    def test_plain_text_is_passed_on(self):
        text = b"The Xero API is currently offline for maintenance"
        assert refusal(503, text, "text/plain").message == text.decode()

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (IIS_PAGE, "text/html"),
            (IIS_PAGE, "application/octet-stream"),
            (b"<ApiException><Message>x</Message></ApiException>", "text/xml"),
        ],
    )
    def test_markup_is_never_shown_to_a_person(self, body: bytes, kind: str):
        message = refusal(413, body, kind).message
        assert "<" not in message
        assert message == "The file is too large for Xero."

    @pytest.mark.parametrize(
        "body",
        [
            b'{"Elements": [{"BankAccountDetails": "01-0123"',
            b'[{"BankAccountDetails": "01-0123\xff"}]',
            {"Message": "<html><body>Bad</body></html>"},
            b"\xef\xbb\xbf<html><body>Bad</body></html>",
        ],
        ids=["broken off", "not text", "a page in the data", "a page behind a mark"],
    )
    def test_what_nobody_can_read_is_never_shown_to_a_person(self, body: Any):
        assert refusal(400, body).message == "Xero refused the request (400)."

    def test_a_json_413_says_what_xero_says(self):
        body = {"Title": "RequestEntityTooLarge", "Status": 413, "Detail": "PayloadTooLarge"}
        assert refusal(413, body).message == "PayloadTooLarge"

    def test_a_message_has_an_end(self):
        assert len(refusal(400, {"Message": "x" * 10_000}).message) == 500
        many = {"Elements": [{"ValidationErrors": [{"Message": f"m{n}"} for n in range(99)]}]}
        error = refusal(400, many)
        assert isinstance(error, XeroRejected)
        assert len(error.messages) == 20


class TestCorrelation:
    BODY = {"Title": "Unauthorized", "Status": 401, "Detail": "x", "Instance": "guid-in-body"}

    def test_the_header_wins(self):
        error = refusal(401, self.BODY, xero_correlation_id="guid-in-header")
        assert error.correlation_id == "guid-in-header"

    @pytest.mark.parametrize("key", ["Instance", "instance"])
    def test_the_body_helps_out_in_either_case(self, key: str):
        assert refusal(403, {key: "guid"}).correlation_id == "guid"

    def test_success_can_be_quoted_too(self):
        assert answer(200, xero_correlation_id="guid").correlation_id == "guid"


class TestRateLimits:
    def test_a_recorded_429_is_understood(self):
        error = refusal(
            429,
            kind="",
            retry_after="22",
            x_rate_limit_problem="minute",
            x_minlimit_remaining="0",
        )
        assert isinstance(error, XeroRateLimited)
        assert (error.retry_after, error.problem) == (22.0, "minute")

    @pytest.mark.parametrize(
        ("word", "problem"),
        [
            ("Day", "day"),
            ("CONCURRENT", "concurrent"),
            ("appminute", "app-minute"),
            ("app-minute", "app-minute"),
            ("", "unknown"),
            ("other", "unknown"),
        ],
    )
    def test_problems_are_compared_without_case(self, word: str, problem: str):
        assert rate_problem(CaseInsensitiveDict({"x-rate-limit-problem": word})) == problem

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("22", 22.0),
            ("0", 0.0),
            ("", None),
            ("soon", None),
            ("-4", None),
            ("Sun, 10 Aug 2025 15:15:00 GMT", 14.0),
            ("Sun, 10 Aug 2025 15:14:00 GMT", 0.0),
        ],
    )
    def test_retry_after_is_read_in_both_its_forms(self, value: str, seconds: float | None):
        headers = CaseInsensitiveDict(
            {"Retry-After": value, "Date": "Sun, 10 Aug 2025 15:14:46 GMT"}
        )
        assert retry_after(headers) == seconds

    def test_a_date_without_a_date_to_count_from_names_no_time(self):
        assert retry_after({"Retry-After": "Sun, 10 Aug 2025 15:14:46 GMT"}) is None


class TestDecode:
    DECODER = msgspec.json.Decoder(dict[str, int])

    @pytest.mark.parametrize("body", [{"a": 1}, b'\xef\xbb\xbf{"a": 1}', b' {"a": 1}\n'])
    def test_json_is_returned_as_the_wanted_type(self, body: Any):
        assert decode(answer(200, body), self.DECODER) == {"a": 1}

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (IIS_PAGE, "text/html"),
            (b"The Organisation is offline", "text/plain"),
            (b"", JSON),
            (b"\xff\xfe", JSON),
            (b"<Response/>", "text/xml"),
            (b'{"a": "not a number"}', JSON),
            (b"[1, 2]", JSON),
        ],
    )
    def test_anything_but_the_wanted_data_is_xero_being_unavailable(self, body: bytes, kind: str):
        with pytest.raises(XeroUnavailable) as caught:
            decode(answer(200, body, kind, xero_correlation_id="guid"), self.DECODER)
        assert caught.value.status == 200
        assert caught.value.correlation_id == "guid"

    @pytest.mark.parametrize("body", [b'{"a": 1', b"{", b' {"a"'])
    def test_json_that_breaks_off_is_no_answer(self, body: bytes):
        with pytest.raises(XeroNoAnswer) as caught:
            decode(answer(200, body), self.DECODER)
        assert caught.value.maybe_sent is True
