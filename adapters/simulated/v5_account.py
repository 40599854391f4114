"""Account endpoints: orders, positions, money, as Bybit v5 has them.

Enters: an account and the parameters of one request. Stays out: HTTP, signatures, rate limits.
"""

import heapq
from collections.abc import Callable
from typing import Any

from adapters.simulated import position_settings, v5_rows
from adapters.simulated import v5_requests as ask
from adapters.simulated.exchange import Exchange
from adapters.simulated.records import Account, Order
from adapters.simulated.refusals import TOO_MANY_VISITS, Refusal, bad_parameter
from adapters.simulated.v5_paging import listed, page, position
from adapters.simulated.v5_requests import Params
from adapters.simulated.venue import position_index

Result = dict[str, Any]
Take = Callable[[int], bool]  # may so many more orders pass the rate limit?
DAY_MS = 86_400_000
MOST_IN_BATCH = 20
MOST_CANCELLED = 500
MOST_RECENT_CLOSED = 500
_FILTERS = ("Order", "StopOrder", "tpslOrder", "OpenOrder", "OcoOrder", "BidirectionalTpslOrder")


class AccountEndpoints:
    """What a signed request may do."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._venue = exchange.venue

    # -- orders ---------------------------------------------------------------------------------------------------

    def create(self, account: Account, params: Params) -> Result:
        """POST /v5/order/create."""
        ask.category(params)
        return _receipt(self._exchange.create(ask.new_order(params, account.name, self._venue)))

    def amend(self, account: Account, params: Params) -> Result:
        """POST /v5/order/amend."""
        ask.category(params)
        order = self._open_order(account, params)
        self._exchange.amend(account, order, ask.change(params))
        return _receipt(order)

    def cancel(self, account: Account, params: Params) -> Result:
        """POST /v5/order/cancel."""
        ask.category(params)
        order = self._open_order(account, params)
        self._exchange.cancel(account, order)
        return _receipt(order)

    def _open_order(self, account: Account, params: Params) -> Order:
        symbol = ask.word(params, "symbol")
        self._venue.market(symbol)
        return self._exchange.find_open(account, symbol, *ask.identifiers(params))

    def batch(
        self, account: Account, params: Params, act: Callable[[Account, Params], Result], admit: Take
    ) -> tuple[Result, Result]:
        """A batch: ``act`` on each request; each fails or passes alone. Returns result and retExtInfo."""
        ask.category(params)
        requests = params.get("request")
        if not isinstance(requests, list) or not requests:
            raise bad_parameter("params error: request must be a list of orders")
        if len(requests) > MOST_IN_BATCH:
            raise bad_parameter(f"params error: request holds {len(requests)} orders, at most {MOST_IN_BATCH}")
        rows, codes = [], []
        for each in requests:
            receipt, code = self._batch_item(account, each, act, admit)
            rows.append(receipt)
            codes.append(code)
        return {"list": rows}, {"list": codes}

    def _batch_item(
        self, account: Account, params: Any, act: Callable[[Account, Params], Result], admit: Take
    ) -> tuple[Result, Result]:
        stated = params if isinstance(params, dict) else {}
        receipt: Result = {
            "category": "linear",
            "symbol": stated.get("symbol", ""),
            "orderId": "",
            "orderLinkId": stated.get("orderLinkId", ""),
        }
        try:
            if not admit(1):
                return receipt, {"code": TOO_MANY_VISITS, "msg": "Too many visits!"}
            receipt.update(act(account, {**stated, "category": "linear"}))
        except Refusal as refusal:
            return receipt, {"code": refusal.code, "msg": refusal.text}
        if act == self.create:
            receipt["createAt"] = str(self._venue.clock())
        return receipt, {"code": 0, "msg": "OK"}

    def cancel_all(self, account: Account, params: Params) -> Result:
        """POST /v5/order/cancel-all: without orderFilter the stops go too, as at Bybit."""
        ask.category(params)
        wanted = self._selector(params, required=True)
        kind = ask.word(params, "orderFilter", default="", among=_FILTERS)
        only_stops = ask.word(params, "stopOrderType", default="", among=("Stop",))
        chosen = [
            order
            for orders in list(account.open_orders.values())
            for order in list(orders.values())
            if wanted(order)
            and _passes(order, kind)
            and not (kind == "StopOrder" and only_stops and order.is_position_stop)
        ][:MOST_CANCELLED]
        for order in chosen:
            if order.is_open:
                self._exchange.cancel(account, order)
        return {"list": [_receipt(order) for order in chosen], "success": "1"}

    def _selector(self, params: Params, *, required: bool) -> Callable[[Order], bool]:
        symbol = ask.word(params, "symbol", default="")
        base = ask.word(params, "baseCoin", default="")
        settle = ask.word(params, "settleCoin", default="")
        if required and not (symbol or base or settle):
            raise bad_parameter("params error: symbol, baseCoin or settleCoin is required")
        if symbol:
            self._venue.market(symbol)
            return lambda order: order.symbol == symbol
        if base:
            return lambda order: self._venue.markets[order.symbol].instrument.base_coin == base
        return lambda _: settle in {"", "USDT"}

    def open_orders(self, account: Account, params: Params) -> Result:
        """GET /v5/order/realtime."""
        ask.category(params)
        order_id, link_id = ask.word(params, "orderId", default=""), ask.word(params, "orderLinkId", default="")
        kind = ask.word(params, "orderFilter", default="", among=_FILTERS)
        if order_id or link_id:
            order = account.orders.get(order_id or account.by_link_id.get(link_id, ""))
            found = [order] if order is not None else []
        else:
            wanted = self._selector(params, required=True)
            if ask.whole(params, "openOnly", default=0, low=0, high=2) == 0:
                return self._order_page(_newest_open(account, wanted, kind, params), params)
            candidates = [order for order in account.orders.values() if not order.is_open][-MOST_RECENT_CLOSED:]
            found = [order for order in reversed(candidates) if wanted(order)]
        return self._order_page([order for order in found if _passes(order, kind)], params)

    def order_history(self, account: Account, params: Params) -> Result:
        """GET /v5/order/history: ended orders; without fills they are forgotten after 24 h."""
        ask.category(params)
        now_ms = self._venue.clock()
        start, end = ask.period(params, now_ms)
        wanted = self._selector(params, required=False)
        kind = ask.word(params, "orderFilter", default="", among=_FILTERS)
        status = ask.word(params, "orderStatus", default="")
        order_id, link_id = ask.word(params, "orderId", default=""), ask.word(params, "orderLinkId", default="")
        link_id = "" if order_id else link_id
        found = [
            order
            for order in reversed(account.orders.values())
            if not order.is_open
            and start <= order.created_ms <= end
            and (order.cum_qty or now_ms - order.updated_ms <= DAY_MS)
            and wanted(order)
            and _passes(order, kind)
            and status in {"", order.status}
            and order_id in {"", order.order_id}
            and link_id in {"", order.link_id}
        ]
        return self._order_page(found, params)

    def _order_page(self, found: list[Order], params: Params) -> Result:
        cursor = ask.word(params, "cursor", default="")
        shown, following = page(found, _number, cursor, _order_limit(params))
        return listed([v5_rows.order(order) for order in shown], following)

    def executions(self, account: Account, params: Params) -> Result:
        """GET /v5/execution/list: fills, fundings, take-overs, newest first."""
        ask.category(params)
        start, end = ask.period(params, self._venue.clock())
        symbol = ask.word(params, "symbol", default="")
        kind = ask.word(params, "execType", default="")
        order_id, link_id = ask.word(params, "orderId", default=""), ask.word(params, "orderLinkId", default="")
        link_id = "" if order_id else link_id
        found = [
            each
            for each in reversed(account.executions)
            if start <= each.time_ms <= end
            and symbol in {"", each.symbol}
            and kind in {"", each.exec_type}
            and order_id in {"", each.order_id}
            and link_id in {"", each.link_id}
        ]
        cursor = ask.word(params, "cursor", default="")
        shown, following = page(found, lambda each: each.number, cursor, ask.limit(params, default=50, most=100))
        return listed([v5_rows.execution(each) for each in shown], following)

    # -- positions ------------------------------------------------------------------------------------------------

    def positions(self, account: Account, params: Params) -> Result:
        """GET /v5/position/list: with a symbol flat slots too, with settleCoin only open ones."""
        ask.category(params)
        symbol = ask.word(params, "symbol", default="")
        settle = ask.word(params, "settleCoin", default="")
        if symbol:
            self._venue.market(symbol)
            found = [account.position(symbol, index) for index in account.indexes(symbol)]
        elif settle:
            found = [each for each in account.positions.values() if each.size] if settle == "USDT" else []
        else:
            raise bad_parameter("params error: symbol or settleCoin is required")
        cursor = ask.word(params, "cursor", default="")
        places = {(each.symbol, each.index): -number for number, each in enumerate(account.positions.values())}
        most = ask.limit(params, default=20, most=200)
        shown, following = page(found, lambda each: places[each.symbol, each.index], cursor, most)
        return listed([v5_rows.position(each, account, self._venue) for each in shown], following)

    def set_leverage(self, account: Account, params: Params) -> Result:
        """POST /v5/position/set-leverage."""
        ask.category(params)
        symbol = ask.word(params, "symbol")
        position_settings.set_leverage(
            self._venue, account, symbol, ask.needed(params, "buyLeverage"), ask.needed(params, "sellLeverage")
        )
        return {}

    def switch_mode(self, account: Account, params: Params) -> Result:
        """POST /v5/position/switch-mode."""
        ask.category(params)
        symbol = ask.word(params, "symbol", default="")
        coin = ask.word(params, "coin", default="")
        mode = ask.whole(params, "mode", default=-1, low=-1, high=3)
        if mode not in {0, 3}:
            raise bad_parameter("params error: mode must be 0 (one-way) or 3 (hedge)")
        if symbol:
            self._venue.market(symbol)
            symbols = [symbol]
        elif coin == "USDT":
            symbols = list(self._venue.markets)
        else:
            raise bad_parameter("params error: symbol or coin is required")
        position_settings.switch_mode(self._venue, account, symbols, hedge=mode == 3)
        return {}

    def trading_stop(self, account: Account, params: Params) -> Result:
        """POST /v5/position/trading-stop."""
        ask.category(params)
        wish = ask.trading_stop(params)
        self._venue.market(wish.symbol)
        position_index(account, wish.symbol, wish.index)
        position_settings.set_trading_stop(self._venue, account, wish)
        return {}

    def closed_pnl(self, account: Account, params: Params) -> Result:
        """GET /v5/position/closed-pnl: a row per closing order, newest first."""
        ask.category(params)
        start, end = ask.period(params, self._venue.clock())
        symbol = ask.word(params, "symbol", default="")
        found = [
            each
            for each in reversed(account.closed_pnl.values())
            if start <= each.updated_ms <= end and symbol in {"", each.symbol}
        ]
        cursor = ask.word(params, "cursor", default="")
        shown, following = page(found, lambda each: each.number, cursor, ask.limit(params, default=50, most=100))
        return listed([v5_rows.closed_pnl(each) for each in shown], following)

    # -- account and user -----------------------------------------------------------------------------------------

    def wallet_balance(self, account: Account, params: Params) -> Result:
        """GET /v5/account/wallet-balance."""
        ask.word(params, "accountType", among=("UNIFIED",))
        coins = [name for name in ask.word(params, "coin", default="").split(",") if name]
        row = v5_rows.wallet(account, self._venue)
        if coins and "USDT" not in coins:
            row["coin"] = []
        return {"list": [row]}

    def info(self, account: Account, _: Params) -> Result:
        """GET /v5/account/info."""
        return {
            "marginMode": account.margin_mode,
            "updatedTime": str(self._venue.clock()),
            "unifiedMarginStatus": 5,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def set_margin_mode(self, account: Account, params: Params) -> Result:
        """POST /v5/account/set-margin-mode."""
        mode = ask.word(params, "setMarginMode", among=("ISOLATED_MARGIN", "REGULAR_MARGIN"))
        position_settings.set_margin_mode(self._venue, account, mode)
        return {"reasons": []}

    def fee_rate(self, _: Account, params: Params) -> Result:
        """GET /v5/account/fee-rate."""
        ask.category(params)
        symbol = ask.word(params, "symbol", default="")
        symbols = [self._venue.market(symbol).instrument.symbol] if symbol else list(self._venue.markets)
        fees = self._venue.fees
        rows = [
            {"symbol": each, "takerFeeRate": v5_rows.text(fees.taker), "makerFeeRate": v5_rows.text(fees.maker)}
            for each in symbols
        ]
        return {"category": "linear", "list": rows}

    def api_key(self, account: Account, _: Params) -> Result:
        """GET /v5/user/query-api."""
        return {
            "id": str(account.user_id),
            "note": account.name,
            "apiKey": account.key,
            "readOnly": 0,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": [],
                "Wallet": [],
                "Options": [],
                "Derivatives": ["DerivativesTrade"],
                "CopyTrading": [],
                "BlockTrade": [],
                "Exchange": [],
                "NFT": [],
                "Affiliate": [],
            },
            "ips": ["*"],
            "type": 1,
            "deadlineDay": 90,
            "expiredAt": "2099-12-31T00:00:00Z",
            "createdAt": "2024-01-01T00:00:00Z",
            "unified": 0,
            "uta": 1,
            "userID": account.user_id,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_DEFAULT",
            "kycRegion": "",
        }


def _number(order: Order) -> int:
    return order.number


def _order_limit(params: Params) -> int:
    return ask.limit(params, default=20, most=50)


def _newest_open(account: Account, wanted: Callable[[Order], bool], kind: str, params: Params) -> list[Order]:
    """A page of open orders and one more, newest first, without sorting all of them for each page."""
    after = position(ask.word(params, "cursor", default=""))
    further = (
        order
        for orders in account.open_orders.values()
        for order in orders.values()
        if (after is None or order.number < after) and wanted(order) and _passes(order, kind)
    )
    return heapq.nlargest(_order_limit(params) + 1, further, key=_number)


def _receipt(order: Order) -> Result:
    return {"orderId": order.order_id, "orderLinkId": order.link_id}


def _passes(order: Order, kind: str) -> bool:
    waiting = order.trigger_price is not None and not order.triggered
    if kind in {"", "OpenOrder"}:
        return True
    if kind == "Order":
        return not waiting
    return waiting if kind == "StopOrder" else False
