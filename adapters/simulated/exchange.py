"""The exchange: what an account may ask of it, and how time and prices move it.

Enters: well-formed requests (drafts, changes), price steps, market time. Stays out: HTTP, sockets, signatures, paging.
Single-threaded: one caller at a time. The wall clock is injected, so the same object runs under a server and under
virtual time. Private rows pile up in the venue until ``drain_events`` takes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

from adapters.simulated import admission, matching, protection
from adapters.simulated.instruments import Instrument, catalogue
from adapters.simulated.margin import FeeRates
from adapters.simulated.records import Account, Order
from adapters.simulated.refusals import (
    MARGIN_TOO_SMALL,
    QUANTITY_BELOW_FILLED,
    Refusal,
    bad_parameter,
    order_gone,
)
from adapters.simulated.settlement import pay_funding
from adapters.simulated.venue import Clock, PrivateEvent, Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """An account to open: its name here, its keys, its first balance in USDT."""

    name: str
    key: str
    secret: str = field(repr=False)
    balance_usdt: Decimal
    margin_mode: str = "ISOLATED_MARGIN"  # or REGULAR_MARGIN (cross)


DEFAULT_ACCOUNTS = (
    AccountSpec(name="main", key="paper-main-key", secret="paper-main-secret", balance_usdt=Decimal(10_000)),  # noqa: S106 - play money
    AccountSpec(name="mirror", key="paper-mirror-key", secret="paper-mirror-secret", balance_usdt=Decimal(3_000)),  # noqa: S106 - play money
)


def open_account(spec: AccountSpec, user_id: int) -> Account:
    """A fresh account as ``spec`` says."""
    return Account(
        name=spec.name,
        key=spec.key,
        secret=spec.secret,
        start_balance=spec.balance_usdt,
        wallet=spec.balance_usdt,
        margin_mode=spec.margin_mode,
        user_id=user_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An amendment: None leaves a value as it is, a trigger of 0 for a stop removes it."""

    qty: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: str | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_trigger_by: str | None = None
    sl_trigger_by: str | None = None
    tp_limit_price: Decimal | None = None
    sl_limit_price: Decimal | None = None
    tpsl_mode: str | None = None


class Exchange:
    """A Bybit of USDT perpetuals, without its wire."""

    def __init__(
        self,
        *,
        clock: Clock,
        accounts: Iterable[AccountSpec] = DEFAULT_ACCOUNTS,
        instruments: Iterable[Instrument] | None = None,
        fees: FeeRates | None = None,
        seed: int = 0,
        salt: str = "",
        position_stops_count: bool = False,
        untriggered_end: str = "Deactivated",
        queues: bool = False,
    ) -> None:
        """``clock`` gives wall milliseconds; ``seed`` shapes the depth; ``salt`` makes ids differ between exchanges."""
        opened = [open_account(spec, 1000 + number) for number, spec in enumerate(accounts, start=1)]
        self.venue = Venue(
            instruments=catalogue() if instruments is None else instruments,
            accounts=opened,
            clock=clock,
            salt=salt or f"seed {seed}",
            fees=fees or FeeRates(),
            seed=seed,
            untriggered_end=untriggered_end,
            queues=queues,
        )
        self._position_stops_count = position_stops_count

    # -- orders ---------------------------------------------------------------------------------------------------

    def create(self, order: Order) -> Order:
        """Accept a new order and bring it to the market.

        Raises:
            Refusal: admission said no; nothing changed.

        """
        admission.admit(self.venue, order, position_stops_count=self._position_stops_count)
        account = self.venue.accounts[order.account]
        account.orders_placed += 1
        if order.link_id:
            account.duplicate_orders += order.link_id in account.used_link_ids
            account.used_link_ids.add(order.link_id)
        order.last_price_on_created = self.venue.markets[order.symbol].last
        account.remember(order)
        self.venue.changes.accounts.add(account.name)
        with self.venue.one_instant():
            matching.place(self.venue, order)
        self._nudge(account, order)
        return order

    def find_open(self, account: Account, symbol: str, order_id: str, link_id: str) -> Order:
        """The open order with this id (which wins) or client id.

        Raises:
            Refusal: 110001, none such is open.

        """
        wanted = order_id or account.by_link_id.get(link_id, "")
        order = account.orders.get(wanted)
        if order is None or not order.is_open or order.symbol != symbol:
            raise order_gone()
        return order

    def amend(self, account: Account, order: Order, change: Change) -> None:
        """Change an open order; a new price may make it take at once.

        Raises:
            Refusal: the changed order would not be admitted, or nothing would change; the order is as it was.

        """
        before = _terms(order)
        _apply(order, change)
        try:
            if _terms(order) == before:
                text = "The order remains unchanged as the parameters entered match the existing ones."
                raise bad_parameter(text)
            self._check_amended(account, order, before)
        except Refusal:
            _restore(order, before)
            raise
        with self.venue.one_instant():
            moved = order.price != before["price"] or order.qty > cast("Decimal", before["qty"])
            matching.replace(self.venue, order, keeps_place=not moved)
        self._nudge(account, order)

    def _check_amended(self, account: Account, order: Order, before: dict[str, object]) -> None:
        market = self.venue.markets[order.symbol]
        admission.check_trading(self.venue, order.symbol)
        if order.is_position_stop and order.qty != before["qty"]:
            raise bad_parameter("the quantity of a position's stop follows the position")
        admission.check_grid(market, order)
        if order.qty and order.qty <= order.cum_qty:
            raise Refusal(QUANTITY_BELOW_FILLED, "The amended quantity must be greater than the executed quantity")
        if order.is_conditional:
            admission.check_trigger_side(self.venue, order)
        else:
            admission.check_price_band(market, order)
        admission.check_attached_stops(market, order)
        admission.check_notional(account, market, order)
        if not order.is_conditional and not order.closes:
            self._check_amended_margin(account, order, before)
        elif not order.is_conditional:
            position = account.position(order.symbol, order.position_idx)
            order.qty = min(order.qty, order.cum_qty + position.size)

    def _check_amended_margin(self, account: Account, order: Order, before: dict[str, object]) -> None:
        """Its new terms may not overdraw the account further than the old ones did."""
        available = self.venue.margin.available(account)
        after = _terms(order)
        _restore(order, before)
        available_before = self.venue.margin.available(account)
        _restore(order, after)
        if available < 0 and available < available_before:
            raise Refusal(MARGIN_TOO_SMALL, "ab not enough for new order")

    def cancel(self, account: Account, order: Order) -> None:
        """Cancel an open order at its owner's wish."""
        protection.end_order(self.venue, order, "CancelByUser", reason="EC_PerCancelRequest")
        self._nudge(account, order)

    def _nudge(self, account: Account, order: Order) -> None:
        # Bybit sends a position message after every create, amend and cancel, changed or not.
        self.venue.position_changed(account.position(order.symbol, order.position_idx))

    # -- time and prices ------------------------------------------------------------------------------------------

    def walk(self, symbol: str, price: Decimal, *, basis: Decimal | None = None, volume: Decimal | None = None) -> None:
        """Move a symbol's last price to ``price``, rounded to the tick, matching everything on the way.

        ``basis`` (mark less last) changes first, where given; ``volume`` base units trade there, for queues.

        Raises:
            Refusal: 10001, no such symbol.

        """
        market = self.venue.market(symbol)
        if basis is not None:
            market.basis = basis
        with self.venue.one_instant():
            matching.walk(self.venue, symbol, market.instrument.to_tick(price), volume)
        self.venue.changes.symbols.add(symbol)

    def keep_market_time(self, symbol: str, market_ms: int) -> None:
        """Let market time reach ``market_ms`` on ``symbol``: fundings due on the way are paid at this price."""
        market = self.venue.markets[symbol]
        interval = market.instrument.funding_interval_minutes * 60_000
        if not market.next_funding_ms:
            market.next_funding_ms = (market_ms // interval + 1) * interval
        while market_ms >= market.next_funding_ms:
            market.next_funding_ms += interval
            for position in list(market.holders.values()):
                pay_funding(self.venue, position, market.instrument.funding_rate)
            self.venue.changes.symbols.add(symbol)

    def drain_events(self) -> list[PrivateEvent]:
        """The private rows since the last call, in order."""
        return self.venue.drain_events()


_TERMS = (
    "qty",
    "price",
    "trigger_price",
    "trigger_by",
    "take_profit",
    "stop_loss",
    "tp_trigger_by",
    "sl_trigger_by",
    "tp_limit_price",
    "sl_limit_price",
    "tpsl_mode",
)


def _terms(order: Order) -> dict[str, object]:
    return {name: getattr(order, name) for name in _TERMS}


def _restore(order: Order, terms: dict[str, object]) -> None:
    for name, value in terms.items():
        setattr(order, name, value)


def _apply(order: Order, change: Change) -> None:
    for name in _TERMS:
        value = getattr(change, name)
        if value is not None:
            setattr(order, name, value)
