"""Faults: what goes wrong in one simulated world, how often, and until when its traces excuse lateness.

Enters: a seed. Stays out: carrying faults out (exchange line, chat, world). A seed switches on a random subset of the
faults with random rates, so that some worlds are quiet and some suffer from one thing only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

# Chance of each, for one request, message, alert or handler; the range is drawn from anew for every world.
RATES: dict[str, tuple[float, float]] = {
    # F1: a write that gets no clear answer
    "write_lost": (0.01, 0.15),  # time-out, and it never arrived
    "write_accepted": (0.01, 0.15),  # time-out or reset, though it was accepted
    "write_late": (0.01, 0.15),  # reset at once, and it arrives up to the receive window later
    # F5: the order fills while the request is on its way, or after the exchange has said yes to it
    "race_lost": (0.02, 0.2),
    "race_after_yes": (0.02, 0.2),
    # F2: an answer that is an error
    "write_refused": (0.01, 0.15),
    "read_failed": (0.01, 0.15),
    # F4: a reading that is older than what the stream has told already
    "read_slow": (0.01, 0.2),
    "read_stale": (0.01, 0.2),
    # F3: the private stream
    "stream_duplicate": (0.01, 0.2),
    "stream_late": (0.005, 0.05),
    "stream_reordered": (0.01, 0.2),
    "stream_lost": (0.005, 0.08),
    # F10: the chat
    "chat_unclear": (0.01, 0.1),
    "chat_lost": (0.01, 0.1),
    "chat_throttled": (0.01, 0.05),
    "chat_markup": (0.01, 0.1),
    "chat_too_long": (0.002, 0.02),
    "update_again": (0.01, 0.2),
    # F11, F14: handlers that take their time
    "store_slow": (0.005, 0.05),
    "fsync_slow": (0.001, 0.005),
    # F13: handlers that raise
    "monitor_raises": (0.002, 0.03),
    "room_raises": (0.0002, 0.001),
    "monitor_raises_late": (0.002, 0.03),  # once it has done its work: nothing of it may leave
    "room_raises_late": (0.0005, 0.003),
    # F18: funding falls due just when a stop has been moved
    "funding_swing": (0.2, 0.9),
    # F1: a person's looser stop waits, and the backstop cannot be moved for a while
    "backstop_stuck": (0.2, 0.8),
    # F16: an actor's on_start or on_stop raises, over a port that cannot be opened or closed
    "port_breaks": (0.02, 0.2),
}
# How many in an hour.
COUNTS: dict[str, tuple[int, int]] = {
    "stream_drop": (1, 12),
    "stream_half_open": (1, 4),
    "stream_storm": (1, 3),
    "chat_outage": (1, 3),
    "chat_shuffled": (1, 2),
    "chat_blocked": (1, 1),
    "chat_long_outage": (1, 1),
    "crash": (1, 10),
    "crash_at_request": (2, 12),
    "crash_at_command": (2, 12),  # between a person's word or press and what comes of it
    "crash_at_promise": (2, 12),  # between the first trade of an order and the others, main's change and the mirror's
    "thin_market": (1, 1),
    # F11
    "disk_full": (1, 4),
    "disk_io_error": (1, 3),
    "disk_read_only": (1, 3),
    "disk_sync_fails": (1, 3),
    # F12
    "bit_flip": (1, 2),
    "torn_page": (1, 2),
    "wal_truncated": (1, 2),
    "wal_deleted": (1, 2),
    "file_missing": (1, 2),
    # F5
    "partial_fill": (2, 12),
    # F6: hands in the app, other programs, the exchange itself
    "manual_cancel": (1, 4),
    "manual_cancel_all": (1, 2),
    "manual_stop_move": (1, 3),
    "manual_target_move": (1, 3),
    "manual_trade": (1, 3),
    "manual_close": (1, 2),
    "foreign_order": (1, 3),
    "lookalike_order": (1, 2),
    "stray_order": (1, 2),
    "liquidation": (1, 2),
    "deleveraging": (1, 3),
    "mirror_away": (1, 4),
    # F18
    "funding": (1, 12),
    "balance_change": (1, 3),
    "fee_change": (1, 2),
    "leverage_cap": (1, 1),
    "least_value_change": (1, 1),
    "halt": (1, 3),
    # F8: signals to the process
    "terminate": (1, 4),
    "freeze": (1, 4),
    "take_over": (1, 2),
    # F19: the lock, and a second daemon
    "lock_lost": (1, 2),
    "second_start": (1, 3),
    # F9: clocks, the host's and the exchange's
    "clock_jump": (1, 4),
    "clock_stands": (1, 3),
    "clock_missed": (1, 3),
    "clock_drifts": (1, 1),
    "clock_wrong": (1, 1),
    # F13: a message that crashes whoever handles it
    "poison": (1, 3),
    # F14: handlers that take long, hang, or would wait for one another
    "stall": (1, 4),
    "hang_room": (1, 2),
    "hang_store": (1, 1),
    "hang_monitor": (1, 4),
    "hang_lane": (1, 4),
    "ask_in_handler": (1, 3),
    # F15: more at once than anybody needs
    "flood_prices": (1, 1),
    "flood_reports": (1, 3),
}
NAMES = (*RATES, *COUNTS)
SOME_ORDER = "/orders"  # behind a trade or symbol: what an order of it may have delayed


def _no_states(_about: str) -> tuple[str, ...]:
    return ()


@dataclass(slots=True)
class Faults:
    """The switched-on faults of one world, and a record of those that happened."""

    rates: dict[str, float]
    counts: dict[str, int]
    dice: dict[str, Random]  # by name, each its own: leaving one out changes nothing about the others
    happened: Counter[str] = field(default_factory=Counter)
    ended: bool = False  # the world is coming to rest: nothing goes wrong any more
    last_at: float = 0.0  # monotonic seconds
    times: dict[str, tuple[float, ...]] = field(default_factory=dict)  # of strewn faults; what is not given is drawn
    met: Counter[str] = field(default_factory=Counter)  # "fault on state of the trade it fell upon", how often
    states_of: Callable[[str], Iterable[str]] = _no_states  # of what a fault is about: a trade, a symbol, "" for all
    # By order, trade, symbol, account, "" for all, or some order of a trade or symbol: lateness until then.
    excuses: dict[str, float] = field(default_factory=dict)

    def strikes(self, name: str) -> bool:
        """Draw whether this fault happens now. What is switched off draws nothing."""
        rate = self.rates.get(name)
        return rate is not None and not self.ended and self.dice[name].random() < rate

    def note(self, name: str, at: float, *, about: str = "", excuses_seconds: float = 0.0, order: str = "") -> None:
        """Record that a fault happens until `at`; protection of what it is about may be late for so long after.

        `about`: a trade, a symbol, an account, or "" for all. `order`: it concerns this one alone, so that it delays
        what waits for that order, and nothing else.
        """
        self.happened[name] += 1
        for state in self.states_of(about):
            self.met[f"{name} on {state}"] += 1
        self.last_at = max(self.last_at, at)
        if excuses_seconds:
            for each in (order, f"{about}{SOME_ORDER}") if order else (about,):
                self.excuses[each] = max(self.excuses.get(each, 0.0), at + excuses_seconds)

    def prolong(self, name: str, at: float, seconds: float) -> None:
        """Record a fault that delays nothing by itself, but prolongs what another one has begun."""
        self.note(name, at)
        for about, until in self.excuses.items():
            if until > at:
                self.excuses[about] = max(until, at + seconds)

    def excused_until(self, *about: str) -> float:
        """Give until when lateness of these is excused."""
        return max(self.excuses.get(each, 0.0) for each in ("", *about))

    @property
    def traces_until(self) -> float:
        """Until when anything at all is excused."""
        return max(self.excuses.values(), default=0.0)


def draw_faults(seed: int, *, without: Iterable[str] = ()) -> Faults:
    """Draw a world's faults. `without` leaves some out and changes nothing about the others, nor does a new name."""
    share = _dice(seed, "share").choice((0.0, 0.15, 0.3, 0.5, 0.8))
    left_out = set(without)
    rates, counts = {}, {}
    for name in NAMES:
        dice = _dice(seed, name)
        if dice.random() >= share or name in left_out:
            continue
        if name in RATES:
            rates[name] = dice.uniform(*RATES[name])
        else:
            counts[name] = dice.randint(*COUNTS[name])
    return given_faults(seed, rates, counts)


def given_faults(
    seed: int,
    rates: Mapping[str, float],
    counts: Mapping[str, int],
    times: Mapping[str, tuple[float, ...]] | None = None,
) -> Faults:
    """Make these faults ready to strike; `times`: of strewn ones, drawn where they are not given."""
    dice = {name: _dice(seed, f"{name}/strikes") for name in rates}
    return Faults(rates=dict(rates), counts=dict(counts), dice=dice, times=dict(times or {}))


def _dice(seed: int, name: str) -> Random:
    return Random(f"{seed}/faults/{name}")  # noqa: S311 - repeatable chance is the point
