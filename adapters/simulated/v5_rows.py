"""Rows: the exchange's records in Bybit v5's field names, numbers as text, "" and "0" for "none" as Bybit has it.

Enters: records, and the venue for what depends on prices. Stays out: envelopes, paging, any change of state.
Source: Bybit v5 docs, order/open-order, execution, position/position, close-pnl, wallet-balance and their stream twins.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from adapters.simulated.records import ZERO, Account, ClosedPnl, Execution, Order, Position

if TYPE_CHECKING:  # the venue renders rows with this module
    from adapters.simulated.venue import Venue

_MONEY = Decimal("1E-8")
_PRICE = Decimal("1E-10")
Row = dict[str, Any]


def text(number: Decimal) -> str:
    """Fixed-point text without trailing zeros; never an exponent."""
    if not number:
        return "0"
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def money(number: Decimal) -> str:
    """An amount to eight places."""
    return text(number.quantize(_MONEY, rounding=ROUND_HALF_UP))


def average(number: Decimal) -> str:
    """An average price to ten places."""
    return text(number.quantize(_PRICE, rounding=ROUND_HALF_UP))


def optional(number: Decimal | None) -> str:
    """A price that may be unset: "" for none."""
    return text(number) if number else ""


def order(each: Order) -> Row:
    """A row of order/realtime, order/history and the order topic."""
    leaves = each.leaves if each.is_open else ZERO
    return {
        "orderId": each.order_id,
        "orderLinkId": each.link_id,
        "parentOrderLinkId": each.parent_link_id,
        "blockTradeId": "",
        "symbol": each.symbol,
        "side": each.side,
        "positionIdx": each.position_idx,
        "orderType": each.order_type,
        "price": text(each.price),
        "qty": text(each.qty),
        "leavesQty": text(leaves),
        "leavesValue": text(leaves * each.price),
        "cumExecQty": text(each.cum_qty),
        "cumExecValue": text(each.cum_value),
        "cumExecFee": money(each.cum_fee),
        "cumFeeDetail": {"USDT": money(each.cum_fee)} if each.cum_qty else {},
        "avgPrice": average(each.cum_value / each.cum_qty) if each.cum_qty else "",
        "timeInForce": each.time_in_force,
        "orderStatus": each.status,
        "cancelType": each.cancel_type,
        "rejectReason": each.reject_reason,
        "createType": each.create_type,
        "stopOrderType": each.stop_order_type,
        "triggerPrice": optional(each.trigger_price),
        "triggerDirection": each.trigger_direction,
        "triggerBy": each.trigger_by,
        "lastPriceOnCreated": optional(each.last_price_on_created),
        "basePrice": optional(each.last_price_on_created),
        "takeProfit": optional(each.take_profit),
        "stopLoss": optional(each.stop_loss),
        "tpTriggerBy": each.tp_trigger_by,
        "slTriggerBy": each.sl_trigger_by,
        "tpslMode": each.tpsl_mode,
        "tpLimitPrice": optional(each.tp_limit_price),
        "slLimitPrice": optional(each.sl_limit_price),
        "ocoTriggerBy": "",
        "reduceOnly": each.reduce_only,
        "closeOnTrigger": each.close_on_trigger,
        "isLeverage": "",
        "orderIv": "",
        "marketUnit": "",
        "placeType": "",
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "",
        "smpType": each.smp_type,
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": str(each.created_ms),
        "updatedTime": str(each.updated_ms),
    }


def streamed_order(each: Order) -> Row:
    """A row of the order topic."""
    return {**order(each), "category": "linear", "closedPnl": money(each.closed_pnl), "feeCurrency": "USDT"}


def execution(each: Execution) -> Row:
    """A row of execution/list."""
    return {
        "symbol": each.symbol,
        "orderId": each.order_id,
        "orderLinkId": each.link_id,
        "side": each.side,
        "orderPrice": text(each.order_price),
        "orderQty": text(each.order_qty),
        "leavesQty": text(each.leaves_qty),
        "orderType": each.order_type,
        "stopOrderType": each.stop_order_type or "UNKNOWN",
        "createType": each.create_type,
        "execId": each.exec_id,
        "execType": each.exec_type,
        "execPrice": text(each.price),
        "execQty": text(each.qty),
        "execValue": text(each.value),
        "execFee": money(each.fee),
        "feeRate": text(each.fee_rate),
        "feeCurrency": "USDT",
        "isMaker": each.is_maker,
        "closedSize": text(each.closed_size),
        "markPrice": text(each.mark_price),
        "indexPrice": text(each.mark_price),
        "underlyingPrice": "",
        "blockTradeId": "",
        "marketUnit": "",
        "markIv": "",
        "tradeIv": "",
        "execTime": str(each.time_ms),
        "seq": each.seq,
    }


def streamed_execution(each: Execution) -> Row:
    """A row of the execution topic."""
    pnl = money(each.realised) if each.closed_size else "0"
    return {**execution(each), "category": "linear", "execPnl": pnl, "isLeverage": "0", "extraFees": ""}


def closed_pnl(each: ClosedPnl) -> Row:
    """A row of position/closed-pnl: net of both fees."""
    return {
        "symbol": each.symbol,
        "orderId": each.order_id,
        "side": each.side,
        "qty": text(each.qty),
        "orderPrice": text(each.order_price),
        "orderType": each.order_type,
        "execType": each.exec_type,
        "closedSize": text(each.closed_size),
        "cumEntryValue": money(each.entry_value),
        "avgEntryPrice": average(each.entry_value / each.closed_size),
        "cumExitValue": money(each.exit_value),
        "avgExitPrice": average(each.exit_value / each.closed_size),
        "closedPnl": money(each.closed_pnl),
        "openFee": money(each.open_fee),
        "closeFee": money(each.close_fee),
        "fillCount": str(each.fill_count),
        "leverage": text(each.leverage),
        "createdTime": str(each.created_ms),
        "updatedTime": str(each.updated_ms),
    }


def position(each: Position, account: Account, venue: "Venue") -> Row:
    """A row of position/list."""
    market = venue.markets[each.symbol]
    stop_loss = account.orders.get(each.stop_loss_id)
    take_profit = account.orders.get(each.take_profit_id)
    liquidation = venue.margin.liquidation_price(account, each)
    margin = money(venue.margin.position_margin(each)) if each.size else "0"
    maintenance = money(venue.margin.position_maintenance(each)) if each.size else "0"
    return {
        "positionIdx": each.index,
        "riskId": 1,
        "riskLimitValue": text(market.instrument.max_market_quantity * market.mark // 1),
        "symbol": each.symbol,
        "side": each.side,
        "size": text(each.size),
        "avgPrice": average(each.average_price),
        "positionValue": money(each.entry_value) if each.size else "",
        "tradeMode": 0,
        "autoAddMargin": 0,
        "positionStatus": "Normal",
        "leverage": text(each.leverage),
        "markPrice": text(market.mark),
        "liqPrice": optional(liquidation),
        "bustPrice": "",
        "positionIM": margin,
        "positionIMByMp": margin,
        "positionMM": maintenance,
        "positionMMByMp": maintenance,
        "positionBalance": margin,
        "takeProfit": optional(take_profit.trigger_price if take_profit else None),
        "stopLoss": optional(stop_loss.trigger_price if stop_loss else None),
        "trailingStop": "0",
        "tpslMode": "Full",
        "sessionAvgPrice": "",
        "unrealisedPnl": money(each.unrealised(market.mark)) if each.size else "",
        "curRealisedPnl": money(each.current_realised),
        "cumRealisedPnl": money(each.total_realised),
        "breakEvenPrice": _breakeven(each, venue),
        "adlRankIndicator": 2 if each.size else 0,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "createdTime": str(each.created_ms),
        "updatedTime": str(each.updated_ms),
        "openTime": each.opened_ms,
        "seq": each.seq,
    }


def _breakeven(each: Position, venue: "Venue") -> str:
    if not each.size:
        return ""
    taker = max(venue.fees.taker, Decimal("0.00055"))
    return average((each.entry_value - each.current_realised * each.sign) / (each.size * (1 - taker * each.sign)))


def streamed_position(each: Position, account: Account, venue: "Venue") -> Row:
    """A row of the position topic: entryPrice in place of avgPrice."""
    row = position(each, account, venue)
    row["entryPrice"] = row.pop("avgPrice")
    row["category"] = "linear"
    row["positionValue"] = row["positionValue"] or "0"
    row["unrealisedPnl"] = row["unrealisedPnl"] or "0"
    return row


def wallet(account: Account, venue: "Venue") -> Row:
    """The one row of wallet-balance and of the wallet topic."""
    rules = venue.margin
    unrealised = rules.unrealised(account)
    position_margin = rules.positions_margin(account)
    order_margin = rules.orders_margin(account)
    maintenance = rules.maintenance(account)
    equity = account.wallet + unrealised
    held = position_margin + order_margin
    coin = {
        "coin": "USDT",
        "equity": money(equity),
        "usdValue": money(equity),
        "walletBalance": money(account.wallet),
        "unrealisedPnl": money(unrealised),
        "cumRealisedPnl": money(account.realised - account.fees + account.funding),
        "totalOrderIM": money(order_margin),
        "totalPositionIM": money(position_margin),
        "totalPositionMM": money(maintenance),
        "locked": "0",
        "bonus": "0",
        "spotBorrow": "0",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "marginCollateral": True,
        "collateralSwitch": True,
        "spotHedgingQty": "0",
    }
    cross = account.margin_mode != "ISOLATED_MARGIN"
    return {
        "accountType": "UNIFIED",
        "accountLTV": "",
        "totalEquity": money(equity),
        "totalWalletBalance": money(account.wallet),
        "totalMarginBalance": money(equity) if cross else "",
        "totalAvailableBalance": money(rules.available(account)) if cross else "",
        "totalPerpUPL": money(unrealised),
        "totalInitialMargin": money(held) if cross else "",
        "totalMaintenanceMargin": money(maintenance) if cross else "",
        "accountIMRate": _rate(held, equity) if cross else "",
        "accountMMRate": _rate(maintenance, equity) if cross else "",
        "coin": [coin] if account.wallet else [],
    }


def _rate(part: Decimal, whole: Decimal) -> str:
    return text((part / whole).quantize(Decimal("0.0001"))) if whole > 0 else ""
