"""Readings: each account's orders are read again within the slow beat, for as long as nothing goes wrong.

Whatever the stream loses is found by the next reading, and only by that: a daemon that has stopped reading looks well
until the day it matters. Exempt: the while from a fault (of any kind) until its traces are over, and the first beat.

Enters: which paths were answered, when. Stays out: what the answers said.
"""

from __future__ import annotations

from collections.abc import Iterable

from actors.rules.reconcile_pace import DEFAULT_PACE
from adapters.assembly.simulation.invariants.violation import Violated

PATH = "/v5/order/realtime"
# A beat begins when the reading before it has ended, and both take their pages' time.
SLACK_SECONDS = 20.0


class Readings:
    """When each account was last read."""

    def __init__(self, accounts: Iterable[str]) -> None:
        self._read_at = dict.fromkeys(accounts, 0.0)

    def answered(self, account: str, path: str, now: float) -> None:
        """Note an answer of the exchange's to a reading (monotonic seconds)."""
        if path == PATH and account in self._read_at:
            self._read_at[account] = now

    def check(self, now: float, *, well_since: float) -> None:
        """Judge, where nothing has gone wrong and the run has been up since `well_since`.

        Raises:
            Violated: an account was not read for too long.

        """
        for account, read_at in self._read_at.items():
            silent = now - max(read_at, well_since)
            if silent > DEFAULT_PACE.steady_seconds + SLACK_SECONDS:
                raise Violated("I7", account, f"its orders were not read for {silent:.1f} s, and nothing kept it")
