"""One account whole, in virtual time: real store on disk, client, lanes, stream, reconciler, book, monitors and desk.

Only the exchange follows a script. `TradeWorld.reboot` is a kill -9 and a start on the same folder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.account_client import AccountClient, ClientTerms
from actors.lane import Lane
from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.market import PriceQuestion, PriceReading, WatchPrice
from actors.messages.orders import ExecutionKind, ExecutionReported, OrderReported, SetPositionStop
from actors.messages.reports import SubscribePrice, UnsubscribePrice
from actors.messages.storing import Perform, StoredStream
from actors.messages.trading import OpenTrade, TradeAccepted
from actors.model.account import OpeningView
from actors.model.alert import Alert
from actors.model.guarding import NO_GUARDS, GuardTerms
from actors.model.instrument import FeeRates
from actors.model.order import ObservedOrder, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionSide
from actors.model.trade import BackstopSettings, Trade, TradeParameters
from actors.model.trade_plan import TradePlan
from actors.port_slot import PortSlot
from actors.position_book import PositionBook
from actors.position_monitor import RunIdentity
from actors.positions_room import PositionsRoom
from actors.private_stream import PrivateStream
from actors.reconciler import Reconciler, ReconcilerTerms
from actors.rules.position_life import fold
from actors.store import Store
from actors.supervision_tree import World, monitor_spec
from actors.trade_desk import TradeDesk
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run
from adapters.sqlite.store import SqliteStore
from runtime import (
    REST_FOR_ONE,
    Actor,
    ActorSystem,
    AskFailed,
    ChildSpec,
    DeadLettered,
    DeterministicDispatcher,
    InjectedFault,
    Intensity,
    OnExhausted,
    Refused,
    RuntimeEvent,
    SupervisorSpec,
    VirtualClock,
    handles,
)
from tests.actors.conftest import Collector, Feeds, ScriptedExchange, ScriptedFence, ScriptedPort
from tests.rules.conftest import instrument, read, view_of

SYMBOL = "XRPUSDT"
PLAN = "XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"
FEES = FeeRates(maker=Decimal("0.0002"), taker=Decimal("0.00055"))


class TradingExchange(ScriptedExchange):
    """The scripted exchange with positions that follow the fills, and openings that can be read."""

    def __init__(self, now: Callable[[], datetime], account: str = "main") -> None:
        super().__init__(now)
        self.account = account
        self.available_usdt: Decimal | None = None  # None: as view_of has it
        self.last_price = "1.195"
        self.views: dict[str, OpeningView] = {}
        self.fills = 0
        self.price_subscribers: set[str] = set()

    @property
    def at(self) -> datetime:
        return self._now()

    def view(self, symbol: str) -> OpeningView | None:
        if symbol not in {SYMBOL, "BTCUSDT"}:
            return None
        rules = instrument(SYMBOL, "0.0001", "0.1") if symbol == SYMBOL else instrument("BTCUSDT", "0.1", "0.001")
        last = self.last_price if symbol == SYMBOL else "65000"
        positions = tuple(each for each in self.positions if each.symbol == symbol)
        view = view_of(rules, FEES, last)
        balance = view.balance
        if self.available_usdt is not None:
            balance = replace(balance, available_usdt=self.available_usdt, equity_usdt=self.available_usdt)
        return replace(view, account=self.account, balance=balance, positions=positions, read_at=self.at)

    def fill(self, client_order_id: str, quantity: str | None = None, price: str | None = None) -> ExecutionReported:
        """Match a part of an order, or all that is left; give the execution as the stream would report it."""
        order = self.orders[client_order_id]
        amount = order.remaining_quantity if quantity is None else Decimal(quantity)
        at_price = Decimal(price) if price else order.price or order.trigger_price or Decimal(self.last_price)
        filled = order.filled_quantity + amount
        whole = filled >= order.quantity
        self.orders[client_order_id] = replace(
            order,
            filled_quantity=filled,
            average_price=at_price,
            state=OrderState.FILLED if whole else OrderState.WORKING,
            updated_at=self.at,
        )
        self._hold(order, amount, at_price)
        self.fills += 1
        execution = ExecutionReported(
            account=self.account,
            execution_id=f"fill-{self.account}-{self.fills}" if self.account != "main" else f"fill-{self.fills}",
            symbol=order.symbol,
            order_id=order.order_id,
            client_order_id=client_order_id,
            order_side=order.order_side,
            kind=ExecutionKind.TRADE,
            quantity=amount,
            price=at_price,
            fee_usdt=amount * at_price * FEES.maker,
            is_maker=True,
            executed_at=self.at,
            sequence=self.fills,
        )
        self.executions.append(execution)
        return execution

    def _hold(self, order: ObservedOrder, quantity: Decimal, price: Decimal) -> None:
        side = PositionSide.LONG if (order.order_side is OrderSide.BUY) != order.reduce_only else PositionSide.SHORT
        held = next((each for each in self.positions if (each.symbol, each.side) == (order.symbol, side)), None)
        size = (held.size if held else Decimal(0)) + (-quantity if order.reduce_only else quantity)
        rest = tuple(each for each in self.positions if each is not held)
        stop = order.attached_stop or (held.stop_price if held else None)
        now = ObservedPosition(
            symbol=order.symbol,
            side=side,
            size=size,
            average_price=price,
            leverage=Decimal(10),
            position_index=order.position_index,
            stop_price=stop,
            liquidation_price=None,
            updated_at=self.at,
        )
        self.positions = (*rest, now) if size > 0 else rest

    def set_stop(self, request: SetPositionStop) -> None:
        self.position_stops.append(request)
        self.positions = tuple(
            replace(each, stop_price=request.stop_price)
            if (each.symbol, each.side) == (request.symbol, request.position_side)
            else each
            for each in self.positions
        )

    def ours(self, role: str) -> list[ObservedOrder]:
        """Give all orders of a role ("E1", "S", "T2", "X"), oldest first."""
        return [order for key, order in self.orders.items() if f"-{role}-" in key]

    def live(self, role: str) -> ObservedOrder | None:
        return next((order for order in self.ours(role) if not order.state.terminal), None)


class TradingPort(ScriptedPort):
    def __init__(self, exchange: TradingExchange) -> None:
        super().__init__(exchange)
        self._book = exchange

    def set_position_stop(self, request: SetPositionStop) -> None:
        self._book.write("position_stop", str(request.stop_price), lambda: self._book.set_stop(request))

    def opening_view(self, symbol: str) -> OpeningView | None:
        found = self._book.read("opening_view", symbol, lambda: self._book.view(symbol))
        assert found is None or isinstance(found, OpeningView)
        return found


class Killed(BaseException):
    """The process dies here."""


class UnreliableStore:
    """The real store, with refusals put before or after its commits and appends."""

    def __init__(self, store: SqliteStore) -> None:
        self.real = store
        self.commits = 0  # so far, of whatever there was
        self.always_fails: Exception | None = None
        self.healthy_commits = 0  # before the next failure
        self.on_commit: Callable[[], None] = lambda: None
        self.before_commit: deque[Exception] = deque()  # raised instead of committing
        self.after_commit: deque[Exception] = deque()  # raised once it is durable

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def commit(self) -> None:
        if self.always_fails is not None:
            raise self.always_fails
        fails = self.healthy_commits == 0
        self.healthy_commits = max(0, self.healthy_commits - 1)
        if fails and self.before_commit:
            raise self.before_commit.popleft()
        self.real.commit()
        self.commits += 1
        self.on_commit()
        if fails and self.after_commit:
            raise self.after_commit.popleft()


class Prices(Actor):
    """Tells the exchange's last price."""

    def __init__(self, exchange: TradingExchange) -> None:
        self._exchange = exchange

    @handles(WatchPrice)
    def _on_watch(self, _message: WatchPrice) -> None:
        """Every price is known already."""

    @handles(SubscribePrice)
    def _on_subscribe(self, message: SubscribePrice) -> None:
        self._exchange.price_subscribers.add(message.path)

    @handles(UnsubscribePrice)
    def _on_unsubscribe(self, message: UnsubscribePrice) -> None:
        self._exchange.price_subscribers.discard(message.path)

    @handles(PriceQuestion)
    def _on_question(self, message: PriceQuestion) -> PriceReading:
        last = Decimal(self._exchange.last_price)
        return PriceReading(symbol=message.symbol, last_price=last, mark_price=last, age_seconds=0.0, source="stream")


class TradeWorld:
    """An account, its desk and its store. Time passes only when a test lets it."""

    EPOCH = datetime(2025, 1, 1, tzinfo=UTC)  # where its clock begins

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        parameters: TradeParameters,
        intensity: Intensity,
        guards: GuardTerms = NO_GUARDS,
        mirrors: tuple[str, ...] = (),
    ) -> None:
        self.mirrors = mirrors
        self.folder = folder
        self.clock = VirtualClock()
        self.exchanges = {name: TradingExchange(self.clock.now, name) for name in ("main", *mirrors)}
        self.exchange = self.exchanges["main"]
        self.feeds_of = {name: Feeds() for name in self.exchanges}
        self.feeds = self.feeds_of["main"]
        self.told: dict[str, list[Any]] = {}
        self.events: list[RuntimeEvent] = []
        self.faults: list[Callable[[str, Any], InjectedFault | None]] = []
        self.kill_after_commits: int | None = None  # the process dies once so many more commits are made
        self._dying = False
        self._seed = seed
        self._parameters = parameters
        self._intensity = intensity
        self.guards = guards  # a changed one holds from the next start
        self.boot()

    # --- life -----------------------------------------------------------------------------------------------------
    def boot(self) -> None:
        """Start a run on the folder."""
        run = Run(pid=4711, boot_id="boot", started_at=self.clock.now())
        store = open_store(
            self.folder / "store.sqlite", clock=self.clock.now, random_bytes=lambda count: bytes(range(count)), run=run
        )
        self.store = UnreliableStore(store)
        self.store.on_commit = self._count_commit
        self.identity = RunIdentity(installation=store.installation, epoch=store.epoch, forgotten=store.forgotten)
        self.crank = DeterministicDispatcher(self._seed, clock=self.clock)
        self.system = ActorSystem(
            dispatchers={"pool": self.crank, "thread": self.crank},
            clock=self.clock,
            seed=self._seed,
            interceptor=self._intercept,
            observers=(self.events.append,),
        )
        self.system.start(*self._tree())

    def reboot(self) -> None:
        """Kill the process (nothing of it ends in order) and start again on the same folder."""
        self.system.intercept(None)
        self.crank.close(0)
        self.store.real.close()
        self.boot()

    def _count_commit(self) -> None:
        """Die between the commit and what it releases: nothing that was about to leave does."""
        if self.kill_after_commits is None:
            return
        if self.kill_after_commits == 0:
            self.kill_after_commits = None
            self._dying = True
            raise Killed
        self.kill_after_commits -= 1

    def still_alive(self) -> bool:
        """Tell whether the killing that was ordered has not come about."""
        return self.kill_after_commits is not None

    def close(self) -> None:
        self.system.intercept(None)
        self.system.stop()
        self.store.real.close()

    def _tree(self) -> tuple[Any, ...]:
        def nothing(*_: Any) -> Any:
            raise AssertionError("not built from the world in this kit")

        world = World(
            identity=self.identity,
            accounts=tuple(self.exchanges),
            open_store=nothing,
            open_exchange=nothing,
            open_private_stream=nothing,
            open_market_stream=nothing,
            open_chat=nothing,
            fence=ScriptedFence(self.exchange),
            enqueue=self.system.tell,
            parameters=self._parameters,
            monitor_intensity=self._intensity,
        )
        accounts = tuple(self._account(account, world) for account in self.exchanges)
        desk = ChildSpec(
            "desk",
            lambda: TradeDesk(
                accounts=tuple(self.exchanges),
                parameters=self._parameters,
                backstop=BackstopSettings(),
                guards=self.guards,
                fence=ScriptedFence(self.exchange),
                salt=self.identity.installation,
                mirrors=self.mirrors,
            ),
        )
        return (
            ChildSpec(
                "store",
                lambda: Store(open_port=lambda: self.store),
                intensity=Intensity(max_restarts=3, within_seconds=300.0),
                on_exhausted=OnExhausted.ESCALATE,
            ),
            SupervisorSpec("alerts", children=(self._collector(addresses.ALERT_DISPATCHER),)),
            SupervisorSpec("market", children=(ChildSpec("prices", lambda: Prices(self.exchange)),)),
            self._collector(addresses.HEALTH),
            SupervisorSpec("accounts", children=accounts),
            desk,
        )

    def _account(self, account: str, world: World) -> SupervisorSpec:
        name = self.identity.installation
        path = addresses.private_stream(account)
        lane = partial(self._lane, account)
        children: tuple[tuple[str, Callable[[], Actor]], ...] = (
            ("client", lambda: AccountClient(account=account, lane_factory=lane, terms=ClientTerms())),
            (
                "private_stream",
                lambda: PrivateStream(
                    account=account,
                    installation=name,
                    slot=PortSlot(self.feeds_of[account]),
                    enqueue=lambda message: self.system.tell(path, message),
                ),
            ),
            ("reconciler", lambda: Reconciler(account=account, installation=name, terms=ReconcilerTerms())),
            (
                "position_book",
                lambda: PositionBook(account=account, settings=BackstopSettings(), epoch=self.identity.epoch),
            ),
            (
                "positions",
                lambda: PositionsRoom(account=account, monitor_spec=lambda s, t: monitor_spec(world, account, s, t)),
            ),
        )
        return SupervisorSpec(
            account, strategy=REST_FOR_ONE, children=tuple(ChildSpec(part, make) for part, make in children)
        )

    def _collector(self, path: str) -> ChildSpec:
        kept = self.told.setdefault(path, [])
        return ChildSpec(path.rpartition("/")[2], lambda: Collector(kept))

    def _lane(self, account: str) -> Lane:
        exchange = self.exchanges[account]
        return Lane(port_factory=lambda: TradingPort(exchange), fence=ScriptedFence(exchange))

    # --- faults ---------------------------------------------------------------------------------------------------
    def _intercept(self, path: str, message: Any) -> InjectedFault | None:
        for fault in tuple(self.faults):
            found = fault(path, message)
            if found is not None:
                return found
        return None

    def on_next(self, path: str, message_type: type, fault: InjectedFault, *, times: int = 1, after: int = 0) -> None:
        """Let this happen at the next messages of a type to a path, leaving `after` of them in peace first."""
        left = [after, times]

        def injected(at: str, message: Any) -> InjectedFault | None:
            if at != path or not isinstance(message, message_type) or not left[1]:
                return None
            if left[0]:
                left[0] -= 1
                return None
            left[1] -= 1
            return fault

        self.faults.append(injected)

    def crash(self, path: str, message_type: type, *, times: int = 1, after: int = 0) -> None:
        self.on_next(path, message_type, InjectedFault(error=RuntimeError("injected")), times=times, after=after)

    # --- time and asking ------------------------------------------------------------------------------------------
    def pass_time(self, seconds: float) -> None:
        self.crank.run(lambda: self._dying, within_seconds=seconds)
        self._be_born_again()

    def until(self, true: Callable[[], Any], *, within_seconds: float = 60.0) -> None:
        while not self.crank.run(lambda: self._dying or bool(true()), within_seconds=within_seconds) or self._dying:
            assert self._dying, "it never came to be"
            self._be_born_again()

    def ask(self, path: str, question: Any, *, seconds: float = 30.0) -> Any:
        try:
            return self.system.ask(path, question, timeout_seconds=seconds)
        finally:
            self._be_born_again()

    def _be_born_again(self) -> None:
        if self._dying:
            self._dying = False
            self.reboot()

    def open_trade(self, plan: str = PLAN, *, command: str = "c1") -> TradeAccepted:
        accepted = self.ask(addresses.DESK, OpenTrade(command_id=command, plan=self.plan(plan), by="test"))
        assert isinstance(accepted, TradeAccepted)
        self.pass_time(1)
        return accepted

    @staticmethod
    def plan(words: str = PLAN) -> TradePlan:
        return read(words)

    # --- what happens outside ---------------------------------------------------------------------------------------
    def fill_on(self, account: str, order: ObservedOrder) -> None:
        """Match one order whole on an account; its stream reports it."""
        exchange, feed = self.exchanges[account], self.feeds_of[account].built[-1]
        assert order.client_order_id is not None
        feed.report(exchange.fill(order.client_order_id))
        feed.report(OrderReported(account=account, order=exchange.orders[order.client_order_id]))

    def fill(
        self, role: str, quantity: str | None = None, price: str | None = None, *, told: bool = True
    ) -> ExecutionReported:
        """Match the live order of a role; the stream reports it unless it is down."""
        order = self.exchange.live(role)
        assert order is not None, f"no live {role}; there are {sorted(self.exchange.orders)}"
        assert order.client_order_id is not None
        execution = self.exchange.fill(order.client_order_id, quantity, price)
        if told:
            self.report(execution)
            self.report_order(order.client_order_id)
        return execution

    def see(
        self, price: str, *, age_seconds: float = 0.0, after: float = 3.0, reported_at: datetime | None = None
    ) -> None:
        """Let time pass, then tell a price to whoever listens."""
        self.pass_time(after)
        self.exchange.last_price = price
        last = Decimal(price)
        for path in sorted(self.exchange.price_subscribers):
            reading = PriceReading(
                symbol=SYMBOL,
                last_price=last,
                mark_price=last,
                age_seconds=age_seconds,
                source="stream",
                reported_at=reported_at,
            )
            self.system.tell(path, reading)
        self.pass_time(0.5)

    def report(self, message: Any) -> None:
        self.feeds.built[-1].report(message)

    def report_order(self, client_order_id: str) -> None:
        self.report(OrderReported(account="main", order=self.exchange.orders[client_order_id]))

    # --- what is there --------------------------------------------------------------------------------------------
    def monitor(self, trade: TradeAccepted) -> str:
        return addresses.monitor(trade.sized.plan.account, trade.sized.plan.symbol, trade.trade_id)

    def journal(self, trade: TradeAccepted) -> StoredStream:
        return self.store.real.load(addresses.trade_stream(trade.trade_id))

    def trade(self, trade: TradeAccepted) -> Trade:
        """Fold what is durable."""
        return fold(self.journal(trade).facts)

    def live_rows(self) -> list[str]:
        return [stream for stream, _ in self.store.real.register("trade", live_only=True, account=None)]

    def unsettled(self, destination: str) -> list[Any]:
        return [each.effect for each in self.store.real.unsettled(destination, 1000)]

    def alerts(self, kind: str | None = None) -> list[Alert]:
        raised = [
            each.effect.request.alert
            for each in self.told[addresses.ALERT_DISPATCHER]
            if isinstance(each, Perform) and isinstance(each.effect.request, RaiseAlert)
        ]
        return [alert for alert in raised if kind is None or alert.kind == kind]

    def dead_letters(self) -> list[DeadLettered]:
        return [event for event in self.events if isinstance(event, DeadLettered)]

    def no_order_twice(self) -> bool:
        return len(set(self.exchange.accepted)) == len(self.exchange.accepted)


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., TradeWorld]]:
    worlds: list[TradeWorld] = []

    def make(
        *,
        seed: int = 1,
        intensity: Intensity | None = None,
        guards: GuardTerms = NO_GUARDS,
        mirrors: tuple[str, ...] = (),
        **parameters: Any,
    ) -> TradeWorld:
        folder = tmp_path / f"state-{len(worlds)}"
        folder.mkdir()
        worlds.append(
            TradeWorld(
                folder,
                seed,
                parameters=TradeParameters(**parameters),
                intensity=intensity or Intensity(max_restarts=5, within_seconds=60.0),
                guards=guards,
                mirrors=mirrors,
            )
        )
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., TradeWorld]) -> TradeWorld:
    return make_world()


class Life:
    """A trade from its opening to its last target, each step waiting for what must be at the exchange first."""

    QUANTITY = Decimal("834.2")  # of the first entry; the second is cancelled with the first target

    def __init__(self, world: TradeWorld, *, disturb: Callable[[], None] = lambda: None) -> None:
        self._world = world
        self._disturb = disturb  # called whenever the world stands still between two steps
        self.trade: TradeAccepted | None = None

    def run(self) -> None:
        world = self._world
        self.trade = self.open()
        self._step(lambda: world.exchange.live("E1") and world.exchange.live("E2"))
        world.fill("E1")
        for index, rung in enumerate(("T1", "T2", "T3", "T4"), start=1):
            self._step(partial(self._rung_stands, rung))
            if index > 1:
                self._step(lambda: world.exchange.live("E2") is None and self._stop_at_breakeven())
            world.fill(rung)
        self._step(lambda: not world.live_rows() and not world.system.exists(world.monitor(self.opened)))

    def open(self) -> TradeAccepted:
        """Open it as a person would: what failed is tried again, the same command."""
        for _ in range(3):
            with suppress(Refused, AskFailed):
                return self._world.open_trade()
            self._world.pass_time(5)
        raise AssertionError("it could not be opened in three tries")

    @property
    def opened(self) -> TradeAccepted:
        assert self.trade is not None
        return self.trade

    def _step(self, true: Callable[[], Any]) -> None:
        self._disturb()
        self._world.until(true, within_seconds=200.0)
        self._world.pass_time(0.2)

    def _rung_stands(self, rung: str) -> bool:
        return self._world.exchange.live(rung) is not None and self._stop_covers()

    def _stop_covers(self) -> bool:
        held = sum((each.size for each in self._world.exchange.positions), Decimal(0))
        stop = self._world.exchange.live("S")
        return stop is not None and stop.remaining_quantity == held

    def _stop_at_breakeven(self) -> bool:
        stop = self._world.exchange.live("S")
        return stop is not None and stop.trigger_price is not None and stop.trigger_price > Decimal("1.19")

    def check(self) -> None:
        """See that nothing was doubled, lost or left over."""
        world = self._world
        trade = world.trade(self.opened)
        assert trade.phase.value == "closed"
        assert (trade.entered_quantity, trade.exited_quantity) == (self.QUANTITY, self.QUANTITY)
        assert len(trade.executions) == 5
        assert world.no_order_twice()
        assert [role for role in ("E1", "E2", "T1", "T2", "T3", "T4", "S", "X") if world.exchange.live(role)] == []
        # One order for each rung, one stop that was amended, no market close: a repeat would have made another.
        counts = [len(world.exchange.ours(role)) for role in ("E1", "E2", "T1", "T2", "T3", "T4", "S", "X")]
        assert counts == [1, 1, 1, 1, 1, 1, 1, 0]
        assert world.exchange.positions == ()
        assert world.unsettled(addresses.client("main")) == []
        promised = [
            effect.request.alert.key
            for effect in world.unsettled(addresses.ALERT_DISPATCHER)
            if effect.request.alert.kind not in {"own_stop_late", "request_unclear", "backstop_refused"}
        ]
        assert len(set(promised)) == len(promised)
        kinds = {key.split("/")[1] for key in promised}
        wanted = {"trade_opened", "entry_filled", "stop_placed", "rung_filled", "stop_moved", "trade_closed"}
        assert wanted <= kinds
