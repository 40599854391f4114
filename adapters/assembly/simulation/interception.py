"""Interception: what happens in the daemon's handlers that is not of their own making: time passes, exceptions rise.

Enters: every message as it is about to be handled. Stays out: requests (exchange port), the chat's moods, the disk's.
Faults strike by rate, or are aimed: put here by a strewn fault for the next handler they fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from actors.messages import addresses
from actors.messages.alerts import DeliverAlert
from actors.messages.operator import ShowScreen
from actors.messages.storing import Append
from adapters.assembly.simulation.chat import ChatService
from adapters.assembly.simulation.exchange_port import ExchangeLine
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.story import Story
from runtime.clock import Clock
from runtime.environment import InjectedFault

if TYPE_CHECKING:
    from adapters.assembly.simulation.process import Process

Struck = Callable[["Process", str, Any], InjectedFault | None]
RAISED_EXCUSE_SECONDS = 40.0
FSYNC_SECONDS = 5.0
_SLOW_STORE_EXCUSE = 8.0


class InjectedCrash(RuntimeError):
    """Raised in place of a handler."""


# What a handler may meet: a fault of its own, no memory left, and what usually ends a whole program (F17).
CRASHES: tuple[type[BaseException], ...] = (
    InjectedCrash,
    InjectedCrash,
    InjectedCrash,
    MemoryError,
    RecursionError,
    SystemExit,
    KeyboardInterrupt,
)


def crash_of(dice: Random, where: str) -> BaseException:
    """Draw what a handler raises; its words say that it was injected."""
    return dice.choice(CRASHES)(f"{InjectedCrash.__name__} {where}")


def is_injected(error: str) -> bool:
    """Whether an error's words say that it was meant to be."""
    return InjectedCrash.__name__ in error


@dataclass(frozen=True, slots=True)
class _Aimed:
    fits: Callable[[str, Any], bool]
    strike: Struck


class Interception:
    """The eye and the hand before every handler."""

    def __init__(
        self,
        faults: Faults,
        *,
        clock: Clock,
        story: Story,
        line: ExchangeLine,
        chat: ChatService,
        rooms: frozenset[str],
        dice: Random,
    ) -> None:
        """`rooms`: paths of actors that everything depends on."""
        self.on_handled: Callable[[str, Any], None] = lambda _path, _message: None
        self._faults = faults
        self._clock = clock
        self._story = story
        self._line = line
        self._chat = chat
        self.rooms = rooms
        self._dice = dice
        self._aimed: list[_Aimed] = []

    def __call__(self, process: Process, path: str, message: Any) -> InjectedFault | None:
        self.on_handled(path, message)
        if path == addresses.CHAT_COURIER:
            self._chat.delivering = message.effect_key if isinstance(message, DeliverAlert) else ""
        if self._aimed:
            fault = self._strike_aimed(process, path, message)
            if fault is not None:
                return fault
        if "/client/" in path:
            return InjectedFault(spend_seconds=self._line.latency_of(message, path.split("/")[1]))
        if path == addresses.CHAT_COURIER:
            slow = isinstance(message, DeliverAlert | ShowScreen)
            return InjectedFault(spend_seconds=self._dice.uniform(0.02, 0.2)) if slow else None
        if path == addresses.STORE and isinstance(message, Append):
            return self._slow_store()
        return self._raise_at(path)

    def aim(self, fits: Callable[[str, Any], bool], strike: Struck) -> None:
        """Have the next handler that fits met by this, once; a strike that gives None has passed it over."""
        self._aimed.append(_Aimed(fits, strike))

    def forget(self) -> None:
        """Aim at nothing any more: the world is coming to rest."""
        self._aimed.clear()

    def _strike_aimed(self, process: Process, path: str, message: Any) -> InjectedFault | None:
        if self._faults.ended:
            self.forget()
            return None
        for each in self._aimed:
            if each.fits(path, message):
                fault = each.strike(process, path, message)
                if fault is not None:
                    self._aimed.remove(each)
                return fault
        return None

    def _slow_store(self) -> InjectedFault:
        now = self._clock.monotonic()
        if self._faults.strikes("fsync_slow"):
            self._faults.note("fsync_slow", now, excuses_seconds=_SLOW_STORE_EXCUSE)
            return InjectedFault(spend_seconds=FSYNC_SECONDS)
        if self._faults.strikes("store_slow"):
            self._faults.note("store_slow", now, excuses_seconds=_SLOW_STORE_EXCUSE)
            return InjectedFault(spend_seconds=self._dice.uniform(0.1, 3.0))
        return InjectedFault(spend_seconds=self._dice.uniform(0.0002, 0.002))

    def _raise_at(self, path: str) -> InjectedFault | None:
        if "/positions/" in path:
            for name in ("monitor_raises", "monitor_raises_late"):
                if self._faults.strikes(name):
                    return self._crash(name, path, about=path.rpartition("-")[2])
        elif path in self.rooms:
            for name in ("room_raises", "room_raises_late"):
                if self._faults.strikes(name):
                    return self._crash(name, path)
        return None

    def _crash(self, name: str, path: str, *, about: str = "") -> InjectedFault:
        error = crash_of(self._dice, path)
        self._faults.note(name, self._clock.monotonic(), about=about, excuses_seconds=RAISED_EXCUSE_SECONDS)
        late = name.endswith("_late")
        self._story.tell("fault", "", f"{path} raises {type(error).__name__}{', its work done' if late else ''}")
        return InjectedFault(error=error, after=late)
