"""Account reading: which calls answer a question, how often each is tried, and how the values are put together.

Enters: questions, the answers of single calls. Stays out: who asked, lanes, clocks (instants are monotonic seconds).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from actors.messages.accounts import AccountSnapshot, EnsureLeverage, ExecutionsQuestion, SnapshotQuestion
from actors.messages.lanes import AnswerKind, ExecutionsReading, LaneAnswer, OpenOrdersReading, PositionsReading
from actors.model.changing import replace

# A leverage whose answer was lost is set again: it is absolute.
_TRIED_AGAIN = {AnswerKind.UNREACHABLE, AnswerKind.UNKNOWN, AnswerKind.THROTTLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A question on its way to its answer, call by call."""

    question: Any
    calls: tuple[Any, ...]  # still to be made, the first one next
    values: tuple[Any, ...] = ()  # of the calls made
    started_at: datetime | None = None  # when the first call left
    ready_at: float = 0.0
    failures: int = 0  # of the present call, in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The question has its answer."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """The question cannot be answered now."""

    text: str


Progress: TypeAlias = Reading | Read | Unreadable


def begin(question: Any) -> Reading:
    """Give the calls that answer a question.

    A snapshot reads the executions last: an order that vanished from the open ones has its fills among them.
    """
    if isinstance(question, SnapshotQuestion):
        state = (OpenOrdersReading(), PositionsReading())
        since = question.executions_since
        return Reading(question=question, calls=state if since is None else (*state, ExecutionsReading(since=since)))
    if isinstance(question, ExecutionsQuestion):
        return Reading(question=question, calls=(ExecutionsReading(since=question.since),))
    return Reading(question=question, calls=(question,))


def proceed(
    reading: Reading,
    answer: LaneAnswer,
    *,
    account: str,
    at: float,
    now: datetime,
    attempts: int,
    pause: Callable[[int], float],
) -> Progress:
    """Take the answer of the present call in.

    Args:
        reading: the question as it stood when the call was made.
        answer: how the call ended.
        account: whose.
        at: monotonic now.
        now: wall now.
        attempts: how often one call is made before the question is given up.
        pause: failures in a row to seconds.

    Returns:
        The answer, the reason there is none, or the reading to go on with.

    """
    if answer.kind is AnswerKind.DONE:
        further = replace(reading, calls=reading.calls[1:], values=(*reading.values, answer.value), failures=0)
        return further if further.calls else Read(value=_whole(further, account, now))
    failures = reading.failures + 1
    if answer.kind not in _TRIED_AGAIN or failures >= attempts:
        return Unreadable(text=answer.text)
    wait = 0.0 if answer.until is None else (answer.until - now).total_seconds()
    return replace(reading, failures=failures, ready_at=at + max(wait, pause(failures)))


def _whole(reading: Reading, account: str, now: datetime) -> Any:
    """Put the values of all calls together."""
    values: Sequence[Any] = reading.values
    if isinstance(reading.question, SnapshotQuestion):
        orders, positions, *executions = values
        return AccountSnapshot(
            account=account,
            started_at=reading.started_at or now,
            finished_at=now,
            orders=orders,
            positions=positions,
            executions=executions[0] if executions else (),
        )
    return True if isinstance(reading.question, EnsureLeverage) else values[0]
