"""I15: the journal replays to the same state from any prefix: what is stored folds, fact by fact, to what was watched.

Enters: the facts as the store gives them back (out of their JSON), the states seen as each became durable.
Exempt: knowledge of the moment, which no journal holds (Trade marks those fields).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from actors.model.trade import Trade
from actors.rules.position_life import evolve, opened
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.violation import Violated


def check_replay(held: Held, facts: Sequence[Any]) -> None:
    """I15: every prefix of the journal folds to the state it had when it was the whole."""
    trade_id = held.trade.trade_id
    if len(facts) != len(held.states):
        raise Violated("I15", trade_id, f"{len(held.states)} facts were made durable, {len(facts)} are stored")
    for at, (state, watched) in enumerate(zip(replay(facts), held.states, strict=True)):
        if state != watched:
            raise Violated(
                "I15", trade_id, f"the first {at + 1} facts fold to another trade: {_difference(state, watched)}"
            )


def replay(facts: Sequence[Any]) -> Iterator[Trade]:
    """Give the state after each fact of a journal, the opening first."""
    state: Trade | None = None
    for fact in facts:
        state = opened(fact) if state is None else evolve(state, fact)
        yield state


def _difference(ours: Trade, watched: Trade) -> str:
    names = [name for name in Trade.__dataclass_fields__ if getattr(ours, name) != getattr(watched, name)]
    return ", ".join(names)
