"""The chat of a simulated world: a service that takes texts and may fail, and the updates it hands over.

Enters: screens from the daemon, what the person writes and taps. Stays out: what the person wants (scenario).
Updates stay until the daemon has acknowledged them, as Telegram keeps them; a crash in between brings them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from actors.errors import Rejected, Throttled
from actors.model.screen import Screen
from actors.ports import ChatDown, ChatReport, ChatUp, OperatorSaid, OperatorTapped
from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.story import Story
from adapters.telegram.direct_bot import (
    DirectBot,
    DirectWire,
    Failure,
    blocked,
    markup_refused,
    no_connection,
    server_error,
    strangers_updates,
    timed_out,
    too_long,
    too_many,
)
from adapters.telegram.gate import Gate
from runtime.clock import Clock

PERSON = 4711
SHORT_CHARACTERS = 250
AGAIN_SECONDS = 2.0  # before an update that was not acknowledged comes again
CONFLICT_SECONDS = 30.0  # between two polls of one that another took the updates from: adapters/telegram/config.py


@dataclass(slots=True, kw_only=True)
class Shown:
    """One message in the person's chat."""

    message_id: int
    screen: Screen
    at: float
    effect_key: str = ""  # of the alert behind it
    edits: int = 0
    asked: bool = False  # it came with a Confirm button
    first_title: str = ""
    stale: bool = False  # sent by a run that another one has followed


@dataclass(slots=True)
class ChatService:
    """What outlives every connection: messages, updates, outages."""

    clock: Clock
    agenda: Agenda
    faults: Faults
    story: Story
    dice: Random
    messages: list[Shown] = field(default_factory=list)
    arrived: list[tuple[str, str, float]] = field(default_factory=list)  # alerts: effect key, title, when
    waiting: list[OperatorSaid | OperatorTapped] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # effect keys of alerts that were refused for good
    down_until: float = 0.0
    blocked_until: float = 0.0
    patience_until: float = 0.0  # an alert was answered that none may come before
    delivering: str = ""  # the effect key of the alert being delivered, "" for a screen
    on_shown: Callable[[Shown], None] = lambda _shown: None
    on_refused: Callable[[str], None] = lambda _effect_key: None
    on_acknowledged: Callable[[OperatorSaid | OperatorTapped], None] = lambda _update: None
    asleep: bool = False  # the daemon that is connected is frozen
    awake_since: float = 0.0  # when it last was not any more
    _sink: Callable[[ChatReport], None] | None = None
    _put_off: list[Callable[[ChatReport], None]] = field(default_factory=list)  # they poll; another came after them
    _updates: int = 0
    _calling: bool = False
    _gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self._gate = Gate(users=frozenset({PERSON}), groups=frozenset(), window_seconds=3600.0)

    # --- the person's side ----------------------------------------------------------------------------------------
    def says(self, text: str) -> None:
        self.story.tell("person", "", f"writes {text}")
        self._updates += 1
        self._enter(
            OperatorSaid(update_id=self._updates, chat_id=PERSON, user_id=PERSON, text=text, said_at=self.clock.now())
        )

    def taps(self, message_id: int, data: str) -> None:
        self.story.tell("person", "", f"taps {data} under message {message_id}")
        self._updates += 1
        self._enter(
            OperatorTapped(
                update_id=self._updates,
                chat_id=PERSON,
                user_id=PERSON,
                data=data,
                message_id=message_id,
                tapped_at=self.clock.now(),
            )
        )

    def stranger(self, *, writes: str, taps: str) -> bool:
        """Have somebody else write and tap; tell whether the real gate lets any of it in."""
        self.story.tell("person", "", "a stranger writes and taps")
        for update in strangers_updates(writes=writes, taps=taps, at=self.clock.now()):
            if self._gate.admits(update):
                return True
            report = self._gate.stranger(update, self.clock.monotonic())
            if report is not None and self._sink is not None and not self._is_down():
                self._sink(report)
        return False

    def _enter(self, update: OperatorSaid | OperatorTapped) -> None:
        self.waiting.append(update)
        self.hand_over()

    def hand_over(self) -> None:
        """Give the oldest updates to the daemon; what it does not acknowledge stays."""
        if self._calling:
            return
        while self.waiting and self._sink is not None and not self.asleep and not self._is_down():
            self._calling = True
            try:
                self._sink(self.waiting[0])
            except _Unheard:
                self.agenda.at(self.clock.monotonic() + AGAIN_SECONDS, self.hand_over)
                return
            finally:
                self._calling = False
            update = self.waiting.pop(0)
            self.on_acknowledged(update)
            if self.faults.strikes("update_again"):
                now = self.clock.monotonic()
                self.faults.note("update_again", now)
                self.agenda.at(now + self.dice.uniform(0.0, 30.0), lambda again=update: self._enter(again))  # type: ignore[misc]

    def is_question(self, shown: Shown) -> bool:
        """Whether a message asked for a confirmation, and did not say that it might be a repeat."""
        return shown.asked and "(again)" not in shown.first_title

    # --- connections ----------------------------------------------------------------------------------------------
    def connect(self, sink: Callable[[ChatReport], None]) -> None:
        if self._sink is not None and not self.asleep:
            self._put_off.append(self._sink)
        self._sink = sink
        self.asleep = False
        self.agenda.at(self.clock.monotonic() + 0.3, lambda: self._up(sink))

    def disconnect(self, sink: Callable[[ChatReport], None]) -> None:
        """Close one connection.

        Two that poll under one token take the updates from one another for as long as both live: whoever is left has
        them again when it next asks. A frozen one does not ask.
        """
        self._put_off = [each for each in self._put_off if each is not sink]
        if self._sink is not sink:
            return
        left = self._sink = self._put_off.pop() if self._put_off else None
        if left is not None:
            self.asleep = False
            self.agenda.at(self.clock.monotonic() + CONFLICT_SECONDS, lambda: self._up(left))

    def hears(self, sink: Callable[[ChatReport], None]) -> bool:
        """Whether nobody else has connected since this one did."""
        return self._sink is None or self._sink is sink

    def sleep(self) -> None:
        """Whoever is connected does not ask for updates any more, and does not know."""
        self.asleep = True

    def wake(self) -> None:
        self.asleep = False
        self.awake_since = self.clock.monotonic()
        self.hand_over()

    def _up(self, sink: Callable[[ChatReport], None]) -> None:
        if self._sink is not sink:
            return
        if self._is_down():
            self.agenda.at(self.down_until + 0.3, lambda: self._up(sink))
            return
        sink(ChatUp(name="standfast_bot"))
        self.hand_over()

    def is_blocked(self, seconds: float) -> None:
        """Have the person block the bot, and let it in again after a while."""
        self.blocked_until = self.clock.monotonic() + seconds
        self.faults.note("chat_blocked", self.blocked_until)
        self.story.tell("fault", "", f"the person blocks the bot for {seconds:.0f} s")

    def goes_down(self, seconds: float, *, name: str = "chat_outage", shuffles: bool = False) -> None:
        """Be out of reach; `shuffles`: what waits meanwhile comes in any order afterwards."""
        now = self.clock.monotonic()
        self.down_until = max(self.down_until, now + seconds)
        self.faults.note(name, self.down_until)
        self.story.tell("fault", "", f"the chat is out of reach for {seconds:.0f} s")
        if shuffles:
            self.agenda.at(self.down_until, lambda: self.dice.shuffle(self.waiting))
        sink = self._sink
        if sink is not None:
            sink(ChatDown(reason="no route"))
            self.agenda.at(self.down_until + 0.1, lambda: self._up(sink))

    def _is_down(self) -> bool:
        return self.clock.monotonic() < self.down_until

    # --- the daemon's side ----------------------------------------------------------------------------------------
    def take(self, screen: Screen, message_id: int | None, clock: Clock, *, stale: bool = False) -> int:
        """Take a text as Telegram would, or fail as it would; the real wire is between.

        Args:
            screen: what is to be shown.
            message_id: the message it replaces; None: it is a new one.
            clock: the daemon's own.
            stale: it comes from a run that another one has followed.

        Raises:
            OutsideError: as ports.ChatPort says.

        """
        shown: list[Shown] = []

        def accept() -> int:
            if not shown:
                shown.append(self._show(screen, message_id))
                shown[0].stale = stale
            return shown[0].message_id

        def fails(markup: bool) -> Failure | None:
            if shown:  # later parts follow the first
                return None
            return self._failure(accept, markup=markup, long=_is_long(screen) or bool(self.delivering))

        wire = DirectWire(now=clock.now, monotonic=clock.monotonic)
        try:
            wire.deliver(DirectBot(fails, accept), PERSON, screen, message_id)
        except Rejected:
            if self.delivering:
                self.refused.add(self.delivering)
                self.on_refused(self.delivering)
            raise
        except Throttled as full:
            if self.delivering:
                pause = (full.until - clock.now()).total_seconds()
                self.patience_until = max(self.patience_until, self.clock.monotonic() + pause)
            raise
        return shown[0].message_id

    def _failure(self, accept: Callable[[], int], *, markup: bool, long: bool) -> Failure | None:
        """Draw what goes wrong with one attempt."""
        now = self.clock.monotonic()
        if self._is_down():
            return no_connection()
        if now < self.blocked_until:
            return blocked()
        for name, rate_of_error in _FAILURES.items():
            cannot = (name == "chat_markup" and not markup) or (name == "chat_too_long" and not long)
            if not cannot and self.faults.strikes(name):
                self.faults.note(name, now)
                if name == "chat_unclear" and self.dice.random() < 0.5:  # noqa: PLR2004 - half of them arrive
                    accept()
                return rate_of_error(self.dice)
        return None

    def _show(self, screen: Screen, message_id: int | None) -> Shown:
        now = self.clock.monotonic()
        shown = None if message_id is None else next((m for m in self.messages if m.message_id == message_id), None)
        if shown is None:
            shown = Shown(message_id=len(self.messages) + 1, screen=screen, at=now, effect_key=self.delivering)
            shown.first_title = screen.title
            shown.asked = any(":yes:" in button.data for row in screen.buttons for button in row)
            self.messages.append(shown)
        else:
            shown.screen, shown.at = screen, now
            shown.edits += 1
        if self.delivering:
            self.arrived.append((self.delivering, screen.title, now))
        self.story.tell("chat", "", f"shows {screen.title!r} {' | '.join(screen.lines)[:160]}")
        self.agenda.at(now, lambda: self.on_shown(shown))
        return shown


def _is_long(screen: Screen) -> bool:
    """Whether the chat may call this answer too long: not what the daemon falls back to once it has done so."""
    return sum(map(len, (screen.title, *screen.lines))) > SHORT_CHARACTERS


_FAILURES: dict[str, Callable[[Random], Failure]] = {
    "chat_lost": lambda dice: dice.choice((no_connection, server_error))(),
    "chat_throttled": lambda dice: too_many(dice.choice((1, 3, 20, 60))),
    "chat_unclear": lambda _: timed_out(),
    "chat_markup": lambda _: markup_refused(),
    "chat_too_long": lambda _: too_long(),
}


class _Unheard(Exception):
    """The daemon did not acknowledge an update."""


class SimulatedChat:
    """ports.ChatPort: one connection of one run."""

    def __init__(self, service: ChatService, clock: Clock, *, unheard: tuple[type[Exception], ...]) -> None:
        """`clock`: the run's own. `unheard`: what handing over raises when the daemon does not take it."""
        self._service = service
        self._clock = clock
        self._unheard = unheard
        self._sink: Callable[[ChatReport], None] | None = None

    def open(self, sink: Callable[[ChatReport], None]) -> None:
        def guarded(report: ChatReport) -> None:
            try:
                sink(report)
            except self._unheard as error:
                raise _Unheard(str(error)) from error

        self._sink = guarded
        self._service.connect(guarded)

    def send(self, chat_id: int, screen: Screen) -> int:  # noqa: ARG002 - there is one chat
        return self._service.take(screen, None, self._clock, stale=self._is_stale())

    def edit(self, chat_id: int, message_id: int, screen: Screen) -> int:  # noqa: ARG002 - there is one chat
        return self._service.take(screen, message_id, self._clock, stale=self._is_stale())

    def _is_stale(self) -> bool:
        return self._sink is not None and not self._service.hears(self._sink)

    def close(self, deadline_seconds: float) -> None:  # noqa: ARG002 - nothing to wait for
        if self._sink is not None:
            self._service.disconnect(self._sink)
