"""Terminal: what a person asks through the daemon's socket: a command under an id, asked again until answered.

Enters: a question to the desk. Stays out: which (the person), words for a screen. The socket answers nobody across the
daemon's end: whoever asked asks again, under the same id, and so does one who is not sure.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.messages import addresses
from adapters.assembly.simulation.plug_pulled import PulledPlug
from runtime import ActorDead, AskFailed, AskTimeout, Refused

if TYPE_CHECKING:
    from adapters.assembly.simulation.world import World

ANSWER_SECONDS = 40.0
AGAIN_SECONDS = 5.0
TRIES = 8


class Terminal:
    """One person's terminal beside the chat."""

    def __init__(self, world: World) -> None:
        self._world = world

    def asks(self, question: object, *, tries: int = TRIES) -> None:
        """Ask the desk and wait for its answer while the world goes on; where there is none, ask again later."""
        system = self._world.system
        if system is None:
            self._later(question, tries)
            return
        self._world.story.tell("person", "", f"asks through the socket: {question}")
        try:
            system.ask(addresses.DESK, question, timeout_seconds=ANSWER_SECONDS)
        except Refused as refused:
            self._world.story.tell("person", "", f"is refused: {refused}")
        except (AskTimeout, ActorDead, AskFailed):
            self._later(question, tries)
        except PulledPlug:
            self._later(question, tries)
            raise

    def _later(self, question: object, tries: int) -> None:
        if tries > 1:
            due = self._world.clock.monotonic() + AGAIN_SECONDS
            self._world.agenda.at(due, partial(self.asks, question, tries=tries - 1))
