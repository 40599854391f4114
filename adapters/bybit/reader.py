"""Reader: questions to Bybit: all pages of a list, histories cut into askable spans, rows understood or refused.

Enters: endpoints, parameters, a translating function. Stays out: writes, what the values are for.
A list is given whole or not at all: a row that cannot be read must not look like an order or a position that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from adapters.bybit.endpoints import Endpoint
from adapters.bybit.faults import Attempt, Operation
from adapters.bybit.fields import Row, Unreadable, milliseconds, rows, text
from adapters.bybit.session import Session
from runtime.clock import Clock

Value = TypeVar("Value")

_SPAN = timedelta(days=7)  # the longest a history answers for
_MAX_PAGES = 2000  # 100,000 orders, twice those of 10,000 trades; a cursor that never ends is the exchange's mistake


class Reader:
    """Asks through one session; every method raises what reads may raise."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def ask(self, what: str, endpoint: Endpoint, read: Callable[[Row], Value], **params: Any) -> Value:
        """Translate an answer that is one object."""
        attempt = _reading(what)
        return self._understood(attempt, read, self._session.call(attempt, endpoint, params))

    def ask_row(self, what: str, endpoint: Endpoint, read: Callable[[Row], Value], **params: Any) -> Value:
        """Translate the first row of an answer that lists one."""
        attempt = _reading(what)
        found = listed(self._session.call(attempt, endpoint, params))
        if not found:
            self._session.not_understood(attempt, "the answer lists nothing")
        return self._understood(attempt, read, found[0])

    def ask_page(self, what: str, endpoint: Endpoint, **params: Any) -> Sequence[Row]:
        """Give the rows of an answer's first page as they are."""
        return listed(self._session.call(_reading(what), endpoint, params))

    def ask_all(
        self, what: str, endpoint: Endpoint, read: Callable[[Row], Value], params: Mapping[str, Any]
    ) -> list[Value]:
        """Translate the rows of all pages, in the exchange's order."""
        attempt = _reading(what)
        return [self._understood(attempt, read, row) for row in self._pages(attempt, endpoint, params)]

    def ask_since(
        self, what: str, endpoint: Endpoint, read: Callable[[Row], Value], params: Mapping[str, Any], since: datetime
    ) -> list[Value]:
        """Translate the rows of all pages since an instant, span by span."""
        found: list[Value] = []
        for span in self._spans(since):
            found += self.ask_all(what, endpoint, read, {**params, **span})
        return found

    def understood(self, what: str, read: Callable[[Row], Value], row: Row) -> Value:
        """Translate a row that was read before."""
        return self._understood(_reading(what), read, row)

    def _understood(self, attempt: Attempt, read: Callable[[Row], Value], row: Row) -> Value:
        try:
            return read(row)
        except Unreadable as error:
            self._session.not_understood(attempt, str(error))

    def _pages(self, attempt: Attempt, endpoint: Endpoint, params: Mapping[str, Any]) -> Iterator[Row]:
        cursor: str | None = None
        seen: set[str] = set()
        for _page in range(_MAX_PAGES):
            result = self._session.call(attempt, endpoint, {**params, "cursor": cursor})
            page = rows(result, "list")
            for row in page:
                if not isinstance(row, Mapping):
                    self._session.not_understood(attempt, f"a row is {row!r}")
                yield row
            following = text(result, "nextPageCursor")
            if not page or not following or following in seen:
                return
            seen.add(following)
            cursor = _as_signed(following)
        self._session.not_understood(attempt, f"the list did not end within {_MAX_PAGES} pages")

    def _spans(self, since: datetime) -> Iterator[dict[str, int]]:
        """Cut the time from `since` on. The last span has no end: the exchange's clock may be ahead of ours."""
        start = since
        while self._clock.now() - start >= _SPAN:
            yield {"startTime": milliseconds(start), "endTime": milliseconds(start + _SPAN) - 1}
            start += _SPAN
        yield {"startTime": milliseconds(start)}


def listed(result: Row) -> Sequence[Row]:
    """Give the rows of an answer that are objects."""
    return [row for row in rows(result, "list") if isinstance(row, Mapping)]


def _reading(what: str) -> Attempt:
    return Attempt(operation=Operation.READ, what=what)


def _as_signed(cursor: str) -> str:
    """Give the cursor as it goes into the signed query: encoded ones as received, others made safe for a URL."""
    return cursor if "%" in cursor else quote(cursor, safe="=:,-._~")
