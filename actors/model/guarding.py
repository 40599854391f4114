"""What guards an opening: the safety state, locks, and the limits they are measured against.

Enters: values. Stays out: decisions, clocks, the store. Durations are seconds, money is USDT, ratios are fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from actors.model.money import ZERO

EVERY_SYMBOL = "*"


class SafetyState(StrEnum):
    """What the daemon may do at all. Looser is smaller."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce-only"  # unfilled entries are cancelled, nothing new is opened
    HALTED = "halted"  # beside that, nothing leaves but protection and a person's closes

    @property
    def rank(self) -> int:
        """0 lets everything through; higher lets less through."""
        return {"active": 0, "reduce-only": 1, "halted": 2}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """The safety state with who set it, when and why. `since` is None where nobody ever did."""

    state: SafetyState = SafetyState.ACTIVE
    by: str = ""
    why: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Whether what others have ordered is left alone, with who said so, when and why."""

    on: bool = True
    by: str = ""  # empty: the settings
    why: str = ""
    since: datetime | None = None


class LockKind(StrEnum):
    STOPS = "stop_loss_guard"
    DRAWDOWN = "drawdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """New entries are shut out for a while, by a protection."""

    lock_id: str  # "L1", "L2" ...
    kind: LockKind
    account: str
    symbol: str  # or EVERY_SYMBOL
    reason: str  # one sentence with the figures
    set_at: datetime
    until: datetime
    newest_close: datetime  # of the closed trades it rests on
    released_at: datetime | None = None
    released_by: str = ""

    def holds(self, now: datetime) -> bool:
        return self.released_at is None and now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTerms:
    """The limits of the guards. Zero or nothing turns one off."""

    dry_run: bool = False
    external_order_protection: bool = True  # as long as nobody has switched it at run time
    allowed_symbols: frozenset[str] = frozenset()  # empty: all
    cooldown_seconds: float = 300.0  # between two orders on one base currency
    idempotency_seconds: float = 86_400.0  # how long one symbol, side and minute stays used
    most_open_trades: int = 15  # an account
    most_capital_in_use: Decimal = Decimal("0.9")  # of equity
    rapid_orders: int = 5  # within rapid_seconds; one more is too many
    rapid_seconds: float = 300.0
    most_correlated_exposure: Decimal = ZERO  # notional on one side of a group, in times equity
    correlated_groups: tuple[frozenset[str], ...] = ()  # of base currencies; none: all symbols are one group
    daily_loss_limit_usdt: Decimal = ZERO  # realised since midnight UTC
    stop_guard_stops: int = 0  # losing stops within the window that lock new entries
    stop_guard_window_seconds: float = 86_400.0
    stop_guard_lock_seconds: float = 3_600.0
    stop_guard_by_symbol: bool = False  # count and lock each symbol by itself
    drawdown_lock: Decimal = ZERO  # of the equity's peak within the window
    drawdown_window_seconds: float = 172_800.0
    drawdown_lock_seconds: float = 43_200.0
    drawdown_least_trades: int = 1  # closed ones in the window; fewer say nothing

    @property
    def longest_look_back_seconds(self) -> float:
        """How far back any of them looks; a day at least, for the day's loss."""
        return max(
            86_400.0,
            self.cooldown_seconds,
            self.idempotency_seconds,
            self.rapid_seconds,
            self.stop_guard_window_seconds if self.stop_guard_stops else 0.0,
            self.drawdown_window_seconds if self.drawdown_lock else 0.0,
        )


NO_GUARDS = GuardTerms(
    cooldown_seconds=0.0,
    idempotency_seconds=0.0,
    most_open_trades=0,
    most_capital_in_use=ZERO,
    rapid_orders=0,
)
