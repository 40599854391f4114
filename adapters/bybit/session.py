"""Session: one signed HTTP connection to one account, each call sent once and bounded in time.

Enters: an endpoint, its parameters, what is attempted in words. Stays out: what answers mean, retrying.
pybit is held to one sending per call: no retry of its own on any code or network failure, no redirect followed (it
would carry a signed order elsewhere), no proxy from the environment. A session belongs to one thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

from pybit.unified_trading import HTTP

from actors.errors import OutcomeUnknown, OutsideError, Throttled, Unreachable
from adapters.bybit.access import BybitAccess
from adapters.bybit.direct_http import DirectHttp
from adapters.bybit.endpoints import Endpoint
from adapters.bybit.faults import Attempt, classify, is_ban
from adapters.bybit.fields import Row
from adapters.bybit.rate_limit import RateBudget
from runtime.clock import Clock

_NO_RETRY_CODE = -1  # pybit turns an empty set into its default one, which retries
_ATTEMPTS = 2  # pybit's max_retries counts attempts and breaks at 0; with no retry code the second is never made
_EXCERPT_CHARACTERS = 200
_making = threading.Lock()


class Session:
    """Sends through pybit, keeps the budget, names the errors."""

    def __init__(
        self, access: BybitAccess, budget: RateBudget, clock: Clock, *, http: HTTP | DirectHttp | None = None
    ) -> None:
        """Take `http` where the exchange is not behind a wire; by default pybit's client is made."""
        self._access = access
        self._budget = budget
        self._clock = clock
        self._http = http or _quiet_http(access)

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

    def close(self) -> None:
        self._http.client.close()

    def _fault(self, attempt: Attempt, endpoint: Endpoint, error: Exception) -> OutsideError | None:
        fault = classify(attempt, error, self._clock.now())
        if fault is None:
            return None
        fault.args = (self._access.without_secrets(str(fault)),)
        if isinstance(fault, Throttled):
            self._budget.close(None if is_ban(fault) else endpoint, fault.until)
        return fault


def _quiet_http(access: BybitAccess) -> HTTP:
    """Make pybit's client. Where nobody configured logging it hangs a handler on its logger at every construction."""
    logger = logging.getLogger("pybit._http_manager")
    with _making:
        before = list(logger.handlers)
        http = HTTP(
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
    http.endpoint = access.rest_url.rstrip("/")
    http.client.trust_env = False
    http.client.max_redirects = 0
    return http
