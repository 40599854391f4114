"""Requests: Bybit's parameters read into our values, refused with 10001 where they do not fit.

Enters: the decoded query or JSON body of one request. Stays out: state; whether the values make sense together here.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.simulated.exchange import Change
from adapters.simulated.position_settings import TradingStop
from adapters.simulated.records import BUY, SELL, ZERO, Order
from adapters.simulated.refusals import bad_parameter
from adapters.simulated.venue import Venue

Params = Mapping[str, Any]

_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
TRIGGER_SOURCES = ("LastPrice", "MarkPrice", "IndexPrice")
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "PostOnly")
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


def word(params: Params, name: str, *, default: str | None = None, among: tuple[str, ...] = ()) -> str:
    """A text parameter; required when it has no default; one of ``among``, where given."""
    value = params.get(name)
    if value is None or value == "":
        if default is None:
            raise bad_parameter(f"params error: {name} is required")
        return default
    if not isinstance(value, str):
        raise bad_parameter(f"params error: {name} must be a string")
    if among and value not in among:
        raise bad_parameter(f"params error: {name} invalid {value}")
    return value


def category(params: Params, *, default: str | None = None) -> None:
    """Only linear contracts trade here."""
    value = word(params, "category", default=default)
    if value != "linear":
        raise bad_parameter("params error: category only support linear here")


def amount(params: Params, name: str) -> Decimal | None:
    """A number sent as text, None when absent or empty; an exponent is refused as Bybit does."""
    value = params.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not _NUMBER.fullmatch(str(value)):
        raise bad_parameter(f"params error: {name} invalid {value}")
    try:
        return Decimal(str(value))
    except InvalidOperation:  # pragma: no cover - the pattern let it through
        raise bad_parameter(f"params error: {name} invalid {value}") from None


def needed(params: Params, name: str) -> Decimal:
    """A number that must be there."""
    value = amount(params, name)
    if value is None:
        raise bad_parameter(f"params error: {name} is required")
    return value


def whole(params: Params, name: str, *, default: int, low: int, high: int) -> int:
    """A whole number within bounds, whether it came as number or as text."""
    value = params.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,18}", str(value)):
        raise bad_parameter(f"params error: {name} invalid {value}")
    number = int(str(value))
    if not low <= number <= high:
        raise bad_parameter(f"params error: {name} invalid {value}, must be within {low} and {high}")
    return number


def limit(params: Params, *, default: int, most: int) -> int:
    """How many rows a page holds; more than the endpoint's most is served as its most."""
    return min(most, whole(params, "limit", default=default, low=1, high=10**9))


def flag(params: Params, name: str) -> bool:
    """A boolean, absent meaning false."""
    value = params.get(name)
    if value is None or value == "":
        return False
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise bad_parameter(f"params error: {name} must be true or false")


def period(params: Params, now_ms: int) -> tuple[int, int]:
    """(start, end) of a history query in ms, both included; a week by default and at most."""
    highest = 10**15
    start = whole(params, "startTime", default=0, low=0, high=highest)
    end = whole(params, "endTime", default=0, low=0, high=highest)
    if start and end:
        if end < start:
            raise bad_parameter("params error: startTime must not be later than endTime")
        if end - start > WEEK_MS:
            raise bad_parameter("params error: the interval between startTime and endTime must not exceed 7 days")
        return start, end
    if start:
        return start, start + WEEK_MS
    if end:
        return end - WEEK_MS, end
    return now_ms - WEEK_MS, highest


def new_order(params: Params, account: str, venue: Venue) -> Order:
    """The draft of a new order.

    Raises:
        Refusal: 10001, a parameter is missing or malformed.

    """
    symbol = word(params, "symbol")
    venue.market(symbol)
    side = word(params, "side", among=(BUY, SELL))
    order_type = word(params, "orderType", among=("Market", "Limit"))
    link_id = word(params, "orderLinkId", default="")
    if link_id and not _LINK_ID.fullmatch(link_id):
        raise bad_parameter("params error: orderLinkId must be at most 36 of digits, letters, - and _")
    trigger = amount(params, "triggerPrice")
    direction = whole(params, "triggerDirection", default=0, low=0, high=2)
    if trigger is not None and trigger > 0 and direction not in {1, 2}:
        raise bad_parameter("params error: triggerDirection invalid")
    trigger = trigger or None
    limit_order = order_type == "Limit"
    number = venue.number()
    now_ms = venue.clock()
    order = Order(
        account=account,
        symbol=symbol,
        order_id=venue.identity(number),
        number=number,
        link_id=link_id,
        side=side,
        order_type=order_type,
        qty=needed(params, "qty"),
        price=needed(params, "price") if limit_order else ZERO,
        time_in_force=word(params, "timeInForce", default="GTC", among=_TIMES_IN_FORCE) if limit_order else "IOC",
        status="Untriggered" if trigger else "New",
        reduce_only=flag(params, "reduceOnly"),
        close_on_trigger=flag(params, "closeOnTrigger"),
        position_idx=whole(params, "positionIdx", default=0, low=0, high=2),
        trigger_price=trigger,
        trigger_direction=direction if trigger else 0,
        trigger_by=word(params, "triggerBy", default="LastPrice", among=TRIGGER_SOURCES) if trigger else "",
        stop_order_type="Stop" if trigger else "",
        smp_type=word(params, "smpType", default="None"),
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    _attach_stops(params, order)
    return order


def _attach_stops(params: Params, order: Order) -> None:
    order.take_profit = amount(params, "takeProfit") or ZERO
    order.stop_loss = amount(params, "stopLoss") or ZERO
    if not order.take_profit and not order.stop_loss:
        return
    if order.reduce_only:
        raise bad_parameter("params error: a reduce-only order cannot carry takeProfit or stopLoss")
    order.tpsl_mode = word(params, "tpslMode", default="Full", among=("Full", "Partial"))
    order.tp_trigger_by = word(params, "tpTriggerBy", default="LastPrice", among=TRIGGER_SOURCES)
    order.sl_trigger_by = word(params, "slTriggerBy", default="LastPrice", among=TRIGGER_SOURCES)
    order.tp_order_type = word(params, "tpOrderType", default="Market", among=("Market", "Limit"))
    order.sl_order_type = word(params, "slOrderType", default="Market", among=("Market", "Limit"))
    order.tp_limit_price = amount(params, "tpLimitPrice") or ZERO
    order.sl_limit_price = amount(params, "slLimitPrice") or ZERO
    if order.tpsl_mode == "Full" and "Limit" in {order.tp_order_type, order.sl_order_type}:
        raise bad_parameter("params error: tpslMode Full only supports market take-profit and stop-loss")
    for kind, price in ((order.tp_order_type, order.tp_limit_price), (order.sl_order_type, order.sl_limit_price)):
        if (kind == "Limit") != (price > 0):
            raise bad_parameter("params error: tpLimitPrice/slLimitPrice belong to tpOrderType/slOrderType Limit")


def change(params: Params) -> Change:
    """What order/amend asks for; 0 for a stop removes it."""
    sources = {
        name: word(params, wire, default="", among=TRIGGER_SOURCES) or None
        for name, wire in (
            ("trigger_by", "triggerBy"),
            ("tp_trigger_by", "tpTriggerBy"),
            ("sl_trigger_by", "slTriggerBy"),
        )
    }
    wanted = Change(
        qty=amount(params, "qty"),
        price=amount(params, "price"),
        trigger_price=amount(params, "triggerPrice"),
        take_profit=amount(params, "takeProfit"),
        stop_loss=amount(params, "stopLoss"),
        tp_limit_price=amount(params, "tpLimitPrice"),
        sl_limit_price=amount(params, "slLimitPrice"),
        tpsl_mode=word(params, "tpslMode", default="", among=("Full", "Partial")) or None,
        **sources,
    )
    if wanted == Change():
        raise bad_parameter("params error: nothing to amend; give qty, price, triggerPrice, takeProfit or stopLoss")
    return wanted


def identifiers(params: Params) -> tuple[str, str]:
    """(orderId, orderLinkId), at least one of them given."""
    order_id, link_id = word(params, "orderId", default=""), word(params, "orderLinkId", default="")
    if not order_id and not link_id:
        raise bad_parameter("params error: orderId or orderLinkId is required")
    return order_id, link_id


def trading_stop(params: Params) -> TradingStop:
    """What position/trading-stop asks for."""
    mode = word(params, "tpslMode", default="Full", among=("Full", "Partial"))
    trailing = amount(params, "trailingStop")
    if trailing:
        raise bad_parameter("trailingStop is not served by this local exchange: move the stop by amending it")
    sizes = {size for size in (amount(params, "tpSize"), amount(params, "slSize")) if size is not None}
    if len(sizes) > 1:
        raise bad_parameter("params error: tpSize and slSize must be equal")
    if mode == "Partial" and not sizes:
        raise bad_parameter("params error: tpslMode Partial needs tpSize or slSize")
    kinds = [word(params, name, default="Market", among=("Market", "Limit")) for name in ("tpOrderType", "slOrderType")]
    limits = [amount(params, name) or ZERO for name in ("tpLimitPrice", "slLimitPrice")]
    if mode == "Full" and (any(limits) or "Limit" in kinds):
        raise bad_parameter("params error: tpslMode Full only supports market take-profit and stop-loss")
    stop_loss, take_profit = amount(params, "stopLoss"), amount(params, "takeProfit")
    if stop_loss is None and take_profit is None and trailing is None:
        raise bad_parameter("params error: give stopLoss or takeProfit")
    return TradingStop(
        symbol=word(params, "symbol"),
        index=whole(params, "positionIdx", default=0, low=0, high=2),
        mode=mode,
        stop_loss=stop_loss,
        take_profit=take_profit,
        sl_trigger_by=word(params, "slTriggerBy", default="", among=TRIGGER_SOURCES),
        tp_trigger_by=word(params, "tpTriggerBy", default="", among=TRIGGER_SOURCES),
        size=next(iter(sizes), ZERO),
        sl_limit_price=limits[1],
        tp_limit_price=limits[0],
    )
