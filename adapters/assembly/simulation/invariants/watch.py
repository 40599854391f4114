"""Watch: the eye on one world. It is told what becomes durable, what leaves and what the exchange and the chat did,
and has every invariant judged that this touches, after every step.

Enters: the exchange's own record, commits, what was shown, the runtime's events. Stays out: what the daemon believes
in between; the invariants themselves (one file a family). What is told from inside the daemon never raises there:
a violation is kept and raised by `check`, outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.guarding import STREAM
from actors.messages.operator import ChatRecord
from actors.messages.orders import OrderRequest
from actors.messages.storing import Append, Guard
from actors.messages.trading import ExitStarted, OrderRequested, StopPriceMoved, TradeClosed, TradeOpened
from actors.model.guarding import GuardTerms
from actors.model.trade import Phase, Role
from actors.ports import OperatorSaid, OperatorTapped, StorePort
from actors.rules import book_admission
from actors.rules.client_order_ids import parse_client_order_id
from actors.rules.position_life import evolve, opened
from adapters.assembly.simulation.chat import PERSON, ChatService, Shown
from adapters.assembly.simulation.faults import SOME_ORDER, Faults
from adapters.assembly.simulation.invariants import (
    breakeven,
    changes,
    cover,
    deadlines,
    emergencies,
    entries,
    journal,
    ladder,
    limits,
    net_targets,
    orders,
    outcomes,
    rest,
    results,
    sizing,
    trails,
)
from adapters.assembly.simulation.invariants.alerts import Alerts
from adapters.assembly.simulation.invariants.commands import Commands, Sight
from adapters.assembly.simulation.invariants.guards import ON_ITS_WAY_SECONDS, Guards
from adapters.assembly.simulation.invariants.held import ENTRY, Held, role_of
from adapters.assembly.simulation.invariants.identity import Identities
from adapters.assembly.simulation.invariants.isolation import Isolation
from adapters.assembly.simulation.invariants.ownership import Ownership
from adapters.assembly.simulation.invariants.precedence import OneByOne, Precedence
from adapters.assembly.simulation.invariants.price_record import PriceRecord
from adapters.assembly.simulation.invariants.promises import Promises
from adapters.assembly.simulation.invariants.readings import Readings
from adapters.assembly.simulation.invariants.timed import TIMED, Timed, note_time, note_timed
from adapters.assembly.simulation.invariants.upkeep import Upkeep
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.margin import CROSS
from adapters.simulated.venue import PrivateEvent, Venue
from runtime import ActorSystem, RuntimeEvent
from runtime.clock import Clock

TRADE, CHAT = "trade/", "chat/"
EVERYTHING = 1_000_000
# Faults that leave telling alone: all others put off when critical news has to be told.
_NO_MATTER_TO_TELLING = (
    "stream",
    "write",
    "read",
    "funding",
    "manual",
    "mirror",
    "monitor",
    "update",
    "parked",
    "thin",
)
_DISTURBED_SECONDS = 5.0
_TELLERS = frozenset({addresses.STORE, addresses.ALERT_DISPATCHER, addresses.CHAT_COURIER})  # no news goes round one
MOST_SKEW_SECONDS = 0.5
SHUT_SECONDS = 5.0  # from a safety state being durable to every live trade having heard
# A run moves no backstop inward before every trade that an earlier one admitted must have been heard of.
INWARD_AFTER_SECONDS = book_admission.ADMISSION_PATIENCE.total_seconds() + 5.0


class Watch:
    """Everything that is judged of one world while it runs."""

    def __init__(self, venue: Venue, clock: Clock, faults: Faults, terms: GuardTerms) -> None:
        self.trades: dict[str, Held] = {}
        self.unsettled: dict[str, Any] = {}  # every promised effect without an outcome
        self.alerts = Alerts()
        self._destinations: set[str] = set()  # of promised effects
        self.commands = Commands()
        self.identities = Identities()
        self.isolation = Isolation()
        self.ownership = Ownership()
        self.upkeep = Upkeep()
        self.guards = Guards(terms)
        self.promises = Promises()
        self.changes = changes.Changes()
        self.skew: Callable[[], float] = lambda: 0.0  # of the daemon's clock, seconds
        self._shut_at: float | None = None  # monotonic seconds, since when nothing new may be opened
        self._skew = 0.0  # as noted last
        self._skewed_at = -1e9  # monotonic seconds, when it was found to have changed
        self.prices = PriceRecord()
        self.checks = 0
        self._venue = venue
        self._clock = clock
        self._faults = faults
        self._executions = orders.ExecutionLedger(venue.accounts)
        self._arrivals = outcomes.Arrivals()
        self._precedence = Precedence()
        self._one_by_one = OneByOne()
        self._readings = Readings(venue.accounts)
        self._began_at = 0.0  # the run that has the state
        self._found: Violated | None = None
        self._live: dict[str, Held] = {}  # trades that something can still happen to
        self._forgotten: dict[str, Held] = {}  # trades no journal knows any more, though the exchange may
        self._touched: set[str] = set()  # trades that something happened to since the last look
        self._symbols: set[str] = set()  # as much of symbols
        self._money_changed: dict[str, float] = dict.fromkeys(venue.accounts, -1e9)  # by account: when it last did
        self._unrealised: dict[str, Decimal] = {}  # of the accounts in cross margin, when last looked at (USDT)
        self._system: ActorSystem | None = None  # of the run that has the state
        self._chat: ChatService | None = None
        self._chat_faults = 0
        self._undisturbed_since = 0.0  # chat and daemon, as far as telling needs them
        self._held_up_until = 0.0  # as much of a handler that no news goes round

    @property
    def requested(self) -> set[str]:
        """The client order ids whose intent is durable."""
        return self.identities.requested

    # --- what is watched --------------------------------------------------------------------------------------------
    def attend(self, chat: ChatService) -> None:
        """See what this chat shows, beside whoever looks at it already."""
        self._chat, others = chat, chat.on_shown

        def both(shown: Shown) -> None:
            self._saw(shown)
            others(shown)

        chat.on_shown = both
        chat.on_refused = self.alerts.refuse
        chat.on_acknowledged = self._acknowledged

    def begins(self, system: ActorSystem, store: StorePort) -> None:
        """A run of the daemon begins. Where its store knows that it lost some, what is stored counts from now."""
        forgot = store.forgotten is not None and store.forgotten.epoch == store.epoch
        if forgot:
            self._take_as_stored(store)
        try:
            self.guards.begins(store.load(STREAM).facts, forgot=forgot)
            self._shut_at = (self._shut_at or self._clock.monotonic()) if self.guards.shut else None
        except Violated as found:
            self._keep(found)
        for held in self._live.values():
            trails.forget(held, self._clock.monotonic())
        self._system = system
        self.identities.begins(store.epoch)
        self._precedence.begins()
        self._one_by_one.begins()
        self._began_at = self._clock.monotonic()
        self.isolation.begins(system)
        self.ownership.begins(system)
        self.upkeep.begins(system)
        self._undisturbed_since = self._clock.monotonic()
        self._held_up_until = 0.0  # that was another run's

    def ends(self, system: ActorSystem) -> None:
        """A run ends, or loses the state to another."""
        if system is self._system:
            self._system = None
            self.isolation.ends()
            self.ownership.ends()
            self.upkeep.ends()

    def _take_as_stored(self, store: StorePort) -> None:
        for trade_id, held in tuple(self.trades.items()):
            facts = store.load(f"{TRADE}{trade_id}").facts
            asked_for = {leg.client_order_id for leg in held.trade.legs}
            held.states = list(journal.replay(facts))
            if held.states:
                held.trade = held.states[-1]
                held.verified_at = outcomes.traded(held.trade) if held.trade.verified else None
                held.forgotten |= asked_for - {leg.client_order_id for leg in held.trade.legs}
                breakeven.forget(held)
                held.closed = held.closed if held.trade.phase is Phase.CLOSED else None
            else:
                self._forgotten[trade_id] = self.trades.pop(trade_id)
                self._live.pop(trade_id, None)
        promised = {each.effect.key for path in self._destinations for each in store.unsettled(path, EVERYTHING)}
        self.unsettled = {key: each for key, each in self.unsettled.items() if key in promised}
        self._arrivals.waiting = {key: each for key, each in self._arrivals.waiting.items() if key in promised}
        self.alerts.forget(lambda key: key not in promised)
        self.promises.forget(promised, self.trades)
        self.changes.forget()
        self.identities.forget({held.trade.number for held in self.trades.values()})
        self.commands = Commands()
        record = None if self._chat is None else store.document(f"{CHAT}{PERSON}")
        if record is not None:
            self.kept(f"{CHAT}{PERSON}", record)  # what was under way there still is
        self._executions = orders.ExecutionLedger(self._venue.accounts)  # what was booked may be booked again

    # --- what becomes durable ---------------------------------------------------------------------------------------
    def committed(self, append: Append) -> None:
        try:
            self.identities.appended(append, self._clock.now())
            self.promises.appended(append, self._clock.monotonic())
            for effect in append.effects:
                self.unsettled[effect.key] = effect.request
                self._arrivals.promise(effect.key, effect.request, self._clock.monotonic())
                self._destinations.add(effect.destination)
                if isinstance(effect.request, RaiseAlert):
                    self.alerts.promise(effect.key, effect.request, self._clock.monotonic())
            if append.stream.startswith(TRADE):
                trade_id = append.stream.removeprefix(TRADE)
                for fact in append.facts:
                    self._take(trade_id, fact, append)
                self._precedence.appended(append)
            elif append.stream == STREAM:
                self.guards.appended(append.facts)
                self._shut_at = self._clock.monotonic() if self.guards.shut else None
                emergencies.note_emergency(append.facts, self._live.values())
                self._touched |= set(self._live)
        except Violated as found:
            self._keep(found)

    def settled(self, effect_key: str) -> None:
        self.unsettled.pop(effect_key, None)
        self._arrivals.waiting.pop(effect_key, None)
        self.alerts.settle(effect_key)
        try:
            self.promises.settled(effect_key)
        except Violated as found:
            self._keep(found)

    def kept(self, name: str, body: Any) -> None:
        """A document has become durable."""
        if not (name.startswith(CHAT) and isinstance(body, ChatRecord)):
            return
        try:
            self.identities.chat_kept(name, body)
            self.changes.kept(body)
            unseeing = 0.0 if self._chat is None else self._chat.blocked_until
            self.commands.kept(body, self._clock.monotonic(), unseeing_until=unseeing)
        except Violated as found:
            self._keep(found)

    def guarded(self, guards: Iterable[Guard]) -> None:
        """Guards have been used, apart from any append."""
        try:
            for guard in guards:
                self.identities.guarded(guard, self._clock.now())
        except Violated as found:
            self._keep(found)

    def _take(self, trade_id: str, fact: Any, append: Append) -> None:
        self.identities.fact(trade_id, fact)
        if isinstance(fact, TradeOpened):
            self._open(trade_id, fact)
            return
        held = self._touch(trade_id)
        before = held.trade
        cover.check_stop_kept(before, fact)
        self._refresh(held)
        held.trade = evolve(before, fact)
        held.states.append(held.trade)
        now = self._clock.monotonic()
        held.timeless = self._timeless(held.opened_at)
        if isinstance(fact, ExitStarted | TradeClosed):
            self._touched |= {each.trade_id for each in before.followers} & self._live.keys()
        ladder.check_asked(held.trade, fact)
        net_targets.check_fact(before, held, fact, self.prices, now)
        deadlines.check_fact(before, held, fact, self.prices, now)
        self.changes.check_fact(before, held, fact)
        outcomes.check_fact(before, held, fact, self._arrivals, now_ms=self._venue.clock())
        self._executions.committed(trade_id, fact)
        if isinstance(fact, OrderRequested):
            entries.check_asked(before, held, fact)
            self._check_request(held, fact)
        elif isinstance(fact, StopPriceMoved):
            trails.check_moved(before, held, fact, self.prices)
            if fact.by:
                breakeven.moved_by_person(held)
        elif held.trade.stop_price != before.stop_price and before.kept_stop is not None:
            breakeven.moved_by_person(held)  # a price that was not taken
        elif isinstance(fact, TradeClosed):
            held.closed = fact
            self._refresh(held)
            titles = (each.request.alert.title for each in append.effects if isinstance(each.request, RaiseAlert))
            results.check_closed(held, fact, tuple(titles))

    def _open(self, trade_id: str, fact: TradeOpened) -> None:
        held = Held(trade=opened(fact))
        if trade_id in self._forgotten:  # the command that opened it was forgotten too, and carried out again
            held.take_over(self._forgotten.pop(trade_id))
        held.states.append(held.trade)
        held.opening, held.opened_at = fact, self._clock.monotonic()
        held.trails_since = held.opened_at
        timeless = self._timeless(held.opened_at - ON_ITS_WAY_SECONDS)
        quiet = held.opened_at - self._money_changed.get(fact.sized.plan.account, -1e9)
        still = quiet > sizing.SETTLED_SECONDS
        self.guards.check_opened(fact, self.trades.values(), self._venue, quiet=still, timeless=timeless)
        self.promises.opened(trade_id)
        held.main, first = self.trades.get(fact.follows), self._sized_with(fact)
        self.trades[trade_id] = self._live[trade_id] = held
        limits.check_room(held, self._live.values())
        account = self._venue.accounts.get(held.trade.plan.account)
        if account is not None:
            held.wallet = account.wallet
            limits.check_margin(self._venue, account, self._live.values())
        entries.check_bound(self.prices, fact, held.opened_at)
        sizing.check_sized(self._venue, fact, quiet_seconds=quiet, first=first)

    def _sized_with(self, fact: TradeOpened) -> Held | None:
        """Find the trade of the same order on the same account: both were sized by one reading."""
        account, order = fact.sized.plan.account, fact.opened_by
        return next(
            (
                each
                for each in self.trades.values()
                if each.opening is not None and (each.trade.plan.account, each.opening.opened_by) == (account, order)
            ),
            None,
        )

    def _timeless(self, since: float) -> bool:
        """Whether the daemon's clock has gone wrong, or right again, since then (monotonic seconds)."""
        skew = self.skew()
        if abs(skew - self._skew) > MOST_SKEW_SECONDS:
            self._skew, self._skewed_at = skew, self._clock.monotonic()
        return self._skewed_at >= since

    def _check_request(self, held: Held, fact: OrderRequested) -> None:
        account = self._venue.accounts[held.trade.plan.account]
        limits.check_intent(self._venue, held, fact)
        if fact.role is Role.STOP:
            limits.check_conditionals(account, held.trade.plan.symbol, self._live.values())

    # --- what leaves, and what comes of it ----------------------------------------------------------------------------
    def leaving(self, request: OrderRequest) -> None:
        """Judge a request as a lane takes it up."""
        try:
            excused = self._faults.excused_until() > self._clock.monotonic()
            self._precedence.leaving(request, excused=excused, waits=self._waits)
        except Violated as found:
            self._keep(found)

    def under_way(self, request: OrderRequest, seconds: float) -> None:
        """Judge a request by what is under way as its call begins, which lasts so long."""
        try:
            self._one_by_one.leaves(request, self._clock.monotonic(), seconds)
        except Violated as found:
            self._keep(found)

    def _waits(self, link: str) -> bool:
        """Whether more than one request of an order has no outcome yet."""
        return sum(key.startswith(f"{link}/") for key in self.unsettled) > 1

    def placing(self, account: str, client_order_id: str) -> None:
        """Judge an order as it reaches the exchange."""
        parsed = parse_client_order_id(client_order_id)
        if parsed is None:
            return
        try:
            self.identities.check_sent(client_order_id)
            gone = self._forgotten.get(parsed.trade_id)  # what was on its way may arrive when nobody knows of it
            held = self._touch(parsed.trade_id) if gone is None else gone
            if client_order_id not in held.links:
                held.links.append(client_order_id)
            sizing.check_place(held, account, client_order_id)
            self._check_shut(held, client_order_id)
        except Violated as found:
            self._keep(found)

    def _check_shut(self, held: Held, link: str) -> None:
        """I19: no entry leaves once the safety state shuts it out; what was on its way then may arrive."""
        if role_of(link)[0] != ENTRY or self._shut_at is None:
            return
        late = self._clock.monotonic() - max(self._shut_at, self._faults.excused_until(*_about(held), link))
        if late > SHUT_SECONDS:
            raise Violated("I19", link, f"an entry leaves {late:.1f} s after the state became {self.guards.state}")

    def changing(self, client_order_id: str, cancels: bool) -> None:
        """Judge an amend or a cancel as it reaches the exchange."""
        try:
            self._arrivals.changed[client_order_id, cancels] = self._clock.monotonic()
            self.identities.check_changed(client_order_id, cancels=cancels)
        except Violated as found:
            self._keep(found)

    def exchange_changed(self, events: Sequence[PrivateEvent]) -> None:
        """Look, at the next check, at whatever these rows are about."""
        now = self._clock.monotonic()
        for event in events:
            self._money_changed[event.account] = now
            symbol = event.row.get("symbol")
            if symbol:
                self._symbols.add(str(symbol))
            parsed = parse_client_order_id(str(event.row.get("orderLinkId", "")))
            if parsed is not None and parsed.trade_id in self.trades:
                self._touch(parsed.trade_id)

    def priced(self, symbol: str, price: Decimal) -> None:
        """A symbol's price has moved: whoever goes by prices is looked at."""
        now = self._clock.monotonic()
        self.prices.note(symbol, price, now)
        stood = self.prices.before(symbol)
        for trade_id, held in self._live.items():
            exits = held.trade.plan.exits
            if held.trade.plan.symbol == symbol and (exits.trailing or exits.net or exits.entries_expire_on_touch):
                excused = self._system is None or self._faults.excused_until(*_about(held)) > now
                trails.note_price(held, stood, now, excused=excused)
                self._touched.add(trade_id)

    def leaves_soon(self) -> bool:
        """Whether something of a trade ends by time just now, or has a moment ago."""
        return any(
            held.trade.phase is Phase.CLOSING or "lingers" in held.bad_since or "stays" in held.bad_since
            for held in self._live.values()
            if not held.trade.plan.exits.usual
        )

    def _touch(self, trade_id: str) -> Held:
        held = self._live[trade_id] = self.trades[trade_id]
        self._touched.add(trade_id)
        return held

    # --- what is shown, and how the actors fare -----------------------------------------------------------------------
    def _acknowledged(self, update: OperatorSaid | OperatorTapped) -> None:
        try:
            self.commands.acknowledged(update)
        except Violated as found:
            self._keep(found)

    def _saw(self, shown: Shown) -> None:
        try:
            if shown.effect_key:
                self.alerts.show(shown.effect_key, shown.screen.title, shown.screen.lines)
            else:
                sight = Sight(
                    at=shown.at,
                    message_id=shown.message_id,
                    edited=shown.edits > 0,
                    title=shown.screen.title,
                    stale=shown.stale,
                )
                self.commands.seen(sight)
        except Violated as found:
            self._keep(found)

    def event(self, system: ActorSystem, event: RuntimeEvent) -> None:
        """Something happened in an actor's life."""
        if system is self._system:
            self.isolation.event(event, self._clock.monotonic())
            self.ownership.event(event)
            try:
                self.upkeep.event(event, self._clock.monotonic())
            except Violated as found:
                self._keep(found)

    def stepped(self, system: ActorSystem, path: str) -> None:
        """Measure what an actor has just had its turn with."""
        if system is self._system:
            self.isolation.stepped(path, self._clock.monotonic())
            self.upkeep.stepped(path)

    # --- after every step -------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Judge what was touched since the last check.

        Raises:
            Violated: an invariant does not hold.

        """
        if self._found is not None:
            raise self._found
        self.ownership.check()
        if not self._touched and not self._symbols:
            return
        self.checks += 1
        now = self._clock.monotonic()
        touched, self._touched = self._touched, set()
        symbols, self._symbols = self._symbols, set()
        for trade_id in sorted(touched):
            held = self.trades[trade_id]
            symbols.add(held.trade.plan.symbol)
            self._check_trade(held, now)
            if held.at_rest:
                self._live.pop(trade_id, None)
        for symbol in sorted(symbols):
            self._check_positions(symbol)

    def _refresh(self, held: Held) -> None:
        if len(held.orders) != len(held.links):
            account = self._venue.accounts[held.trade.plan.account]
            ids = (account.by_link_id.get(link) for link in held.links)
            held.orders = [account.orders[each] for each in ids if each is not None]

    def _check_trade(self, held: Held, now: float) -> None:
        self._refresh(held)
        orders.check_one_order_an_intent(held)
        orders.check_counts(held)
        ladder.check_exits_only_reduce(held)
        cover.check_stops_are_stops(held)
        breakeven.check_never_loosened(held)
        entries.check_filled(held)
        if held.filled_at is None and held.entered:
            held.filled_at = now
        price = self._venue.markets[held.trade.plan.symbol].last
        note_timed(held, now, price=price, shut=self.guards.shut)
        if held.bad_since:
            self._check_timed(held, now)

    def _check_positions(self, symbol: str) -> None:
        swept = bool(self._faults.happened["manual_cancel_all"])
        for account in self._venue.accounts.values():
            excused = self._faults.excused_until(symbol, account.name) > self._clock.monotonic()
            for index in account.indexes(symbol):
                position = account.positions.get((symbol, index))
                if position is not None and position.size:
                    ours, now_ms = self._live.values(), self._venue.clock()
                    cover.check_position(account, position, ours, now_ms=now_ms, excused=excused, swept=swept)
                    limits.check_leverage(position, ours)
                    if not (swept or self._faults.happened["manual_stop_move"]):
                        changes.check_inside(account, position, ours)

    # --- as time passes -----------------------------------------------------------------------------------------------
    def check_time(self) -> None:
        """Judge what goes wrong by time passing alone.

        Raises:
            Violated: an invariant does not hold.

        """
        now = self._clock.monotonic()
        self._note_unrealised(now)
        for held in self._live.values():
            if not held.trade.plan.exits.usual or self.guards.shut:
                held.timeless = self._timeless(held.opened_at)
                note_time(held, now, shut=self.guards.shut)
            if held.bad_since:
                self._check_timed(held, now)
        self._arrivals.check_in_time(now, self._settles_from)
        self.promises.check_in_time(now, self._opens_from)
        self.alerts.check_in_time(now, self._heard_well_since(now))
        if self._system is not None:
            well_since = max(self._began_at, self._faults.last_at, self._faults.traces_until)
            self._readings.check(now, well_since=well_since)

    def held_up(self, path: str, until: float) -> None:
        """Hear that an actor's handler returns, or is given up, no sooner than at `until` (monotonic seconds)."""
        if path in _TELLERS:
            self._held_up_until = max(self._held_up_until, until)

    def read(self, account: str, path: str) -> None:
        """Hear that the exchange answered a reading."""
        self._readings.answered(account, path, self._clock.monotonic())

    def _note_unrealised(self, now: float) -> None:
        """In cross margin what is free moves with the prices of what is held."""
        for name, account in self._venue.accounts.items():
            if account.margin_mode == CROSS:
                unrealised = self._venue.margin.unrealised(account)
                if unrealised != self._unrealised.get(name, unrealised):
                    self._money_changed[name] = now
                self._unrealised[name] = unrealised

    def _check_timed(self, held: Held, now: float) -> None:
        for name, since in held.bad_since.items():
            timed = TIMED[name]
            excused = self._excused_until(held, timed)
            if now - max(since, excused) > timed.seconds:
                raise Violated(timed.invariant, held.trade.trade_id, f"{timed.tell(held)}, for {now - since:.2f} s")

    def _excused_until(self, held: Held, timed: Timed) -> float:
        symbol, trade_id = held.trade.plan.symbol, held.trade.trade_id
        if timed.waits_for:
            known = {*held.links, *(leg.client_order_id for leg in held.trade.legs)}
            orders = [link for link in known if role_of(link)[0] in timed.waits_for]
        else:
            orders = [f"{trade_id}{SOME_ORDER}", f"{symbol}{SOME_ORDER}"]
        return self._faults.excused_until(symbol, trade_id, held.trade.plan.account, *orders)

    def _opens_from(self, account: str, symbol: str) -> float:
        return max(self._began_at, self._faults.excused_until(account, symbol))

    def _settles_from(self, trade_id: str, order: str) -> float:
        held = self.trades.get(trade_id)
        symbol, account = ("", "") if held is None else (held.trade.plan.symbol, held.trade.plan.account)
        about = (order, trade_id, f"{trade_id}{SOME_ORDER}", symbol, f"{symbol}{SOME_ORDER}", account)
        return max(self._began_at, self._faults.excused_until(*about))

    def _heard_well_since(self, now: float) -> float:
        """Since when chat and daemon have been able to tell; in the future while they are not."""
        count = sum(
            times for name, times in self._faults.happened.items() if not name.startswith(_NO_MATTER_TO_TELLING)
        )
        if count != self._chat_faults:
            self._chat_faults = count
            self._undisturbed_since = max(self._undisturbed_since, now + _DISTURBED_SECONDS)
        since = max(self._undisturbed_since, self._held_up_until)
        chat = self._chat
        if chat is None:
            return since
        if self._system is None or chat.asleep:
            return now  # nobody is there who could tell
        return max(since, chat.down_until, chat.patience_until, chat.awake_since)

    # --- at rest ------------------------------------------------------------------------------------------------------
    def check_rest(self, foreign: set[str]) -> None:
        """I7: all agree. `foreign`: symbols where others trade too."""
        self.check()
        for held in self.trades.values():
            self._refresh(held)
        rest.check_rest(self._venue, self.trades, self.unsettled, foreign | self._traded_by_others())
        if self._clock.monotonic() - self._began_at > INWARD_AFTER_SECONDS:
            rest.check_backstops(self._venue, self.trades.values())
        self.promises.check_rest()
        self.ownership.check(always=True)
        self.isolation.check_rest()

    def _traded_by_others(self) -> set[str]:
        """Name the symbols where an order that no run of the daemon asked for has filled."""
        return {
            order.symbol
            for account in self._venue.accounts.values()
            for order in account.orders.values()
            if order.cum_qty and not order.is_position_stop and order.link_id not in self.identities.requested
        }

    def check_told(self, waiting: Iterable[object]) -> None:
        """I8 and I9, once there was time to tell everything. `waiting`: updates the daemon has not taken."""
        self.commands.check_rest(waiting)
        self.alerts.check_rest(frozenset() if self._chat is None else frozenset(self._chat.refused))

    def check_journals(self, store: StorePort) -> None:
        """I15 for every trade."""
        for trade_id, held in self.trades.items():
            journal.check_replay(held, store.load(f"{TRADE}{trade_id}").facts)

    def _keep(self, found: Violated) -> None:
        """Keep a violation until the step is over: raised inside the daemon it would only crash an actor."""
        self._found = self._found or found


def _about(held: Held) -> tuple[str, ...]:
    symbol, trade_id = held.trade.plan.symbol, held.trade.trade_id
    return symbol, trade_id, f"{trade_id}{SOME_ORDER}", f"{symbol}{SOME_ORDER}", held.trade.plan.account
