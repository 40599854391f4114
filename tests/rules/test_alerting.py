"""Which alert is told first, what is the same news, what waits in the store: for any queue whatever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages.alert_records import ToldAlert
from actors.model.alert import Alert, Severity
from actors.rules.alert_queue import AlertQueue, Taken
from actors.rules.alerting import AlertingPolicy, Waiting, is_duplicate, keep_in_memory, next_group, urgency, wording

T0 = datetime(2025, 1, 1, tzinfo=UTC)
POLICY = AlertingPolicy()


def waiting(
    name: str, severity: Severity = Severity.INFO, *, subject: str = "", raised: float = 0.0, taken: float = 0.0,
    key: str | None = None, maybe_sent: bool = False, kind: str = "k",
) -> Waiting:  # fmt: skip
    alert = Alert(kind=kind, severity=severity, key=key or name, title=name, subject=subject)
    return Waiting(
        effect_key=name,
        alert=alert,
        chat_id=1,
        raised_at=T0 + timedelta(seconds=raised),
        taken_at=taken,
        maybe_sent=maybe_sent,
    )


queues = st.lists(
    st.tuples(st.sampled_from(Severity), st.sampled_from(["", "a", "b", "c"])), min_size=1, max_size=60
).map(lambda rows: [waiting(f"{n:02}", severity, subject=subject) for n, (severity, subject) in enumerate(rows)])


@given(queues)
def test_telling_one_by_one_tells_all_and_keeps_each_subjects_order(queue: list[Waiting]) -> None:
    left, told = list(queue), []
    while left:
        group = next_group(left, at=0.0, policy=AlertingPolicy(digest_above=5))
        assert len(group) == 1 or len(group) > 5
        assert len(group) == 1 or all(each.quiet for each in group)
        told += group
        left = [each for each in left if each not in group]
    assert sorted(each.effect_key for each in told) == [each.effect_key for each in queue]
    for subject in ("a", "b", "c"):
        mine = [each.effect_key for each in told if each.alert.subject == subject]
        assert mine == sorted(mine)


@given(queues)
def test_a_critical_alert_is_preceded_by_its_own_elders_alone(queue: list[Waiting]) -> None:
    left = list(queue)
    while any(each.severity is Severity.CRITICAL for each in left):
        (first, *_) = group = next_group(left, at=1e6, policy=POLICY)
        elders = {each.alert.subject for each in left if each.severity is Severity.CRITICAL and each.alert.subject}
        assert first.severity is Severity.CRITICAL or any(each.alert.subject in elders for each in group)
        left = [each for each in left if each not in group]


@given(queues, st.integers(1, 30))
def test_what_leaves_memory_is_never_critical_and_always_a_subjects_newest_end(
    queue: list[Waiting], bound: int
) -> None:
    stays, goes = keep_in_memory(queue, bound)
    assert sorted((*stays, *goes), key=lambda each: each.effect_key) == queue
    assert all(each.severity is not Severity.CRITICAL for each in goes)
    assert len(stays) >= min(bound, len(queue))
    for kept in stays:
        for gone in goes:
            same = kept.alert.subject and kept.alert.subject == gone.alert.subject
            assert not same or kept.effect_key < gone.effect_key


@given(queues, st.integers(1, 10))
def test_a_bounded_queue_over_a_store_loses_nothing_and_keeps_order(queue: list[Waiting], bound: int) -> None:
    outbox: dict[str, Waiting] = {}
    memory = AlertQueue(AlertingPolicy(bound=bound, digest_above=1_000))
    told: list[str] = []
    for each in queue:
        outbox[each.effect_key] = each
        memory.take(each)
    while outbox:
        if memory.wants_reload:
            memory.reload(tuple(outbox.values()))
        (first,) = memory.next_for(1, at=0.0)
        told.append(first.effect_key)
        memory.settle(first.effect_key)
        del outbox[first.effect_key]
    assert sorted(told) == [each.effect_key for each in queue]
    for subject in ("a", "b", "c"):
        mine = [key for key in told if queue[int(key)].alert.subject == subject]
        assert mine == sorted(mine)


@pytest.mark.parametrize(
    ("seconds", "severity", "duplicate"),
    [
        (299, Severity.WARNING, True),
        (300, Severity.WARNING, False),
        (-299, Severity.WARNING, True),
        (10, Severity.CRITICAL, False),
        (10, Severity.INFO, True),
    ],
)
def test_the_same_key_is_the_same_news_within_300_s_unless_graver(
    seconds: float, severity: Severity, duplicate: bool
) -> None:
    told = ToldAlert(chat_id=None, key="k", effect_key="one", severity=Severity.WARNING, raised_at=T0)
    assert is_duplicate(told, waiting("two", severity, raised=seconds), POLICY) is duplicate


@pytest.mark.parametrize("effect_key", ["one", "one/retry-1", "one/retry-2"])
def test_an_alert_is_no_duplicate_of_itself(effect_key: str) -> None:
    told = ToldAlert(chat_id=None, key="k", effect_key="one", severity=Severity.INFO, raised_at=T0)
    assert not is_duplicate(told, waiting(effect_key), POLICY)


@pytest.mark.parametrize(
    ("severity", "waited", "expected"),
    [
        (Severity.CRITICAL, 0, 0),
        (Severity.INFO, 119, 2),
        (Severity.INFO, 120, 1),
        (Severity.INFO, 1e6, 1),
        (Severity.DEBUG, 240, 1),
    ],
)
def test_waiting_makes_urgent_but_never_critical(severity: Severity, waited: float, expected: int) -> None:
    assert urgency(waiting("x", severity), at=waited, policy=POLICY) == expected


def test_words_say_repeat_severity_and_delay() -> None:
    late = waiting("stop gone", Severity.CRITICAL, maybe_sent=True)
    words = wording((late,), now=T0 + timedelta(minutes=7), policy=POLICY)
    assert (words.title, words.lines, words.silent) == ("(again) CRITICAL: stop gone", ("delayed 7 min",), False)


def test_debug_and_chosen_kinds_make_no_sound() -> None:
    policy = AlertingPolicy(silent_kinds=frozenset({"placed"}))
    assert wording((waiting("a", Severity.DEBUG),), now=T0, policy=policy).silent
    assert wording((waiting("b", kind="placed"),), now=T0, policy=policy).silent
    assert not wording((waiting("c"),), now=T0, policy=policy).silent


def test_a_digest_marks_each_possible_repeat_and_fits_one_message() -> None:
    queue = [waiting(f"step {n} " + "x" * 200, maybe_sent=n == 3) for n in range(40)]
    group = next_group(queue, at=0.0, policy=POLICY)
    words = wording(group, now=T0 + timedelta(hours=3), policy=POLICY)
    assert words.title == f"{len(group)} alerts in one, delayed 3 h 0 min"
    assert sum(len(line) + 1 for line in words.lines) <= 3_000
    assert [line.startswith("00:00 (again) ") for line in words.lines[:5]] == [False, False, False, True, False]


def test_an_alert_settled_but_still_in_the_outbox_is_not_told_again() -> None:
    memory = AlertQueue(POLICY)
    memory.take(waiting("a"))
    memory.settle("a")
    assert memory.reload((waiting("a"),)) == {"a": Taken.SETTLED}
    assert len(memory) == 0


def test_a_critical_alert_is_held_until_its_elders_are_back_from_the_store() -> None:
    queue = AlertQueue(AlertingPolicy(bound=1))
    elders = (waiting("0", Severity.WARNING), waiting("1", subject="a"))
    for each in elders:
        queue.take(each)
    grave = waiting("2", Severity.CRITICAL, subject="a")
    assert queue.take(grave) is Taken.HELD
    assert queue.next_for(1, at=0.0) == ()
    assert queue.wants_reload
    queue.reload((*elders, grave))
    assert [each.effect_key for each in queue.next_for(1, at=0.0)] == ["1"]


def test_what_came_after_the_outbox_was_read_stays() -> None:
    queue = AlertQueue(POLICY)
    queue.take(waiting("new"))
    queue.reload((waiting("old"),))
    assert [each.effect_key for each in queue.all()] == ["old", "new"]


def test_a_reload_remembers_what_may_have_been_sent() -> None:
    queue = AlertQueue(POLICY)
    queue.take(waiting("a"))
    queue.mark_maybe_sent(["a", "gone"])
    queue.reload((waiting("a"),))
    assert [each.maybe_sent for each in queue.all()] == [True]
