"""Cut world: a world whose daemon ends at a chosen instant, and comes back after a chosen while.

Enters: a plug, how long the daemon stays down, what happens meanwhile. Stays out: which instants there are to choose
from and what must come of it (cut_points). Nothing else goes wrong in it; prices and the person are scripted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from actors.model.screen import Screen
from actors.ports import StorePort
from adapters.assembly.simulation.chat import ChatService, Shown
from adapters.assembly.simulation.exchange_port import ExchangeLine
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.plug import Plug
from adapters.assembly.simulation.plug_pulled import PulledPlug
from adapters.assembly.simulation.process import Process, Surroundings
from adapters.assembly.simulation.scenario import Scenario
from adapters.assembly.simulation.world import ACCOUNT, World
from adapters.simulated import v5_routes
from adapters.simulated.instruments import LISTED
from runtime import RuntimeEvent
from runtime.clock import Clock

Move = Callable[["CutWorld"], None]
SYMBOL = "XRPUSDT"
TAP_SECONDS = 1.5  # the person reads a question before they press Confirm
BACK_SECONDS = 10.0  # after its start a daemon has put everything right within


class CutWorld(World):
    """A world with a plug."""

    def __init__(
        self, folder: Path, *, downs: Sequence[float], meanwhile: Move | None, hedged: bool = False, story: bool = False
    ) -> None:
        """Make it.

        Args:
            folder: for the daemon's state.
            downs: how long the daemon stays down after its first crash, its second and so on (seconds).
            meanwhile: what happens half-way through the first of them.
            hedged: the account is in hedge mode.
            story: keep the lines of what happens.

        """
        scenario = Scenario(
            seed=1,
            seconds=0.0,
            instruments=tuple(each for each in LISTED if each.symbol == SYMBOL),
            actions=(),
            starts_minutes_before_funding=300,
            ack_slow=False,
            trades_wanted=1,
            hedged=((ACCOUNT, SYMBOL),) if hedged else (),
        )
        self.plug = Plug()
        self._downs = list(downs)
        self._meanwhile = meanwhile
        self._unheard = 0  # updates in the chat
        self._next_plug = 0  # where the plug is pulled after the next start
        super().__init__(scenario, Faults(rates={}, counts={}, dice={}), folder, story=story)

    # --- the script's moves -----------------------------------------------------------------------------------------
    def later(self, seconds: float, move: Move) -> None:
        """Have something happen after a while."""
        self.agenda.at(self.clock.monotonic() + seconds, partial(self._make, move))

    def _make(self, move: Move) -> None:
        self.plug.changed()
        move(self)

    def press_confirm(self, shown: Shown) -> None:
        button = next((each.data for row in shown.screen.buttons for each in row if ":yes:" in each.data), None)
        if button is not None and not shown.edits:
            self.later(TAP_SECONDS, lambda world: world.chat.taps(shown.message_id, button))

    # --- the plug ---------------------------------------------------------------------------------------------------
    def pull_after_restart(self, point: int) -> None:
        """Pull the plug once more, at that point after the next start."""
        self._next_plug = point

    def start_daemon(self) -> None:
        if self.runs:
            self.plug.watch(self._next_plug)
            self._next_plug = 0
        super().start_daemon()

    def crash(self) -> None:
        if self.process is None:
            return
        self.plug.put_in()
        self.crashes += 1
        down = self._downs.pop(0)
        now = self.clock.monotonic()
        self.faults.note("crash", now + down, excuses_seconds=down + BACK_SECONDS)
        self.story.tell("fault", "", f"the daemon ends, it comes back after {down} s")
        self.kill(self.process)
        if self._meanwhile is not None:
            self.later(down / 2, self._meanwhile)
            self._meanwhile = None
        self.agenda.at(now + down, self.start_daemon)

    def _open_line(self) -> ExchangeLine:
        line = PluggedLine(
            self.bybit,
            clock=self.clock,
            agenda=self.agenda,
            faults=self.faults,
            story=self.story,
            dice=self.dice("world"),
        )
        line.plug = self.plug
        return line

    def _open_chat(self) -> ChatService:
        chat = PluggedChat(self.clock, self.agenda, self.faults, self.story, self.dice("chat"))
        chat.plug = self.plug
        chat.on_shown = self.press_confirm
        return chat

    def _surroundings(self) -> Surroundings:
        return replace(super()._surroundings(), around_store=self._plugged)

    def _plugged(self, store: StorePort) -> StorePort:
        plugged: StorePort = PluggedStore(store, self.plug, self.clock.monotonic)
        return plugged

    def _look(self) -> None:
        super()._look()
        if len(self.chat.waiting) != self._unheard:  # an update came in, or was acknowledged
            self._unheard = len(self.chat.waiting)
            self.plug.changed()
        self.plug.passes("after a step", self.clock.monotonic())
        if self.plug.out:
            raise PulledPlug

    def _on_event(self, process: Process, event: RuntimeEvent) -> None:
        if not self.plug.out:  # else nobody is there any more to restart what fell over the end of its process
            super()._on_event(process, event)


class PluggedLine(ExchangeLine):
    """The line to the exchange: a request may be the last thing the process did, or not quite have been made."""

    plug: Plug

    def _perform(self, account: str, path: str, params: dict[str, Any], *, late: bool = False) -> dict[str, Any]:
        if self._endpoints[path].method != "POST":
            return super()._perform(account, path, params, late=late)
        label = f"{path.removeprefix('/v5/')} {params.get('orderLinkId', '')}"
        self.plug.before(label, self._clock.monotonic())
        envelope = super()._perform(account, path, params, late=late)
        self.plug.after(label, self._clock.monotonic())
        return envelope


class PluggedChat(ChatService):
    """The chat: a message may have been shown to the person by a process that never knew it was."""

    plug: Plug

    def take(self, screen: Screen, message_id: int | None, clock: Clock, *, stale: bool = False) -> int:
        label = f"message {screen.title!r}"
        self.plug.before(label, self.clock.monotonic())
        shown = super().take(screen, message_id, clock, stale=stale)
        self.plug.after(label, self.clock.monotonic())
        return shown


class PluggedStore:
    """The store: a commit may not quite have been made, or have been made by a process that told nobody."""

    def __init__(self, store: StorePort, plug: Plug, now: Callable[[], float]) -> None:
        self._store = store
        self._plug = plug
        self._now = now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self) -> None:
        self._plug.before("a commit", self._now())
        self._store.commit()
        self._plug.after("a commit", self._now())


# --- what a script is made of ---------------------------------------------------------------------------------------
def says(text: str) -> Move:
    """The person writes; what asks back is confirmed."""

    def move(world: CutWorld) -> None:
        world.chat.says(text)

    return move


def price(to: str, symbol: str = SYMBOL) -> Move:
    """The price walks there, and everything on the way is matched."""

    def move(world: CutWorld) -> None:
        world.bybit.advance()
        world.move_price(symbol, Decimal(to))

    return move


def thin(quantity: str, symbol: str = SYMBOL) -> Move:
    """Each level of the market holds so much from here on (base units)."""

    def move(world: CutWorld) -> None:
        depth = world.bybit.exchange.venue.markets[symbol].depth
        depth.level_quantity = Decimal(quantity)
        depth.refill()

    return move


def cancels(role: str, symbol: str = SYMBOL) -> Move:
    """The person cancels the order of that role in the exchange's own app."""

    def move(world: CutWorld) -> None:
        account = world.bybit.exchange.venue.accounts[ACCOUNT]
        found = next(each for each in account.open_on(symbol).values() if f"-{role}-" in each.link_id)
        world.story.tell("person", symbol, f"cancels {found.link_id} in the app")
        params = {"category": "linear", "symbol": symbol, "orderId": found.order_id}
        v5_routes.call(world.bybit, ACCOUNT, "/v5/order/cancel", params)

    return move
