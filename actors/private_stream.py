"""Private stream: an account's own reports, each handed to the actor it concerns.

Enters: what the account's socket reports. Stays out: the socket's life (the port's), duplicates (the monitors').

    ours, its monitor lives     -> that monitor
    ours, no monitor            -> the positions room, as Misaddressed
    not ours, funding, position -> the position book
    the socket's own ups, downs -> the reconciler and health
"""

from __future__ import annotations

from collections.abc import Callable

from actors.messages import addresses
from actors.messages.orders import (
    ExecutionKind,
    ExecutionReported,
    OrderReported,
    PositionReported,
    StreamDown,
    StreamFaulted,
    StreamUp,
    WalletReported,
)
from actors.messages.reports import Misaddressed, StreamAgeQuestion
from actors.port_slot import PortSlot
from actors.ports import PrivateStreamPort
from actors.rules.client_order_ids import parse_client_order_id
from runtime import Actor, handles


class PrivateStream(Actor):
    """Owner of one account's private socket.

    Args:
        account: its name.
        installation: the part of client order ids that marks them as ours.
        slot: where the socket's port lives; the same for every incarnation.
        enqueue: puts a message into this actor's own mailbox, from any thread, without waiting.

    """

    def __init__(
        self,
        *,
        account: str,
        installation: str,
        slot: PortSlot[PrivateStreamPort],
        enqueue: Callable[[object], None],
    ) -> None:
        self._account = account
        self._installation = installation
        self._slot = slot
        self._enqueue = enqueue

    def on_start(self) -> None:
        self._port = self._slot.renew()
        self._port.open(self._enqueue)

    def on_stop(self) -> None:
        self._slot.close()

    @handles(ExecutionReported)
    def _on_execution(self, report: ExecutionReported) -> None:
        trade_id = None if report.kind is ExecutionKind.FUNDING else self._trade_of(report.client_order_id)
        if trade_id is None:
            self.context.tell(addresses.position_book(self._account), report)
        else:
            self._hand_on(trade_id, report.symbol, report)

    @handles(OrderReported)
    def _on_order(self, report: OrderReported) -> None:
        trade_id = self._trade_of(report.order.client_order_id)
        if trade_id is not None:  # a foreign order matters once it fills, or to the reconciler's count
            self._hand_on(trade_id, report.order.symbol, report)

    @handles(PositionReported)
    def _on_position(self, report: PositionReported) -> None:
        self.context.tell(addresses.position_book(self._account), report)

    @handles(WalletReported)
    def _on_wallet(self, report: WalletReported) -> None:
        """Nobody keeps a balance between two openings: each reads its own."""

    @handles(StreamUp, StreamDown, StreamFaulted)
    def _on_stream(self, report: StreamUp | StreamDown | StreamFaulted) -> None:
        match report:
            case StreamUp():
                self.context.log.info("stream_up", account=self._account, connection=report.connection)
            case StreamDown():
                self.context.log.warning("stream_down", account=self._account, reason=report.reason)
            case StreamFaulted():
                self.context.log.warning(
                    "stream_faulted", account=self._account, reason=report.reason, excerpt=report.excerpt
                )
        self.context.tell(addresses.reconciler(self._account), report)
        self.context.tell(addresses.HEALTH, report)

    @handles(StreamAgeQuestion)
    def _on_age_question(self, _question: StreamAgeQuestion) -> float | None:
        return self._port.last_message_age_seconds()

    def _trade_of(self, client_order_id: str | None) -> str | None:
        """Give the trade an order of ours belongs to; None for foreign ones."""
        parsed = parse_client_order_id(client_order_id)
        return parsed.trade_id if parsed is not None and parsed.installation == self._installation else None

    def _hand_on(self, trade_id: str, symbol: str, report: ExecutionReported | OrderReported) -> None:
        monitor = addresses.monitor(self._account, symbol, trade_id)
        if self.context.exists(monitor):
            self.context.tell(monitor, report)
        else:
            misaddressed = Misaddressed(trade_id=trade_id, symbol=symbol, report=report)
            self.context.tell(addresses.positions(self._account), misaddressed)
