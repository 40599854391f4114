"""A state with N open trades, written consistently into a daemon's state folder and an exchange's state file.

    seeded = seed(folder, trades=200)
    exchange:  main.py exchange --state {seeded.exchange_state} --speed 0 {seeded.exchange_arguments}
    daemon:    main.py run --state {seeded.state} with BYBIT_REST_URL and BYBIT_WS_URL at that exchange

Nothing is made up: the plan is sized by the desk's rules, the trade decided by its own, the orders are placed in the
real matching core through the real translation, and the facts are appended to the real store. Each trade was opened by
a market order that filled, holds its stop, four targets and its side's backstop, and waits for nothing: a daemon
started on it finds agreement. Prices stand where the instruments' own paths begin; the exchange is to be started with
--speed 0. The trades were opened over the hour before the seeding, four to a symbol unless told otherwise.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from actors.messages import addresses
from actors.messages.accounts import BookReading
from actors.messages.alerts import RaiseAlert
from actors.messages.booking import BackstopPlaced
from actors.messages.orders import (
    AmendOrder,
    CancelOrder,
    EffectSettled,
    ExecutionReported,
    OrderReported,
    PlaceOrder,
    Settlement,
)
from actors.messages.storing import Append, PromisedEffect, StreamSummary
from actors.messages.trading import StartMonitor, TradeOpened
from actors.model.account import OpeningView
from actors.model.position import PositionSide
from actors.model.trade import BackstopSettings, Phase, Trade, TradeParameters
from actors.model.trade_plan import Approach, MarginUsdt, PlannedEntry, PlannedRung, SizedPlan, TradePlan
from actors.rules.backstop import backstop_price
from actors.rules.client_order_ids import is_ours, new_trade_id
from actors.rules.decision import decide
from actors.rules.next_orders import Asker
from actors.rules.opening import judge, opened_news
from actors.rules.position_life import opened
from adapters.bybit import order_params, translate
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange
from adapters.bybit.direct_http import DirectHttp
from adapters.bybit.endpoints import Endpoint
from adapters.bybit.rate_limit import RateBudget
from adapters.simulated import v5_routes
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.exchange import AccountSpec
from adapters.simulated.instruments import LISTED, Instrument
from adapters.simulated.local_bybit import LocalBybit
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run
from adapters.sqlite.store import SqliteStore
from runtime import SystemClock

ACCOUNT = "main"
KEY, SECRET = "paper-main-key", "paper-main-secret"
BALANCE_USDT = Decimal(1_000_000_000)
MARGIN_USDT = Decimal(500)  # of each trade, at ten times
LEVERAGE = Decimal(10)
PER_SYMBOL = 4
OPENED_BEFORE = timedelta(hours=1)
RUNGS = (("0.04", "0.85"), ("0.05", "0.05"), ("0.06", "0.05"), ("0.07", "0.05"))  # above the price, and shares
STOP_BELOW = Decimal("0.05")
_NOBODY = BookReading(
    trades_long=0,
    trades_short=0,
    foreign_long=Decimal(0),
    foreign_short=Decimal(0),
    farthest_stop_long=None,
    farthest_stop_short=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """Where it lies, and how its exchange is to be started."""

    state: Path  # the daemon's folder
    exchange_state: Path
    instruments: int  # synthetic ones
    trades: tuple[tuple[str, str], ...]  # (symbol, trade id), in the order they were opened

    @property
    def exchange_arguments(self) -> tuple[str, ...]:
        return (
            *("--state", str(self.exchange_state), "--speed", "0", "--instruments", str(self.instruments)),
            *("--account", f"{ACCOUNT}:{KEY}:{SECRET}:{BALANCE_USDT}"),
        )


class _Unlimited(RateBudget):
    """Nobody counts: there is no wire."""

    def admit(self, endpoint: Endpoint, what: str, *, urgent: bool = False) -> None:
        """Let it pass."""

    def answered(self, endpoint: Endpoint, headers: Any) -> None:
        """Forget it."""


def seed(folder: Path, *, trades: int, per_symbol: int = PER_SYMBOL, margin_usdt: Decimal = MARGIN_USDT) -> Seeded:
    """Write both states under `folder` (made if need be); `per_symbol` trades share a symbol's position.

    Each binds `margin_usdt`.
    """
    symbols = -(-trades // per_symbol)
    seeding = _Seeding(folder, instruments=max(0, symbols - len(LISTED)), trades=trades, margin_usdt=margin_usdt)
    try:
        return seeding.run(per_symbol)
    finally:
        seeding.close()


class _Seeding:
    def __init__(self, folder: Path, *, instruments: int, trades: int, margin_usdt: Decimal) -> None:
        self._margin_usdt = margin_usdt
        self._state = folder / "state"
        self._state.mkdir(parents=True, exist_ok=True)
        self._exchange_state = folder / "exchange.json"
        self._instruments = instruments
        self._trades = trades
        self._now = datetime.now(UTC) - OPENED_BEFORE
        self._step = (OPENED_BEFORE - timedelta(minutes=1)) / max(1, trades)
        account = AccountSpec(name=ACCOUNT, key=KEY, secret=SECRET, balance_usdt=BALANCE_USDT)
        self._bybit = LocalBybit(
            ExchangeConfig(
                state_file=self._exchange_state,
                script={},
                speed=Decimal(0),
                instruments=instruments,
                accounts=(account,),
            ),
            self._wall_ms,
        )
        self._endpoints = v5_routes.endpoints(self._bybit)
        self._port = open_exchange(
            BybitAccess(api_key=KEY, api_secret=SECRET),
            _Unlimited(SystemClock()),
            account=ACCOUNT,
            http=DirectHttp(self._answer),
        )
        run = Run(pid=os.getpid(), boot_id="seeded", started_at=self._now)
        self._store: SqliteStore = open_store(
            self._state / "store.sqlite", clock=lambda: self._now, random_bytes=os.urandom, run=run
        )
        self._views: dict[str, tuple[OpeningView, SizedPlan]] = {}
        self._backstops: dict[str, Decimal] = {}
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self._store.close()
        self._bybit.close()

    def run(self, per_symbol: int) -> Seeded:
        listed = [each.symbol for each in LISTED]
        markets = self._bybit.exchange.venue.markets
        symbols = [*listed, *(symbol for symbol in markets if symbol not in listed)]
        placed = []
        for number in range(self._trades):
            self._now += self._step
            symbol = symbols[number // per_symbol]
            placed.append((symbol, self._open(markets[symbol].instrument, number + 1)))
            self._bybit.exchange.venue.changes.clear()  # one snapshot at the end
        self._place_backstops()
        self._store.commit()
        return Seeded(
            state=self._state,
            exchange_state=self._exchange_state,
            instruments=self._instruments,
            trades=tuple(placed),
        )

    # --- one trade --------------------------------------------------------------------------------------------------
    def _open(self, instrument: Instrument, number: int) -> str:
        symbol = instrument.symbol
        view, sized = self._views.get(symbol) or self._sized(instrument)
        backstop = self._backstops[symbol]
        trade_id = new_trade_id(number * 7919 + 2**20)
        label = f"{ACCOUNT}/{symbol}/long/{sized.plan.approach.value}/{trade_id}"
        fact = TradeOpened(
            trade_id=trade_id,
            number=self._store.next_number("trade"),
            label=label,
            sized=sized,
            instrument=view.instrument,
            fees=view.fees,
            position_index=0,
            backstop_price=backstop,
            parameters=TradeParameters(),
            opened_by=f"seed#{number}",
            opened_at=self._now,
        )
        facts, effects = self._live(fact)
        summary = StreamSummary(
            kind="trade", account=ACCOUNT, symbol=symbol, number=fact.number, label=label, live=True
        )
        self._store.append(
            Append(
                stream=addresses.trade_stream(trade_id),
                expected_sequence=0,
                facts=tuple(facts),
                effects=tuple(effects),
                settles=tuple(effect.key for effect in effects),
                register=summary,
            )
        )
        return trade_id

    def _sized(self, instrument: Instrument) -> tuple[OpeningView, SizedPlan]:
        symbol = instrument.symbol
        self._port.set_leverage(symbol, LEVERAGE)
        self._bybit.exchange.drain_events()
        view = self._port.opening_view(symbol)
        if view is None:
            raise RuntimeError(f"the exchange does not list {symbol}")
        settings = BackstopSettings()
        plan = _plan(instrument, view, self._margin_usdt)
        sized = judge(plan, view, _NOBODY, distance=settings.distance, min_ticks=settings.min_ticks)
        if not isinstance(sized, SizedPlan):
            raise RuntimeError(f"{symbol}: {[refusal.text for refusal in sized]}")  # noqa: TRY004 - no type is wrong
        self._backstops[symbol] = backstop_price(
            PositionSide.LONG,
            [plan.stop_price],
            instrument.tick_size,
            distance=settings.distance,
            min_ticks=settings.min_ticks,
        )
        self._views[symbol] = view, sized
        return view, sized

    def _live(self, first: TradeOpened) -> tuple[list[Any], list[PromisedEffect]]:
        """Go through the trade's first seconds; give its journal and what it promised."""
        room, dispatcher = addresses.positions(ACCOUNT), addresses.ALERT_DISPATCHER
        plan = first.sized.plan
        news = RaiseAlert(alert=opened_news(first), raised_at=self._now)
        start = StartMonitor(trade_id=first.trade_id, symbol=plan.symbol)
        effects = [
            PromisedEffect(key=f"start/{first.trade_id}", destination=room, owner=room, request=start),
            PromisedEffect(
                key=f"alert/{first.trade_id}/opened", destination=dispatcher, owner=dispatcher, request=news
            ),
        ]
        facts: list[Any] = [first]
        trade = opened(first)
        owner = addresses.monitor(ACCOUNT, plan.symbol, first.trade_id)
        promise = partial(PromisedEffect, destination=addresses.client(ACCOUNT), owner=owner)
        waiting: list[Any] = [None]
        while waiting:
            heard = waiting.pop(0)
            self._now += timedelta(milliseconds=2)
            asker = Asker(installation=self._store.installation, epoch=self._store.epoch, now=self._now)
            decision = decide(trade, heard, asker)
            trade = decision.trade
            facts += decision.facts
            for alert in decision.alerts:
                key = f"alert/{first.trade_id}/seed/{next(self._numbers)}"
                raised = RaiseAlert(alert=alert, raised_at=self._now)
                effects.append(PromisedEffect(key=key, destination=dispatcher, owner=dispatcher, request=raised))
            for key, request in decision.requests:
                effects.append(promise(key=key, request=request))
                waiting += self._carry_out(key, request)
        _check(trade)
        return facts, effects

    def _carry_out(self, key: str, request: Any) -> Iterator[Any]:
        """Have the exchange do it; give what comes back: the outcome, and what its stream tells of our orders."""
        match request:
            case PlaceOrder():
                self._send("/v5/order/create", order_params.place(request.order))
            case AmendOrder():
                self._send("/v5/order/amend", order_params.amend(request))
            case CancelOrder():
                self._send("/v5/order/cancel", order_params.cancel(request))
            case _:
                raise TypeError(f"{type(request).__name__} is not expected of a new trade")
        events = self._bybit.exchange.drain_events()
        yield EffectSettled(effect_key=key, settlement=Settlement.DONE, settled_at=self._now)
        for event in events:
            report = translate.private_report(event.topic, event.row, ACCOUNT)
            order = report.order if isinstance(report, OrderReported) else report
            our_id = getattr(order, "client_order_id", None)
            if isinstance(report, ExecutionReported | OrderReported) and is_ours(our_id, self._store.installation):
                yield report

    # --- the account ------------------------------------------------------------------------------------------------
    def _place_backstops(self) -> None:
        facts = tuple(
            BackstopPlaced(symbol=symbol, position_side=PositionSide.LONG, stop_price=price, placed_at=self._now)
            for symbol, price in self._backstops.items()
        )
        self._store.append(Append(stream=addresses.book_stream(ACCOUNT), expected_sequence=0, facts=facts))

    def _send(self, path: str, params: dict[str, Any]) -> None:
        answer = self._answer(path, dict(params))
        if answer["retCode"]:
            raise RuntimeError(f"{path} {params}: {answer['retCode']} {answer['retMsg']}")

    def _answer(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        endpoint = self._endpoints[path]
        owner = self._bybit.exchange.venue.accounts[ACCOUNT] if endpoint.signed else None
        return v5_routes.answer(self._bybit, endpoint, owner, params, lambda _: True)

    def _wall_ms(self) -> int:
        return int(self._now.timestamp() * 1000)


def _plan(instrument: Instrument, view: OpeningView, margin_usdt: Decimal) -> TradePlan:
    price = view.last_price
    return TradePlan(
        account=ACCOUNT,
        symbol=instrument.symbol,
        position_side=PositionSide.LONG,
        approach=Approach.CONSERVATIVE,
        entries=(PlannedEntry(price=None, fraction=Decimal(1)),),
        rungs=tuple(
            PlannedRung(price=instrument.to_tick(price * (1 + Decimal(above))), fraction=Decimal(share))
            for above, share in RUNGS
        ),
        stop_price=instrument.to_tick(price * (1 - STOP_BELOW)),
        size=MarginUsdt(amount_usdt=margin_usdt),
        leverage=LEVERAGE,
    )


def _check(trade: Trade) -> None:
    if trade.phase is not Phase.MONITORING or not trade.open_quantity or not trade.own_stop_covers:
        raise RuntimeError(f"trade {trade.label} was not seeded whole: {trade.phase}, open {trade.open_quantity}")
