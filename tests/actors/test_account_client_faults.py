"""Whatever goes wrong, in whatever order: one outcome for each effect, and never two orders for one id."""

from collections.abc import Callable
from random import Random

import pytest

from actors.errors import OutcomeUnknown, Rejected, Unreachable
from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder, Settlement
from actors.model.money import ZERO
from actors.model.order import OrderState
from tests.actors.conftest import AccountWorld, Mishap, Requests

MISHAPS = [*Mishap, OutcomeUnknown("reset by peer"), Unreachable("no route"), Rejected("no", code=110007)]
ROLES = ("E1", "E2", "T1", "T2", "S", "X")


def play(world: AccountWorld, random: Random) -> dict[str, int]:
    """Send three trades through a storm; give how often each key was performed."""
    exchange = world.exchange
    exchange.refuses_used_ids = random.random() < 0.5  # else: two orders for one id would really come to be
    exchange.listing_lag_seconds = random.choice([0.0, 0.5, 1.5])
    for method in ("place", "amend", "cancel", "position_stop"):
        exchange.script(method, *(random.choice(MISHAPS) for _ in range(random.randrange(12))))
    exchange.script("find", *(Unreachable("no route") for _ in range(random.randrange(6))))
    handed_in: dict[str, int] = {}
    placed: list[tuple[Requests, str]] = []
    for n in range(30):
        trade = Requests(trade_id=f"{random.randrange(3)}K3Q9X")
        role = random.choice(ROLES)
        key = f"{n}/{trade.trade_id}/{role}"
        if (trade, role) not in placed:
            placed.append((trade, role))
            request: object = trade.place(role)
        else:
            request = random.choice([trade.amend(role, quantity=n + 5 + ZERO), trade.cancel(role), trade.backstop("9")])
        if random.random() < 0.15:
            world.hang(random.choice([PlaceOrder, AmendOrder, CancelOrder]))
        for _ in range(random.choice([1, 1, 1, 2])):
            world.perform(key, request)  # type: ignore[arg-type]
            handed_in[key] = handed_in.get(key, 0) + 1
            world.pass_time(random.choice([0.0, 0.0, 0.2, 3.0]))
    return handed_in


@pytest.mark.parametrize("seed", range(150))
def test_storm_leaves_one_outcome_for_each_effect_and_one_order_for_each_id(
    make_world: Callable[..., AccountWorld], seed: int
) -> None:
    world = make_world(seed=seed)
    handed_in = play(world, Random(seed))
    world.crank.run(lambda: handed_in.keys() <= world.settlements().keys(), within_seconds=600)
    assert world.settlements().keys() == handed_in.keys(), f"seed {seed}"
    world.pass_time(60)
    for key, times in handed_in.items():
        outcomes = world.settled(key)
        assert 1 <= len(outcomes) <= times, f"seed {seed}: {key} was settled {len(outcomes)} times"
        assert len(set(outcomes)) == 1, f"seed {seed}: {key} has two outcomes"
    assert len(world.exchange.accepted) == len(set(world.exchange.accepted)), f"seed {seed}: an order was doubled"


@pytest.mark.parametrize("seed", range(50))
def test_what_is_called_done_is_true_at_the_exchange(make_world: Callable[..., AccountWorld], seed: int) -> None:
    world = make_world(seed=seed)
    random = Random(seed)
    trade = Requests()
    for method in ("place", "amend", "cancel"):
        world.exchange.script(method, *(random.choice(list(Mishap)) for _ in range(4)))
    for n, role in enumerate(("T1", "T2", "S")):
        world.perform(f"place/{role}", trade.place(role))
        world.perform(f"amend/{role}", trade.amend(role, quantity=n + 5 + ZERO))
    world.crank.run(lambda: len(world.settlements()) == 6, within_seconds=600)
    world.perform("cancel/T1", trade.cancel("T1"))
    world.crank.run(lambda: len(world.settlements()) == 7, within_seconds=600)
    assert set(world.settlements().values()) == {Settlement.DONE}, f"seed {seed}"
    orders = world.exchange.orders
    assert orders[trade.order_id("T1")].state is OrderState.CANCELLED
    assert [orders[trade.order_id(role)].quantity for role in ("T1", "T2", "S")] == [5, 6, 7]


@pytest.mark.parametrize("seed", range(50))
def test_client_killed_in_the_storm_doubles_nothing(make_world: Callable[..., AccountWorld], seed: int) -> None:
    world = make_world(seed=seed)
    random = Random(seed)
    world.exchange.refuses_used_ids = False
    world.exchange.listing_lag_seconds = random.choice([0.0, 2.0])
    world.exchange.script("place", *(random.choice(list(Mishap)) for _ in range(6)))
    trades = [Requests(trade_id=f"{n}K3Q9X") for n in range(3)]
    wanted = {f"{trade.trade_id}/{role}": trade.place(role) for trade in trades for role in ("S", "T1")}
    for key, request in wanted.items():
        world.perform(key, request)
    for _ in range(3):
        world.pass_time(random.uniform(0.0, 4.0))
        world.system.kill("accounts/main/client")
        for key, request in wanted.items():
            if not world.settled(key):
                world.perform(key, request, repeat=True)  # as their owners do when the client restarts
    world.crank.run(lambda: wanted.keys() <= world.settlements().keys(), within_seconds=600)
    assert world.settlements() == dict.fromkeys(wanted, Settlement.DONE), f"seed {seed}"
    assert len(world.exchange.accepted) == len(set(world.exchange.accepted)) == 6, f"seed {seed}: doubled or missing"
