"""Rate limit: how many requests an account may send, so that the exchange never has to say so.

Enters: endpoints, clock readings, the exchange's headers. Stays out: HTTP, errors other than Throttled.
A limit is "so many in any rolling second, per endpoint". A request counts from when it leaves until one window after
its answer came: the exchange dealt with it somewhere in between, so whatever the network delays, its own count is never
above ours. A share of each limit is kept for what protects money: stops and cancels.
Source: Bybit v5 documentation, page rate-limit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from actors.errors import Throttled
from adapters.bybit import endpoints
from adapters.bybit.endpoints import Endpoint
from runtime.clock import Clock

_WINDOW_SECONDS = 1.0
_ADDRESS_WINDOW_SECONDS = 5.0
_ADDRESS_LIMIT = 280  # of 600 in 5 s: two accounts and a person's own browser share one address
_RESERVED_SHARE = 3  # one request in three is kept for urgent ones
_UNANSWERED_SECONDS = 0.05  # how soon to look again while all places are taken by requests on their way


@dataclass(slots=True)
class Window:
    """One limit as a log: requests on their way, and until when each answered one counts. No clock, no lock."""

    limit: int
    seconds: float
    on_the_way: int = 0
    count_until: list[float] = field(default_factory=list)  # rising
    closed_until: float = 0.0

    def wait_seconds(self, now: float, *, urgent: bool) -> float:
        """Give how long a request has to wait; 0 when it may leave at once."""
        self.count_until = [instant for instant in self.count_until if instant > now]
        if self.closed_until > now:
            return self.closed_until - now
        places = self.limit if urgent else max(1, self.limit - self.limit // _RESERVED_SHARE)
        excess = self.on_the_way + len(self.count_until) - places
        if excess < 0:
            return 0.0
        if excess >= len(self.count_until):
            return _UNANSWERED_SECONDS
        return self.count_until[excess] - now

    def leave(self) -> None:
        self.on_the_way += 1

    def answered(self, now: float) -> None:
        self.on_the_way -= 1
        self.count_until.append(now + self.seconds)

    def learn(self, now: float, *, limit: int | None, remaining: int | None) -> None:
        """Take over what the exchange's headers say: its limit, and requests it counted that were not ours."""
        if limit is not None and limit > 0:
            self.limit = limit
        if remaining is not None:
            unknown = self.limit - remaining - self.on_the_way - len(self.count_until)
            self.count_until += [now + self.seconds] * max(0, unknown)

    def close_until(self, instant: float) -> None:
        self.closed_until = max(self.closed_until, instant)


class RateBudget:
    """The limits of one account, shared by its lanes; safe to use from many threads."""

    def __init__(
        self,
        clock: Clock,
        *,
        max_wait_seconds: float = 2.0,
        pause: Callable[[threading.Condition, float], object] = threading.Condition.wait,
    ) -> None:
        """Open all windows.

        Args:
            clock: durations by its monotonic reading, instants to name by its wall.
            max_wait_seconds: how long a request may be held back before it is refused as Throttled.
            pause: how to wait on the condition; a test with a hand-turned clock turns it here.

        """
        self._clock = clock
        self._max_wait_seconds = max_wait_seconds
        self._pause = pause
        self._changed = threading.Condition()
        self._windows = {
            each: Window(each.per_second, _WINDOW_SECONDS) for each in endpoints.ALL if each.per_second is not None
        }
        self._address = Window(_ADDRESS_LIMIT, _ADDRESS_WINDOW_SECONDS)
        self._urgent_waiting = dict.fromkeys(endpoints.ALL, 0)

    def admit(self, endpoint: Endpoint, what: str, *, urgent: bool = False) -> None:
        """Wait for a place and take it. `answered` must follow, whatever became of the request.

        Raises Throttled: the place would come later than the longest wait; carries when. Nothing was sent.
        """
        give_up = self._clock.monotonic() + self._max_wait_seconds
        with self._changed:
            self._urgent_waiting[endpoint] += urgent
            try:
                while wait := self._wait_seconds(endpoint, urgent=urgent):
                    now = self._clock.monotonic()
                    if now + wait > give_up:
                        raise self._refusal(what, wait)
                    self._pause(self._changed, wait)
                for window in self._of(endpoint):
                    window.leave()
            finally:
                self._urgent_waiting[endpoint] -= urgent

    def answered(self, endpoint: Endpoint, headers: Mapping[str, str] | None) -> None:
        """Count the request from now on, and learn from the answer's headers (None: there was no answer)."""
        with self._changed:
            now = self._clock.monotonic()
            for window in self._of(endpoint):
                window.answered(now)
            own = self._windows.get(endpoint)
            if own is not None and headers is not None:
                own.learn(
                    now,
                    limit=_number(headers.get("X-Bapi-Limit")),
                    remaining=_number(headers.get("X-Bapi-Limit-Status")),
                )
            self._changed.notify_all()

    def close(self, endpoint: Endpoint | None, until: datetime) -> None:
        """Send nothing to `endpoint` (None: nothing at all) before the instant: the exchange said so."""
        with self._changed:
            now = self._clock.monotonic()
            instant = now + (until - self._clock.now()).total_seconds()
            window = self._address if endpoint is None else self._windows.get(endpoint, self._address)
            window.close_until(instant)

    def _of(self, endpoint: Endpoint) -> tuple[Window, ...]:
        own = self._windows.get(endpoint)
        return (self._address,) if own is None else (own, self._address)

    def _wait_seconds(self, endpoint: Endpoint, *, urgent: bool) -> float:
        now = self._clock.monotonic()
        wait = max(window.wait_seconds(now, urgent=urgent) for window in self._of(endpoint))
        if not urgent and not wait and self._urgent_waiting[endpoint]:
            return _UNANSWERED_SECONDS
        return wait

    def _refusal(self, what: str, wait: float) -> Throttled:
        until = self._clock.now() + timedelta(seconds=wait)
        when = until.isoformat(timespec="milliseconds")
        return Throttled(
            f"Tried to {what}: the account's request budget is used up. "
            f"Nothing was sent; it may be repeated after {when}.",
            until=until,
        )


def _number(written: str | None) -> int | None:
    return int(written) if written is not None and written.isascii() and written.isdigit() else None
