"""A refusal: one thing wrong with what a person asked, and what to write instead.

Every rule at the door gives all it finds, so that a person corrects once. Enters: words. Stays out: errors, exit codes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One wrong value."""

    field: str  # "symbol", "side", "account", "entries", "targets", "stop", "margin", "leverage", "approach", "order"
    value: str  # as it was given
    limit: str  # what it offends
    text: str  # one sentence: the value, the limit, what to write instead
