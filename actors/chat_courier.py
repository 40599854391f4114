"""Chat courier: the one who waits for the chat service, so that nobody else has to.

Enters: finished texts and screens. Stays out: what is said and in which order; retries (each asker has its own).
On a thread of its own: the port's calls block. What people write does not pass through here, it goes straight to
the room of chats, so that a command never waits behind a slow delivery.
"""

from __future__ import annotations

from collections.abc import Callable

from actors import ports
from actors.errors import OutcomeUnknown, OutsideError, Rejected, Throttled
from actors.messages import addresses
from actors.messages.alerts import AlertDelivered, AlertNotDelivered, DeliverAlert
from actors.messages.operator import ScreenNotShown, ScreenShown, ShowScreen
from actors.model.screen import Screen
from actors.rules.chat_commands import say_button
from runtime import Actor, handles

CHATS = "chats"
CLOSE_SECONDS = 3.0
DELIVERED_KEPT = 1_000


class ChatLine:
    """The one open connection to the chat. Outlives a crashed courier, whose successor closes it before its own opens.

    Two connections under one token would take each other's messages away.
    """

    def __init__(
        self,
        connect: Callable[[], ports.ChatPort],
        enqueue: Callable[[str, object], None],
        hand_over: Callable[[str, object], None] | None = None,
    ) -> None:
        """Take how to make a port, and how to reach actors from any thread.

        Args:
            connect: makes the port.
            enqueue: puts a message into an actor's mailbox, at once.
            hand_over: gives what a person did to an actor and returns once it is recorded; raises when it is not, so
                that the chat service keeps it. None: as enqueue.

        """
        self._connect = connect
        self._enqueue = enqueue
        self._hand_over = hand_over or enqueue
        self._open: ports.ChatPort | None = None

    def open(self) -> ports.ChatPort:
        self.close()
        port = self._open = self._connect()
        port.open(self._route)
        return port

    def close(self) -> None:
        port, self._open = self._open, None
        if port is not None:
            port.close(CLOSE_SECONDS)

    def _route(self, report: ports.ChatReport) -> None:
        """Run on the port's thread: hand over or enqueue, nothing else."""
        if isinstance(report, ports.OperatorSaid | ports.OperatorTapped):
            self._hand_over(CHATS, report)
        else:
            self._enqueue(addresses.CHAT_COURIER, report)


class ChatCourier(Actor):
    """One for the daemon, at addresses.CHAT_COURIER, on the thread dispatcher."""

    def __init__(self, line: ChatLine) -> None:
        self._line = line
        self._delivered: dict[str, int] = {}  # effect key to message id, newest last

    def on_start(self) -> None:
        self._port = self._line.open()

    def on_stop(self) -> None:
        self._line.close()

    @handles(DeliverAlert)
    def _on_deliver(self, deliver: DeliverAlert) -> AlertDelivered | AlertNotDelivered:
        """Send one alert. Asked again for one that went out (the asker was restarted), only say so."""
        if deliver.effect_key in self._delivered:
            return AlertDelivered(effect_key=deliver.effect_key, message_id=self._delivered[deliver.effect_key])
        lines = tuple(deliver.text.split("\n")) if deliver.text else ()
        row = tuple(say_button(label, command) for label, command in deliver.commands)
        screen = Screen(title=deliver.title, lines=lines, buttons=(row,) if row else (), silent=deliver.silent)
        try:
            message_id = self._port.send(deliver.chat_id, screen)
        except OutsideError as error:
            return AlertNotDelivered(
                effect_key=deliver.effect_key,
                permanent=isinstance(error, Rejected),
                unclear=isinstance(error, OutcomeUnknown),
                retry_after_seconds=self._pause_after(error),
                text=str(error),
            )
        self._delivered[deliver.effect_key] = message_id
        if len(self._delivered) > DELIVERED_KEPT:
            del self._delivered[next(iter(self._delivered))]
        return AlertDelivered(effect_key=deliver.effect_key, message_id=message_id)

    @handles(ShowScreen)
    def _on_show(self, show: ShowScreen) -> ScreenShown | ScreenNotShown:
        screen = show.screen
        try:
            if show.edit_message_id is None:
                return ScreenShown(message_id=self._port.send(show.chat_id, screen))
            return ScreenShown(message_id=self._port.edit(show.chat_id, show.edit_message_id, screen))
        except OutsideError as error:
            return ScreenNotShown(
                permanent=isinstance(error, Rejected),
                unclear=isinstance(error, OutcomeUnknown),
                retry_after_seconds=self._pause_after(error),
                text=str(error),
            )

    def _pause_after(self, error: OutsideError) -> float | None:
        if not isinstance(error, Throttled):
            return None
        return max(0.0, (error.until - self.context.now()).total_seconds())

    # --- what the port says of itself ---------------------------------------------------------------------------
    @handles(ports.ChatUp)
    def _on_up(self, report: ports.ChatUp) -> None:
        self.context.log.info("chat_up", name=report.name)
        self.context.tell(addresses.HEALTH, report)
        self.context.tell(addresses.ALERT_DISPATCHER, report)

    @handles(ports.ChatDown)
    def _on_down(self, report: ports.ChatDown) -> None:
        self.context.log.warning("chat_down", reason=report.reason, conflict=report.conflict)
        self.context.tell(addresses.HEALTH, report)

    @handles(ports.StrangerIgnored)
    def _on_stranger(self, report: ports.StrangerIgnored) -> None:
        self.context.log.warning("stranger_ignored", user_id=report.user_id, chat_id=report.chat_id, kind=report.kind)
        self.context.tell(addresses.HEALTH, report)
