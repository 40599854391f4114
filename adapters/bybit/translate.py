"""Translate: Bybit's v5 rows become our values. Bybit's spelling ends here.

Enters: rows of category=linear as REST and the private stream give them. Stays out: requests, sockets, decisions.
Every optional field may be missing, empty, zero or hold a word we do not know. A row without one of these is refused
(fields.Unreadable), and the caller decides what that means for its neighbours:

- order: orderId, symbol, side, orderStatus, cumExecQty, and qty (the exchange's own position stop may lack qty)
- position: symbol, size, and side while the size is not zero
- execution: execId, symbol, side, execQty, execPrice, execTime, and execFee or the feeRate to reckon it by
- closed result: symbol, orderId, closedPnl, and qty or closedSize, and one of its times
- instrument: symbol, tickSize, qtyStep, minOrderQty, maxOrderQty, maxLeverage
- ticker: lastPrice, markPrice; wallet: the coin list
Source: Bybit v5 documentation, pages order/open-order, position/position, order/execution, websocket/private/*.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from actors.messages.orders import (
    ExecutionKind,
    ExecutionReported,
    OrderReported,
    PositionReported,
    StreamReport,
    WalletReported,
)
from actors.model.account import Balance, KeyRights, MarginMode
from actors.model.instrument import FeeRates, Instrument
from actors.model.money import ONE, ZERO
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionMode, PositionSide
from actors.ports import ClosedPnl
from adapters.bybit.fields import (
    Row,
    Unreadable,
    amount,
    flag,
    inner,
    instant,
    integer,
    price,
    required_amount,
    required_instant,
    required_price,
    required_text,
    rows,
    text,
)

_SIDES = {"Buy": OrderSide.BUY, "Sell": OrderSide.SELL}
_POSITION_SIDES = {"Buy": PositionSide.LONG, "Sell": PositionSide.SHORT}
# An unknown status counts as working: an order is over only when the exchange says so in a word we know.
_STATES = {
    "Untriggered": OrderState.UNTRIGGERED,
    "Created": OrderState.WORKING,
    "New": OrderState.WORKING,
    "PartiallyFilled": OrderState.WORKING,
    "Triggered": OrderState.WORKING,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "PartiallyFilledCanceled": OrderState.CANCELLED,
    "Deactivated": OrderState.CANCELLED,
    "Rejected": OrderState.REJECTED,
}
_EXECUTION_KINDS = {
    "Trade": ExecutionKind.TRADE,
    "Funding": ExecutionKind.FUNDING,
    "BustTrade": ExecutionKind.LIQUIDATION,
    "AdlTrade": ExecutionKind.DELEVERAGING,
    "Delivery": ExecutionKind.SETTLEMENT,
    "Settle": ExecutionKind.SETTLEMENT,
}
_MARGIN_MODES = {
    "ISOLATED_MARGIN": MarginMode.ISOLATED,
    "REGULAR_MARGIN": MarginMode.CROSS,
    "PORTFOLIO_MARGIN": MarginMode.PORTFOLIO,
}
_NO_REASON = {"", "EC_NoError", "UNKNOWN"}
_SETTLE_COIN = "USDT"
_USUAL_MIN_NOTIONAL_USDT = Decimal(5)  # where a row leaves minNotionalValue out
_USUAL_LEVERAGE_STEP = Decimal("0.01")
_USUAL_FUNDING_MINUTES = 480
_PERCENT_CLUE = Decimal(10)  # initial margin times leverage is 1 in fractions and 100 in percent


def order(row: Row) -> ObservedOrder:
    """Read an order of order/realtime, order/history or the order topic."""
    status = required_text("an order", row, "orderStatus")
    position_stop = _is_position_stop(row)
    quantity = amount(row, "qty")
    if quantity is None and not position_stop:
        raise Unreadable("an order", "qty", row)
    limit = price(row, "price")
    return ObservedOrder(
        order_id=required_text("an order", row, "orderId"),
        client_order_id=sys.intern(text(row, "orderLinkId")) or None,  # its trade has this very text already
        symbol=sys.intern(required_text("an order", row, "symbol")),
        order_side=_side("an order", row),
        kind=_kind(row, limit),
        state=_STATES.get(status, OrderState.WORKING),
        quantity=ZERO if quantity is None else quantity,
        filled_quantity=required_amount("an order", row, "cumExecQty"),
        average_price=price(row, "avgPrice"),
        price=limit,
        trigger_price=price(row, "triggerPrice"),
        attached_stop=price(row, "stopLoss"),
        reduce_only=flag(row, "reduceOnly"),
        close_on_trigger=flag(row, "closeOnTrigger"),
        position_index=integer(row, "positionIdx") or 0,
        fee_usdt=_fee_so_far(row),
        reason=_reason(row, status),
        immediate=limit is not None and text(row, "timeInForce") == "IOC" and text(row, "orderType") == "Limit",
        reduced_away=text(row, "cancelType") == "CancelByReduceOnly",
        is_position_stop=position_stop,
        updated_at=instant(row, "updatedTime", "createdTime"),
    )


def position(row: Row) -> ObservedPosition:
    """Read a position of position/list (avgPrice) or the position topic (entryPrice)."""
    size = required_amount("a position", row, "size")
    if size < 0:
        raise Unreadable("a position", "size", row)
    side = _POSITION_SIDES.get(text(row, "side")) if size else None
    if size and side is None:
        raise Unreadable("a position", "side", row)
    sequence = integer(row, "seq")
    return ObservedPosition(
        symbol=required_text("a position", row, "symbol"),
        side=side,
        size=size,
        average_price=price(row, "avgPrice", "entryPrice"),
        leverage=price(row, "leverage"),
        position_index=integer(row, "positionIdx") or 0,
        stop_price=price(row, "stopLoss"),
        liquidation_price=price(row, "liqPrice"),
        mark_price=price(row, "markPrice"),
        sequence=sequence if sequence is not None and sequence >= 0 else None,
        updated_at=instant(row, "updatedTime", "createdTime"),
    )


def execution(row: Row, account: str) -> ExecutionReported:
    """Read an execution of execution/list or the execution topic; funding payments come this way too."""
    sequence = integer(row, "seq")
    return ExecutionReported(
        account=account,
        execution_id=required_text("an execution", row, "execId"),
        symbol=sys.intern(required_text("an execution", row, "symbol")),
        order_id=text(row, "orderId"),
        client_order_id=sys.intern(text(row, "orderLinkId")) or None,
        order_side=_side("an execution", row),
        kind=_EXECUTION_KINDS.get(text(row, "execType") or "Trade", ExecutionKind.OTHER),
        quantity=required_amount("an execution", row, "execQty"),
        price=required_price("an execution", row, "execPrice"),
        fee_usdt=_fee_of(row),
        is_maker=flag(row, "isMaker"),
        executed_at=required_instant("an execution", row, "execTime"),
        closed_quantity=amount(row, "closedSize"),
        position_index=integer(row, "positionIdx"),
        sequence=sequence if sequence is not None and sequence >= 0 else None,
        is_position_stop=_is_position_stop(row),
    )


def wallet(row: Row, account: str) -> WalletReported:
    """Read an account row of the wallet topic: what it says of USDT, None where it does not."""
    if not isinstance(row.get("coin"), list):
        raise Unreadable("a wallet", "coin", row)
    coin = _settle_coin(row)
    return WalletReported(
        account=account,
        equity_usdt=None if coin is None else amount(coin, "equity"),
        available_usdt=_available(row, coin, None),
    )


def balance(row: Row, mode: MarginMode, read_at: datetime) -> Balance:
    """Read an account row of wallet-balance. Coins without a balance are left out by the exchange: no USDT is zero.

    Free for margin is the whole account's figure in cross mode; isolated mode has none, so there it is the wallet less
    what positions and orders hold, and less what is locked or a bonus. Source: account/wallet-balance.
    """
    if not isinstance(row.get("coin"), list):
        raise Unreadable("a wallet", "coin", row)
    coin = _settle_coin(row)
    if coin is None:
        return Balance(equity_usdt=ZERO, wallet_usdt=ZERO, available_usdt=ZERO, read_at=read_at)
    available = _available(row, coin, mode)
    if available is None:
        raise Unreadable("a wallet", "walletBalance", coin)
    return Balance(
        equity_usdt=required_amount("a wallet", coin, "equity", "walletBalance"),
        wallet_usdt=required_amount("a wallet", coin, "walletBalance", "equity"),
        available_usdt=available,
        read_at=read_at,
    )


def closed_pnl(row: Row) -> ClosedPnl:
    """Read a row of position/closed-pnl."""
    return ClosedPnl(
        symbol=required_text("a closed result", row, "symbol"),
        order_id=required_text("a closed result", row, "orderId"),
        quantity=required_amount("a closed result", row, "closedSize", "qty"),
        pnl_usdt=required_amount("a closed result", row, "closedPnl"),
        closed_at=required_instant("a closed result", row, "updatedTime", "createdTime"),
    )


def instrument(row: Row) -> Instrument | None:
    """Read a row of instruments-info; None for what is not a USDT perpetual."""
    symbol = required_text("an instrument", row, "symbol")
    perpetual = text(row, "contractType") in {"", "LinearPerpetual"}
    settled_in = text(row, "settleCoin") or text(row, "quoteCoin") or _SETTLE_COIN
    if not perpetual or settled_in != _SETTLE_COIN:
        return None
    lots, leverage = inner(row, "lotSizeFilter"), inner(row, "leverageFilter")
    max_limit = required_price("an instrument", lots, "maxOrderQty")
    min_notional = amount(lots, "minNotionalValue")
    return Instrument(
        symbol=symbol,
        base=text(row, "baseCoin") or symbol.removesuffix(_SETTLE_COIN),
        quote=text(row, "quoteCoin") or _SETTLE_COIN,
        tick_size=required_price("an instrument", inner(row, "priceFilter"), "tickSize"),
        quantity_step=required_price("an instrument", lots, "qtyStep"),
        min_quantity=required_price("an instrument", lots, "minOrderQty"),
        max_limit_quantity=max_limit,
        max_market_quantity=price(lots, "maxMktOrderQty") or max_limit,
        min_notional_usdt=_USUAL_MIN_NOTIONAL_USDT if min_notional is None else min_notional,
        min_leverage=price(leverage, "minLeverage") or ONE,
        max_leverage=required_price("an instrument", leverage, "maxLeverage"),
        leverage_step=price(leverage, "leverageStep") or _USUAL_LEVERAGE_STEP,
        funding_interval_minutes=integer(row, "fundingInterval") or _USUAL_FUNDING_MINUTES,
        trading=text(row, "status") in {"", "Trading"},
    )


def last_and_mark(row: Row) -> tuple[Decimal, Decimal]:
    """Read the two prices of a ticker row."""
    return required_price("a ticker", row, "lastPrice"), required_price("a ticker", row, "markPrice")


def fee_rates(row: Row) -> FeeRates:
    """Read a row of account/fee-rate; a maker's rate may be negative."""
    return FeeRates(
        maker=required_amount("a fee rate", row, "makerFeeRate"),
        taker=required_amount("a fee rate", row, "takerFeeRate"),
    )


def margin_mode(row: Row) -> MarginMode:
    """Read account/info."""
    mode = _MARGIN_MODES.get(text(row, "marginMode"))
    if mode is None:
        raise Unreadable("an account", "marginMode", row)
    return mode


def position_mode(found: Sequence[ObservedPosition]) -> PositionMode:
    """Tell the mode of a symbol by its rows: hedge mode lists index 1 and 2, one-way mode index 0."""
    hedged = any(each.position_index in {1, 2} for each in found)
    return PositionMode.HEDGE if hedged else PositionMode.ONE_WAY


def maintenance_margin_rate(tiers: Sequence[Row]) -> Decimal | None:
    """Give the lowest risk tier's maintenance margin as a fraction of notional; None when no row says it.

    Bybit has written this field as a fraction and as percent. Initial margin times leverage tells which.
    """
    readable = [tier for tier in tiers if price(tier, "maintenanceMargin") is not None]
    if not readable:
        return None
    lowest = min(readable, key=lambda tier: amount(tier, "riskLimitValue") or ZERO)
    rate = required_price("a risk tier", lowest, "maintenanceMargin")
    unit = (price(lowest, "initialMargin") or ZERO) * (price(lowest, "maxLeverage") or ZERO)
    return rate / 100 if unit > _PERCENT_CLUE else rate


def key_rights(row: Row) -> KeyRights:
    """Read user/query-api. Permissions that are not named are not there."""
    permissions = inner(row, "permissions")
    contract = rows(permissions, "ContractTrade")
    derivatives = "DerivativesTrade" in rows(permissions, "Derivatives")
    return KeyRights(
        user_id=required_text("an API key", row, "userID"),
        read_only=text(row, "readOnly") != "0",
        may_order="Order" in contract or derivatives,
        may_position="Position" in contract or derivatives,
        may_withdraw="Withdraw" in rows(permissions, "Wallet"),
        unified=flag(row, "uta"),
        expires_at=_iso_instant(text(row, "expiredAt")),
    )


def server_time_seconds(row: Row) -> float:
    """Read market/time, seconds since 1970 (a clock reading, not money)."""
    nano = amount(row, "timeNano")
    if nano is not None:
        return float(nano / 1_000_000_000)
    return float(required_amount("a server time", row, "timeSecond"))


def private_report(topic: str, row: Row, account: str) -> StreamReport | None:
    """Read one row of a private message; None for rows of other products and topics that are not ours."""
    if text(row, "category") not in {"", "linear"}:
        return None
    read = _PRIVATE_TOPICS.get(topic.split(".", maxsplit=1)[0])
    return None if read is None else read(row, account)


_PRIVATE_TOPICS: dict[str, Callable[[Row, str], StreamReport]] = {
    "order": lambda row, account: OrderReported(account=account, order=order(row)),
    "execution": execution,
    "position": lambda row, account: PositionReported(account=account, position=position(row)),
    "wallet": wallet,
}


def _side(what: str, row: Row) -> OrderSide:
    side = _SIDES.get(text(row, "side"))
    if side is None:
        raise Unreadable(what, "side", row)
    return side


def _kind(row: Row, limit: Decimal | None) -> OrderKind:
    named = text(row, "orderType")
    if named in {"Market", "Limit"}:
        return OrderKind.MARKET if named == "Market" else OrderKind.LIMIT
    return OrderKind.MARKET if limit is None else OrderKind.LIMIT


def _is_position_stop(row: Row) -> bool:
    """Tell the exchange's own order behind a position-level stop: no order of ours lacks a client id."""
    made_by_exchange = "StopLoss" in {text(row, "stopOrderType"), text(row, "createType").removeprefix("CreateBy")}
    return made_by_exchange and not text(row, "orderLinkId")


def _reason(row: Row, status: str) -> str:
    words = [word for word in (text(row, "rejectReason"), text(row, "cancelType")) if word not in _NO_REASON]
    if status not in _STATES:
        words.append(f"unknown status {status}")
    return " ".join(words)


def _fee_so_far(row: Row) -> Decimal | None:
    """Give what an order paid: cumFeeDetail by coin; cumExecFee is its deprecated forerunner."""
    by_coin = amount(inner(row, "cumFeeDetail"), _SETTLE_COIN)
    return by_coin if by_coin is not None else amount(row, "cumExecFee")


def _fee_of(row: Row) -> Decimal:
    fee = amount(row, "execFee")
    if fee is not None:
        return fee
    rate = required_amount("an execution without execFee", row, "feeRate")
    value = amount(row, "execValue")
    if value is None:
        value = required_amount("an execution", row, "execQty") * required_price("an execution", row, "execPrice")
    return rate * value


def _settle_coin(row: Row) -> Row | None:
    coins = (coin for coin in rows(row, "coin") if isinstance(coin, Mapping))
    return next((coin for coin in coins if text(coin, "coin") == _SETTLE_COIN), None)


def _available(row: Row, coin: Row | None, mode: MarginMode | None) -> Decimal | None:
    whole_account = amount(row, "totalAvailableBalance")
    if mode is not MarginMode.ISOLATED and whole_account is not None:
        return whole_account
    if coin is None:
        return None
    held = amount(coin, "walletBalance")
    if held is None:
        return None
    bound = ("totalPositionIM", "totalOrderIM", "locked", "bonus")
    return max(ZERO, held - sum((amount(coin, name) or ZERO for name in bound), ZERO))


def _iso_instant(written: str) -> datetime | None:
    """Read "2027-05-15T03:21:05Z"; a key that never expires carries nothing or the year 1970."""
    try:
        when = datetime.fromisoformat(written)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when if when.timestamp() > 0 else None
