"""A lane makes one call and says how it ended; on real threads a hung one holds up nobody but itself."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from actors import errors
from actors.account_client import AccountClient, ClientTerms
from actors.lane import Lane
from actors.messages import addresses
from actors.messages.accounts import ClockOffsetQuestion, EnsureLeverage
from actors.messages.lanes import AnswerKind, LaneAnswer
from actors.messages.orders import EffectSettled, Settlement
from actors.messages.storing import Perform, PromisedEffect
from actors.model.money import ONE
from actors.model.order import OrderIntent
from actors.ports import AcceptedOrder
from runtime import (
    Actor,
    ActorStarted,
    ActorSystem,
    ChildSpec,
    PooledDispatcher,
    SupervisorSpec,
    SystemClock,
    ThreadedDispatcher,
)
from tests.actors.conftest import (
    OWNER,
    AccountWorld,
    Collector,
    Mishap,
    Requests,
    ScriptedExchange,
    ScriptedFence,
    ScriptedPort,
)

LATER = datetime(2025, 1, 1, 0, 0, 3, tzinfo=UTC)
DEADLINE_SECONDS = 10.0  # for what should take milliseconds


@pytest.fixture
def world(make_world: Callable[..., AccountWorld]) -> AccountWorld:
    world = make_world(start=False)
    world.system.start(ChildSpec("lane", world.lane, dispatcher="thread"))
    return world


def ask(world: AccountWorld, call: Any) -> LaneAnswer:
    answer = world.system.ask("lane", call)
    assert isinstance(answer, LaneAnswer)
    return answer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.Rejected("no", code=110007), AnswerKind.REJECTED),
        (errors.TriggerPassed("no", expected_rise=True, code=110092), AnswerKind.TRIGGER_PASSED),
        (errors.Gone("no", code=110001), AnswerKind.GONE),
        (errors.DuplicateId("no", code=110072), AnswerKind.DUPLICATE_ID),
        (errors.Unreachable("no"), AnswerKind.UNREACHABLE),
        (errors.Throttled("no", until=LATER, code=10006), AnswerKind.THROTTLED),
        (errors.OutcomeUnknown("no", code=10016), AnswerKind.UNKNOWN),
        (errors.AccessDenied("no", code=10003), AnswerKind.ACCESS_DENIED),
        (errors.Fenced("no"), AnswerKind.FENCED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_class_of_error_becomes_an_answer(
    world: AccountWorld, trade: Requests, error: errors.OutsideError, kind: AnswerKind
) -> None:
    world.exchange.script("place", error)
    answer = ask(world, trade.place("E1"))
    assert (answer.kind, answer.code, answer.text) == (kind, error.code, "no")
    assert answer.expected_rise == getattr(error, "expected_rise", None)
    assert answer.until == getattr(error, "until", None)
    assert answer.began_at == world.clock.monotonic()


def test_answer_carries_what_the_port_gave(world: AccountWorld, trade: Requests) -> None:
    assert ask(world, trade.place("E1")).value == AcceptedOrder(order_id="x1")
    assert ask(world, ClockOffsetQuestion()).value == 0.25


def test_no_request_leaves_under_a_fallen_fence(world: AccountWorld, trade: Requests) -> None:
    world.exchange.fenced = True
    writes = [
        trade.place("E1"),
        trade.amend("E1", quantity=ONE),
        trade.cancel("E1"),
        trade.backstop("9"),
        EnsureLeverage(symbol="BTCUSDT", leverage=ONE),
    ]
    assert {ask(world, each).kind for each in (*writes, ClockOffsetQuestion())} == {AnswerKind.FENCED}
    assert world.exchange.calls == []


def test_unclassed_error_crashes_the_lane_and_closes_its_connection(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.CRASH_AFTER)
    with pytest.raises(Exception, match="tripped"):
        ask(world, trade.place("E1"))
    assert ask(world, ClockOffsetQuestion()).value == 0.25
    assert (world.exchange.opened, world.exchange.closed) == (2, 1)


def test_ordered_stop_closes_the_connection(world: AccountWorld) -> None:
    world.system.stop_actor("lane")
    assert (world.exchange.opened, world.exchange.closed) == (1, 1)


# --- real threads ----------------------------------------------------------------------------------------------
class HeldPort(ScriptedPort):
    """Holds the placing of one order until the test lets it go."""

    def __init__(
        self, exchange: ScriptedExchange, held: str, entered: threading.Event, let_go: threading.Event
    ) -> None:
        super().__init__(exchange)
        self._held, self._entered, self._let_go = held, entered, let_go

    def place_order(self, order: OrderIntent) -> AcceptedOrder:
        if order.client_order_id == self._held and not self._let_go.is_set():
            self._entered.set()
            assert self._let_go.wait(DEADLINE_SECONDS)
        return super().place_order(order)


class SignallingCollector(Collector):
    """Tells the test when all expected effects have their outcome."""

    def __init__(self, kept: list[Any], expected: dict[str, threading.Event]) -> None:
        super().__init__(kept)
        self._expected = expected

    def on_unhandled(self, message: Any) -> None:
        super().on_unhandled(message)
        if isinstance(message, EffectSettled):
            self._expected[message.effect_key].set()


class RealWorld:
    """The client on a pool of two workers, its lanes on threads, one order held."""

    def __init__(self, held: str) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.exchange = ScriptedExchange(SystemClock().now)
        self.told: list[Any] = []
        self.outcomes: dict[str, threading.Event] = {}
        self.replacement_up = threading.Event()
        self._held = held
        self.system = ActorSystem(
            dispatchers={"pool": PooledDispatcher(2), "thread": ThreadedDispatcher()},
            clock=SystemClock(),
            seed=1,
            observers=[self._observe],
        )
        terms = ClientTerms(lane_deadline_seconds=0.5)
        client = ChildSpec("client", lambda: AccountClient(account="main", lane_factory=self._lane, terms=terms))
        self.system.start(
            ChildSpec(addresses.HEALTH, lambda: Collector([])),
            ChildSpec(OWNER, lambda: SignallingCollector(self.told, self.outcomes)),
            SupervisorSpec("accounts", children=(SupervisorSpec("main", children=(client,)),)),
        )

    def _observe(self, event: object) -> None:
        if isinstance(event, ActorStarted) and event.path.endswith("/lane-6"):  # 1 to 4, and a reader, were there
            self.replacement_up.set()

    def _lane(self) -> Actor:
        return Lane(
            port_factory=lambda: HeldPort(self.exchange, self._held, self.entered, self.let_go),
            fence=ScriptedFence(self.exchange),
        )

    def perform(self, key: str, request: Any) -> None:
        self.outcomes[key] = threading.Event()
        effect = PromisedEffect(key=key, destination=addresses.client("main"), owner=OWNER, request=request)
        self.system.tell(addresses.client("main"), Perform(effect=effect))

    def outcome_of(self, key: str) -> Settlement:
        assert self.outcomes[key].wait(DEADLINE_SECONDS), f"{key} has no outcome"
        (outcome,) = [m for m in self.told if isinstance(m, EffectSettled) and m.effect_key == key]
        return outcome.settlement


@pytest.fixture
def real(trade: Requests) -> Iterator[RealWorld]:
    world = RealWorld(held=trade.order_id("T1"))
    yield world
    world.let_go.set()
    world.system.stop()


def test_hung_lane_holds_up_nobody_else(real: RealWorld, trade: Requests, make_trade: type[Requests]) -> None:
    real.perform("hung", trade.place("T1"))
    assert real.entered.wait(DEADLINE_SECONDS)
    real.perform("own stop", trade.place("S"))
    others = [make_trade(trade_id=f"{n}K3Q9X") for n in range(20)]
    for n, other in enumerate(others):
        real.perform(f"{n}", other.place("S"))
    for n in range(20):
        assert real.outcome_of(f"{n}") is Settlement.DONE
    assert real.outcome_of("own stop") is Settlement.DONE
    assert real.system.ask(addresses.client("main"), ClockOffsetQuestion()) == 0.25
    assert not real.outcomes["hung"].is_set()


def test_hung_lane_is_replaced_and_what_it_still_does_is_discarded(real: RealWorld, trade: Requests) -> None:
    real.perform("hung", trade.place("T1"))
    assert real.entered.wait(DEADLINE_SECONDS)
    assert real.replacement_up.wait(DEADLINE_SECONDS)
    real.let_go.set()  # the abandoned call goes through now; the request is found, not sent again
    assert real.outcome_of("hung") is Settlement.DONE
    assert real.exchange.accepted == [trade.order_id("T1")]
