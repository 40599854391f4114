"""Sometimes: each fault really meets each state a trade can be in. A pair that never occurs proves nothing.

Worlds are run one after the other until every listed pair has occurred; a list that is not through in `TRIES` worlds
names what is missing. What is not listed is impossible or of no meaning, for the reasons given beside the lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product

import pytest

from adapters.assembly.simulation.cases import draw_case_of
from adapters.assembly.simulation.faults import NAMES
from adapters.assembly.simulation.runner import run_case
from adapters.assembly.simulation.states import (
    CLOSING,
    ENTRY_RESTING,
    LADDER_RESTING,
    NO_TRADE,
    PARTLY_FILLED,
    PROFIT_TAKING,
    REQUEST_IN_FLIGHT,
    STATES,
    STOP_MOVING,
)

TRIES = 30
HOURS, DENSE = 0.5, 16.0
# A partly filled order and a trade that only takes profits are short or quiet: few requests fall upon them.
TRADING = (ENTRY_RESTING, REQUEST_IN_FLIGHT, LADDER_RESTING, STOP_MOVING, CLOSING)


def pairs(names: Iterable[str], states: Iterable[str]) -> set[str]:
    return {f"{name} on {state}" for name, state in product(names, states)}


# A write is there because a trade asked for it; a change of an order can only lose a race while its trade lives.
WRITES = pairs(("write_lost", "write_accepted", "write_late", "write_refused"), TRADING)
RACES = pairs(("race_lost", "race_after_yes"), TRADING)
# Readings and rows are there without any trade, too.
READINGS = pairs(("read_failed", "read_slow", "read_stale"), (NO_TRADE, ENTRY_RESTING, LADDER_RESTING, CLOSING))
ROWS = pairs(("stream_duplicate", "stream_reordered", "stream_lost", "stream_late"), TRADING)
CRASHES = pairs(("crash", "room_raises"), (NO_TRADE, ENTRY_RESTING, REQUEST_IN_FLIGHT, LADDER_RESTING))
# A monitor is there because its trade is.
MONITORS = pairs(("monitor_raises",), (ENTRY_RESTING, REQUEST_IN_FLIGHT, LADDER_RESTING))
# Hands need something to lay themselves on: an order of ours, or a position.
HANDS = (
    pairs(("manual_cancel", "manual_cancel_all", "manual_stop_move", "manual_target_move"), (LADDER_RESTING,))
    | pairs(("manual_trade", "manual_close", "deleveraging", "liquidation"), (LADDER_RESTING,))
    | pairs(("manual_cancel", "manual_cancel_all"), (ENTRY_RESTING,))
)
CHANGES = pairs(("funding", "balance_change", "fee_change", "halt"), (ENTRY_RESTING, LADDER_RESTING)) | pairs(
    ("partial_fill",), (ENTRY_RESTING, LADDER_RESTING)
)
CHATS = pairs(("chat_unclear", "chat_lost", "chat_markup"), (ENTRY_RESTING, LADDER_RESTING, CLOSING))

LISTS = {
    "writes": WRITES,
    "races": RACES,
    "readings": READINGS,
    "rows": ROWS,
    "crashes": CRASHES,
    "monitors": MONITORS,
    "hands": HANDS,
    "changes": CHANGES,
    "chats": CHATS,
}


@pytest.mark.parametrize("listed", LISTS.values(), ids=LISTS)
def test_each_fault_meets_each_state(listed: set[str]) -> None:
    names = tuple(name for name in NAMES if any(pair.startswith(f"{name} on ") for pair in listed))
    met: Counter[str] = Counter()
    for seed in range(1, TRIES + 1):
        outcome = run_case(draw_case_of(seed, names, hours=HOURS, trades_an_hour=DENSE))
        assert outcome.violation is None, f"seed {seed} with {', '.join(names)}: {outcome.violation}"
        met.update(outcome.met)
        if listed <= set(met):
            return
    pytest.fail(f"never met: {', '.join(sorted(listed - set(met)))}")


def test_the_states_are_told_apart() -> None:
    named = {ENTRY_RESTING, PARTLY_FILLED, REQUEST_IN_FLIGHT, LADDER_RESTING, STOP_MOVING, PROFIT_TAKING, CLOSING}
    assert named | {NO_TRADE} == set(STATES)
