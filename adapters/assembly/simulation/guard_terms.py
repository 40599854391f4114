"""Guard terms: the limits a simulated desk may have, by name. Most worlds have loose ones.

Enters: nothing. Stays out: which world has which (scenario), what they do (rules.guards), judging (invariants.guards).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from actors.model.guarding import NO_GUARDS, GuardTerms

_LOOSE = GuardTerms(
    cooldown_seconds=5.0,
    idempotency_seconds=86_400.0,
    most_open_trades=15,
    most_capital_in_use=Decimal("0.95"),
    rapid_orders=20,
    rapid_seconds=300.0,
)
GUARD_TERMS: dict[str, GuardTerms] = {
    "": NO_GUARDS,
    "loose": _LOOSE,
    "times": replace(_LOOSE, cooldown_seconds=240.0, rapid_orders=2, rapid_seconds=300.0),
    "counts": replace(_LOOSE, most_open_trades=2, most_capital_in_use=Decimal("0.25")),
    "protections": replace(
        _LOOSE,
        stop_guard_stops=1,
        stop_guard_window_seconds=1_200.0,
        stop_guard_lock_seconds=400.0,
        stop_guard_by_symbol=True,
        drawdown_lock=Decimal("0.02"),
        drawdown_window_seconds=3_600.0,
        drawdown_lock_seconds=600.0,
        daily_loss_limit_usdt=Decimal(400),
    ),
    "dry": replace(_LOOSE, dry_run=True),
}
