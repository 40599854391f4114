"""What a confirmed button asks of the desk: the question, and the name of the step that takes its answer.

Enters: an action as it was kept, the command's id. Stays out: asking; closing several trades (one question each).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from actors.messages.adopting import AdoptPosition
from actors.messages.guarding import ReleaseLock, SetProtection, SetSafety
from actors.messages.operator import (
    AdoptAction,
    ChangeAction,
    EmergencyAction,
    OpenAction,
    ProtectionAction,
    ReleaseAction,
    SafetyAction,
)
from actors.messages.trading import ChangeTrade, OpenTrade
from actors.model.guarding import SafetyState

Wish: TypeAlias = OpenTrade | SetSafety | SetProtection | ReleaseLock | ChangeTrade | AdoptPosition
OneWish: TypeAlias = (
    OpenAction | SafetyAction | ProtectionAction | EmergencyAction | ReleaseAction | ChangeAction | AdoptAction
)


def wish_of(action: OneWish, *, command_id: str, by: str, asked_at: datetime | None) -> tuple[str, Wish]:
    """Give the step's name and the question. The ids make a repeat harmless."""
    match action:
        case OpenAction(plan=plan):
            return "open", OpenTrade(command_id=command_id, plan=plan, by=by, asked_at=asked_at)
        case AdoptAction(wish=wish):
            return "open", replace(wish, command_id=command_id)
        case ChangeAction(trade_id=trade_id, change=change, seen_price=seen):
            changed = ChangeTrade(command_id=command_id, which=trade_id, change=change, by=by, seen_price=seen)
            return "alter", changed
        case SafetyAction(safety=state, why=why):
            return "change", SetSafety(command_id=command_id, state=state, why=why, by=by)
        case EmergencyAction(account=account, everything=everything):
            why, state = f"emergency on {account}", SafetyState.REDUCE_ONLY
            return "change", SetSafety(
                command_id=command_id, state=state, why=why, by=by, leave=account, everything=everything
            )
        case ProtectionAction(protects=on, why=why):
            return "change", SetProtection(command_id=command_id, on=on, why=why, by=by)
        case ReleaseAction(lock_id=lock_id):
            return "change", ReleaseLock(lock_id=lock_id, by=by)
