"""The person of a simulated world: writes plans, good and bad, confirms them, closes trades, presses old buttons.

Enters: a scenario's actions. Stays out: what the daemon makes of it, hands at the exchange (outsiders), plans' words.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from random import Random

from actors.messages.guarding import SetSafety
from actors.messages.trading import ChangeTrade, CloseTrades
from actors.model.guarding import SafetyState
from actors.model.screen import Screen
from actors.model.trade import Phase
from actors.rules.chat_commands import read_change
from adapters.assembly.simulation.chat import Shown
from adapters.assembly.simulation.fanned import fanned
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.invariants.emergencies import OF_ACCOUNT
from adapters.assembly.simulation.options import with_options
from adapters.assembly.simulation.plans import NONSENSE, bad_plan_words, plan_words
from adapters.assembly.simulation.scenario import Action
from adapters.assembly.simulation.second_thoughts import change_words
from adapters.assembly.simulation.terminal import Terminal
from adapters.assembly.simulation.world import World
from adapters.simulated.records import BUY
from runtime.clock import Clock

_CONFIRM, _CANCEL = ":yes:", ":no:"
_EXPIRED_AFTER = (61.0, 300.0)  # a button lives for 60 s
PRECAUTIONS = {  # may be answered with a question; with what the action says
    "strict": "/safety {} it looks odd out there",
    "active": "/safety active it looks well again",
    "release": "/locks release {}",
}
_HASTE_SECONDS = 300.0  # an emergency waits for an opening for so long
_REFUSED = ("refused", "Not sent", "Not understood", "There is no")


class Person:
    """Carries out a scenario's actions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock: Clock = world.clock
        self._dice = Random(f"{world.scenario.seed}/person")  # noqa: S311 - repeatable chance is the point
        self.asked = 0  # commands that are answered with a question
        self._opens = 0
        self._last_plan = ""
        self._meant: set[str] = set()  # titles of the questions that good plans may bring
        self.pressed: list[int] = []  # messages whose Confirm was pressed
        self._buttons: list[tuple[int, str]] = []  # those pressed: message, data
        self.written: dict[int, str] = {}  # plans and other words, by their action's number
        self.terminal = Terminal(world)
        self._on_trades = {"close": self._close, "change": self._change, "emergency": self._leave_soon}
        self.in_haste: list[Action] = []  # emergencies that wait for an opening to be on its way
        world.chat.on_shown = self._on_shown
        for action in world.scenario.actions:
            world.agenda.at(action.at, partial(self._act, action))

    @property
    def foreign(self) -> set[str]:
        """Symbols where somebody traded by hand."""
        return self._world.foreign

    def _act(self, action: Action) -> None:
        match action.kind:
            case "open" | "same_again" as kind:
                self._open(action, action.words or (self._plan(action) if kind == "open" else self._last_plan))
            case "bad_plan":
                words = action.words or self._bad_plan(action)
                self._say(action, f"/trade {words}", kept=words)
            case "nonsense":
                words = action.words or self._dice_of(action).choice(NONSENSE)
                self._say(action, words, kept=words)
            case kind if kind in self._on_trades:
                self._on_trades[kind](action)
            case "old_button" if self._buttons:
                self._world.chat.taps(*self._dice_of(action).choice(self._buttons))
            case "stranger":
                self._be_somebody_else()
            case kind if kind in PRECAUTIONS:
                self.asked += 1
                self._say(action, PRECAUTIONS[kind].format(action.words))
            case kind if kind != "old_button":
                self._say(action, f"/{kind}")

    def _open(self, action: Action, words: str) -> None:
        if not words:
            return  # there was no plan before
        self._opens += 1
        self.asked += 1
        self._last_plan = words
        symbol, side = words.split()[:2]
        account = words.partition(" account ")[2] or "main"
        self._meant.add(f"Open {symbol} {side} on {account}?")
        self._say(action, f"/trade {words}", kept=words)

    def _close(self, action: Action) -> None:
        self.asked += 1
        dice = self._dice_of(action)
        which = "all" if dice.random() < 0.2 else str(dice.randint(1, max(1, self._opens)))  # noqa: PLR2004 - one in five
        self._say(action, f"/close {which}")

    def _change(self, action: Action) -> None:
        """Change an open trade, in the chat or at the terminal; there the answer may not be waited for."""
        dice = self._dice_of(action)
        drawn = change_words(self._world, dice)  # though it may be written down: what follows has the same dice
        words = action.words or drawn
        if not words:
            return
        self.written[action.number] = words
        if dice.random() < 0.6:  # noqa: PLR2004 - three of five in the chat
            self.asked += 1
            self._say(action, f"/{words}", kept=words)
            return
        verb, which, *rest = words.split()
        change = read_change(verb, rest)
        if isinstance(change, str):
            raise Violated("F20", "", f"{words} is not understood: {change}")
        wanted = ChangeTrade(command_id=f"cli-{action.number}", which=which, change=change, by="cli")
        self._world.watch.changes.asked(wanted)
        if dice.random() < 0.4:  # noqa: PLR2004 - two of five are impatient
            due = self._clock.monotonic() + dice.choice((0.005, 0.3, 4.0, 40.0))
            self._world.agenda.at(due, partial(self.terminal.asks, wanted))
        self.terminal.asks(wanted)

    def _leave_soon(self, action: Action) -> None:
        """Have an emergency, now or while the next trade is being opened."""
        if self._dice_of(action).random() < 0.5:  # noqa: PLR2004 - every other one
            self.leave(action)
            return
        self.in_haste.append(action)
        self._world.agenda.at(self._clock.monotonic() + _HASTE_SECONDS, partial(self.leave_if_waiting, action))

    def leave_if_waiting(self, action: Action) -> None:
        if action in self.in_haste:
            self.in_haste.remove(action)
            self.leave(action)

    def leave(self, action: Action) -> None:
        """Have every trade of an account left, as `main.py emergency` does."""
        account = action.account
        why, state = f"{OF_ACCOUNT}{account}", SafetyState.REDUCE_ONLY
        wanted = SetSafety(command_id=f"cli-{action.number}", state=state, why=why, by="cli", leave=account)
        self.terminal.asks(wanted)
        if self._dice_of(action).random() < 0.4:  # noqa: PLR2004 - two of five are cut off here
            return
        for held in tuple(self._world.watch.trades.values()):
            if held.trade.plan.account == account and held.trade.phase not in {Phase.CLOSING, Phase.CLOSED}:
                self.terminal.asks(CloseTrades(which=held.trade.trade_id, by="cli"), tries=1)

    def _be_somebody_else(self) -> None:
        data = self._buttons[-1][1] if self._buttons else "v1:yes:abc"
        if self._world.chat.stranger(writes=self._last_plan or "/close all", taps=data):
            raise Violated("F20", "", "a stranger is heard")

    def _say(self, action: Action, text: str, *, kept: str = "") -> None:
        if kept:
            self.written[action.number] = kept
        self._world.chat.says(text)

    def _bad_plan(self, action: Action) -> str:
        market = self._world.bybit.exchange.venue.markets[action.symbol]
        scenario = self._world.scenario
        crossed = action.account in scenario.crossed
        return bad_plan_words(scenario.seed, action, market.instrument, market.last, crossed=crossed)

    def _plan(self, action: Action) -> str:
        world = self._world
        market = world.bybit.exchange.venue.markets[action.symbol]
        sides, leverage = self._standing(action)
        avoid = () if (action.account, action.symbol) in world.scenario.hedged else sides
        words = plan_words(world.scenario.seed, action, market.instrument, market.last, avoid=avoid, leverage=leverage)
        wallet = world.bybit.exchange.venue.accounts[action.account].wallet
        words = with_options(world.scenario, action, words, market.instrument, price=market.last, wallet=wallet)
        return fanned(world.scenario, action, words, market.instrument, price=market.last)

    def _standing(self, action: Action) -> tuple[tuple[str, ...], Decimal | None]:
        """Give the sides that are of no use in one-way mode, and the leverage of what is held or pending there."""
        account = self._world.bybit.exchange.venue.accounts[action.account]
        slots = [account.position(action.symbol, index) for index in account.indexes(action.symbol)]
        entering = [order.side for order in account.open_on(action.symbol).values() if not order.closes]
        held = [slot.side for slot in slots if slot.size] + entering
        if not held:
            return (), None
        return ("short",) if held[0] == BUY else ("long",), slots[0].leverage

    def _dice_of(self, action: Action) -> Random:
        return Random(f"{self._world.scenario.seed}/action/{action.number}")  # noqa: S311 - repeatable chance is the point

    # --- what is shown ------------------------------------------------------------------------------------------------
    def _on_shown(self, shown: Shown) -> None:
        """Press Confirm under a question, after a moment; sometimes Cancel, sometimes twice, sometimes too late."""
        screen = shown.screen
        if any(each in screen.title for each in _REFUSED) and not any(line.strip() for line in screen.lines):
            raise Violated("I8", "", f"a refusal without a reason: {screen.title}")
        confirm = _button(screen, _CONFIRM)
        if confirm is None or shown.edits:
            return
        if screen.title.startswith("Open ") and screen.title not in self._meant:
            raise Violated("F20", "", f"nobody wrote a plan for {screen.title}")
        now = self._clock.monotonic()
        luck = self._dice.random()
        if luck < 0.03:  # noqa: PLR2004 - now and then it is thought better of
            self._tap_at(now + self._dice.uniform(0.5, 6.0), shown.message_id, _button(screen, _CANCEL) or confirm)
            return
        if luck < 0.06:  # noqa: PLR2004 - or left lying, and pressed much later
            self._tap_at(now + self._dice.uniform(*_EXPIRED_AFTER), shown.message_id, confirm)
            return
        after = now + self._dice.uniform(0.5, 6.0)
        self.pressed.append(shown.message_id)
        self._buttons.append((shown.message_id, confirm))
        self._tap_at(after, shown.message_id, confirm)
        if luck < 0.25:  # noqa: PLR2004 - one in five is pressed twice
            self._tap_at(after + self._dice.choice((0.01, 0.2, 3.0)), shown.message_id, confirm)

    def _tap_at(self, at: float, message_id: int, data: str) -> None:
        self._world.agenda.at(at, partial(self._world.chat.taps, message_id, data))


def _button(screen: Screen, wanted: str) -> str | None:
    return next((button.data for row in screen.buttons for button in row if wanted in button.data), None)
