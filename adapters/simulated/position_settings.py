"""Position settings: leverage, position mode, margin mode, and a position's stops at its owner's wish.

Enters: an account and the wish, well formed. Stays out: orders the account itself places, parsing.
Source: Bybit v5 docs, position/leverage, position/position-mode, position/trading-stop, account/set-margin-mode.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from adapters.simulated import matching
from adapters.simulated.protection import (
    STOP_LOSS,
    TAKE_PROFIT,
    StopWish,
    add_partial_stop,
    check_stop_side,
    set_full_stop,
)
from adapters.simulated.records import ZERO, Account
from adapters.simulated.refusals import (
    LEVERAGE_NOT_MODIFIED,
    LEVERAGE_TOO_HIGH,
    MARGIN_MODE_NOT_MODIFIED,
    MARGIN_TOO_SMALL,
    MODE_NOT_MODIFIED,
    MODE_WITH_ORDERS,
    MODE_WITH_POSITION,
    NOT_MODIFIED,
    Refusal,
    bad_parameter,
)
from adapters.simulated.venue import Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStop:
    """A wish for a position's stops: None leaves a value as it is, 0 removes it (full mode)."""

    symbol: str
    index: int
    mode: str = "Full"
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    sl_trigger_by: str = ""
    tp_trigger_by: str = ""
    size: Decimal = ZERO  # partial mode
    sl_limit_price: Decimal = ZERO
    tp_limit_price: Decimal = ZERO


def set_leverage(venue: Venue, account: Account, symbol: str, buy: Decimal, sell: Decimal) -> None:
    """Set the leverage of a symbol's slots.

    Raises:
        Refusal: 10001 unequal where they must be equal, 110013 over the cap, 110043 unchanged.

    """
    instrument = venue.market(symbol).instrument
    indexes = account.indexes(symbol)
    if buy != sell and (indexes == (0,) or account.margin_mode != "ISOLATED_MARGIN"):
        raise bad_parameter("buyLeverage must be equal to sellLeverage")
    for wanted in (buy, sell):
        if wanted > instrument.max_leverage:
            text = f"cannot set leverage [{wanted}] gt maxLeverage [{instrument.max_leverage}] by risk limit"
            raise Refusal(LEVERAGE_TOO_HIGH, text)
        if wanted < instrument.min_leverage or wanted % instrument.leverage_step:
            raise bad_parameter(f"leverage invalid {wanted}")
    wishes = {0: buy, 1: buy, 2: sell}
    slots = [account.position(symbol, index) for index in indexes]
    if all(slot.leverage == wishes[slot.index] for slot in slots):
        raise Refusal(LEVERAGE_NOT_MODIFIED, "leverage not modified")
    before = {slot.index: slot.leverage for slot in slots}
    for slot in slots:
        slot.leverage = wishes[slot.index]
    if venue.margin.available(account) < 0:
        for slot in slots:
            slot.leverage = before[slot.index]
        raise Refusal(MARGIN_TOO_SMALL, "ab not enough for the position's margin at this leverage")
    for slot in slots:
        venue.position_changed(slot)


def switch_mode(venue: Venue, account: Account, symbols: Iterable[str], *, hedge: bool) -> None:
    """Choose one-way or hedge mode for some symbols.

    Raises:
        Refusal: 110025 unchanged, 110024 a position is open, 110028 orders are open.

    """
    changing = [symbol for symbol in symbols if (symbol in account.hedge_symbols) != hedge]
    if not changing:
        raise Refusal(MODE_NOT_MODIFIED, "Position mode is not modified")
    for symbol in changing:
        if any(account.position(symbol, index).size for index in account.indexes(symbol)):
            text = "You have an existing position, so the position mode cannot be switched"
            raise Refusal(MODE_WITH_POSITION, text)
        if account.open_on(symbol):
            text = "You have existing open orders, so the position mode cannot be switched"
            raise Refusal(MODE_WITH_ORDERS, text)
    for symbol in changing:
        leverage = account.position(symbol, account.indexes(symbol)[0]).leverage
        (account.hedge_symbols.add if hedge else account.hedge_symbols.discard)(symbol)
        for index in account.indexes(symbol):
            slot = account.position(symbol, index)
            slot.leverage = leverage
            venue.position_changed(slot)
    venue.changes.accounts.add(account.name)


def set_margin_mode(venue: Venue, account: Account, mode: str) -> None:
    """Choose ISOLATED_MARGIN or REGULAR_MARGIN (cross) for the whole account.

    Raises:
        Refusal: 110026 unchanged, 110024 a position is open.

    """
    if mode == account.margin_mode:
        raise Refusal(MARGIN_MODE_NOT_MODIFIED, "Margin mode is not modified")
    if any(position.size for position in account.positions.values()):
        raise Refusal(MODE_WITH_POSITION, "You have an existing position, so the margin mode cannot be switched")
    account.margin_mode = mode
    venue.changes.accounts.add(account.name)


def set_trading_stop(venue: Venue, account: Account, wish: TradingStop) -> None:
    """Set, move or remove a position's stops.

    Raises:
        Refusal: 10001 no position or the wrong side of the price, 34040 nothing to change, 110061 too many.

    """
    market = venue.market(wish.symbol)
    position = account.position(wish.symbol, wish.index)
    if not position.size:
        raise bad_parameter("can not set tp/sl/ts for zero position")
    stated = (
        (STOP_LOSS, wish.stop_loss, wish.sl_trigger_by, wish.sl_limit_price),
        (TAKE_PROFIT, wish.take_profit, wish.tp_trigger_by, wish.tp_limit_price),
    )
    stops = [
        StopWish(what=what, trigger=trigger, source=source, limit=limit)
        for what, trigger, source, limit in stated
        if trigger is not None
    ]
    for stop in stops:
        if stop.trigger:
            base, name = venue.price_of(wish.symbol, stop.source), stop.source or "LastPrice"
            check_stop_side(market, stop, side=position.side, base=base, base_name=name)
    if wish.mode == "Full":
        changed = [set_full_stop(venue, position, stop) for stop in stops]
        if not any(changed):
            raise Refusal(NOT_MODIFIED, "not modified")
    else:
        if not 0 < wish.size <= position.size:
            raise bad_parameter(f"tpSize or slSize {wish.size} must lie within the position's {position.size}")
        for stop in stops:
            if stop.trigger:
                add_partial_stop(venue, position, stop, wish.size)
    venue.position_changed(position)
    matching.fire_triggers(venue, market)
