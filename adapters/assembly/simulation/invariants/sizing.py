"""I5: a trade is sized from its own account's balance and filters as its plan says, and trades there alone.

A share of the balance or an amount bounds what it binds; a risk what it loses from its entries, or their bound, to its
stop with both fees. Both are used up to a step's worth of each entry. Worked out again from the exchange's own record
when the trade's opening is committed, without the daemon's rules.
Exempt: the exact balance, while anything of the account changed within the last 20 s (the reading it was sized by may
be older than the change); then the account's whole wallet is the bound. Divergence between a plan's accounts needs
plans that name two; what can be judged of one is.
"""

from __future__ import annotations

from decimal import Decimal

from actors.messages.trading import TradeOpened
from actors.model.trade_plan import MarginShare, RiskShare, SizedEntry
from adapters.assembly.simulation.invariants.held import ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.instruments import Instrument
from adapters.simulated.margin import CROSS
from adapters.simulated.records import Account
from adapters.simulated.venue import Venue

SETTLED_SECONDS = 20.0
MOVED = Decimal("0.02")  # of the equity: what is held gains and loses while the account is quiet
ROUNDED = Decimal("0.0001")  # of the margin, for divisions that end nowhere


def check_sized(venue: Venue, fact: TradeOpened, *, quiet_seconds: float, first: Held | None = None) -> None:
    """I5: `quiet_seconds`: since when nothing of the account has changed; `first`: the trade it was sized with."""
    plan = fact.sized.plan
    account = venue.accounts.get(plan.account)
    if account is None:
        raise Violated("I5", fact.trade_id, f"there is no account {plan.account}")
    _check_grid(venue.markets[plan.symbol].instrument, fact)
    if first is None or first.opening is None:
        _check_balance(venue, account, fact, quiet=quiet_seconds > SETTLED_SECONDS)
    elif fact.sized.plan.size != first.opening.sized.plan.size:
        sizes = f"{first.opening.sized.plan.size} and {fact.sized.plan.size}"
        raise Violated("I5", fact.trade_id, f"the halves of its order have different sizes, {sizes}")
    else:  # by the reading of then
        _check_balance(venue, account, fact, quiet=False, wallet=first.wallet)


def _check_grid(rules: Instrument, fact: TradeOpened) -> None:
    sized = fact.sized
    for entry in sized.entries:
        price = entry.price or entry.bound_price or sized.reference_price
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


def _check_balance(venue: Venue, account: Account, fact: TradeOpened, *, quiet: bool, wallet: Decimal = ZERO) -> None:
    """Notional N of margin M: what N binds (margin, the fee in, the fee out at bankruptcy) is M."""
    sized, plan = fact.sized, fact.sized.plan
    if isinstance(plan.size, RiskShare):
        _check_risk(venue, account, fact, plan.size, quiet=quiet)
        return
    taker = venue.margin.fees.taker
    binds = 1 / plan.leverage + taker * (2 + 1 / plan.leverage)
    balance = venue.margin.available(account) if quiet else max(wallet, account.wallet)
    of_balance = isinstance(plan.size, MarginShare)
    asked = plan.size.of_available * balance if isinstance(plan.size, MarginShare) else plan.size.amount_usdt
    if not of_balance:
        taker = fact.fees.taker  # by which it was worked out, whatever the account was up to
        binds = 1 / plan.leverage + taker * (2 + 1 / plan.leverage)
    if sized.notional_usdt * binds > asked * (1 + ROUNDED):
        text = f"binds {sized.notional_usdt * binds} USDT, {plan.size} of {balance} is {asked}"
        raise Violated("I5", fact.trade_id, text)
    if of_balance and not quiet:
        return
    step = venue.markets[plan.symbol].instrument.quantity_step
    lost = sum((step * (entry.price or sized.reference_price) for entry in sized.entries), ZERO) * binds
    if sized.notional_usdt * binds < asked * (1 - ROUNDED) - lost:
        text = f"binds only {sized.notional_usdt * binds} USDT, {plan.size} of {balance} is {asked}"
        raise Violated("I5", fact.trade_id, text)


def _check_risk(venue: Venue, account: Account, fact: TradeOpened, size: RiskShare, *, quiet: bool) -> None:
    """It loses its share of the equity at the stop: never more, and less by a step of each entry at the most."""
    asked = size.of_equity * fact.equity_usdt
    loses, worth = ZERO, ZERO
    for entry in fact.sized.entries:
        each = _loss_of_one(fact, entry)
        loses += entry.quantity * each
        worth += fact.instrument.quantity_step * each
    if not asked * (1 - ROUNDED) - worth <= loses <= asked * (1 + ROUNDED):
        text = f"loses {loses} USDT at its stop, {size.of_equity} of {fact.equity_usdt} is {asked}"
        raise Violated("I5", fact.trade_id, text)
    equity = account.wallet + venue.margin.unrealised(account)
    if quiet and account.name not in _cross(venue) and abs(fact.equity_usdt - equity) > equity * MOVED:
        raise Violated("I5", fact.trade_id, f"was sized from an equity of {fact.equity_usdt}, it is {equity}")


def _cross(venue: Venue) -> frozenset[str]:
    return frozenset(name for name, account in venue.accounts.items() if account.margin_mode == CROSS)


def _loss_of_one(fact: TradeOpened, entry: SizedEntry) -> Decimal:
    """What one base unit of an entry loses, entered at its price or bound and left at the stop (USDT)."""
    plan, fees = fact.sized.plan, fact.fees
    if entry.price is not None:
        price, rate = entry.price, fees.maker
    else:  # without a bound it is the last price, which the reference is, where there is one entry
        price, rate = entry.bound_price or _last_price(fact), fees.taker
    return (price - plan.stop_price) * plan.position_side.sign + price * rate + plan.stop_price * fees.taker


def _last_price(fact: TradeOpened) -> Decimal:
    """Recover what market entries were valued at from what all entries come to."""
    sized = fact.sized
    limits = sum((entry.quantity * entry.price for entry in sized.entries if entry.price is not None), ZERO)
    market = sum((entry.quantity for entry in sized.entries if entry.price is None), ZERO)
    return (sized.notional_usdt - limits) / market


def check_place(held: Held, account: str, client_order_id: str) -> None:
    """I5: an order goes to its trade's account."""
    if account != held.trade.plan.account:
        raise Violated("I5", client_order_id, f"it was sent to account {account}, its trade is {held.trade.label}")
