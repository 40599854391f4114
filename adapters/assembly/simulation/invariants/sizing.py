"""I5: a trade is sized from its own account's balance and filters by the plan's percentage, and trades there alone.

Worked out again from the exchange's own record when the trade's opening is committed, without the daemon's rules.
Exempt: the exact balance, while anything of the account changed within the last 20 s (the reading it was sized by may
be older than the change); then the account's whole wallet is the bound. Divergence between a plan's accounts needs
plans that name two; what can be judged of one is.
"""

from __future__ import annotations

from decimal import Decimal

from actors.messages.trading import TradeOpened
from actors.model.trade_plan import MarginShare
from adapters.assembly.simulation.invariants.held import ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.instruments import Instrument
from adapters.simulated.records import Account
from adapters.simulated.venue import Venue

SETTLED_SECONDS = 20.0
ROUNDED = Decimal("0.0001")  # of the margin, for divisions that end nowhere


def check_sized(venue: Venue, fact: TradeOpened, *, quiet_seconds: float) -> None:
    """I5: `quiet_seconds`: since when nothing of the account has changed."""
    plan = fact.sized.plan
    account = venue.accounts.get(plan.account)
    if account is None:
        raise Violated("I5", fact.trade_id, f"there is no account {plan.account}")
    _check_grid(venue.markets[plan.symbol].instrument, fact)
    _check_balance(venue, account, fact, quiet=quiet_seconds > SETTLED_SECONDS)


def _check_grid(rules: Instrument, fact: TradeOpened) -> None:
    sized = fact.sized
    for entry in sized.entries:
        price = entry.price or sized.reference_price
        fits = (
            rules.on_step(entry.quantity)
            and entry.quantity >= rules.min_quantity
            and entry.quantity * price >= rules.min_notional_usdt
            and entry.quantity <= (rules.max_market_quantity if entry.price is None else rules.max_limit_quantity)
            and (entry.price is None or rules.on_tick(entry.price))
        )
        if not fits:
            raise Violated("I5", fact.trade_id, f"entry {entry.quantity} at {entry.price} is against the filters")
    if sum((entry.quantity for entry in sized.entries), ZERO) != sized.quantity:
        raise Violated("I5", fact.trade_id, f"its entries do not come to {sized.quantity}")


def _check_balance(venue: Venue, account: Account, fact: TradeOpened, *, quiet: bool) -> None:
    """Notional N of margin M: what N binds (margin, the fee in, the fee out at bankruptcy) is M of the balance."""
    sized, plan = fact.sized, fact.sized.plan
    if not isinstance(plan.size, MarginShare):
        return  # the worlds' people write shares of the balance and nothing else yet
    share = plan.size.of_available
    taker = venue.margin.fees.taker
    binds = 1 / plan.leverage + taker * (2 + 1 / plan.leverage)
    balance = venue.margin.available(account) if quiet else account.wallet
    asked = share * balance
    if sized.notional_usdt * binds > asked * (1 + ROUNDED):
        text = f"binds {sized.notional_usdt * binds} USDT, {share} of {balance} is {asked}"
        raise Violated("I5", fact.trade_id, text)
    if not quiet:
        return
    step = venue.markets[plan.symbol].instrument.quantity_step
    lost = sum((step * (entry.price or sized.reference_price) for entry in sized.entries), ZERO) * binds
    if sized.notional_usdt * binds < asked * (1 - ROUNDED) - lost:
        text = f"binds only {sized.notional_usdt * binds} USDT, {share} of {balance} is {asked}"
        raise Violated("I5", fact.trade_id, text)


def check_place(held: Held, account: str, client_order_id: str) -> None:
    """I5: an order goes to its trade's account."""
    if account != held.trade.plan.account:
        raise Violated("I5", client_order_id, f"it was sent to account {account}, its trade is {held.trade.label}")
