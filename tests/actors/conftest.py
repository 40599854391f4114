"""An account's actors over an exchange that follows a script, in virtual time: real client, lanes and runtime."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from actors.account_client import AccountClient, ClientTerms
from actors.errors import DuplicateId, Fenced, Gone, OutcomeUnknown, Rejected, Unreachable
from actors.lane import Lane
from actors.messages import addresses
from actors.messages.orders import (
    AmendOrder,
    CancelOrder,
    EffectSettled,
    EffectUnclear,
    ExecutionReported,
    OrderRequest,
    PlaceOrder,
    SetPositionStop,
    Settlement,
)
from actors.messages.storing import Perform, PromisedEffect
from actors.model.account import Balance, KeyRights, OpeningView
from actors.model.instrument import Instrument
from actors.model.order import ObservedOrder, OrderIntent, OrderKind, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionSide
from actors.ports import AcceptedOrder, ClosedPnl
from runtime import Actor, ActorSystem, ChildSpec, DeterministicDispatcher, InjectedFault, SupervisorSpec

OWNER = "owner"


class Mishap(Enum):
    """What becomes of one write besides being carried out or refused."""

    ANSWER_LOST = "answer_lost"  # carried out, the answer never comes
    REQUEST_LOST = "request_lost"  # never arrives, and the sender does not know it
    ARRIVES_LATE = "arrives_late"  # the sender gives up, it is carried out 4 s later
    UNREACHABLE = "unreachable"  # never left, and the sender knows it
    CRASH_AFTER = "crash_after"  # carried out, then the adapter trips over the answer


Outcome = Mishap | Exception


class ScriptedExchange:
    """Orders by client id, and a script for each kind of call. `calls` and `accepted` tell what happened."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.orders: dict[str, ObservedOrder] = {}
        self.positions: tuple[ObservedPosition, ...] = ()
        self.executions: list[ExecutionReported] = []
        self.position_stops: list[SetPositionStop] = []
        self.leverages: list[tuple[str, Decimal]] = []
        self.prices: dict[str, tuple[Decimal, Decimal]] = {}
        self.accepted: list[str] = []  # client ids, one for each order that came to be
        self.calls: list[tuple[str, str]] = []  # (method, what it was about), in the order they began
        self.listing_lag_seconds = 0.0  # how long a new order is missing from the lists
        self.refuses_used_ids = True
        self.fenced = False
        self.opened = self.closed = 0  # connections
        self.failing_connections = 0  # how many of the next ones cannot even be built
        self._script: dict[str, deque[Outcome]] = {}
        self._listed_at: dict[str, datetime] = {}
        self._late: list[tuple[datetime, Callable[[], Any]]] = []

    def script(self, method: str, *outcomes: Outcome) -> None:
        """Have the next calls of this method end so, one after the other; afterwards all goes well again."""
        self._script.setdefault(method, deque()).extend(outcomes)

    def called(self, method: str) -> list[str]:
        return [about for name, about in self.calls if name == method]

    def begin(self, method: str, about: str) -> None:
        self.calls.append((method, about))
        now = self._now
        due = [(at, action) for at, action in self._late if at <= now()]
        self._late = [(at, action) for at, action in self._late if at > now()]
        for at, action in due:
            self._now = lambda at=at: at  # it came to be when it arrived, not when somebody looked
            with suppress(Gone, DuplicateId):  # the sender has long stopped listening
                action()
        self._now = now

    def write(self, method: str, about: str, action: Callable[[], Any]) -> Any:
        self.begin(method, about)
        outcome = self._next(method)
        match outcome:
            case None:
                return action()
            case Mishap.UNREACHABLE:
                raise Unreachable("connection refused")
            case Mishap.REQUEST_LOST:
                raise OutcomeUnknown("read timed out")
            case Mishap.ARRIVES_LATE:
                self._late.append((self._now() + timedelta(seconds=4), action))
                raise OutcomeUnknown("read timed out")
            case Mishap.ANSWER_LOST:
                action()
                raise OutcomeUnknown("read timed out")
            case Mishap.CRASH_AFTER:
                action()
                raise RuntimeError("the adapter tripped")
            case _:
                raise outcome

    def read(self, method: str, about: str, action: Callable[[], Any]) -> Any:
        self.begin(method, about)
        outcome = self._next(method)
        if isinstance(outcome, Exception):
            raise outcome
        return action()

    def _next(self, method: str) -> Outcome | None:
        script = self._script.get(method)
        return script.popleft() if script else None

    # --- what the calls do ----------------------------------------------------------------------------------------
    def place(self, order: OrderIntent) -> AcceptedOrder:
        known = order.client_order_id
        if self.refuses_used_ids and known in self.orders:
            raise DuplicateId(f"{known} was used before", code=110072)
        self.accepted.append(known)
        self.orders[known] = observed(order, order_id=f"x{len(self.accepted)}", at=self._now())
        self._listed_at[known] = self._now() + timedelta(seconds=self.listing_lag_seconds)
        return AcceptedOrder(order_id=self.orders[known].order_id)

    def amend(self, request: AmendOrder) -> None:
        order = self._live(request.client_order_id)
        self.orders[request.client_order_id] = replace(
            order,
            quantity=request.quantity or order.quantity,
            price=request.price or order.price,
            trigger_price=request.trigger_price or order.trigger_price,
            attached_stop=request.attached_stop or order.attached_stop,
        )

    def end(self, client_order_id: str, state: OrderState) -> None:
        self.orders[client_order_id] = replace(self._live(client_order_id), state=state)

    def find(self, client_order_id: str) -> ObservedOrder | None:
        listed = self._listed_at.get(client_order_id)
        return None if listed is not None and self._now() < listed else self.orders.get(client_order_id)

    def key_of(self, order_id: str) -> str:
        """Find an order by the exchange's id: somebody else's is kept under that."""
        return next((key for key, order in self.orders.items() if order.order_id == order_id), order_id)

    def _live(self, client_order_id: str) -> ObservedOrder:
        order = self.orders.get(client_order_id)
        if order is None or order.state.terminal:
            raise Gone(f"order {client_order_id} does not exist", code=110001)
        return order


class ScriptedPort:
    """One lane's connection to it; also the fence."""

    def __init__(self, exchange: ScriptedExchange) -> None:
        self._exchange = exchange
        if exchange.failing_connections > 0:
            exchange.failing_connections -= 1
            raise RuntimeError("no more file descriptors")
        exchange.opened += 1

    def place_order(self, order: OrderIntent) -> AcceptedOrder:
        answer = self._exchange.write("place", order.client_order_id, lambda: self._exchange.place(order))
        assert isinstance(answer, AcceptedOrder)
        return answer

    def amend_order(self, request: AmendOrder) -> None:
        self._exchange.write("amend", request.client_order_id, lambda: self._exchange.amend(request))

    def cancel_order(self, request: CancelOrder) -> None:
        about = request.client_order_id or self._exchange.key_of(request.order_id)
        self._exchange.write("cancel", about, lambda: self._exchange.end(about, OrderState.CANCELLED))

    def set_position_stop(self, request: SetPositionStop) -> None:
        stops = self._exchange.position_stops
        self._exchange.write("position_stop", str(request.stop_price), lambda: stops.append(request))

    def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        leverages = self._exchange.leverages
        self._exchange.write("leverage", symbol, lambda: leverages.append((symbol, leverage)))

    def find_order(self, symbol: str, client_order_id: str, order_id: str = "") -> ObservedOrder | None:
        key = client_order_id or self._exchange.key_of(order_id)
        found = self._exchange.read("find", key, lambda: self._exchange.find(key))
        assert found is None or isinstance(found, ObservedOrder)
        return found

    def open_orders(self, symbol: str | None = None) -> tuple[ObservedOrder, ...]:
        def live() -> tuple[ObservedOrder, ...]:
            return tuple(order for order in self._exchange.orders.values() if not order.state.terminal)

        found: tuple[ObservedOrder, ...] = self._exchange.read("open_orders", "", live)
        return found

    def positions(self, symbol: str | None = None) -> tuple[ObservedPosition, ...]:
        found: tuple[ObservedPosition, ...] = self._exchange.read("positions", "", lambda: self._exchange.positions)
        return found

    def executions(self, *, since: datetime, symbol: str | None = None) -> tuple[ExecutionReported, ...]:
        def after() -> tuple[ExecutionReported, ...]:
            return tuple(e for e in self._exchange.executions if e.executed_at >= since)

        found: tuple[ExecutionReported, ...] = self._exchange.read("executions", since.isoformat(), after)
        return found

    def last_price(self, symbol: str) -> tuple[Decimal, Decimal]:
        def listed() -> tuple[Decimal, Decimal]:
            if symbol not in self._exchange.prices:
                raise Rejected(f"{symbol} is not listed")
            return self._exchange.prices[symbol]

        found: tuple[Decimal, Decimal] = self._exchange.read("price", symbol, listed)
        return found

    def last_prices(self, symbols: Collection[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        def listed() -> dict[str, tuple[Decimal, Decimal]]:
            return {symbol: self._exchange.prices[symbol] for symbol in symbols if symbol in self._exchange.prices}

        found: Mapping[str, tuple[Decimal, Decimal]] = self._exchange.read("prices", ",".join(sorted(symbols)), listed)
        return found

    def opening_view(self, symbol: str) -> OpeningView | None:
        self._exchange.read("opening_view", symbol, lambda: None)
        return None

    def balance(self) -> Balance:
        raise NotImplementedError

    def key_rights(self) -> KeyRights:
        raise NotImplementedError

    def instrument(self, symbol: str) -> Instrument | None:
        raise NotImplementedError

    def instruments(self) -> tuple[Instrument, ...]:
        raise NotImplementedError

    def closed_pnl(self, *, since: datetime, symbol: str | None = None) -> tuple[ClosedPnl, ...]:
        raise NotImplementedError

    def clock_offset_seconds(self) -> float:
        offset: float = self._exchange.read("clock", "", lambda: 0.25)
        return offset

    def close(self) -> None:
        self._exchange.closed += 1


class ScriptedFence:
    def __init__(self, exchange: ScriptedExchange) -> None:
        self._exchange = exchange

    def check(self) -> None:
        if self._exchange.fenced:
            raise Fenced("run 8 (pid 4711) holds the state")


def observed(order: OrderIntent, *, order_id: str = "x", at: datetime | None = None) -> ObservedOrder:
    """The order as the exchange shows it when it has just taken it."""
    return ObservedOrder(
        order_id=order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        order_side=order.order_side,
        kind=order.kind,
        state=OrderState.WORKING if order.trigger_price is None else OrderState.UNTRIGGERED,
        quantity=order.quantity,
        price=order.price,
        trigger_price=order.trigger_price,
        attached_stop=order.attached_stop,
        reduce_only=order.reduce_only,
        close_on_trigger=order.close_on_trigger,
        position_index=order.position_index,
        updated_at=at,
    )


class Collector(Actor):
    """Keeps whatever it is told, in a list that outlives it."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def on_unhandled(self, message: Any) -> None:
        self._kept.append(message)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one trade, as its monitor would make them. Prices are around 100."""

    trade_id: str = "7K3Q9X"
    account: str = "main"
    symbol: str = "BTCUSDT"

    def order_id(self, role: str, revision: int = 0) -> str:
        return f"SF7QK2C-{self.trade_id}-{role}-{revision}"

    def intent(self, role: str, **values: Any) -> OrderIntent:
        usual: dict[str, Any] = {
            "client_order_id": self.order_id(role),
            "symbol": self.symbol,
            "order_side": OrderSide.BUY if role[0] == "E" else OrderSide.SELL,
            "kind": OrderKind.MARKET if role[0] in "SX" else OrderKind.LIMIT,
            "quantity": Decimal(3),
            "price": {"E": Decimal(100), "T": Decimal(110)}.get(role[0]),
            "reduce_only": role[0] != "E",
        }
        if role[0] == "S":
            usual |= {"trigger_price": Decimal(90), "trigger_rises": False, "close_on_trigger": True}
        return OrderIntent(**(usual | values))

    def place(self, role: str, **values: Any) -> PlaceOrder:
        return PlaceOrder(account=self.account, trade_id=self.trade_id, order=self.intent(role, **values))

    def amend(self, role: str, **values: Any) -> AmendOrder:
        return AmendOrder(
            account=self.account,
            trade_id=self.trade_id,
            symbol=self.symbol,
            client_order_id=self.order_id(role),
            is_stop=role[0] == "S",
            **values,
        )

    def cancel(self, role: str) -> CancelOrder:
        return CancelOrder(
            account=self.account, trade_id=self.trade_id, symbol=self.symbol, client_order_id=self.order_id(role)
        )

    def backstop(self, price: str) -> SetPositionStop:
        return SetPositionStop(
            account=self.account,
            symbol=self.symbol,
            position_side=PositionSide.LONG,
            position_index=0,
            stop_price=Decimal(price),
        )


class AccountWorld:
    """One account's client over the scripted exchange, with collectors where its neighbours would be."""

    def __init__(self, seed: int, terms: ClientTerms) -> None:
        self.crank = DeterministicDispatcher(seed)
        self.clock = self.crank.clock
        self.exchange = ScriptedExchange(self.clock.now)
        self.told: list[Any] = []  # to the owner of all effects
        self.health: list[Any] = []
        self._terms = terms
        self._inboxes: dict[str, list[Any]] = {}
        self._hangs: dict[str, float] = {}
        self.system = ActorSystem(
            dispatchers={"pool": self.crank, "thread": self.crank},
            clock=self.clock,
            seed=seed,
            interceptor=self._intercept,
        )

    def start(self, *more: ChildSpec) -> None:
        """Start health, the owner, and the account's room with the client and whatever else is given."""
        client = ChildSpec("client", lambda: AccountClient(account="main", lane_factory=self.lane, terms=self._terms))
        self.system.start(
            ChildSpec(addresses.HEALTH, lambda: Collector(self.health)),
            ChildSpec(OWNER, lambda: Collector(self.told)),
            SupervisorSpec("accounts", children=(SupervisorSpec("main", children=(client, *more)),)),
        )

    def collector(self, path: str, *children: ChildSpec) -> ChildSpec:
        """Give the spec of an actor for this path that keeps what it is told in `inbox(path)`."""
        return ChildSpec(path.rpartition("/")[2], lambda: Collector(self.inbox(path)), children=children)

    def inbox(self, path: str) -> list[Any]:
        return self._inboxes.setdefault(path, [])

    def neighbours(self, *monitors: Requests) -> tuple[ChildSpec, ...]:
        """Give the specs of the position book and the positions room with a monitor for each of these trades."""
        paths = [addresses.monitor(trade.account, trade.symbol, trade.trade_id) for trade in monitors]
        rooms = self.collector(addresses.positions("main"), *(self.collector(path) for path in paths))
        return self.collector(addresses.position_book("main")), rooms

    def lane(self) -> Lane:
        return Lane(port_factory=lambda: ScriptedPort(self.exchange), fence=ScriptedFence(self.exchange))

    def hang(self, request_type: type, seconds: float = 1e6) -> None:
        """Let the next such call be carried out, but not return for so long."""
        self._hangs[request_type.__name__] = seconds

    def _intercept(self, path: str, message: Any) -> InjectedFault | None:
        if "/lane-" not in path and "/reader-" not in path:
            return None
        seconds = self._hangs.pop(type(message).__name__, None)
        return None if seconds is None else InjectedFault(spend_seconds=seconds)

    # --- requests -------------------------------------------------------------------------------------------------
    def perform(self, key: str, request: OrderRequest, *, repeat: bool = False) -> None:
        """Release an effect to the client; what follows happens when time passes."""
        effect = PromisedEffect(key=key, destination=addresses.client("main"), owner=OWNER, request=request)
        self.system.tell(addresses.client("main"), Perform(effect=effect, repeat=repeat))

    def pass_time(self, seconds: float) -> None:
        self.crank.run_for(seconds)

    def outcome_of(self, key: str, *, within_seconds: float = 120.0) -> EffectSettled:
        """Let time pass until the effect has its outcome."""
        assert self.crank.run(lambda: bool(self.settled(key)), within_seconds=within_seconds), f"{key} has no outcome"
        return self.settled(key)[0]

    def settled(self, key: str) -> list[EffectSettled]:
        return [m for m in self.told if isinstance(m, EffectSettled) and m.effect_key == key]

    def settlements(self) -> dict[str, Settlement]:
        return {m.effect_key: m.settlement for m in self.told if isinstance(m, EffectSettled)}

    def unclear(self) -> list[EffectUnclear]:
        return [m for m in self.told if isinstance(m, EffectUnclear)]


class Feed:
    """A socket's port that reports what a test says; PrivateStreamPort and MarketStreamPort alike."""

    def __init__(self) -> None:
        self.sink: Callable[[Any], None] | None = None
        self.symbols: tuple[str, ...] = ()
        self.age_seconds: float | None = None
        self.closed = False

    def open(self, sink: Callable[[Any], None]) -> None:
        self.sink = sink

    def watch(self, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)

    def last_message_age_seconds(self) -> float | None:
        return self.age_seconds

    def close(self) -> None:
        self.closed = True

    def report(self, message: Any) -> None:
        assert self.sink is not None
        assert not self.closed
        self.sink(message)


class Feeds:
    """Every feed a slot has built, oldest first."""

    def __init__(self) -> None:
        self.built: list[Feed] = []

    def __call__(self) -> Feed:
        self.built.append(Feed())
        return self.built[-1]

    @property
    def open(self) -> Feed:
        """The only one that is not closed."""
        (feed,) = [feed for feed in self.built if not feed.closed]
        return feed


@pytest.fixture
def feeds() -> Feeds:
    return Feeds()


@pytest.fixture
def make_world() -> Iterator[Callable[..., AccountWorld]]:
    """Build worlds; each is stopped at the end."""
    worlds: list[AccountWorld] = []

    def make(*, seed: int = 1, start: bool = True, **terms: Any) -> AccountWorld:
        world = AccountWorld(seed, ClientTerms(**terms))
        worlds.append(world)
        if start:
            world.start()
        return world

    yield make
    for world in worlds:
        world.system.intercept(None)
        world.system.stop()


@pytest.fixture
def world(make_world: Callable[..., AccountWorld]) -> AccountWorld:
    return make_world()


@pytest.fixture
def trade() -> Requests:
    return Requests()


@pytest.fixture
def make_trade() -> type[Requests]:
    return Requests
