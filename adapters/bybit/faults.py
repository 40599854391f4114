"""Faults: what Bybit, pybit or the network said becomes one of our error classes, by what may be done next.

Enters: the operation, what was attempted in words, the vendor's exception. Stays out: retrying, waiting, secrets.
One rule above all: a write is called "not executed" only where that is certain. Everything else about a write is
OutcomeUnknown, the same about a read is Unreachable.
Source: Bybit v5 documentation, page error; the texts of 10001 as the exchange gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ssl import SSLCertVerificationError
from typing import Any, TypeAlias

from pybit.exceptions import FailedRequestError, InvalidRequestError
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import NameResolutionError, NewConnectionError

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


class Operation(StrEnum):
    READ = "read"
    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"
    SET_STOP = "set_stop"
    SET_LEVERAGE = "set_leverage"

    @property
    def writes(self) -> bool:
        return self is not Operation.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request in words: `what` completes "Tried to ...", e.g. "cancel order SF1 on BTCUSDT"."""

    operation: Operation
    what: str


BAN = timedelta(minutes=10)  # an address ban lifts by itself after ten minutes without traffic
_CROWDED = timedelta(seconds=5)
_HALTED = timedelta(seconds=30)
_SHORTEST_WAIT = timedelta(milliseconds=100)
_USUAL_WAIT = timedelta(seconds=1.1)  # the limits are those of one rolling second: a later reset is a clock's mistake
_WORDS_CHARACTERS = 300

_NOTHING_DONE = "Nothing was executed."
_MAYBE_DONE = "It may have been executed: look before repeating."
_READ_FAILED = "Nothing was read; it may be repeated."

_UNCHANGED = frozenset({110025, 110026, 110027, 110043, 34036, 34040})
_GONE = frozenset({110001, 110008, 110010})
_DENIED = frozenset(
    {
        10003, 10004, 10005, 10007, 10008, 10009, 10010, 10024, 10027, 10028, 10029,
        33004, 110123, 110124, 110125, 110132,
    }
)  # fmt: skip
_UNCERTAIN = frozenset({10000, 10014, 10016, 10019, 110030, 110079, 110118})
_CROWDED_CODES = frozenset({10403, 10429})
_HALTED_CODES = frozenset({110063, 110066})
_DEFINITE_OUTSIDE_RANGES = frozenset({10001, 10032})  # a bad parameter; not offered to demo accounts
# Business codes: contracts, unified account, assets, spot. Below 11000 are the gateway's, which prove nothing.
_DEFINITE_RANGES = ((30000, 39999), (110000, 119999), (130000, 149999), (170000, 189999))
_UNCHANGED_WORDS = ("not modified", "remains unchanged")
_EXPECTED_FALL_WORDS = ("should lower than base_price", "should be lower than base_price")
_EXPECTED_RISE_WORDS = (
    "should higher than base_price",
    "should be higher than base_price",
    "should greater than base_price",
)
_HTTP_UNAUTHORISED, _HTTP_FORBIDDEN, _HTTP_TOO_MANY = 401, 403, 429

Classified: TypeAlias = OutsideError | None


def classify(attempt: Attempt, error: Exception, now: datetime) -> Classified:
    """Give the error to raise, or None where the goal already holds.

    Args:
        attempt: what was being done.
        error: whatever pybit, requests or the reading of the answer raised.
        now: aware UTC; instants to wait for are reckoned from it.

    """
    if isinstance(error, InvalidRequestError):
        return _by_code(attempt, error, now)
    if isinstance(error, FailedRequestError):
        return _by_http_status(attempt, error, now)
    if isinstance(error, PermissionError):
        return AccessDenied(_story(attempt, "there is no API key to sign with", _NOTHING_DONE))
    words = f"{type(error).__name__}: {error}"
    if _never_left(error):
        return Unreachable(_story(attempt, words, "Nothing was sent; it may be repeated."))
    return _unclear(attempt, words)


def is_ban(fault: OutsideError) -> bool:
    """Tell a refusal of the whole address: nothing at all may be sent until it is over."""
    return isinstance(fault, Throttled) and fault.code in {_HTTP_FORBIDDEN, 10018}


def reset_instant(headers: Mapping[str, str] | None, now: datetime) -> datetime:
    """Give the instant a limit is lifted, by X-Bapi-Limit-Reset-Timestamp.

    Milliseconds on the exchange's clock; it may be missing, the word "now", past already (our clock is fast) or
    far off (our clock is slow): the answer is always between 0.1 and 1.1 s from `now`, so that no clock's mistake holds
    back a stop.
    """
    written = (headers or {}).get("X-Bapi-Limit-Reset-Timestamp", "")
    if not written.isascii() or not written.isdigit() or len(written) > len("9999999999999"):
        return now + (_SHORTEST_WAIT if written == "now" else _USUAL_WAIT)
    reset = datetime.fromtimestamp(int(written) / 1000, UTC)
    return min(max(reset, now + _SHORTEST_WAIT), now + _USUAL_WAIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    attempt: Attempt
    code: int
    words: str
    headers: Mapping[str, str] | None
    now: datetime

    def story(self, truth: str) -> str:
        return _story(self.attempt, self.words, truth)

    def throttled(self, until: datetime, *, shared: bool = True) -> Throttled:
        truth = f"Nothing was executed; it may be repeated after {until.isoformat(timespec='milliseconds')}."
        return Throttled(self.story(truth), until=until, code=self.code, shared=shared)


def _by_code(attempt: Attempt, error: InvalidRequestError, now: datetime) -> Classified:
    try:
        code = int(error.status_code)
    except (TypeError, ValueError):
        return _unclear(attempt, f"Bybit answered with the code {error.status_code!r}")
    words = f"Bybit answered {code} {_short(error.message)}".rstrip()
    refusal = _Refusal(attempt=attempt, code=code, words=words, headers=error.resp_headers, now=now)
    for codes, answer in _CODES:
        if code in codes:
            return answer(refusal)
    if code == 10001:  # noqa: PLR2004 - Bybit's number for a bad parameter, with several meanings by its words
        return _bad_parameter(refusal)
    if _is_definite(code):
        return _rejected(refusal)
    return _unclear(attempt, words, code)


def _rejected(refusal: _Refusal) -> Classified:
    return Rejected(refusal.story(_NOTHING_DONE), code=refusal.code)


def _unchanged(refusal: _Refusal) -> Classified:
    return None if refusal.attempt.operation.writes else _rejected(refusal)


def _gone(refusal: _Refusal) -> Classified:
    if refusal.attempt.operation is Operation.PLACE:
        return _rejected(refusal)
    return Gone(refusal.story("There is no such order to change any more; it may have filled."), code=refusal.code)


def _duplicate(refusal: _Refusal) -> Classified:
    truth = "An order with this id exists or existed; nothing new was placed."
    return DuplicateId(refusal.story(truth), code=refusal.code)


def _trigger_passed(expected_rise: bool) -> Callable[[_Refusal], Classified]:
    def answer(refusal: _Refusal) -> Classified:
        way = "rise" if expected_rise else "fall"
        truth = f"Nothing was executed: the price would have to {way} to this trigger and is past it already."
        return TriggerPassed(refusal.story(truth), expected_rise=expected_rise, code=refusal.code)

    return answer


def _denied(refusal: _Refusal) -> Classified:
    truth = "Nothing was executed; this key, address or account will be refused again."
    return AccessDenied(refusal.story(truth), code=refusal.code)


def _stale_timestamp(refusal: _Refusal) -> Classified:
    truth = "Nothing was executed: this machine's clock is off; it may be repeated once the clock is right."
    return Unreachable(refusal.story(truth), code=refusal.code)


def _over_limit(refusal: _Refusal) -> Classified:
    return refusal.throttled(reset_instant(refusal.headers, refusal.now))


def _banned(refusal: _Refusal) -> Classified:
    return refusal.throttled(refusal.now + BAN)


def _crowded(refusal: _Refusal) -> Classified:
    """System protection does not say whether an order passed it."""
    if refusal.attempt.operation.writes:
        return _uncertain(refusal)
    return refusal.throttled(refusal.now + _CROWDED)


def _halted(refusal: _Refusal) -> Classified:
    return refusal.throttled(refusal.now + _HALTED, shared=False)


def _uncertain(refusal: _Refusal) -> Classified:
    return _unclear(refusal.attempt, refusal.words, refusal.code)


def _bad_parameter(refusal: _Refusal) -> Classified:
    """10001 carries several meanings in its words only."""
    words = refusal.words.lower()
    operation = refusal.attempt.operation
    may_be_unchanged = operation in {Operation.AMEND, Operation.SET_STOP, Operation.SET_LEVERAGE}
    if may_be_unchanged and any(each in words for each in _UNCHANGED_WORDS):
        return None
    if operation is Operation.SET_STOP and any(each in words for each in _EXPECTED_FALL_WORDS):
        return _trigger_passed(expected_rise=False)(refusal)
    if operation is Operation.SET_STOP and any(each in words for each in _EXPECTED_RISE_WORDS):
        return _trigger_passed(expected_rise=True)(refusal)
    return _rejected(refusal)


_CODES: tuple[tuple[frozenset[int], Callable[[_Refusal], Classified]], ...] = (
    (_UNCHANGED, _unchanged),
    (_GONE, _gone),
    (frozenset({110072}), _duplicate),
    (frozenset({110092}), _trigger_passed(expected_rise=True)),
    (frozenset({110093}), _trigger_passed(expected_rise=False)),
    (_DENIED, _denied),
    (frozenset({10002}), _stale_timestamp),
    (frozenset({10006}), _over_limit),
    (frozenset({10018}), _banned),
    (_CROWDED_CODES, _crowded),
    (_HALTED_CODES, _halted),
    (_UNCERTAIN, _uncertain),
)


def _by_http_status(attempt: Attempt, error: FailedRequestError, now: datetime) -> Classified:
    """Read pybit's own failure: an HTTP status, or its invented 409 for an answer that is no JSON."""
    status = error.status_code
    words = f"the exchange answered HTTP {status} ({_short(error.message)})"
    refusal = _Refusal(attempt=attempt, code=status, words=words, headers=error.resp_headers, now=now)
    if status == _HTTP_FORBIDDEN:
        return _banned(refusal)
    if status == _HTTP_UNAUTHORISED:
        return _denied(refusal)
    if status == _HTTP_TOO_MANY:
        return _crowded(refusal)
    return _uncertain(refusal)


def _unclear(attempt: Attempt, words: str, code: int | None = None) -> OutsideError:
    if attempt.operation.writes:
        return OutcomeUnknown(_story(attempt, words, _MAYBE_DONE), code=code)
    return Unreachable(_story(attempt, words, _READ_FAILED), code=code)


def _is_definite(code: int) -> bool:
    return code in _DEFINITE_OUTSIDE_RANGES or any(low <= code <= high for low, high in _DEFINITE_RANGES)


def _never_left(error: Exception) -> bool:
    """Tell a failure before the first byte of the request: no connection, no name, no trusted certificate, no URL."""
    before_sending = (
        ConnectTimeout,
        InvalidSchema,
        InvalidURL,
        MissingSchema,
        NameResolutionError,
        NewConnectionError,
        SSLCertVerificationError,
    )
    return any(isinstance(each, before_sending) for each in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk an exception and what it wraps: requests keeps urllib3's in args, urllib3 keeps its own in `reason`."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [getattr(each, "reason", None), *each.args]


def _story(attempt: Attempt, words: str, truth: str) -> str:
    return f"Tried to {attempt.what}: {_short(words).rstrip('.')}. {truth}"


def _short(words: object) -> str:
    return " ".join(str(words).split())[:_WORDS_CHARACTERS]
