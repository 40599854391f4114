"""Requests: our intents become Bybit's v5 parameters.

Enters: order intents and requests. Stays out: sending, answers.
Every number leaves as fixed-point text: pybit would write a Decimal("1E-5") or 0.00001 as "1e-05", which is refused.
Source: Bybit v5 documentation, pages order/create-order, order/amend-order, position/trading-stop, position/leverage.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from actors.messages.orders import AmendOrder, CancelOrder, SetPositionStop
from actors.model.money import plain
from actors.model.order import OrderIntent, OrderKind, OrderSide, TriggerSource

Params: TypeAlias = dict[str, str | int | bool]

CATEGORY = "linear"
SETTLE_COIN = "USDT"
_SIDES = {OrderSide.BUY: "Buy", OrderSide.SELL: "Sell"}
_TRIGGERS = {TriggerSource.LAST: "LastPrice", TriggerSource.MARK: "MarkPrice", TriggerSource.INDEX: "IndexPrice"}
_RISES, _FALLS = 1, 2


def place(order: OrderIntent) -> Params:
    """Write order/create.

    Raises ValueError: a limit order without a price, or a conditional one that does not say which way it fires.
    """
    params: Params = {
        "category": CATEGORY,
        "symbol": order.symbol,
        "side": _SIDES[order.order_side],
        "orderType": "Market" if order.kind is OrderKind.MARKET else "Limit",
        "qty": plain(order.quantity),
        "positionIdx": order.position_index,
        "orderLinkId": order.client_order_id,
    }
    if order.kind is OrderKind.LIMIT:
        if order.price is None:
            raise ValueError(f"a limit order has no price: {order.client_order_id}")
        params["price"] = plain(order.price)
        params["timeInForce"] = "IOC" if order.immediate else "GTC"
    if order.trigger_price is not None:
        if order.trigger_rises is None:
            raise ValueError(f"a conditional order does not say whether it fires rising: {order.client_order_id}")
        params["triggerPrice"] = plain(order.trigger_price)
        params["triggerDirection"] = _RISES if order.trigger_rises else _FALLS
        params["triggerBy"] = _TRIGGERS[order.trigger_source]
    if order.reduce_only:
        params["reduceOnly"] = True
    if order.close_on_trigger:
        params["closeOnTrigger"] = True
    if order.attached_stop is not None:
        params |= _attached_stop(order.attached_stop, order.trigger_source)
    return params


def amend(request: AmendOrder) -> Params:
    """Write order/amend with only what changes."""
    params: Params = {
        "category": CATEGORY,
        "symbol": request.symbol,
        "orderLinkId": request.client_order_id,
    }
    changes = {
        "qty": request.quantity,
        "price": request.price,
        "triggerPrice": request.trigger_price,
        "stopLoss": request.attached_stop,
    }
    return params | {name: plain(value) for name, value in changes.items() if value is not None}


def cancel(request: CancelOrder) -> Params:
    """Write order/cancel: ours by our own id, another's by the exchange's."""
    named: Params = {"orderId": request.order_id} if request.order_id else {"orderLinkId": request.client_order_id}
    return {"category": CATEGORY, "symbol": request.symbol, **named}


def position_stop(request: SetPositionStop) -> Params:
    """Write position/trading-stop for the whole position; it changes the one stop there is."""
    return {
        "category": CATEGORY,
        "symbol": request.symbol,
        "tpslMode": "Full",
        "positionIdx": request.position_index,
        "stopLoss": plain(request.stop_price),
        "slTriggerBy": _TRIGGERS[TriggerSource.LAST],
    }


def leverage(symbol: str, value: Decimal) -> Params:
    """Write position/set-leverage; both sides must agree in one-way and cross mode."""
    return {"category": CATEGORY, "symbol": symbol, "buyLeverage": plain(value), "sellLeverage": plain(value)}


def listing(symbol: str | None, **more: str | int) -> Params:
    """Write the parameters of a list: of one symbol, or of all that settle in USDT."""
    params: Params = {"category": CATEGORY, **more}
    if symbol is None:
        params["settleCoin"] = SETTLE_COIN
    else:
        params["symbol"] = symbol
    return params


def _attached_stop(stop: Decimal, source: TriggerSource) -> Params:
    return {"stopLoss": plain(stop), "slTriggerBy": _TRIGGERS[source], "slOrderType": "Market", "tpslMode": "Full"}
