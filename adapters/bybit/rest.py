"""REST: the exchange port over pybit's unified HTTP client.

Enters: our requests and questions. Stays out: the wire's spellings (translate, order_params), error classing (faults),
paging (reader), any decision. One object is one lane's connection: it is used by one thread and never shared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from actors.errors import Gone, Rejected, Unreachable
from actors.messages.orders import AmendOrder, CancelOrder, ExecutionReported, SetPositionStop
from actors.model.account import Balance, KeyRights, MarginMode, OpeningView
from actors.model.instrument import FeeRates, Instrument
from actors.model.order import ObservedOrder, OrderIntent, OrderKind
from actors.model.position import ObservedPosition
from actors.ports import AcceptedOrder, ClosedPnl
from adapters.bybit import endpoints, order_params, translate
from adapters.bybit.faults import Attempt, Operation
from adapters.bybit.fields import Row, Unreadable, text
from adapters.bybit.reader import Reader
from adapters.bybit.session import Session
from runtime.clock import Clock

_log = structlog.get_logger(__name__)

_NOT_FOUND = 404
_AMENDABLE = frozenset({"qty", "price", "triggerPrice", "stopLoss"})


# What an account without a discount pays on perpetuals.
DEFAULT_FEES = FeeRates(maker=Decimal("0.0002"), taker=Decimal("0.00055"))
# At or above the lowest tier of every instrument of 25x and more; higher is nearer to liquidation, so cautious.
DEFAULT_MAINTENANCE_RATE = Decimal("0.02")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallbacks:
    """What stands in where an exchange does not offer an endpoint: demo has no fee-rate."""

    fees: FeeRates = DEFAULT_FEES
    maintenance_margin_rate: Decimal = DEFAULT_MAINTENANCE_RATE


class BybitExchange:
    """ports.ExchangePort. `account` is our name for it, e.g. "main"."""

    def __init__(self, session: Session, clock: Clock, account: str, fallbacks: Fallbacks) -> None:
        self._session = session
        self._reader = Reader(session, clock)
        self._clock = clock
        self._account = account
        self._fallbacks = fallbacks

    # --- writes: each is sent once -----------------------------------------------------------------------------
    def place_order(self, order: OrderIntent) -> AcceptedOrder:
        attempt = Attempt(operation=Operation.PLACE, what=_place_words(order))
        try:
            params = order_params.place(order)
        except ValueError as error:
            raise Rejected(f"Tried to {attempt.what}: {error}. Nothing was sent.") from error
        leaves = order.reduce_only and (order.trigger_price is not None or order.kind is OrderKind.MARKET)
        result = self._session.call(attempt, endpoints.PLACE_ORDER, params, urgent=leaves)
        order_id = text(result, "orderId")
        if not order_id:
            self._session.not_understood(attempt, f"the answer names no order: {dict(result)}")
        return AcceptedOrder(order_id=order_id)

    def amend_order(self, request: AmendOrder) -> None:
        params = order_params.amend(request)
        changes = " ".join(f"{name}={params[name]}" for name in sorted(params.keys() & _AMENDABLE))
        if not changes:
            return
        what = f"amend order {request.client_order_id} on {request.symbol} to {changes}"
        attempt = Attempt(operation=Operation.AMEND, what=what)
        self._session.call(attempt, endpoints.AMEND_ORDER, params, urgent=request.is_stop)

    def cancel_order(self, request: CancelOrder) -> None:
        what = f"cancel order {request.client_order_id or request.order_id} on {request.symbol}"
        attempt = Attempt(operation=Operation.CANCEL, what=what)
        self._session.call(attempt, endpoints.CANCEL_ORDER, order_params.cancel(request), urgent=True)

    def set_position_stop(self, request: SetPositionStop) -> None:
        what = f"set the stop of the {request.position_side} position on {request.symbol} to {request.stop_price}"
        attempt = Attempt(operation=Operation.SET_STOP, what=what)
        self._session.call(attempt, endpoints.SET_POSITION_STOP, order_params.position_stop(request), urgent=True)

    def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        attempt = Attempt(operation=Operation.SET_LEVERAGE, what=f"set leverage {leverage} on {symbol}")
        self._session.call(attempt, endpoints.SET_LEVERAGE, order_params.leverage(symbol, leverage))

    # --- orders and positions ----------------------------------------------------------------------------------
    def find_order(self, symbol: str, client_order_id: str, order_id: str = "") -> ObservedOrder | None:
        field, wanted = ("orderId", order_id) if order_id else ("orderLinkId", client_order_id)
        params = order_params.listing(symbol, **{field: wanted})
        for endpoint in (endpoints.RECENT_ORDERS, endpoints.PAST_ORDERS):
            what = f"look up order {wanted} on {symbol} at {endpoint.path}"
            try:
                found = self._reader.ask_page(what, endpoint, **params)
            except Gone:
                continue  # "no such order" may come as an error instead of an empty list
            # The filter is checked here: an answer that ignored it must not pass for our order.
            for row in found:
                if text(row, field) == wanted:
                    return self._reader.understood(what, translate.order, row)
        return None

    def open_orders(self, symbol: str | None = None) -> tuple[ObservedOrder, ...]:
        return self._open_orders(f"read open orders of {symbol or 'all symbols'}", order_params.listing(symbol))

    def positions(self, symbol: str | None = None) -> tuple[ObservedPosition, ...]:
        what = f"read positions of {symbol or 'all symbols'}"
        params = order_params.listing(symbol, limit=200)
        return tuple(self._reader.ask_all(what, endpoints.POSITIONS, translate.position, params))

    def executions(self, *, since: datetime, symbol: str | None = None) -> tuple[ExecutionReported, ...]:
        def read(row: Row) -> ExecutionReported:
            return translate.execution(row, self._account)

        what = f"read executions of {symbol or 'all symbols'} since {since.isoformat()}"
        params = {"category": order_params.CATEGORY, "limit": 100, "symbol": symbol}
        found = self._reader.ask_since(what, endpoints.EXECUTIONS, read, params, since)
        once = {each.execution_id: each for each in found}
        return tuple(sorted(once.values(), key=lambda each: (each.executed_at, each.sequence or 0)))

    def closed_pnl(self, *, since: datetime, symbol: str | None = None) -> tuple[ClosedPnl, ...]:
        what = f"read closed results of {symbol or 'all symbols'} since {since.isoformat()}"
        params = {"category": order_params.CATEGORY, "limit": 100, "symbol": symbol}
        found = self._reader.ask_since(what, endpoints.CLOSED_PNL, translate.closed_pnl, params, since)
        once = {each.order_id: each for each in found}
        return tuple(sorted(once.values(), key=lambda each: each.closed_at))

    # --- the market and its rules ------------------------------------------------------------------------------
    def instrument(self, symbol: str) -> Instrument | None:
        what = f"read the rules of {symbol}"
        try:
            found = self._reader.ask_page(what, endpoints.INSTRUMENTS, **self._of(symbol))
        except Rejected:
            return None  # an unknown symbol may come as a bad parameter
        named = [row for row in found if text(row, "symbol") == symbol]
        return self._reader.understood(what, translate.instrument, named[0]) if named else None

    def instruments(self) -> tuple[Instrument, ...]:
        params = {"category": order_params.CATEGORY, "limit": 1000}
        found = self._reader.ask_all("read the rules of all symbols", endpoints.INSTRUMENTS, _listed_rules, params)
        return tuple(rules for rules in found if rules is not None)

    def last_price(self, symbol: str) -> tuple[Decimal, Decimal]:
        what = f"read the price of {symbol}"
        return self._reader.ask_row(what, endpoints.TICKERS, translate.last_and_mark, **self._of(symbol))

    def last_prices(self, symbols: Collection[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        what = f"read the prices of {len(symbols)} symbols"
        wanted = frozenset(symbols)
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for row in self._reader.ask_page(what, endpoints.TICKERS, category=order_params.CATEGORY):
            symbol = text(row, "symbol")
            if symbol in wanted:
                with contextlib.suppress(Unreadable):  # an odd one hides no other
                    found[symbol] = translate.last_and_mark(row)
        return found

    # --- the account -------------------------------------------------------------------------------------------
    def opening_view(self, symbol: str) -> OpeningView | None:
        read_at = self._clock.now()
        rules = self.instrument(symbol)
        if rules is None:
            return None
        last, mark = self.last_price(symbol)
        found = self.positions(symbol)
        mode = self._margin_mode()
        conditional = self._open_orders(
            f"count conditional orders of {symbol}", order_params.listing(symbol, orderFilter="StopOrder")
        )
        return OpeningView(
            account=self._account,
            instrument=rules,
            fees=self._fees(symbol),
            balance=self._balance(mode),
            margin_mode=mode,
            position_mode=translate.position_mode(found),
            positions=found,
            conditional_orders=len(conditional),
            last_price=last,
            mark_price=mark,
            maintenance_margin_rate=self._maintenance_margin_rate(symbol),
            read_at=read_at,
        )

    def balance(self) -> Balance:
        return self._balance(self._margin_mode())

    def key_rights(self) -> KeyRights:
        return self._reader.ask("read the API key's rights", endpoints.API_KEY, translate.key_rights)

    def clock_offset_seconds(self) -> float:
        return self._session.measure_clock()

    def close(self) -> None:
        self._session.close()

    def _open_orders(self, what: str, params: order_params.Params) -> tuple[ObservedOrder, ...]:
        found = self._reader.ask_all(what, endpoints.RECENT_ORDERS, translate.order, params | {"limit": 50})
        return tuple(order for order in found if not order.state.terminal)

    def _balance(self, mode: MarginMode) -> Balance:
        read_at = self._clock.now()

        def read(row: Row) -> Balance:
            return translate.balance(row, mode, read_at)

        return self._reader.ask_row("read the balance", endpoints.WALLET, read, accountType="UNIFIED")

    def _margin_mode(self) -> MarginMode:
        return self._reader.ask("read the margin mode", endpoints.ACCOUNT, translate.margin_mode)

    def _fees(self, symbol: str) -> FeeRates:
        what = f"read the fee rates of {symbol}"
        try:
            return self._reader.ask_row(what, endpoints.FEE_RATE, translate.fee_rates, **self._of(symbol))
        except (Rejected, Unreachable) as error:
            _unless_not_offered(error)
            return self._fallbacks.fees

    def _maintenance_margin_rate(self, symbol: str) -> Decimal:
        what = f"read the risk tiers of {symbol}"
        tiers: Sequence[Row] = ()
        try:
            tiers = self._reader.ask_page(what, endpoints.RISK_LIMIT, **self._of(symbol))
        except (Rejected, Unreachable) as error:
            _unless_not_offered(error)
        named = tuple(row for row in tiers if text(row, "symbol") in {"", symbol})
        return translate.maintenance_margin_rate(named) or self._fallbacks.maintenance_margin_rate

    @staticmethod
    def _of(symbol: str) -> dict[str, str]:
        return {"category": order_params.CATEGORY, "symbol": symbol}


def _listed_rules(row: Row) -> Instrument | None:
    """Read one listing of hundreds: an odd one must not hide the others (asked for by name it is an error)."""
    try:
        return translate.instrument(row)
    except Unreadable as error:
        _log.warning("instrument_unreadable", reason=str(error))
        return None


def _unless_not_offered(error: Rejected | Unreachable) -> None:
    """Let pass what means "there is no such endpoint here"; raise everything else on."""
    if isinstance(error, Unreachable) and error.code != _NOT_FOUND:
        raise error


def _place_words(order: OrderIntent) -> str:
    at = "at market" if order.price is None else f"at {order.price}"
    trigger = "" if order.trigger_price is None else f", trigger {order.trigger_price}"
    what = f"{order.order_side} {order.kind} {order.quantity} {order.symbol}"
    return f"place {what} {at}{trigger} as {order.client_order_id}"
