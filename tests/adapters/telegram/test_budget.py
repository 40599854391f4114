"""What one chat may be sent, on a clock turned by hand."""

from __future__ import annotations

import pytest

from adapters.telegram.budget import Booked, ChatBudget, Overdrawn

PRIVATE, GROUP = 42, -100_500


def waits(budget: ChatBudget, chat_id: int, count: int, now: float) -> list[float]:
    """Book one message at a time with all the patience in the world."""
    return [budget.book(chat_id, 1, now=now, patience_seconds=1e9).wait_seconds for _ in range(count)]


def test_three_messages_pass_at_once_and_then_one_a_second() -> None:
    assert waits(ChatBudget(), PRIVATE, 6, now=100.0) == [0, 0, 0, 1, 2, 3]


def test_a_group_gets_twenty_a_minute() -> None:
    assert waits(ChatBudget(), GROUP, 5, now=100.0) == pytest.approx([0, 0, 0, 3, 6])


def test_the_bucket_fills_with_time_but_never_above_the_burst() -> None:
    budget = ChatBudget()
    waits(budget, PRIVATE, 3, now=100.0)
    assert waits(budget, PRIVATE, 3, now=102.0) == [0, 0, 1]
    assert waits(budget, PRIVATE, 4, now=1000.0) == [0, 0, 0, 1]


def test_chats_do_not_share_a_bucket() -> None:
    budget = ChatBudget()
    waits(budget, PRIVATE, 9, now=100.0)
    assert waits(budget, PRIVATE + 1, 1, now=100.0) == [0]


def test_beyond_the_patience_nothing_is_booked() -> None:
    budget = ChatBudget()
    waits(budget, PRIVATE, 3, now=100.0)
    for _ in range(3):
        assert budget.book(PRIVATE, 1, now=100.0, patience_seconds=0.5) == Overdrawn(wait_seconds=1.0)
    assert budget.book(PRIVATE, 1, now=101.0, patience_seconds=0.5) == Booked(wait_seconds=0.0)


def test_more_messages_than_the_burst_pass_from_a_full_bucket_and_leave_a_debt() -> None:
    budget = ChatBudget()
    assert budget.book(PRIVATE, 5, now=100.0, patience_seconds=0.0) == Booked(wait_seconds=0.0)
    assert budget.book(PRIVATE, 1, now=100.0, patience_seconds=0.0) == Overdrawn(wait_seconds=3.0)


def test_a_chat_on_hold_waits_as_long_as_telegram_said() -> None:
    budget = ChatBudget()
    budget.hold(PRIVATE, now=100.0, seconds=30.0)
    budget.hold(PRIVATE, now=100.0, seconds=10.0)  # a shorter hold does not end a longer one
    assert budget.book(PRIVATE, 1, now=110.0, patience_seconds=3.0) == Overdrawn(wait_seconds=20.0)
    assert budget.book(PRIVATE, 1, now=130.0, patience_seconds=3.0) == Booked(wait_seconds=0.0)


def test_a_clock_that_stands_still_or_steps_back_gives_nothing_away() -> None:
    budget = ChatBudget()
    waits(budget, PRIVATE, 3, now=100.0)
    assert waits(budget, PRIVATE, 2, now=90.0) == [1, 2]
