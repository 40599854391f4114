"""The person of a simulated world: writes plans, confirms them, closes trades, and meddles at the exchange by hand.

Enters: a scenario's actions. Stays out: what the daemon makes of it.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from actors.model.screen import Screen
from adapters.assembly.simulation.chat import Shown
from adapters.assembly.simulation.scenario import Action, plan_words
from adapters.assembly.simulation.world import ACCOUNT, World
from adapters.simulated import v5_routes
from adapters.simulated.records import Order, opposite
from runtime.clock import Clock

_CONFIRM = ":yes:"
_EXCUSE_SECONDS = 5.0  # what a hand at the exchange undid is put right within


class Person:
    """Carries out a scenario's actions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock: Clock = world.clock
        self._dice = Random(f"{world.scenario.seed}/person")  # noqa: S311 - repeatable chance is the point
        self.asked = 0  # commands that are answered with a question
        self._opens = 0
        self.foreign: set[str] = set()  # symbols where they traded by hand
        self.pressed: list[int] = []  # messages whose Confirm was pressed
        self.written: dict[int, str] = {}  # plans, by their action's number
        world.chat.on_shown = self._on_shown
        for action in world.scenario.actions:
            world.agenda.at(action.at, partial(self._act, action))

    def _act(self, action: Action) -> None:
        world = self._world
        match action.kind:
            case "open":
                self._opens += 1
                self.asked += 1
                price = world.price(action.symbol)
                instrument = world.bybit.exchange.venue.markets[action.symbol].instrument
                avoid = self._avoid(action.symbol)
                words = action.words or plan_words(world.scenario.seed, action, instrument, price, avoid=avoid)
                self.written[action.number] = words
                world.chat.says(f"/trade {words}")
            case "close":
                self.asked += 1
                which = "all" if self._dice.random() < 0.2 else str(self._dice.randint(1, max(1, self._opens)))  # noqa: PLR2004
                world.chat.says(f"/close {which}")
            case "status":
                world.chat.says("/status")
            case _:
                self._meddle(action)

    def _avoid(self, symbol: str) -> tuple[str, ...]:
        """In one-way mode only the held side can be traded."""
        position = self._world.bybit.exchange.venue.accounts[ACCOUNT].positions.get((symbol, 0))
        if position is None or not position.size:
            return ()
        return ("short",) if position.side == "Buy" else ("long",)

    def _on_shown(self, shown: Shown) -> None:
        """Press Confirm under a question, after a moment; sometimes Cancel, sometimes twice."""
        screen = shown.screen
        confirm = _button(screen, _CONFIRM)
        if confirm is None or shown.edits:
            return
        now = self._clock.monotonic()
        luck = self._dice.random()
        if luck < 0.05:  # noqa: PLR2004 - one in twenty is thought better of
            return
        press = partial(self._world.chat.taps, shown.message_id, confirm)
        after = now + self._dice.uniform(0.5, 6.0)
        self.pressed.append(shown.message_id)
        self._world.agenda.at(after, press)
        if luck < 0.25:  # noqa: PLR2004 - one in five is pressed twice
            self._world.agenda.at(after + self._dice.choice((0.01, 0.2, 3.0)), press)

    # --- by hand, at the exchange -----------------------------------------------------------------------------------
    def _meddle(self, action: Action) -> None:
        world = self._world
        account = world.bybit.exchange.venue.accounts[ACCOUNT]
        if action.kind in {"reduce", "add"}:
            self._trade_by_hand(action)
            return
        role = {"cancel_stop": "-S-", "cancel_target": "-T", "cancel_entry": "-E"}[action.kind]
        ours = [order for order in account.open_on(action.symbol).values() if role in order.link_id]
        if ours:
            order: Order = self._dice.choice(sorted(ours, key=lambda each: each.number))
            world.story.tell("person", action.symbol, f"cancels {order.link_id} in the app")
            now = self._clock.monotonic()
            world.faults.note("manual_cancel", now, about=action.symbol, excuses_seconds=_EXCUSE_SECONDS)
            self._call("/v5/order/cancel", symbol=action.symbol, orderId=order.order_id)

    def _trade_by_hand(self, action: Action) -> None:
        world = self._world
        position = world.bybit.exchange.venue.accounts[ACCOUNT].positions.get((action.symbol, 0))
        if position is None or not position.size:
            return
        instrument = world.bybit.exchange.venue.markets[action.symbol].instrument
        steps = int(position.size / instrument.quantity_step)
        quantity = instrument.quantity_step * max(1, steps * self._dice.randint(10, 60) // 100)
        reduces = action.kind == "reduce"
        self.foreign.add(action.symbol)
        now = self._clock.monotonic()
        world.faults.note("manual_change", now, about=action.symbol, excuses_seconds=10.0)
        side = opposite(position.side) if reduces else position.side
        world.story.tell("person", action.symbol, f"{action.kind}s by {quantity} in the app")
        self._call(
            "/v5/order/create",
            symbol=action.symbol,
            side=side,
            orderType="Market",
            qty=format(quantity, "f"),
            reduceOnly=reduces,
        )

    def _call(self, path: str, **params: Any) -> None:
        v5_routes.call(self._world.bybit, ACCOUNT, path, {"category": "linear", **params})


def _button(screen: Screen, wanted: str) -> str | None:
    return next((button.data for row in screen.buttons for button in row if wanted in button.data), None)
