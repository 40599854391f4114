"""I5, I6 and I13 on hand-made wrong records: sizes, limits and results worked out from the exchange's own record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.trading import ExitReason, TradeClosed, TradeOpened
from actors.model.trade import LegState, Role, Trade
from actors.model.trade_plan import SizedPlan
from actors.rules.position_life import opened
from adapters.assembly.simulation.invariants import limits, results, sizing
from adapters.assembly.simulation.invariants.held import Held
from adapters.simulated.records import Account, Order
from adapters.simulated.venue import Venue
from tests.invariants.conftest import NOON, PLAN, SYMBOL, broken, filled, opening, report, request

Give = Callable[..., Order]
QUIET = 60.0


def scaled(fact: TradeOpened, factor: str) -> TradeOpened:
    """Give the opening with every quantity so many times as large."""
    sized, times = fact.sized, Decimal(factor)
    return replace(
        fact,
        sized=replace(
            sized,
            quantity=sized.quantity * times,
            entries=tuple(replace(each, quantity=each.quantity * times) for each in sized.entries),
            notional_usdt=sized.notional_usdt * times,
        ),
    )


# --- I5 --------------------------------------------------------------------------------------------------------------
def test_a_trade_of_its_plans_share_of_the_balance_is_passed(venue: Venue) -> None:
    sizing.check_sized(venue, opening(), quiet_seconds=QUIET)


def test_a_trade_larger_than_its_plans_share_is_found(venue: Venue) -> None:
    with broken("I5", "binds"):
        sizing.check_sized(venue, scaled(opening(), "2"), quiet_seconds=QUIET)


def test_a_trade_sized_from_the_other_accounts_balance_is_found(venue: Venue) -> None:
    fact = opening()
    mirrored = replace(fact, sized=replace(fact.sized, plan=replace(fact.sized.plan, account="mirror")))
    with broken("I5", "binds"):
        sizing.check_sized(venue, mirrored, quiet_seconds=QUIET)


def test_a_trade_smaller_than_its_share_is_found_once_the_balance_has_been_quiet(venue: Venue) -> None:
    with broken("I5", "binds only"):
        sizing.check_sized(venue, scaled(opening(), "0.5"), quiet_seconds=QUIET)
    sizing.check_sized(venue, scaled(opening(), "0.5"), quiet_seconds=1.0)


def test_entries_against_the_exchanges_own_filters_are_found(venue: Venue) -> None:
    with broken("I5", "against the filters"):
        sizing.check_sized(venue, scaled(opening(), "1.001"), quiet_seconds=QUIET)
    fact = opening()
    with broken("I5", "do not come to"):
        short: SizedPlan = replace(fact.sized, quantity=Decimal("0.1"))
        sizing.check_sized(venue, replace(fact, sized=short), quiet_seconds=QUIET)


def test_an_order_sent_to_another_account_than_its_trades_is_found(held: Held) -> None:
    sizing.check_place(held, "main", "SF00001-7K3Q9X-E1-0")
    with broken("I5", "sent to account mirror"):
        sizing.check_place(held, "mirror", "SF00001-7K3Q9X-E1-0")


# --- I6 --------------------------------------------------------------------------------------------------------------
def trades(count: int, plan: str = PLAN) -> list[Held]:
    return [Held(trade=opened(opening(plan, trade_id=f"00000{number}", number=number))) for number in range(count)]


def test_the_ninth_trade_on_a_symbol_is_found(held: Held) -> None:
    limits.check_room(held, [held, *trades(7)])
    with broken("I6", "number 9"):
        limits.check_room(held, [held, *trades(8)])


def test_trades_of_two_leverages_on_one_symbol_are_found(held: Held) -> None:
    with broken("I6", "leverage"):
        limits.check_room(held, [held, *trades(1, PLAN.replace("leverage 10", "leverage 5"))])


def test_an_order_off_its_symbols_limits_is_found(venue: Venue, held: Held) -> None:
    limits.check_intent(venue, held, request(held, Role.ENTRY, "0.152", "SF00001-7K3Q9X-E1-0"))
    for quantity in ("99999", "0.1005", "0"):
        fact = request(held, Role.STOP, quantity, "SF00001-7K3Q9X-S-0")
        with broken("I6", f"asks for {quantity}"):
            limits.check_intent(venue, held, fact)


def test_entries_asked_for_beyond_the_plan_are_found_though_none_has_reached_the_exchange(
    venue: Venue, held: Held
) -> None:
    request(held, Role.ENTRY, "0.152", "SF00001-7K3Q9X-E1-0")
    second = request(held, Role.ENTRY, "0.001", "SF00001-7K3Q9X-E1-1")
    with broken("I6", "entries asked for come to 0.153"):
        limits.check_intent(venue, held, second)


def test_trades_that_bind_more_than_the_wallet_are_found_before_any_order_is_there(
    venue: Venue, account: Account, held: Held
) -> None:
    limits.check_margin(venue, account, [held])
    account.wallet = Decimal(900)  # it binds 0.152 * 65,000 / 10, and fees
    with broken("I6", "the wallet holds 900"):
        limits.check_margin(venue, account, [held])
    request(held, Role.ENTRY, "0.152", "SF00001-7K3Q9X-E1-0")
    with broken("I6", "the wallet holds 900"):
        limits.check_margin(venue, account, [held])
    (entry,) = held.trade.legs
    refused = replace(entry, state=LegState.REJECTED)
    limits.check_margin(venue, account, [replace(held, trade=held.trade.with_leg(refused))])


def test_conditional_orders_there_and_coming_are_counted_together(held: Held, give: Give, account: Account) -> None:
    request(held, Role.STOP, "0.100", "SF00001-7K3Q9X-S-0")
    for number in range(9):
        give(None, "S", "0.001", link_id=f"app-{number}")
    limits.check_conditionals(account, SYMBOL, [held])
    give(None, "S", "0.001", link_id="app-9")
    with broken("I6", "11 conditional orders"):
        limits.check_conditionals(account, SYMBOL, [held])


def test_a_position_at_another_leverage_than_its_trades_is_found(held: Held, give: Give, account: Account) -> None:
    give(held, "E1", "0.152")
    position = account.position(SYMBOL, 0)
    limits.check_leverage(position, [held])
    position.leverage = Decimal(25)
    with broken("I6", "stands at leverage 25"):
        limits.check_leverage(position, [held])


# --- I13 -------------------------------------------------------------------------------------------------------------
def closed(result: str) -> TradeClosed:
    return TradeClosed(
        realised_pnl_usdt=Decimal(result), funding_usdt=Decimal(0), reason=ExitReason.TARGETS, closed_at=NOON
    )


@pytest.fixture
def done(held: Held, give: Give) -> Held:
    """0.100 BTC bought at 65,000 (fee 1.30) and sold at 66,000 (fee 3.63): 100 less both is 95.07."""
    filled(held, give)
    order = give(held, "T1", "0.100", filled="0.100", status="Filled")
    order.cum_value, order.cum_fee = Decimal(6600), Decimal("3.63")
    request(held, Role.TARGET, "0.100", order.link_id)
    report(held, order.link_id, "0.100", price="66000", fee=Decimal("3.63"))
    return held


def test_a_result_that_is_the_exchanges_own_and_told_is_passed(done: Held) -> None:
    assert results.result_of(done) == Decimal("95.07")
    results.check_closed(done, closed("95.07"), ("#1 BTCUSDT long: closed, +95.07 USDT",))


def test_a_result_a_cent_off_the_exchanges_own_is_found(done: Held) -> None:
    with broken("I13", "brought 95.07"):
        results.check_closed(done, closed("95.08"), ("#1 BTCUSDT long: closed, +95.08 USDT",))


def test_a_result_that_nobody_was_told_is_found(done: Held) -> None:
    with broken("I13", "no alert of that commit says so"):
        results.check_closed(done, closed("95.07"), ("#1 BTCUSDT long: closed, +59.70 USDT",))


def test_a_fill_the_journal_does_not_know_yet_puts_the_judgement_off(done: Held) -> None:
    done.orders[-1].cum_qty += Decimal("0.001")
    results.check_closed(done, closed("0"), ())


def test_funding_stays_outside_the_result(done: Held) -> None:
    before: Trade = done.trade
    done.trade = replace(before, funding_usdt=Decimal(7))
    assert results.result_of(done) == Decimal("95.07")
