"""What may be done next, for every code, status and failure, by operation."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from pybit.exceptions import FailedRequestError, InvalidRequestError
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError, ProtocolError

from actors.errors import (
    AccessDenied,
    DuplicateId,
    Gone,
    OutcomeUnknown,
    OutsideError,
    Rejected,
    Throttled,
    TriggerPassed,
    Unreachable,
)
from adapters.bybit.faults import Attempt, Operation, classify, is_ban, reset_instant

NOW = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)
NOW_MS = 1748779200000
READ, PLACE, AMEND, CANCEL, SET_STOP, SET_LEVERAGE = Operation
WRITES = (PLACE, AMEND, CANCEL, SET_STOP, SET_LEVERAGE)
DONE = None


def answered(
    operation: Operation, code: Any, words: str = "words", headers: dict[str, str] | None = None
) -> OutsideError | None:
    error = InvalidRequestError(request="", message=words, status_code=code, time="", resp_headers=headers)
    return classify(Attempt(operation=operation, what="do it on BTCUSDT"), error, NOW)


def failed(operation: Operation, status: int) -> OutsideError | None:
    error = FailedRequestError(request="", message="no", status_code=status, time="", resp_headers=None)
    return classify(Attempt(operation=operation, what="do it on BTCUSDT"), error, NOW)


def broke(operation: Operation, error: Exception) -> OutsideError | None:
    return classify(Attempt(operation=operation, what="do it on BTCUSDT"), error, NOW)


def kind(fault: OutsideError | None) -> type[OutsideError] | None:
    return None if fault is None else type(fault)


# The table of bybit-v5's error page, by code: what a read and what each write becomes.
SAME_FOR_WRITES: dict[int, tuple[type[OutsideError], type[OutsideError] | None]] = {
    10000: (Unreachable, OutcomeUnknown),
    10001: (Rejected, Rejected),
    10002: (Unreachable, Unreachable),
    10003: (AccessDenied, AccessDenied),
    10004: (AccessDenied, AccessDenied),
    10005: (AccessDenied, AccessDenied),
    10006: (Throttled, Throttled),
    10007: (AccessDenied, AccessDenied),
    10008: (AccessDenied, AccessDenied),
    10009: (AccessDenied, AccessDenied),
    10010: (AccessDenied, AccessDenied),
    10014: (Unreachable, OutcomeUnknown),
    10016: (Unreachable, OutcomeUnknown),
    10018: (Throttled, Throttled),
    10019: (Unreachable, OutcomeUnknown),
    10024: (AccessDenied, AccessDenied),
    10027: (AccessDenied, AccessDenied),
    10028: (AccessDenied, AccessDenied),
    10029: (AccessDenied, AccessDenied),
    10032: (Rejected, Rejected),
    10403: (Throttled, OutcomeUnknown),
    10429: (Throttled, OutcomeUnknown),
    10500: (Unreachable, OutcomeUnknown),  # not in any list
    33004: (AccessDenied, AccessDenied),
    34036: (Rejected, DONE),
    34040: (Rejected, DONE),
    110003: (Rejected, Rejected),
    110004: (Rejected, Rejected),
    110006: (Rejected, Rejected),
    110007: (Rejected, Rejected),
    110009: (Rejected, Rejected),
    110011: (Rejected, Rejected),
    110012: (Rejected, Rejected),
    110013: (Rejected, Rejected),
    110017: (Rejected, Rejected),
    110020: (Rejected, Rejected),
    110021: (Rejected, Rejected),
    110023: (Rejected, Rejected),
    110024: (Rejected, Rejected),
    110025: (Rejected, DONE),
    110026: (Rejected, DONE),
    110027: (Rejected, DONE),
    110028: (Rejected, Rejected),
    110030: (Unreachable, OutcomeUnknown),
    110040: (Rejected, Rejected),
    110042: (Rejected, Rejected),
    110043: (Rejected, DONE),
    110044: (Rejected, Rejected),
    110045: (Rejected, Rejected),
    110046: (Rejected, Rejected),
    110051: (Rejected, Rejected),
    110052: (Rejected, Rejected),
    110057: (Rejected, Rejected),
    110058: (Rejected, Rejected),
    110059: (Rejected, Rejected),
    110060: (Rejected, Rejected),
    110061: (Rejected, Rejected),
    110063: (Throttled, Throttled),
    110064: (Rejected, Rejected),
    110066: (Throttled, Throttled),
    110072: (DuplicateId, DuplicateId),
    110074: (Rejected, Rejected),
    110079: (Unreachable, OutcomeUnknown),
    110086: (Rejected, Rejected),
    110089: (Rejected, Rejected),
    110090: (Rejected, Rejected),
    110092: (TriggerPassed, TriggerPassed),
    110093: (TriggerPassed, TriggerPassed),
    110094: (Rejected, Rejected),
    110118: (Unreachable, OutcomeUnknown),
    110120: (Rejected, Rejected),
    110121: (Rejected, Rejected),
    110123: (AccessDenied, AccessDenied),
    110124: (AccessDenied, AccessDenied),
    110125: (AccessDenied, AccessDenied),
    110132: (AccessDenied, AccessDenied),
    110999: (Rejected, Rejected),  # a business refusal to come
    130035: (Rejected, Rejected),
    170131: (Rejected, Rejected),
    7: (Unreachable, OutcomeUnknown),
    20006: (Unreachable, OutcomeUnknown),
    500000: (Unreachable, OutcomeUnknown),
}


@pytest.mark.parametrize("code", SAME_FOR_WRITES)
def test_a_code_says_what_a_read_became(code: int) -> None:
    assert kind(answered(READ, code)) is SAME_FOR_WRITES[code][0]


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("code", SAME_FOR_WRITES)
def test_a_code_says_what_a_write_became(code: int, operation: Operation) -> None:
    assert kind(answered(operation, code)) is SAME_FOR_WRITES[code][1]


@pytest.mark.parametrize("code", [110001, 110008, 110010])
def test_an_order_that_is_not_there_is_gone_except_for_placing_one(code: int) -> None:
    for operation in (READ, AMEND, CANCEL, SET_STOP):
        assert kind(answered(operation, code)) is Gone
    assert kind(answered(PLACE, code)) is Rejected


@pytest.mark.parametrize(("code", "expected_rise"), [(110092, True), (110093, False)])
def test_a_trigger_that_lies_behind_the_market_says_which_way_was_expected(code: int, expected_rise: bool) -> None:
    fault = answered(PLACE, code)

    assert isinstance(fault, TriggerPassed)
    assert fault.expected_rise is expected_rise


@pytest.mark.parametrize(
    ("words", "expected_rise"),
    [
        ("StopLoss:324000000 set for Buy position should lower than base_price:161600000??LastPrice", False),
        ("StopLoss:310000000 set for Sell position should higher than base_price:324300000??LastPrice", True),
        ("StopLoss:310000000 set for Sell position should greater than base_price:324300000", True),
    ],
)
def test_a_position_stop_behind_the_market_comes_as_a_bad_parameter(words: str, expected_rise: bool) -> None:
    fault = answered(SET_STOP, 10001, words)

    assert isinstance(fault, TriggerPassed)
    assert fault.expected_rise is expected_rise
    assert fault.code == 10001
    assert kind(answered(PLACE, 10001, words)) is Rejected  # an entry's attached stop is no trigger of its own


@pytest.mark.parametrize(
    "words",
    [
        "not modified",
        "Set TP/SL not modified",
        "The order remains unchanged as the parameters entered match the existing ones.",
    ],
)
def test_nothing_to_change_may_come_as_a_bad_parameter(words: str) -> None:
    for operation in (AMEND, SET_STOP, SET_LEVERAGE):
        assert answered(operation, 10001, words) is DONE
    for operation in (READ, PLACE, CANCEL):
        assert kind(answered(operation, 10001, words)) is Rejected


@pytest.mark.parametrize("words", ["position idx not match position mode", "can not set tp/sl/ts for zero position"])
def test_other_bad_parameters_are_refusals(words: str) -> None:
    assert kind(answered(SET_STOP, 10001, words)) is Rejected


@pytest.mark.parametrize("code", ["10006", 10006])
def test_a_code_may_be_text(code: object) -> None:
    assert kind(answered(PLACE, code)) is Throttled


def test_a_code_that_is_no_number_proves_nothing() -> None:
    assert kind(answered(PLACE, "busy")) is OutcomeUnknown
    assert kind(answered(READ, None)) is Unreachable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-Bapi-Limit-Reset-Timestamp": str(NOW_MS + 700)}, 0.7),
        ({"X-Bapi-Limit-Reset-Timestamp": str(NOW_MS - 5000)}, 0.1),  # our clock is fast
        ({"X-Bapi-Limit-Reset-Timestamp": str(NOW_MS + 60_000)}, 1.1),  # our clock is slow
        ({"X-Bapi-Limit-Reset-Timestamp": "now"}, 0.1),
        ({"X-Bapi-Limit-Reset-Timestamp": "soon"}, 1.1),
        ({"X-Bapi-Limit-Reset-Timestamp": "²"}, 1.1),
        ({"X-Bapi-Limit-Reset-Timestamp": "9" * 40}, 1.1),
        ({"X-Bapi-Limit-Reset-Timestamp": ""}, 1.1),
        ({}, 1.1),
        (None, 1.1),
    ],
)
def test_over_the_limit_carries_when_to_come_back(headers: dict[str, str] | None, seconds: float) -> None:
    fault = answered(PLACE, 10006, "Too many visits!", headers)

    assert isinstance(fault, Throttled)
    assert fault.until == NOW + timedelta(seconds=seconds)
    assert reset_instant(headers, NOW) == fault.until
    assert not is_ban(fault)


@pytest.mark.parametrize("operation", Operation)
def test_an_address_ban_lasts_ten_minutes_and_stops_everything(operation: Operation) -> None:
    for fault in (failed(operation, 403), answered(operation, 10018)):
        assert isinstance(fault, Throttled)
        assert fault.until == NOW + timedelta(minutes=10)
        assert is_ban(fault)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("status", [301, 400, 404, 405, 408, 409, 413, 500, 502, 503, 504, 520])
def test_any_other_http_status_proves_nothing(operation: Operation, status: int) -> None:
    fault = failed(operation, status)

    assert kind(fault) is (Unreachable if operation is READ else OutcomeUnknown)
    assert fault is not None
    assert fault.code == status


def test_a_refused_login_and_a_crowd() -> None:
    assert kind(failed(PLACE, 401)) is AccessDenied
    assert kind(failed(READ, 429)) is Throttled
    assert kind(failed(PLACE, 429)) is OutcomeUnknown


def wrapped(inner: Exception) -> requests.exceptions.ConnectionError:
    """Wrap as requests wraps what urllib3 gave up on."""
    return requests.exceptions.ConnectionError(MaxRetryError(None, "/v5", inner))  # type: ignore[arg-type]


NEVER_LEFT: dict[str, Exception] = {
    "connect time-out": requests.exceptions.ConnectTimeout("slow"),
    "refused": wrapped(NewConnectionError(None, "refused")),  # type: ignore[arg-type]
    "no such name": wrapped(NameResolutionError("api.bybit.com", None, OSError())),  # type: ignore[arg-type]
    "a certificate nobody trusts": requests.exceptions.SSLError(
        MaxRetryError(None, "/v5", ssl.SSLCertVerificationError("self-signed"))  # type: ignore[arg-type]
    ),
    "no URL": requests.exceptions.InvalidURL("no host"),
    "no scheme": requests.exceptions.MissingSchema("no scheme"),
    "another scheme": requests.exceptions.InvalidSchema("ftp"),
}
MAYBE_LEFT: dict[str, Exception] = {
    "read time-out": requests.exceptions.ReadTimeout("slow"),
    "reset": requests.exceptions.ConnectionError(ProtocolError("aborted", ConnectionResetError(104))),
    "a TLS failure under way": requests.exceptions.SSLError("bad record mac"),
    "cut short": requests.exceptions.ChunkedEncodingError("cut"),
    "wrong encoding": requests.exceptions.ContentDecodingError("gzip"),
    "redirected": requests.exceptions.TooManyRedirects("0"),
    "pybit's negative sleep": ValueError("sleep length must be non-negative"),
    "pybit's unbound name": UnboundLocalError("req_params"),
    "pybit's missing key": KeyError("ret_msg"),
    "pybit's wrong type": TypeError("list"),
    "a plain OSError": OSError(5, "I/O"),
}


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("case", NEVER_LEFT)
def test_what_provably_never_left_may_be_repeated(operation: Operation, case: str) -> None:
    fault = broke(operation, NEVER_LEFT[case])

    assert kind(fault) is Unreachable
    assert "Nothing was sent" in str(fault)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("case", MAYBE_LEFT)
def test_what_may_have_left_is_unknown_for_writes(operation: Operation, case: str) -> None:
    assert kind(broke(operation, MAYBE_LEFT[case])) is (Unreachable if operation is READ else OutcomeUnknown)


def test_without_a_key_nothing_is_sent() -> None:
    assert kind(broke(PLACE, PermissionError("Authenticated endpoints require keys."))) is AccessDenied


@pytest.mark.parametrize(
    ("fault", "truth"),
    [
        (answered(PLACE, 110007, "ab not enough for new order"), "Nothing was executed."),
        (answered(PLACE, 10016, "server error"), "It may have been executed: look before repeating."),
        (answered(READ, 10016, "server error"), "Nothing was read; it may be repeated."),
        (
            answered(CANCEL, 110001, "order not exists"),
            "There is no such order to change any more; it may have filled.",
        ),
        (answered(PLACE, 110072, "OrderLinkedID is duplicate"), "An order with this id exists or existed"),
        (answered(PLACE, 10006, "Too many visits!"), "it may be repeated after 2025-06-01T12:00:01.100+00:00."),
        (answered(PLACE, 10002, "invalid request"), "this machine's clock is off"),
        (answered(PLACE, 10003, "API key is invalid."), "will be refused again"),
    ],
)
def test_every_error_tells_what_was_attempted_what_the_exchange_said_and_what_is_now_true(
    fault: OutsideError, truth: str
) -> None:
    told = str(fault)

    assert told.startswith("Tried to do it on BTCUSDT: Bybit answered 1")
    assert str(fault.code) in told
    assert truth in told


def test_long_words_of_the_exchange_are_cut() -> None:
    assert len(str(answered(PLACE, 110007, "x" * 5000))) < 500


@pytest.mark.parametrize(("code", "shared"), [(110066, False), (110063, False), (10006, True), (10018, True)])
def test_only_a_limit_concerns_other_requests_too(code: int, *, shared: bool) -> None:
    fault = classify(Attempt(operation=Operation.PLACE, what="place"), InvalidRequestError("r", "m", code, "", {}), NOW)
    assert isinstance(fault, Throttled)
    assert fault.shared is shared
