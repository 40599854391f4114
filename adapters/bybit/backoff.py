"""Backoff: how long to wait before the next connection.

Enters: how many attempts failed in a row, a source of randomness. Stays out: waiting, counting.
Bybit allows 500 new connections in five minutes to an address; this asks for a handful.
"""

from __future__ import annotations

from random import Random

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 5.0  # a stream that is away costs more than sixty attempts in five minutes


def wait_seconds(
    failures: int, random: Random, *, first_seconds: float = FIRST_SECONDS, longest_seconds: float = LONGEST_SECONDS
) -> float:
    """Give the wait after `failures` (1 or more) attempts in a row that did not last.

    It doubles from `first_seconds` to `longest_seconds`, and half of it is left to chance, so that many clients that
    lost the same exchange do not come back together.
    """
    doublings = min(failures - 1, 30)  # far past the longest; keeps the power small
    whole = min(longest_seconds, first_seconds * 2.0**doublings)
    return whole * (0.5 + random.random() / 2)
