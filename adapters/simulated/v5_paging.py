"""Paging: a page of rows and the cursor that leads to the next.

Enters: records with a number to sort by. Stays out: what the rows look like.
A cursor names the last row of its page, so rows that appear meanwhile shift nothing. As Bybit's, it comes already
percent-encoded, and is understood both as it came and encoded once more.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from adapters.simulated.refusals import bad_parameter

Item = TypeVar("Item")


def page(items: Sequence[Item], number: Callable[[Item], int], cursor: str, limit: int) -> tuple[list[Item], str]:
    """(up to ``limit`` items after ``cursor``, the next cursor or "").

    ``items`` are in descending order of ``number``.

    Raises:
        Refusal: 10001, the cursor is not one of ours.

    """
    after = position(cursor)
    rest = [item for item in items if after is None or number(item) < after]
    shown = rest[:limit]
    more = len(rest) > limit
    return shown, _write(number(shown[-1])) if more else ""


def _write(number: int) -> str:
    return quote(f"row:{number},{number}", safe="")


def position(cursor: str) -> int | None:
    """The number of the last item shown, None before the first.

    Raises:
        Refusal: 10001, the cursor is not one of ours.

    """
    if not cursor:
        return None
    plain = unquote(unquote(cursor))
    head, _, number = plain.partition(",")
    if head != f"row:{number}" or not number.lstrip("-").isdigit():
        raise bad_parameter("params error: cursor invalid")
    return int(number)


def listed(rows: list[dict[str, Any]], cursor: str) -> dict[str, Any]:
    """The result object of a paged endpoint."""
    return {"category": "linear", "list": rows, "nextPageCursor": cursor}
