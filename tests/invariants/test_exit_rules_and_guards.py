"""I16 to I19 on hand-made wrong records: net targets, trailing stops, deadlines, and what the guards must keep out.

The net-target trade holds 0.152 BTC, bought at 65,000 for 9,880 USDT and 1.976 USDT of fees. Its target nets 10.01 at
65,091.9 (9.99 a tick nearer); its stop loses 9.99 at 64,983.0 (10.01 a tick farther); left at the market it nets
7.02 at 65,095.0 and 6.99 at 65,094.8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.messages.exit_facts import EntriesExpired, FloorArmed, TargetPriceMoved
from actors.messages.guarding import LockReleased, LockSet, SafetyChanged
from actors.messages.trading import ExitReason, ExitStarted, StopPriceMoved, TradeClosed, TradeOpened
from actors.model.exit_rules import ExitRules, NetTarget, Offset, TrailingStop
from actors.model.guarding import NO_GUARDS, GuardTerms, Lock, LockKind, SafetyState
from actors.model.trade import Phase, Role
from actors.rules.position_life import opened
from adapters.assembly.simulation.invariants import deadlines, net_targets, trails
from adapters.assembly.simulation.invariants.guards import Guards
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.price_record import PriceRecord
from adapters.simulated.records import Order
from adapters.simulated.venue import Venue
from tests.invariants.conftest import NOON, SYMBOL, broken, filled, opening, report, request

Give = Callable[..., Order]
NOW = 1_000.0  # monotonic seconds
NET = ExitRules(breakeven_after=None, net=NetTarget())
TRAILING = TrailingStop(
    activation=Offset(value=Decimal(1000), of_price=False), distance=Offset(value=Decimal(500), of_price=False)
)


def with_exits(held: Held, exits: ExitRules) -> Held:
    """Have the trade planned with these rules."""
    sized = held.trade.sized
    held.trade = replace(held.trade, sized=replace(sized, plan=replace(sized.plan, exits=exits)))
    return held


def prices(*seen: str, at: float = NOW - 10.0) -> PriceRecord:
    record = PriceRecord()
    for number, price in enumerate(seen):
        record.note(SYMBOL, Decimal(price), at + number)
    return record


# --- I16 -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def net(held: Held, give: Give) -> Held:
    filled(with_exits(held, NET), give, "0.152")
    held.filled_at = NOW - 60.0
    return held


def net_stop(price: str) -> StopPriceMoved:
    return StopPriceMoved(stop_price=Decimal(price), reason="net", lines=(), moved_at=NOON)


def net_target(price: str) -> TargetPriceMoved:
    return TargetPriceMoved(target_price=Decimal(price), entered_quantity=Decimal("0.152"), lines=(), moved_at=NOON)


@pytest.mark.parametrize(("price", "wrong"), [("64983.0", False), ("64982.9", True), ("64983.1", True)])
def test_a_net_stop_a_tick_beside_its_loss_is_found(net: Held, price: str, wrong: bool) -> None:
    fact = net_stop(price)
    if wrong:
        with broken("I16", f"stop at {price} loses"):
            net_targets.check_fact(net.trade, net, fact, prices(), NOW)
    else:
        net_targets.check_fact(net.trade, net, fact, prices(), NOW)


def test_a_net_stop_nearer_than_its_loss_is_passed_only_just_inside_the_backstop(net: Held) -> None:
    fact = net_stop("64990.0")
    with broken("I16", "a tick farther out"):
        net_targets.check_fact(net.trade, net, fact, prices(), NOW)
    inside = replace(net.trade, backstop_price=Decimal("64989.9"))
    net_targets.check_fact(inside, net, fact, prices(), NOW)


@pytest.mark.parametrize(("price", "wrong"), [("65091.9", False), ("65091.8", True), ("65092.0", True)])
def test_a_net_target_a_tick_beside_its_price_is_found(net: Held, price: str, wrong: bool) -> None:
    fact = net_target(price)
    if wrong:
        with broken("I16", f"target at {price} nets"):
            net_targets.check_fact(net.trade, net, fact, prices(), NOW)
    else:
        net_targets.check_fact(net.trade, net, fact, prices(), NOW)


def armed(price: str) -> FloorArmed:
    return FloorArmed(price=Decimal(price), net_usdt=Decimal(7), armed_at=NOON)


def test_a_floor_is_armed_only_at_a_price_that_was_there_and_nets_more(net: Held) -> None:
    net_targets.check_fact(net.trade, net, armed("65095.0"), prices("65000.0", "65095.0"), NOW)
    with broken("I16", "which was no price"):
        net_targets.check_fact(net.trade, net, armed("65095.0"), prices("65000.0", "65094.8"), NOW)
    with broken("I16", "armed at a net of 6.99"):
        net_targets.check_fact(net.trade, net, armed("65094.8"), prices("65094.8"), NOW)
    with broken("I16", "which was no price"):  # it was one before the first fill
        net.filled_at = NOW - 9.0
        net_targets.check_fact(net.trade, net, armed("65095.0"), prices("65095.0", "65000.0"), NOW)
    with broken("I16", "which was no price"):  # an hour ago it was one
        net.filled_at = NOW - 7_200.0
        stale = prices("65095.0", "65000.0", at=NOW - 3_600.0)
        net_targets.check_fact(net.trade, net, armed("65095.0"), stale, NOW)


def test_a_trade_leaves_at_its_floor_only_armed_and_met(net: Held) -> None:
    leaving = ExitStarted(reason=ExitReason.FLOOR, by="", started_at=NOON)
    with broken("I16", "not armed or not met"):
        net_targets.check_fact(net.trade, net, leaving, prices("65094.8"), NOW)
    ready = replace(net.trade, floor_armed=True)
    net_targets.check_fact(ready, net, leaving, prices("65094.8"), NOW)
    with broken("I16", "not armed or not met"):
        net_targets.check_fact(ready, net, leaving, prices("65095.0"), NOW)


def test_an_armed_floor_that_is_met_and_not_left_is_seen_until_the_trade_leaves(net: Held) -> None:
    ready = replace(net.trade, floor_armed=True)
    assert net_targets.floor_met(ready, Decimal("65094.8"))
    assert not net_targets.floor_met(ready, Decimal("65095.0"))
    assert not net_targets.floor_met(replace(ready, phase=Phase.CLOSING), Decimal("65094.8"))
    assert not net_targets.floor_met(net.trade, Decimal("65094.8"))


def test_a_close_beside_a_resting_target_is_found(net: Held) -> None:
    before = net.trade
    alone = request(net, Role.EXIT, "0.152", "SF00001-7K3Q9X-X-0")
    net_targets.check_fact(before, net, alone, prices(), NOW)
    request(net, Role.TARGET, "0.152", "SF00001-7K3Q9X-T1-0", price=Decimal("65091.9"))
    with broken("I3", "a second exit beside"):
        net_targets.check_fact(net.trade, net, alone, prices(), NOW)


@pytest.mark.parametrize(("price", "wrong"), [("65091.9", False), ("65091.7", True)])  # to a cent
def test_a_filled_target_that_brought_less_than_was_meant_is_found(
    net: Held, give: Give, price: str, wrong: bool
) -> None:
    at, link = Decimal(price), "SF00001-7K3Q9X-T1-0"
    request(net, Role.TARGET, "0.152", link, price=at)
    order = give(net, "T1", "0.152", filled="0.152", status="Filled", price=at)
    order.cum_value = order.cum_qty * at
    order.cum_fee = order.cum_value * Decimal("0.0002")
    report(net, link, "0.152", price=price, fee=order.cum_fee)
    closed = TradeClosed(
        realised_pnl_usdt=Decimal(10), funding_usdt=Decimal(0), reason=ExitReason.TARGETS, closed_at=NOON
    )
    if not wrong:
        net_targets.check_fact(net.trade, net, closed, prices(), NOW)
        return
    with broken("I16", "its target filled and brought"):
        net_targets.check_fact(net.trade, net, closed, prices(), NOW)


# --- I17 -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def trailing(held: Held, give: Give) -> Held:
    """Bought at 65,000 ten seconds ago; it trails by 500 from 66,000 on."""
    filled(with_exits(held, ExitRules(trailing=TRAILING)), give)
    held.filled_at = NOW - 10.0
    return held


def trailed(stop: str, best: str | None) -> StopPriceMoved:
    return StopPriceMoved(
        stop_price=Decimal(stop),
        reason="trailing",
        lines=(),
        moved_at=NOON,
        best_price=None if best is None else Decimal(best),
    )


def test_a_stop_that_trails_at_its_distance_is_passed(trailing: Held) -> None:
    trails.check_moved(trailing.trade, trailing, trailed("65600.0", "66100.0"), prices("65000", "66100"))


@pytest.mark.parametrize(
    ("stop", "best", "words"),
    [
        ("65600.0", "66200.0", "no price was there"),
        ("65700.0", "66100.0", "off its distance"),
        ("65500.0", "66100.0", "off its distance"),
        ("61000.0", "66100.0", "trails from"),  # loosened
        ("65600.0", None, "trails from"),
        ("65400.0", "65900.0", "not activated"),
    ],
)
def test_a_stop_that_trails_wrongly_is_found(trailing: Held, stop: str, best: str | None, words: str) -> None:
    with broken("I17", words):
        trails.check_moved(trailing.trade, trailing, trailed(stop, best), prices("65000", "66100"))


def test_a_best_price_from_before_the_first_fill_is_found(trailing: Held) -> None:
    trailing.filled_at = NOW
    before_fill = prices("66100", "65000", at=NOW - 10.0)
    with broken("I17", "no price was there since its fill"):
        trails.check_moved(trailing.trade, trailing, trailed("65600.0", "66100.0"), before_fill)


def test_a_stop_left_behind_the_best_price_by_more_than_a_step_is_loose(trailing: Held, give: Give) -> None:
    give(trailing, "S", "0.100", trigger_price=Decimal(65550))
    trails.note_price(trailing, (NOW - 2.0, Decimal(66_100)), NOW, excused=False)
    assert not trails.loose(trailing)  # 50 behind where it belongs is a step that is not made
    trails.note_price(trailing, (NOW - 2.0, Decimal(66_200)), NOW, excused=False)
    assert trails.loose(trailing)
    trails.forget(trailing, NOW)
    assert not trails.loose(trailing)  # a fresh run has seen nothing


def test_what_the_daemon_could_not_see_makes_no_stop_loose(trailing: Held, give: Give) -> None:
    give(trailing, "S", "0.100", trigger_price=Decimal(62000))
    trails.note_price(trailing, (NOW - 0.5, Decimal(66_200)), NOW, excused=False)  # it stood for half a second
    trails.note_price(trailing, (NOW - 2.0, Decimal(66_200)), NOW, excused=True)
    assert not trails.loose(trailing)


# --- I18 -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def timed(held: Held) -> Held:
    """Opened at 0; its entries end after half an hour or a touch, the trade an hour after its first fill."""
    exits = ExitRules(leave_after_seconds=3_600, entries_expire_after_seconds=1_800, entries_expire_on_touch=True)
    return with_exits(held, exits)


def expired(reason: str, price: str | None = None) -> EntriesExpired:
    return EntriesExpired(reason=reason, price=None if price is None else Decimal(price), expired_at=NOON)


def test_entries_that_expire_before_their_time_are_found(timed: Held) -> None:
    deadlines.check_fact(timed.trade, timed, expired("time"), prices(), 1_800.0)
    with broken("I18", "expire 1700.0 s after"):
        deadlines.check_fact(timed.trade, timed, expired("time"), prices(), 1_700.0)
    timed.timeless = True  # the host's clock was meddled with
    deadlines.check_fact(timed.trade, timed, expired("time"), prices(), 1_700.0)


@pytest.mark.parametrize(
    ("reason", "price", "wrong"),
    [
        ("target", "66000", False),
        ("target", "65999.9", True),
        ("stop", "62000", False),
        ("stop", "62000.1", True),
        ("target", "66500", True),  # which was no price
    ],
)
def test_entries_that_expire_at_a_touch_that_was_none_are_found(
    timed: Held, reason: str, price: str, wrong: bool
) -> None:
    seen = prices("66000", "65999.9", "62000", "62000.1")
    if not wrong:
        deadlines.check_fact(timed.trade, timed, expired(reason, price), seen, NOW)
        return
    with broken("I18", "touched its"):
        deadlines.check_fact(timed.trade, timed, expired(reason, price), seen, NOW)


def test_entries_that_expire_at_a_touch_after_the_first_fill_are_found(timed: Held, give: Give) -> None:
    filled(timed, give)
    with broken("I18", "0.100 entered"):
        deadlines.check_fact(timed.trade, timed, expired("target", "66000"), prices("66000"), NOW)


def test_a_trade_left_before_its_time_or_while_halted_is_found(timed: Held, give: Give) -> None:
    filled(timed, give)
    timed.filled_at = 100.0
    leaving = ExitStarted(reason=ExitReason.TIME, by="", started_at=NOON)
    deadlines.check_fact(timed.trade, timed, leaving, prices(), 3_700.0)
    with broken("I18", "left for its time"):
        deadlines.check_fact(timed.trade, timed, leaving, prices(), 3_600.0)
    with broken("I19", "halted"):
        deadlines.check_fact(replace(timed.trade, halted=True), timed, leaving, prices(), 3_700.0)


def test_entries_that_linger_beyond_their_time_or_the_safety_state_are_seen(timed: Held, give: Give) -> None:
    order = give(timed, "E1", "0.152", status="New")
    assert not deadlines.lingers(timed, 1_799.0, shut=False)
    assert deadlines.lingers(timed, 1_800.0, shut=False)
    assert deadlines.lingers(timed, 0.0, shut=True)
    order.status = "Cancelled"
    assert not deadlines.lingers(timed, 1_800.0, shut=True)


def test_entries_that_a_touch_should_have_ended_are_seen(timed: Held, give: Give) -> None:
    order = give(timed, "E1", "0.152", status="New")
    assert [deadlines.touched(timed, Decimal(price)) for price in (65_999, 66_000, 62_000, 62_001)] == [
        False,
        True,
        True,
        False,
    ]
    order.cum_qty = Decimal("0.100")  # a trade like any other now
    assert not deadlines.touched(timed, Decimal(66_000))


def test_a_trade_held_beyond_its_time_is_seen(timed: Held, give: Give) -> None:
    filled(timed, give)
    timed.filled_at = 100.0
    assert not deadlines.stays(timed, 3_699.0)
    assert deadlines.stays(timed, 3_700.0)
    timed.trade = replace(timed.trade, halted=True)
    assert not deadlines.stays(timed, 3_700.0)


# --- I19 -------------------------------------------------------------------------------------------------------------
LATER = NOON + timedelta(hours=6)


def fresh(**terms: object) -> TradeOpened:
    usual: dict[str, object] = {"opened_at": LATER, "signal_key": "BTCUSDT:long:2", "equity_usdt": Decimal(10_000)}
    fact = opening(trade_id="FRESH1", number=2, opened_by="chat:1#b")
    return replace(fact, **(usual | terms))


def earlier(*, before_seconds: float, **terms: object) -> Held:
    """Give another trade that was opened so long before."""
    at = LATER - timedelta(seconds=before_seconds)
    fact = replace(opening(), **({"opened_at": at, "signal_key": "BTCUSDT:long:1"} | terms))
    return Held(trade=opened(fact), opening=fact)


def ended(held: Held, *, before_seconds: float, made: str, reason: ExitReason = ExitReason.STOP_LOSS) -> Held:
    held.closed = TradeClosed(
        realised_pnl_usdt=Decimal(made),
        funding_usdt=Decimal(0),
        reason=reason,
        closed_at=LATER - timedelta(seconds=before_seconds),
    )
    return held


def judge(venue: Venue, terms: GuardTerms, *others: Held, guards: Guards | None = None, timeless: bool = False) -> None:
    guards = guards or Guards(terms)
    guards.check_opened(fresh(), others, venue, quiet=True, timeless=timeless)


def test_an_opening_that_no_guard_is_against_is_passed(venue: Venue) -> None:
    judge(venue, GuardTerms(), earlier(before_seconds=300.0))


def test_an_opening_in_a_shut_safety_state_or_a_dry_run_is_found(venue: Venue) -> None:
    guards = Guards(GuardTerms())
    shut = SafetyChanged(command_id="a", state=SafetyState.REDUCE_ONLY, why="w", by="cli", changed_at=NOON)
    guards.appended([shut])
    with broken("I19", "reduce-only"):
        judge(venue, GuardTerms(), guards=guards)
    guards.appended([replace(shut, command_id="b", state=SafetyState.ACTIVE)])
    judge(venue, GuardTerms(), guards=guards)
    with broken("I19", "dry"):
        judge(venue, GuardTerms(dry_run=True))


def test_an_opening_within_the_cooldown_is_found_unless_clocks_were_meddled_with(venue: Venue) -> None:
    with broken("I19", "opened 299.0 s before"):
        judge(venue, GuardTerms(), earlier(before_seconds=299.0))
    judge(venue, GuardTerms(), earlier(before_seconds=299.0), timeless=True)


def test_an_order_that_is_carried_out_twice_is_found(venue: Venue) -> None:
    terms = GuardTerms()
    with broken("I19", "was carried out as"):
        judge(venue, terms, earlier(before_seconds=86_000.0, signal_key="BTCUSDT:long:2"))
    judge(venue, terms, earlier(before_seconds=86_400.0, signal_key="BTCUSDT:long:2"))


def test_too_many_orders_at_once_are_found_and_the_halves_of_one_count_once(venue: Venue) -> None:
    terms = replace(NO_GUARDS, rapid_orders=2, rapid_seconds=300.0)
    halves = [earlier(before_seconds=10.0, trade_id=each, opened_by="chat:1#x") for each in ("HALF01", "HALF02")]
    judge(venue, terms, *halves)
    with broken("I19", "2 orders were opened within"):
        judge(venue, terms, *halves, earlier(before_seconds=290.0, opened_by="chat:1#y"))


def test_one_trade_too_many_is_found_and_closed_ones_do_not_count(venue: Venue) -> None:
    terms = replace(NO_GUARDS, most_open_trades=2)
    first, second = (earlier(before_seconds=1e3, trade_id=each, opened_by=each) for each in ("OPEN01", "OPEN02"))
    judge(venue, terms, first)
    with broken("I19", "2 trades were open"):
        judge(venue, terms, first, second)
    judge(venue, terms, first, ended(second, before_seconds=500.0, made="1"))


def test_an_opening_after_the_days_loss_is_found(venue: Venue) -> None:
    terms = replace(NO_GUARDS, daily_loss_limit_usdt=Decimal(100))
    lost = earlier(before_seconds=7_200.0)
    with broken("I19", "100 USDT were lost"):
        judge(venue, terms, ended(lost, before_seconds=3_600.0, made="-100"))
    judge(venue, terms, ended(lost, before_seconds=3_600.0, made="-99"))
    judge(venue, terms, ended(lost, before_seconds=30.0, made="-100"))  # the guards may have passed by then
    judge(venue, terms, ended(lost, before_seconds=18 * 3_600 + 1, made="-100"))  # yesterday's


def test_more_capital_in_use_than_allowed_is_found(venue: Venue) -> None:
    bound = fresh().sized.margin_usdt  # nothing else is bound; about a tenth of 10,000
    share = bound / 10_000
    judge(venue, replace(NO_GUARDS, most_capital_in_use=share))
    with broken("I19", "are in use with it"):
        judge(venue, replace(NO_GUARDS, most_capital_in_use=share * Decimal("0.99")))


def test_an_opening_under_a_lock_is_found_until_it_is_released(venue: Venue) -> None:
    lock = Lock(
        lock_id="L1",
        kind=LockKind.STOPS,
        account="main",
        symbol=SYMBOL,
        reason="three stops",
        set_at=LATER - timedelta(seconds=61),
        until=LATER + timedelta(seconds=1),
        newest_close=NOON,
    )
    guards = Guards(NO_GUARDS)
    guards.appended([LockSet(lock=lock)])
    with broken("I19", "L1 locks it"):
        judge(venue, NO_GUARDS, guards=guards)
    guards.appended([LockReleased(lock_id="L1", by="cli", released_at=LATER)])
    judge(venue, NO_GUARDS, guards=guards)
    for harmless in (replace(lock, symbol="XRPUSDT"), replace(lock, account="mirror"), replace(lock, until=LATER)):
        other = Guards(NO_GUARDS)
        other.appended([LockSet(lock=harmless)])
        judge(venue, NO_GUARDS, guards=other)


def test_an_opening_after_too_many_losing_stops_is_found_though_no_lock_was_set(venue: Venue) -> None:
    terms = replace(NO_GUARDS, stop_guard_stops=2, stop_guard_window_seconds=3_600.0, stop_guard_lock_seconds=600.0)
    first, second = (earlier(before_seconds=7e3, trade_id=each, opened_by=each) for each in ("STOP01", "STOP02"))
    ended(first, before_seconds=900.0, made="-5")
    with broken("I19", "2 losing stops shut it"):
        judge(venue, terms, first, ended(second, before_seconds=599.0, made="-5"))
    judge(venue, terms, first, ended(second, before_seconds=600.0, made="-5"))
    judge(venue, terms, first, ended(second, before_seconds=599.0, made="5"))
    judge(venue, terms, first, ended(second, before_seconds=599.0, made="-5", reason=ExitReason.PERSON))


def test_guards_that_a_run_reads_otherwise_than_they_were_durable_are_found() -> None:
    shut = SafetyChanged(command_id="a", state=SafetyState.HALTED, why="w", by="cli", changed_at=NOON)
    guards = Guards(GuardTerms())
    guards.appended([shut])
    guards.begins([shut], forgot=False)
    with broken("I15", "1 facts of the guards were durable, 0 are"):
        guards.begins([], forgot=False)
    guards.begins([], forgot=True)
    assert not guards.shut
