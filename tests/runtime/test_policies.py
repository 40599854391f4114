"""The pure policies: restarts, retries, the breaker, dead letters, poison, clocks. Tables and generated cases."""

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.circuit_breaker import BreakerState, CircuitBreaker
from runtime.clock import SystemClock, VirtualClock
from runtime.dead_letters import DeadLetters
from runtime.poison import PoisonBook, fingerprint
from runtime.restart_policy import (
    NO_FAILURES,
    Backoff,
    Exhausted,
    FailureHistory,
    Intensity,
    RestartAfter,
    on_failure,
)
from runtime.retry import ErrorClass, RetryAfter, RetryPolicy, StopRetrying
from runtime.timers import TimerHeap

AT = datetime(2025, 1, 1, tzinfo=UTC)


# -- restarts


@pytest.mark.parametrize(
    ("consecutive", "delay"), [(0, 0.0), (1, 0.2), (2, 0.4), (3, 0.8), (8, 25.6), (9, 30.0), (500, 30.0)]
)
def test_the_delay_doubles_up_to_its_cap(consecutive: int, delay: float) -> None:
    assert Backoff(jitter=0.0).delay_seconds(consecutive, 0.5) == pytest.approx(delay)


@given(consecutive=st.integers(0, 10_000), uniform=st.floats(0, 1, exclude_max=True))
def test_jitter_only_adds_and_never_more_than_a_fifth(consecutive: int, uniform: float) -> None:
    plain = Backoff(jitter=0.0).delay_seconds(consecutive, uniform)
    assert plain <= Backoff().delay_seconds(consecutive, uniform) <= plain * 1.2


def judge(instants: list[float], intensity: Intensity) -> list[object]:
    history, verdicts = NO_FAILURES, []
    for at in instants:
        history, verdict = on_failure(history, at=at, intensity=intensity, backoff=Backoff(jitter=0.0), uniform=0.0)
        verdicts.append(verdict)
    return verdicts


def test_one_failure_over_the_budget_exhausts_it() -> None:
    verdicts = judge([0, 1, 2], Intensity(max_restarts=2, within_seconds=60))
    assert [type(verdict) for verdict in verdicts] == [RestartAfter, RestartAfter, Exhausted]


def test_the_window_slides() -> None:
    verdicts = judge([0, 50, 61, 112, 123], Intensity(max_restarts=2, within_seconds=60))
    assert all(isinstance(verdict, RestartAfter) for verdict in verdicts)


@given(gaps=st.lists(st.floats(0, 100), max_size=40), limit=st.integers(0, 6), window=st.floats(1, 200))
def test_never_more_restarts_in_a_window_than_the_budget(gaps: list[float], limit: int, window: float) -> None:
    instants = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    verdicts = judge(instants, Intensity(max_restarts=limit, within_seconds=window))
    for verdict, at in zip(verdicts, instants, strict=True):
        failures = sum(1 for other in instants if other <= at and at - other < window)
        same_instant_later = sum(1 for other in instants if other == at)
        if isinstance(verdict, Exhausted):
            assert failures > limit
        else:
            assert failures - same_instant_later < limit


@pytest.mark.parametrize(("healthy_seconds", "consecutive"), [(59.9, 2), (60.1, 1)])
def test_a_minute_of_health_lets_the_backoff_begin_anew(healthy_seconds: float, consecutive: int) -> None:
    intensity, backoff = Intensity(), Backoff(jitter=0.0)
    history, _ = on_failure(NO_FAILURES, at=100.0, intensity=intensity, backoff=backoff, uniform=0)
    history, _ = on_failure(history, at=100.0 + healthy_seconds, intensity=intensity, backoff=backoff, uniform=0)
    assert history.consecutive == consecutive


def test_a_long_delay_asks_for_ten_times_as_much_health() -> None:
    history = FailureHistory(recent=(0.0,), consecutive=9, last_failure_at=0.0, last_delay_seconds=30.0)
    for at, consecutive in ((329.0, 10), (331.0, 1)):
        after, _ = on_failure(history, at=at, intensity=Intensity(), backoff=Backoff(), uniform=0)
        assert after.consecutive == consecutive


@pytest.mark.parametrize("wrong", [{"max_restarts": -1}, {"within_seconds": 0}])
def test_an_impossible_budget_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="intensity needs"):
        Intensity(**wrong)


# -- retries


@pytest.mark.parametrize(
    ("attempt", "error", "reason"),
    [
        (1, ErrorClass.FINAL, "final_error"),
        (1, ErrorClass.UNKNOWN, "outcome_unknown"),
        (5, ErrorClass.REPEATABLE, "attempts_used"),
        (5, ErrorClass.THROTTLED, "attempts_used"),
    ],
)
def test_what_may_not_be_repeated_stops(attempt: int, error: ErrorClass, reason: str) -> None:
    assert RetryPolicy().after(attempt, error, Random(1)) == StopRetrying(reason=reason)


def test_repeatable_errors_are_retried_more_and_more_patiently() -> None:
    policy = RetryPolicy(jitter=0.0)
    delays = [policy.after(attempt, ErrorClass.REPEATABLE, Random(1)) for attempt in (1, 2, 3, 4)]
    assert delays == [RetryAfter(delay_seconds=seconds) for seconds in (0.2, 0.4, 0.8, 1.6)]


@given(wait=st.floats(0, 1000), attempt=st.integers(1, 4), seed=st.integers(0, 100))
def test_a_throttled_attempt_never_comes_before_the_time_it_was_given(wait: float, attempt: int, seed: int) -> None:
    verdict = RetryPolicy().after(attempt, ErrorClass.THROTTLED, Random(seed), retry_after_seconds=wait)
    assert isinstance(verdict, RetryAfter)
    assert verdict.delay_seconds >= wait


# -- the breaker


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through() -> None:
    breaker = CircuitBreaker(failure_threshold=3, open_seconds=60)
    for at in (0.0, 1.0, 2.0):
        assert breaker.try_call(at=at)[1]
        breaker = breaker.failed(at=at)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.try_call(at=61.9)[1]
    assert breaker.retry_after_seconds(at=52.0) == pytest.approx(10.0)
    breaker, allowed = breaker.try_call(at=62.0)
    assert allowed
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.try_call(at=62.1)[1]
    assert breaker.succeeded().state is BreakerState.CLOSED


def test_a_failed_probe_opens_the_breaker_for_another_pause() -> None:
    breaker = CircuitBreaker(failure_threshold=1).failed(at=0.0)
    breaker, _ = breaker.try_call(at=60.0)
    breaker = breaker.failed(at=61.0)
    assert not breaker.try_call(at=120.9)[1]
    assert breaker.try_call(at=121.0)[1]


def test_a_probe_that_never_reports_does_not_hold_the_door_shut_for_ever() -> None:
    breaker = CircuitBreaker(failure_threshold=1).failed(at=0.0)
    breaker, _ = breaker.try_call(at=60.0)
    assert breaker.try_call(at=120.0)[1]


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = CircuitBreaker(failure_threshold=2).failed(at=0).succeeded().failed(at=1)
    assert breaker.state is BreakerState.CLOSED


@given(outcomes=st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=60))
def test_an_open_breaker_lets_at_most_one_call_through_in_a_pause(outcomes: list[tuple[bool, float]]) -> None:
    breaker, now, last_open_call = CircuitBreaker(failure_threshold=2, open_seconds=60), 0.0, None
    for works, gap in outcomes:
        now += gap
        was = breaker.state
        breaker, allowed = breaker.try_call(at=now)
        if not allowed:
            continue
        if was is not BreakerState.CLOSED:
            assert last_open_call is None or now - last_open_call >= 60
            last_open_call = now
        breaker = breaker.succeeded() if works else breaker.failed(at=now)
        if breaker.state is BreakerState.CLOSED:
            last_open_call = None


# -- dead letters


def record(letters: DeadLetters, message: object, *, path: str = "a", reason: str = "unhandled") -> object:
    return letters.record(path=path, message=message, reason=reason, sender=None, trace_id="t", at=AT)


def test_dead_letters_are_bounded_counted_and_one_flood_leaves_room_for_others() -> None:
    letters = DeadLetters(kept=50, kept_of_a_kind=10)
    record(letters, "rare", path="quiet")
    for number in range(1000):
        record(letters, number)
    assert letters.count() == letters.total == 1001
    assert letters.count(path="a") == 1000
    assert [letter.message for letter in letters.letters()] == ["rare", *range(10)]


def test_the_oldest_letter_is_forgotten_first() -> None:
    letters = DeadLetters(kept=3)
    for number in range(5):
        record(letters, number)
    assert [letter.message for letter in letters.letters()] == [2, 3, 4]


def test_a_taken_letter_makes_room_for_its_kind() -> None:
    letters = DeadLetters(kept_of_a_kind=1)
    record(letters, 1)
    assert record(letters, 2) is None
    letters.take(1)
    assert record(letters, 3) is not None
    assert letters.take(99) is None


# -- poison


def test_equal_messages_have_equal_fingerprints_and_others_do_not() -> None:
    assert fingerprint((1, "a")) == fingerprint((1, "a"))
    assert len({fingerprint(message) for message in (1, "1", 1.0, True, (1,), b"1")}) == 6


def test_a_message_that_cannot_be_shown_is_known_by_its_type() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    assert fingerprint(Shy()) == fingerprint(Shy())


def test_the_poison_book_is_bounded() -> None:
    book = PoisonBook()
    book.crashed_over("old", at=0.0)
    for number in range(500):
        book.crashed_over(number, at=0.0)
    assert book.crashed_over("old", at=0.0) == 1


# -- clocks and timers


def test_the_system_clock_is_aware_and_its_monotonic_reading_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


def test_a_virtual_clock_refuses_to_go_back() -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)
    clock.advance(5)
    clock.advance_to(3)
    assert clock.monotonic() == 5


@given(delays=st.lists(st.floats(0, 100), max_size=50), cancelled=st.sets(st.integers(0, 49)))
def test_timers_fire_by_due_time_equal_ones_in_order_and_cancelled_ones_never(
    delays: list[float], cancelled: set[int]
) -> None:
    heap, fired = TimerHeap(), []
    timers = [heap.add(delay, lambda place=place: fired.append(place)) for place, delay in enumerate(delays)]
    for place in cancelled:
        if place < len(timers):
            timers[place].cancel()
    while (timer := heap.pop_due(1e9)) is not None:
        timer.fire()
    living = [place for place in range(len(delays)) if place not in cancelled]
    assert fired == sorted(living, key=lambda place: (delays[place], place))


def test_cancelled_timers_do_not_pile_up() -> None:
    heap = TimerHeap()
    for number in range(5000):
        heap.add(float(number), lambda: None).cancel()
    assert len(heap._heap) <= 1025
