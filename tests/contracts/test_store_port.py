"""What every store keeps to: run on each implementation of StorePort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from actors.errors import Denied, Fenced, GuardUsed, OutsideError, StaleSequence
from actors.messages.orders import CancelOrder
from actors.messages.storing import Append, Guard, PromisedEffect, StreamSummary
from actors.messages.trading import OrderAbsent, StopPriceMoved
from actors.ports import StorePort
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Shelf:
    """One place that keeps state, opened again and again; its clock is turned by hand."""

    open_port: Callable[[Shelf], StorePort]
    now: datetime = START
    opened: list[StorePort] = field(default_factory=list)

    def open(self) -> StorePort:
        port = self.open_port(self)
        self.opened.append(port)
        return port

    def open_again(self, port: StorePort) -> StorePort:
        port.close()
        return self.open()


def sqlite_shelf(folder: Path) -> Shelf:
    def open_port(shelf: Shelf) -> StorePort:
        run = Run(pid=4711, boot_id="boot", started_at=shelf.now)
        return open_store(
            folder / "store.sqlite", clock=lambda: shelf.now, random_bytes=lambda count: bytes(range(count)), run=run
        )

    return Shelf(open_port)


@pytest.fixture(params=[sqlite_shelf])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    shelf: Shelf = request.param(tmp_path)
    yield shelf
    for port in shelf.opened:
        port.close()


@pytest.fixture
def store(shelf: Shelf) -> StorePort:
    return shelf.open()


def absent(number: int) -> OrderAbsent:
    return OrderAbsent(client_order_id=f"SF7QK2C-7K3Q9X-E1-{number}", read_at=START + timedelta(seconds=number))


def effect(key: str, *, destination: str = "accounts/main/client") -> PromisedEffect:
    request = CancelOrder(account="main", trade_id="7K3Q9X", symbol="BTCUSDT", client_order_id=f"SF-{key}")
    return PromisedEffect(key=key, destination=destination, owner="trade/7K3Q9X", request=request)


def summary(number: int, *, account: str = "main", live: bool = True) -> StreamSummary:
    return StreamSummary(
        kind="trade", account=account, symbol="BTCUSDT", number=number, label=f"{account}/{number}", live=live
    )


def keys(store: StorePort, destination: str = "accounts/main/client", limit: int = 100) -> list[str]:
    return [each.effect.key for each in store.unsettled(destination, limit)]


# --- streams ------------------------------------------------------------------------------------------------------
def test_an_unknown_stream_is_empty(store: StorePort) -> None:
    found = store.load("trade/nobody")
    assert (found.sequence, found.facts, found.unsettled) == (0, (), ())


def test_facts_come_back_equal_and_in_order_after_a_restart(shelf: Shelf, store: StorePort) -> None:
    moved = StopPriceMoved(
        stop_price=Decimal("64000.10"), reason="breakeven", lines=("a", "β"), moved_at=START + timedelta(microseconds=1)
    )
    assert store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1), moved))) == 2
    assert store.append(Append(stream="trade/A", expected_sequence=2, facts=(absent(3),))) == 3
    store.commit()
    found = shelf.open_again(store).load("trade/A")
    assert found.sequence == 3
    assert found.facts == (absent(1), moved, absent(3))


def test_streams_do_not_see_each_other(store: StorePort) -> None:
    for stream in ("trade/A", "trade/B", "trade/A/B"):
        store.append(Append(stream=stream, expected_sequence=0, facts=(absent(len(stream)),)))
    assert store.load("trade/A").facts == (absent(7),)
    assert store.load("trade/B").facts == (absent(7),)
    assert store.load("trade/A/B").facts == (absent(9),)


@pytest.mark.parametrize("believed", [0, 1, 3])
def test_a_writer_that_believes_another_length_is_refused_and_nothing_of_it_stays(
    store: StorePort, believed: int
) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1), absent(2))))
    with pytest.raises(StaleSequence, match="trade/A holds 2"):
        store.append(
            Append(
                stream="trade/A",
                expected_sequence=believed,
                facts=(absent(9),),
                effects=(effect("late"),),
                register=summary(9),
                guards=(Guard(key="late"),),
            )
        )
    store.commit()
    assert store.load("trade/A").facts == (absent(1), absent(2))
    assert keys(store) == []
    assert store.register("trade", live_only=False, account=None) == ()
    assert store.use_guards([Guard(key="late")])


def test_a_refused_append_leaves_its_neighbours_in_the_group_intact(shelf: Shelf, store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),), effects=(effect("a"),)))
    with pytest.raises(StaleSequence):
        store.append(Append(stream="trade/B", expected_sequence=5, facts=(absent(2),), effects=(effect("b"),)))
    store.append(Append(stream="trade/C", expected_sequence=0, facts=(absent(3),), effects=(effect("c"),)))
    store.commit()
    again = shelf.open_again(store)
    assert again.load("trade/A").facts == (absent(1),)
    assert again.load("trade/B").sequence == 0
    assert again.load("trade/C").facts == (absent(3),)
    assert keys(again) == ["a", "c"]


# --- the outbox ---------------------------------------------------------------------------------------------------
def test_a_promised_effect_is_kept_whole_until_it_is_settled(shelf: Shelf, store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),), effects=(effect("a"),)))
    store.commit()
    again = shelf.open_again(store)
    (open_effect,) = again.unsettled("accounts/main/client", 10)
    assert open_effect.effect == effect("a")
    assert (open_effect.attempts, open_effect.promised_at) == (0, START)
    assert again.load("trade/A").unsettled == (open_effect,)
    again.settle("a", "done")
    again.commit()
    assert keys(shelf.open_again(again)) == []


def test_open_effects_are_listed_oldest_first_by_destination_and_up_to_the_limit(store: StorePort) -> None:
    for number, (stream, destination) in enumerate(
        [("trade/B", "client"), ("trade/A", "alerts"), ("trade/A", "client"), ("trade/B", "client")]
    ):
        store.append(
            Append(
                stream=stream, expected_sequence=0, facts=(), effects=(effect(f"k{number}", destination=destination),)
            )
        )
    assert keys(store, "client") == ["k0", "k2", "k3"]
    assert keys(store, "client", limit=2) == ["k0", "k2"]
    assert keys(store, "alerts") == ["k1"]
    assert [each.effect.key for each in store.load("trade/A").unsettled] == ["k1", "k2"]


def test_an_append_settles_effects_with_the_facts_that_tell_their_outcome(store: StorePort) -> None:
    effects = (effect("a"), effect("b"), effect("c"))
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(), effects=effects))
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),), settles=("a", "c")))
    assert keys(store) == ["b"]


def test_settling_twice_or_what_is_long_gone_changes_nothing(store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(), effects=(effect("a"), effect("b"))))
    store.settle("a", "first")
    store.settle("a", "second")
    store.settle("never promised", "")
    store.commit()
    assert keys(store) == ["b"]


def test_attempts_are_counted_across_restarts(shelf: Shelf, store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(), effects=(effect("a"),)))
    assert [store.mark_attempt("a"), store.mark_attempt("a")] == [1, 2]
    store.commit()
    again = shelf.open_again(store)
    assert again.unsettled("accounts/main/client", 1)[0].attempts == 2
    assert again.mark_attempt("a") == 3


def test_an_attempt_at_an_unknown_effect_is_refused(store: StorePort) -> None:
    with pytest.raises(Denied, match="'ghost' is not in the outbox"):
        store.mark_attempt("ghost")


def test_the_same_key_promised_twice_is_refused_and_nothing_is_written(store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(), effects=(effect("a"),)))
    store.settle("a", "done")
    with pytest.raises(Denied, match="'a' was promised before, by trade/A"):
        store.append(
            Append(stream="trade/B", expected_sequence=0, facts=(absent(1),), effects=(effect("b"), effect("a")))
        )
    store.commit()
    assert store.load("trade/B").sequence == 0
    assert keys(store) == []


# --- transactions -------------------------------------------------------------------------------------------------
def test_what_is_not_committed_can_be_read_and_is_gone_after_a_rollback(store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),)))
    store.commit()
    store.append(Append(stream="trade/A", expected_sequence=1, facts=(absent(2),), effects=(effect("a"),)))
    assert store.load("trade/A").facts == (absent(1), absent(2))
    store.rollback()
    assert store.load("trade/A").facts == (absent(1),)
    assert keys(store) == []
    assert store.append(Append(stream="trade/A", expected_sequence=1, facts=(absent(3),))) == 2


def test_what_was_not_committed_is_gone_after_a_restart(shelf: Shelf, store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),)))
    assert shelf.open_again(store).load("trade/A").sequence == 0


def test_commit_and_rollback_without_anything_written_are_harmless(store: StorePort) -> None:
    store.commit()
    store.rollback()
    store.rollback()
    store.commit()


# --- guards -------------------------------------------------------------------------------------------------------
def test_a_guard_may_be_used_once_across_restarts(shelf: Shelf, store: StorePort) -> None:
    assert store.use_guards([Guard(key="update/1")])
    store.commit()
    assert not shelf.open_again(store).use_guards([Guard(key="update/1")])


def test_guards_are_used_all_or_none(store: StorePort) -> None:
    assert store.use_guards([Guard(key="b")])
    assert not store.use_guards([Guard(key="a"), Guard(key="b"), Guard(key="c")])
    assert store.use_guards([Guard(key="a"), Guard(key="c")])


def test_a_guard_named_twice_in_one_request_is_used_already(store: StorePort) -> None:
    assert not store.use_guards([Guard(key="a"), Guard(key="a")])


def test_a_guard_past_its_expiry_may_be_used_again(shelf: Shelf, store: StorePort) -> None:
    until = START + timedelta(minutes=5)
    assert store.use_guards([Guard(key="a", expires_at=until)])
    shelf.now = until - timedelta(microseconds=1)
    assert not store.use_guards([Guard(key="a", expires_at=until)])
    shelf.now = until
    assert store.use_guards([Guard(key="a")])
    shelf.now = until + timedelta(days=400)
    assert not store.use_guards([Guard(key="a")])


def test_an_append_with_a_used_guard_is_refused_with_its_key_and_nothing_stays(store: StorePort) -> None:
    assert store.use_guards([Guard(key="taken")])
    with pytest.raises(GuardUsed) as caught:
        store.append(
            Append(
                stream="trade/A",
                expected_sequence=0,
                facts=(absent(1),),
                effects=(effect("a"),),
                register=summary(1),
                guards=(Guard(key="free"), Guard(key="taken")),
            )
        )
    assert caught.value.key == "taken"
    store.commit()
    assert store.load("trade/A").sequence == 0
    assert keys(store) == []
    assert store.register("trade", live_only=False, account=None) == ()
    assert store.use_guards([Guard(key="free")])


# --- counters, register, documents ----------------------------------------------------------------------------------
def test_a_counter_never_gives_a_committed_number_twice(shelf: Shelf, store: StorePort) -> None:
    assert [store.next_number("trade"), store.next_number("trade"), store.next_number("order")] == [1, 2, 1]
    store.commit()
    again = shelf.open_again(store)
    assert [again.next_number("trade"), again.next_number("order")] == [3, 2]


def test_the_register_lists_streams_by_number_and_by_what_is_asked(store: StorePort) -> None:
    rows = {
        "trade/C": summary(3),
        "trade/A": summary(10),
        "trade/B": summary(2, account="mirror"),
        "trade/D": summary(1, live=False),
    }
    for stream, row in rows.items():
        store.append(Append(stream=stream, expected_sequence=0, facts=(absent(1),), register=row))
    store.append(Append(stream="book/main", expected_sequence=0, facts=(absent(1),)))

    def listed(*, live_only: bool, account: str | None) -> list[str]:
        found = store.register("trade", live_only=live_only, account=account)
        assert all(rows[stream] == row for stream, row in found)
        return [stream for stream, _ in found]

    assert listed(live_only=True, account=None) == ["trade/B", "trade/C", "trade/A"]
    assert listed(live_only=False, account=None) == ["trade/D", "trade/B", "trade/C", "trade/A"]
    assert listed(live_only=True, account="main") == ["trade/C", "trade/A"]
    assert store.register("plan", live_only=False, account=None) == ()


def test_an_append_replaces_its_streams_row_in_the_register(store: StorePort) -> None:
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),), register=summary(1)))
    store.append(Append(stream="trade/A", expected_sequence=1, facts=(absent(2),)))
    assert store.register("trade", live_only=True, account=None) == (("trade/A", summary(1)),)
    store.append(Append(stream="trade/A", expected_sequence=2, facts=(absent(3),), register=summary(1, live=False)))
    assert store.register("trade", live_only=True, account=None) == ()
    assert store.register("trade", live_only=False, account=None) == (("trade/A", summary(1, live=False)),)


def test_a_document_is_replaced_read_and_taken_once(shelf: Shelf, store: StorePort) -> None:
    assert store.document("button/1") is None
    store.put_document("button/1", absent(1))
    store.put_document("button/1", absent(2))
    store.commit()
    again = shelf.open_again(store)
    assert again.document("button/1") == absent(2)
    assert again.take_document("button/1") == absent(2)
    assert again.take_document("button/1") is None
    assert again.document("button/1") is None


# --- runs ---------------------------------------------------------------------------------------------------------
def test_each_run_has_the_next_epoch_and_the_same_installation(shelf: Shelf, store: StorePort) -> None:
    second = shelf.open_again(store)
    third = shelf.open_again(second)
    assert (store.epoch, second.epoch, third.epoch) == (1, 2, 3)
    assert store.installation == second.installation == third.installation
    assert len(store.installation) == 4
    assert set(store.installation) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_an_older_run_is_fenced_at_every_write_and_has_written_nothing(shelf: Shelf) -> None:
    older = shelf.open()
    older.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),), effects=(effect("a"),)))
    older.commit()
    newer = shelf.open()
    writes: list[Callable[[], object]] = [
        lambda: older.append(Append(stream="trade/A", expected_sequence=1, facts=(absent(2),))),
        lambda: older.settle("a", ""),
        lambda: older.mark_attempt("a"),
        lambda: older.use_guards([Guard(key="g")]),
        lambda: older.next_number("trade"),
        lambda: older.put_document("d", absent(1)),
        lambda: older.take_document("d"),
    ]
    for write in writes:
        with pytest.raises(Fenced, match=r"epoch 2, pid 4711"):
            write()
    older.commit()
    assert newer.load("trade/A").facts == (absent(1),)
    assert newer.unsettled("accounts/main/client", 10)[0].attempts == 0
    assert newer.next_number("trade") == 1
    newer.commit()


def test_a_closed_store_says_so_and_may_be_closed_again(store: StorePort) -> None:
    store.close()
    store.close()
    with pytest.raises(OutsideError, match="closed"):
        store.load("trade/A")
