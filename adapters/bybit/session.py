"""Session: one signed HTTP connection to one account, each call sent once and bounded in time.

Enters: an endpoint, its parameters, what is attempted in words. Stays out: what answers mean, retrying.
pybit is held to one sending per call: no retry of its own on any code or network failure, no redirect followed (it
would carry a signed order elsewhere), no proxy from the environment. A session belongs to one thread.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from pybit.unified_trading import HTTP

from actors.errors import OutcomeUnknown, OutsideError, Throttled, Unreachable
from adapters.bybit import endpoints, translate
from adapters.bybit.access import BybitAccess
from adapters.bybit.direct_http import DirectHttp
from adapters.bybit.endpoints import Endpoint
from adapters.bybit.faults import Attempt, Operation, classify, is_ban
from adapters.bybit.fields import Row, Unreadable
from adapters.bybit.lean_requests import LeanSession
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.venue_clock import VenueClock
from runtime.clock import Clock

_NO_RETRY_CODE = -1  # pybit turns an empty set into its default one, which retries
_ATTEMPTS = 2  # pybit's max_retries counts attempts and breaks at 0; with no retry code the second is never made
_EXCERPT_CHARACTERS = 200
STALE_TIMESTAMP = 10002  # Bybit's number for a request signed outside its receive window
_making = threading.Lock()


class Session:
    """Sends through pybit, keeps the budget, names the errors."""

    def __init__(
        self, access: BybitAccess, budget: RateBudget, clock: Clock, *, http: HTTP | DirectHttp | None = None
    ) -> None:
        """Take `http` where the exchange is not behind a wire; by default pybit's client is made.

        Requests are signed by `clock`; a VenueClock is set right whenever the exchange refuses a timestamp.
        """
        self._access = access
        self._budget = budget
        self._clock = clock
        self._http = http or _quiet_http(access, clock)

    def call(self, attempt: Attempt, endpoint: Endpoint, params: Mapping[str, Any], *, urgent: bool = False) -> Row:
        """Send once and give the answer's `result`; an empty one where the goal already held.

        Raises the classes that ports.ExchangePort names and nothing else.
        """
        self._budget.admit(endpoint, attempt.what, urgent=urgent)
        headers: Mapping[str, str] | None = None
        body: object = None
        fault: OutsideError | None = None
        try:
            body, _elapsed, headers = getattr(self._http, endpoint.method)(**params)
        except Exception as error:  # noqa: BLE001 - pybit lets raw errors of four libraries and its own bugs through
            headers = getattr(error, "resp_headers", None)
            fault = self._fault(attempt, endpoint, error)
            if fault is None:
                return {}
        finally:
            self._budget.answered(endpoint, headers)
        if fault is not None:
            if fault.code == STALE_TIMESTAMP and endpoint is not endpoints.SERVER_TIME:
                with contextlib.suppress(OutsideError):  # it may be repeated all the same, and is refused again
                    self.measure_clock()
            # Raised out here, without the vendor's exception behind it: that one repeats what the exchange echoed, the
            # key included, and its traceback would keep the connection open.
            raise fault
        if isinstance(body, Mapping) and body.get("retCode") == 0 and isinstance(body.get("result"), Mapping):
            result: Row = body["result"]
            return result
        return self.not_understood(attempt, f"the answer has not Bybit's form: {str(body)[:_EXCERPT_CHARACTERS]}")

    def not_understood(self, attempt: Attempt, words: str) -> NoReturn:
        """Refuse an answer that cannot be read: raises OutcomeUnknown after a write, Unreachable after a read."""
        words = self._access.without_secrets(words)
        if attempt.operation.writes:
            raise OutcomeUnknown(f"Tried to {attempt.what}: {words}. It may have been executed: look before repeating.")
        raise Unreachable(f"Tried to {attempt.what}: {words}. Nothing was read; it may be repeated.")

    def measure_clock(self) -> float:
        """Ask for the exchange's time, set the clock by it, and tell how far it is ahead of this machine's (seconds).

        Raises Unreachable and Throttled.
        """
        attempt = Attempt(operation=Operation.READ, what="read the exchange's clock")
        asked_at, asked = self._clock.monotonic(), self._clock.now()
        row = self.call(attempt, endpoints.SERVER_TIME, {})
        answered_at, answered = self._clock.monotonic(), self._clock.now()
        try:
            theirs = datetime.fromtimestamp(translate.server_time_seconds(row), UTC)
        except Unreadable as error:
            self.not_understood(attempt, str(error))
        if isinstance(self._clock, VenueClock):
            self._clock.learn(theirs, asked_at=asked_at, answered_at=answered_at)
            return self._clock.host_is_behind_seconds()
        return (theirs - asked - (answered - asked) / 2).total_seconds()

    def close(self) -> None:
        self._http.client.close()

    def _fault(self, attempt: Attempt, endpoint: Endpoint, error: Exception) -> OutsideError | None:
        fault = classify(attempt, error, self._clock.now())
        if fault is None:
            return None
        fault.args = (self._access.without_secrets(str(fault)),)
        if isinstance(fault, Throttled) and fault.shared:  # a halted symbol says nothing about the others
            self._budget.close(None if is_ban(fault) else endpoint, fault.until)
        return fault


class _TimedHttp(HTTP):  # type: ignore[misc]  # pybit carries no types
    """pybit's client, signing by a clock of ours: its own knows the machine's only."""

    clock: Clock

    def _auth(self, payload: str, recv_window: int, timestamp: int) -> str:
        signed = f"{timestamp}{self.api_key}{recv_window}{payload}"
        return hmac.digest(self.api_secret.encode(), signed.encode(), "sha256").hex()

    def _prepare_headers(
        self, payload: str, recv_window: int, content_type: str = "application/json"
    ) -> dict[str, str]:
        stamp = int(self.clock.now().timestamp() * 1000)
        return {
            "Content-Type": content_type,
            "X-BAPI-API-KEY": self.api_key,
            "X-BAPI-SIGN": self._auth(payload=payload, recv_window=recv_window, timestamp=stamp),
            "X-BAPI-SIGN-TYPE": "2",
            "X-BAPI-TIMESTAMP": str(stamp),
            "X-BAPI-RECV-WINDOW": str(recv_window),
        }


def _quiet_http(access: BybitAccess, clock: Clock) -> HTTP:
    """Make pybit's client. Where nobody configured logging it hangs a handler on its logger at every construction."""
    logger = logging.getLogger("pybit._http_manager")
    with _making:
        before = list(logger.handlers)
        http = _TimedHttp(
            api_key=access.api_key,
            api_secret=access.api_secret,
            timeout=(access.connect_timeout_seconds, access.read_timeout_seconds),
            recv_window=access.receive_window_ms,
            force_retry=False,
            retry_codes={_NO_RETRY_CODE},
            max_retries=_ATTEMPTS,
            return_response_headers=True,
            log_requests=False,
        )
        for handler in [each for each in logger.handlers if each not in before]:
            logger.removeHandler(handler)
    http.clock = clock
    http.endpoint = access.rest_url.rstrip("/")
    ours = LeanSession()
    ours.headers.update(http.client.headers)
    http.client.close()
    http.client = ours
    return http
