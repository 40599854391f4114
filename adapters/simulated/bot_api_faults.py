"""Misbehaviour of the local Bot API, scripted in advance: refusals, broken answers, answers that never come.

Enters: what to break and how often. Leaves: the next fault for a method. Stays out: sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

FaultKind: TypeAlias = Literal[
    "refuse",  # a refusal in Telegram's shape: code, description, retry_after
    "page",  # an answer that is no JSON, as a gateway gives: code
    "odd_json",  # 200 and JSON without a result
    "timeout_before",  # never answered, nothing done
    "timeout_after_accept",  # done, never answered
    "drop_before",  # the connection breaks, nothing done
    "drop_after_accept",  # done, then the connection breaks
]
FAULT_KINDS: frozenset[FaultKind] = frozenset(get_args(FaultKind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Let `after` calls of a method pass ("*" for any), then break `times` of them."""

    method: str
    kind: FaultKind
    times: int = 1
    after: int = 0
    code: int = 500
    description: str = "Internal Server Error"
    retry_after_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"unknown fault kind {self.kind!r}; one of {', '.join(sorted(FAULT_KINDS))}")


class FaultScript:
    """Faults in the order they were added; each serves its own method until it is used up."""

    def __init__(self) -> None:
        self._faults: list[_Waiting] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(_Waiting(fault=fault, passes_left=fault.after, times_left=fault.times))

    def clear(self) -> None:
        self._faults.clear()

    def next_for(self, method: str) -> Fault | None:
        """Use up one fault for this method, None when it may behave."""
        for waiting in self._faults:
            if waiting.fault.method.lower() not in ("*", method.lower()):
                continue
            if waiting.passes_left:
                waiting.passes_left -= 1
                return None
            waiting.times_left -= 1
            if waiting.times_left <= 0:
                self._faults.remove(waiting)
            return waiting.fault
        return None


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    passes_left: int
    times_left: int
