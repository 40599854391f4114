"""I19, an emergency: every trade that its account had leaves, and nothing of ours is left there; nothing is opened.

Which trades is taken from what was durable when the emergency became so, not from what the desk told. That nothing is
opened until the state is active again is judged with every opening (guards). Exempt: what a fault may have delayed, for
as long as that fault states: a monitor that is set aside, a symbol that stands still.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from actors.messages.guarding import SafetyChanged
from actors.model.trade import Phase
from adapters.assembly.simulation.invariants.held import Held

OF_ACCOUNT = "emergency on "  # and the account: why the state was set
_OVER = frozenset({Phase.CLOSING, Phase.CLOSED})


def note_emergency(facts: Iterable[Any], trades: Iterable[Held]) -> None:
    """Note which trades are to leave."""
    for fact in facts:
        if not isinstance(fact, SafetyChanged) or not fact.why.startswith(OF_ACCOUNT):
            continue
        for held in trades:
            same = held.trade.plan.account == fact.why.removeprefix(OF_ACCOUNT)
            held.is_to_leave = held.is_to_leave or (same and held.trade.phase is not Phase.CLOSED)


def unheard(held: Held) -> bool:
    """Whether a trade that is to leave has not begun to."""
    return held.is_to_leave and held.trade.phase not in _OVER


def left_behind(held: Held) -> bool:
    """Whether something of it is still there."""
    if not held.is_to_leave:
        return False
    return held.open_quantity >= held.trade.instrument.min_quantity or any(order.is_open for order in held.orders)
