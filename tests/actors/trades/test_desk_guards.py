"""The guards at the desk: run once an order, committed with its trade, whole again after a kill at any moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.messages import addresses
from actors.messages.accounts import EnsureLeverage
from actors.messages.guarding import GuardsQuestion, GuardsReading, ReleaseLock, SafetyChanged, SetSafety
from actors.messages.storing import Append, RegisterQuestion
from actors.messages.trading import CloseTrades, OpenTrade, OrderPreview, PreviewTrade, TradeAccepted
from actors.model.guarding import NO_GUARDS, GuardTerms, SafetyState
from actors.model.trade import Phase
from runtime import Answered, InjectedFault, NotAnswered, Refused
from runtime.testing import Probe
from tests.actors.trades.conftest import PLAN, TradeWorld

BTC = "BTCUSDT long entries 64000 targets 66000,67000,68000,69000 stop 62000 margin 2% leverage 10"
ACTIVE, REDUCE_ONLY, HALTED = SafetyState.ACTIVE, SafetyState.REDUCE_ONLY, SafetyState.HALTED
COOLDOWN = replace(NO_GUARDS, cooldown_seconds=300.0)

MakeWorld = Callable[..., TradeWorld]


def refusal(world: TradeWorld, plan: str = PLAN, *, command: str = "next") -> str:
    """Give why an order is refused."""
    with pytest.raises(Refused) as refused:
        world.open_trade(plan, command=command)
    return str(refused.value)


def set_safety(
    world: TradeWorld, state: SafetyState, *, command: str = "s1", why: str = "maintenance"
) -> GuardsReading:
    wanted = SetSafety(command_id=command, state=state, why=why, by="chat:17")
    reading = world.ask(addresses.DESK, wanted)
    assert isinstance(reading, GuardsReading)
    return reading


def reading(world: TradeWorld) -> GuardsReading:
    found = world.ask(addresses.DESK, GuardsQuestion())
    assert isinstance(found, GuardsReading)
    return found


def lose(world: TradeWorld, command: str) -> TradeAccepted:
    """Open a trade and have its stop fire."""
    world.exchange.last_price = "1.195"
    trade = world.open_trade(command=command)
    world.fill("E1")
    world.until(lambda: world.exchange.live("S"))
    world.fill("S", price="1.15")
    world.until(lambda: world.trade(trade).phase is Phase.CLOSED)
    world.pass_time(1)  # until that is durable
    return trade


# --- the limits ------------------------------------------------------------------------------------------------------
def test_a_coin_rests_after_an_order_and_a_kill_does_not_shorten_that(make_world: MakeWorld) -> None:
    world = make_world(guards=COOLDOWN)
    world.open_trade()
    opened_at = world.clock.monotonic()
    world.reboot()
    world.pass_time(2)
    text = refusal(world)
    assert text.startswith("XRPUSDT was opened 3 s ago, and XRP rests for 5 min after an order: wait 297 s")
    assert world.open_trade(BTC, command="btc").number == 2
    world.pass_time(opened_at + 300 - world.clock.monotonic())
    assert world.open_trade(command="next").number == 3


def test_the_same_command_finds_its_trade_whatever_the_guards_say_of_a_new_one(make_world: MakeWorld) -> None:
    world = make_world(guards=COOLDOWN)
    first = world.open_trade()
    set_safety(world, HALTED)
    world.reboot()
    world.pass_time(2)
    again = world.open_trade()
    assert (again.already_open, again.trade_id) == (True, first.trade_id)


def test_one_symbol_side_and_minute_is_carried_out_once_in_24_hours(make_world: MakeWorld) -> None:
    world = make_world(guards=replace(NO_GUARDS, idempotency_seconds=86_400.0))
    world.pass_time(1)
    asked_at = world.clock.now()
    order = OpenTrade(command_id="c1", plan=world.plan(), by="test", asked_at=asked_at)
    world.ask(addresses.DESK, order)
    same = replace(order, command_id="c2")
    world.reboot()
    world.pass_time(3600)
    with pytest.raises(Refused, match=r"the same order \(XRPUSDT:long:\d+: symbol, side and minute\) was carried out"):
        world.ask(addresses.DESK, same)
    assert world.open_trade(command="c3").number == 2  # of another minute
    world.pass_time(24 * 3600)
    assert world.ask(addresses.DESK, same).number == 3


def test_open_trades_and_rapid_creation_are_counted_across_a_kill(make_world: MakeWorld) -> None:
    world = make_world(guards=replace(NO_GUARDS, most_open_trades=3, rapid_orders=2))
    world.open_trade(command="c1")
    world.open_trade(BTC, command="c2")
    world.reboot()
    world.pass_time(2)
    assert refusal(world).startswith("2 orders were opened within 5 min, and 2 are the most: wait 29")
    world.pass_time(300)
    world.open_trade(command="c3")
    assert refusal(world).startswith("3 trades are open on main, and 3 are the most")


@pytest.mark.parametrize("commits", range(6))
def test_a_cooldown_holds_exactly_where_its_trade_was_committed(make_world: MakeWorld, commits: int) -> None:
    world = make_world(guards=COOLDOWN)
    world.pass_time(1)
    world.kill_after_commits = commits
    Probe(world.system, "person").do(
        lambda actor: actor.context.ask(
            addresses.DESK, OpenTrade(command_id="c1", plan=world.plan(), by="test"), timeout_seconds=30
        )
    )
    world.pass_time(20)
    world.kill_after_commits = None
    if world.live_rows():
        assert "rests for 5 min after an order" in refusal(world)
    else:
        assert world.open_trade(command="next")
    assert len(world.live_rows()) == 1
    assert world.no_order_twice()


def test_a_preview_is_refused_like_its_order_and_leaves_no_trace(make_world: MakeWorld) -> None:
    world = make_world(guards=COOLDOWN)
    preview = PreviewTrade(plan=TradeWorld.plan())
    for _ in range(2):
        assert isinstance(world.ask(addresses.DESK, preview), OrderPreview)
    world.open_trade()
    with pytest.raises(Refused, match="rests for 5 min"):
        world.ask(addresses.DESK, preview)


def test_a_run_that_lost_the_lock_opens_nothing(world: TradeWorld) -> None:
    world.pass_time(1)
    world.exchange.fenced = True
    assert "does not hold the run lock (run 8 (pid 4711) holds the state)" in refusal(world)
    assert world.exchange.orders == {}


# --- dry run ---------------------------------------------------------------------------------------------------------
def test_a_dry_run_goes_through_everything_and_commits_and_sends_nothing(make_world: MakeWorld) -> None:
    world = make_world(guards=replace(GuardTerms(), dry_run=True))
    world.pass_time(5)
    seen: list[object] = []

    def watch(_path: str, message: object) -> InjectedFault | None:
        if isinstance(message, EnsureLeverage | Append):
            seen.append(message)
        return None

    world.faults.append(watch)
    for command in ("c1", "c2"):  # the first one starts no cooldown
        answer = world.open_trade(command=command)
        assert (answer.dry_run, answer.number, answer.already_open) == (True, 0, False)
        assert answer.sized.notes[-1].startswith("DRY RUN")
    world.pass_time(10)
    assert (seen, world.live_rows(), world.exchange.orders) == ([], [], {})
    assert reading(world).dry_run
    off_tick = PLAN.replace("1.19,", "1.19005,")
    assert "1.19005" in refusal(world, off_tick)


# --- the safety state ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [REDUCE_ONLY, HALTED])
def test_a_strict_state_cancels_unfilled_entries_opens_nothing_and_survives(
    world: TradeWorld, state: SafetyState
) -> None:
    trade = world.open_trade()
    world.fill("E1")
    world.until(lambda: world.exchange.live("S") and world.exchange.live("T4"))
    told = set_safety(world, state)
    assert (told.safety.state, told.safety.by, told.safety.why) == (state, "chat:17", "maintenance")
    world.until(lambda: world.exchange.live("E2") is None)
    world.reboot()
    world.pass_time(5)
    assert reading(world).safety == told.safety
    assert f"the safety state is {state.value} since" in refusal(world)
    assert world.exchange.live("S") is not None
    assert world.exchange.live("T1") is not None
    assert world.unsettled(world.monitor(trade)) == []
    assert len(world.alerts("safety_changed")) == 1
    # Once active again, what was cancelled stays cancelled, and new orders pass.
    assert set_safety(world, ACTIVE, command="s2").safety.state is ACTIVE
    world.pass_time(5)
    assert world.exchange.live("E2") is None
    assert world.open_trade(command="next").number == 2


def test_halted_adds_no_target_and_keeps_the_stop_right_until_it_is_active_again(world: TradeWorld) -> None:
    trade = world.open_trade()
    set_safety(world, HALTED)
    # An entry fills in the same moment as its cancel arrives.
    first = world.exchange.ours("E1")[0]
    assert first.client_order_id is not None
    world.report(world.exchange.fill(first.client_order_id))
    world.until(lambda: world.exchange.live("S"))
    world.pass_time(10)
    assert world.exchange.live("S").quantity == world.trade(trade).open_quantity > 0  # type: ignore[union-attr]
    assert [world.exchange.live(f"T{rung}") for rung in range(1, 5)] == [None] * 4
    set_safety(world, ACTIVE, command="s2")
    world.until(lambda: world.exchange.live("T1"))


def test_a_person_closes_under_a_halt(world: TradeWorld) -> None:
    trade = world.open_trade()
    world.fill("E1")
    world.until(lambda: world.exchange.live("T4"))
    set_safety(world, HALTED)
    world.ask(addresses.DESK, CloseTrades(which="1", by="chat:17"))
    world.until(lambda: world.exchange.live("X"))
    world.fill("X")
    world.until(lambda: world.trade(trade).phase is Phase.CLOSED)


def test_a_trade_that_never_filled_ends_when_its_entries_are_withdrawn(world: TradeWorld) -> None:
    trade = world.open_trade()
    set_safety(world, REDUCE_ONLY)
    world.until(lambda: world.trade(trade).phase is Phase.CLOSED)
    assert [each for each in world.exchange.orders.values() if not each.state.terminal] == []


@pytest.mark.parametrize("commits", range(8))
def test_a_kill_while_the_state_is_set_ends_in_the_old_state_or_the_whole_new_one(
    world: TradeWorld, commits: int
) -> None:
    trade = world.open_trade()
    world.kill_after_commits = commits
    wanted = SetSafety(command_id="s1", state=HALTED, why="maintenance", by="cli")
    Probe(world.system, "person").do(lambda actor: actor.context.ask(addresses.DESK, wanted, timeout_seconds=30))
    world.pass_time(20)
    world.kill_after_commits = None
    if reading(world).safety.state is ACTIVE:
        assert world.exchange.live("E1") is not None
    world.ask(addresses.DESK, wanted)  # the person asks once more, with the same command
    world.until(lambda: world.trade(trade).phase is Phase.CLOSED)
    stored = world.store.real.load("guards")
    assert [type(fact) for fact in stored.facts] == [SafetyChanged]
    assert [each.effect.request.alert.kind for each in stored.unsettled] == ["safety_changed"]  # promised once


def test_a_repeat_of_a_command_does_not_undo_what_was_set_since(world: TradeWorld) -> None:
    world.pass_time(1)
    set_safety(world, HALTED, command="s1")
    set_safety(world, ACTIVE, command="s2")
    set_safety(world, HALTED, command="s3")
    world.reboot()
    world.pass_time(1)
    assert set_safety(world, ACTIVE, command="s2").safety.state is HALTED


def test_a_strict_state_holds_from_the_moment_it_is_asked_for(world: TradeWorld) -> None:
    world.pass_time(1)
    probe = Probe(world.system, "person")

    def ask_both(actor: Any) -> None:
        actor.context.ask(addresses.DESK, OpenTrade(command_id="c1", plan=world.plan(), by="test"), timeout_seconds=30)
        actor.context.ask(
            addresses.DESK, SetSafety(command_id="s1", state=REDUCE_ONLY, why="news", by="cli"), timeout_seconds=30
        )

    probe.do(ask_both)
    world.pass_time(5)
    assert [message.value.safety.state for message in probe.record.of(Answered)] == [REDUCE_ONLY]
    assert "the safety state is reduce-only" in probe.record.of(NotAnswered)[0].error
    assert (world.live_rows(), world.exchange.orders) == ([], {})


def test_a_strict_state_shuts_the_door_before_it_is_recorded(world: TradeWorld) -> None:
    world.pass_time(1)
    world.on_next(addresses.STORE, RegisterQuestion, InjectedFault(lose=True))  # it cannot be recorded for now
    probe = Probe(world.system, "person")
    wanted = SetSafety(command_id="s1", state=REDUCE_ONLY, why="news", by="cli")
    probe.do(lambda actor: actor.context.ask(addresses.DESK, wanted, timeout_seconds=30))
    world.pass_time(1)
    assert "the safety state is reduce-only" in refusal(world)
    world.pass_time(15)
    assert "nothing was changed, try again" in probe.record.of(NotAnswered)[0].error
    assert world.open_trade(command="next")


def test_a_store_that_falls_over_loses_no_wish(world: TradeWorld) -> None:
    trade = world.open_trade()
    world.crash(addresses.STORE, Append)
    assert set_safety(world, HALTED).safety.state is HALTED
    world.until(lambda: world.trade(trade).phase is Phase.CLOSED)


# --- locks -----------------------------------------------------------------------------------------------------------
def test_losing_stops_lock_new_entries_across_a_kill_until_somebody_opens_the_lock(make_world: MakeWorld) -> None:
    world = make_world(guards=replace(NO_GUARDS, stop_guard_stops=2))
    lose(world, "c1")
    world.pass_time(10)
    assert reading(world).locks == ()
    lose(world, "c2")
    world.until(lambda: world.alerts("lock_set"))
    world.reboot()
    world.pass_time(2)
    (lock,) = reading(world).locks
    assert (lock.lock_id, lock.account, lock.symbol) == ("L1", "main", "*")
    assert "(L1: 2 losing stops on main within 1 d 0 h (limit 2))" in refusal(world)
    with pytest.raises(Refused, match="there is no lock L7 to release: those that hold are L1"):
        world.ask(addresses.DESK, ReleaseLock(lock_id="L7", by="cli"))
    assert world.ask(addresses.DESK, ReleaseLock(lock_id="l1", by="cli")).locks == ()
    assert world.ask(addresses.DESK, ReleaseLock(lock_id="L1", by="cli")).locks == ()  # twice is once
    world.until(lambda: world.alerts("lock_released"))
    world.reboot()
    world.pass_time(2)
    assert reading(world).locks == ()
    assert world.open_trade(command="next")
    assert len(world.alerts("lock_set")) == len(world.alerts("lock_released")) == 1


def test_a_lock_ends_by_itself(make_world: MakeWorld) -> None:
    world = make_world(guards=replace(NO_GUARDS, stop_guard_stops=1, stop_guard_lock_seconds=600.0))
    lose(world, "c1")
    world.until(lambda: reading(world).locks)
    assert "locked for another" in refusal(world)
    world.pass_time(600)
    assert reading(world).locks == ()
    assert world.open_trade(command="next")


def test_a_lock_that_fell_due_unseen_shuts_the_door_all_the_same(make_world: MakeWorld) -> None:
    world = make_world()
    lose(world, "c1")
    world.guards = replace(NO_GUARDS, stop_guard_stops=1)  # a setting of the next run
    world.reboot()
    assert "L1: 1 losing stops" in refusal(world)
    assert len(reading(world).locks) == 1


def test_the_days_loss_is_counted_with_its_fees(make_world: MakeWorld) -> None:
    world = make_world(guards=replace(NO_GUARDS, daily_loss_limit_usdt=Decimal(30)))
    trade = lose(world, "c1")
    world.reboot()
    world.pass_time(2)
    lost = -world.trade(trade).realised_pnl_usdt
    assert lost > 30
    assert refusal(world).startswith(f"{lost:.2f} USDT were lost on main today, and 30.00 USDT is the limit")
