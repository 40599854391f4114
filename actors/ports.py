"""What actors need of the world. Each method names its errors (actors.errors); adapters raise nothing else.

Every call blocks its thread and is bounded in time, so only store, lane and chat actors make them, on pinned threads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from actors.messages.market import MarketStreamDown, MarketStreamUp, PriceReported
from actors.messages.orders import (
    AmendOrder,
    CancelOrder,
    ExecutionReported,
    SetPositionStop,
    StreamDown,
    StreamFaulted,
    StreamReport,
    StreamUp,
)
from actors.messages.storing import Append, Forgotten, Guard, StoredStream, StreamSummary, UnsettledEffect
from actors.model.account import Balance, KeyRights, OpeningView
from actors.model.instrument import Instrument
from actors.model.order import ObservedOrder, OrderIntent
from actors.model.position import ObservedPosition
from actors.model.screen import Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedOrder:
    """The exchange took the request; whether it rests or fills comes with the reports."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPnl:
    """One closing order's result by the exchange's own books, net of both fees, funding apart."""

    symbol: str
    order_id: str
    quantity: Decimal
    pnl_usdt: Decimal
    closed_at: datetime


class ExchangePort(Protocol):
    """One connection to one account. A lane owns one; it is never shared between threads.

    Every method may raise Unreachable, Throttled, AccessDenied; writes may raise Rejected (Gone, TriggerPassed,
    DuplicateId), and OutcomeUnknown; reads raise Rejected only for our own malformed question. Writes are sent once:
    no method retries a write.
    """

    def place_order(self, order: OrderIntent) -> AcceptedOrder: ...

    def amend_order(self, request: AmendOrder) -> None:
        """Nothing to change counts as done."""

    def cancel_order(self, request: CancelOrder) -> None:
        """Raises Gone when there is nothing left to cancel."""

    def set_position_stop(self, request: SetPositionStop) -> None:
        """Nothing to change counts as done. Rejected when there is no position."""

    def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Nothing to change counts as done."""

    def find_order(self, symbol: str, client_order_id: str, order_id: str = "") -> ObservedOrder | None:
        """Look the order up among open, recent and historic ones. None: the exchange does not list it (yet).

        By our client id, or, for an order that is not ours, by the exchange's own id.
        """

    def open_orders(self, symbol: str | None = None) -> tuple[ObservedOrder, ...]:
        """All pages; conditional ones and the exchange's own position stops included."""

    def positions(self, symbol: str | None = None) -> tuple[ObservedPosition, ...]:
        """All pages. Without a symbol only what is open; with one, flat rows too."""

    def executions(self, *, since: datetime, symbol: str | None = None) -> tuple[ExecutionReported, ...]:
        """All pages since the instant, oldest first, funding included (windows of seven days are joined)."""

    def closed_pnl(self, *, since: datetime, symbol: str | None = None) -> tuple[ClosedPnl, ...]: ...

    def instrument(self, symbol: str) -> Instrument | None:
        """None: no such USDT perpetual."""

    def instruments(self) -> tuple[Instrument, ...]: ...

    def opening_view(self, symbol: str) -> OpeningView | None:
        """Read everything an opening needs. None: no such USDT perpetual."""

    def balance(self) -> Balance: ...

    def last_price(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Last and mark price."""

    def last_prices(self, symbols: Collection[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Last and mark price of each of these that is listed and readable, in one request."""

    def key_rights(self) -> KeyRights: ...

    def clock_offset_seconds(self) -> float:
        """Exchange time minus ours, round trip halved out; positive when ours is slow."""

    def close(self) -> None: ...


class PrivateStreamPort(Protocol):
    """An account's private socket with its own thread, watchdog, backoff and resubscription."""

    def open(self, sink: Callable[[StreamReport | StreamUp | StreamDown | StreamFaulted], None]) -> None:
        """Start connecting and return at once. The sink is called on the adapter's thread and must only enqueue."""

    def last_message_age_seconds(self) -> float | None:
        """Seconds since the last frame of any kind, pongs included; None before the first."""

    def close(self) -> None:
        """End within 2 s; the sink is not called afterwards."""


class MarketStreamPort(Protocol):
    """The public socket: prices of the watched symbols."""

    def open(self, sink: Callable[[PriceReported | MarketStreamUp | MarketStreamDown], None]) -> None: ...

    def watch(self, symbols: Sequence[str]) -> None:
        """Replace the set of symbols; returns at once."""

    def last_message_age_seconds(self) -> float | None: ...

    def close(self) -> None: ...


class StorePort(Protocol):
    """Journal, outbox, guards, register and documents in one transactional store under one run epoch.

    Any write may raise Fenced (another run's epoch) and StateDamaged. Writes between commits share a transaction.
    """

    epoch: int
    installation: str  # made once for this state folder, 4 characters
    forgotten: Forgotten | None  # None: no run ever began with less than was acted on

    def append(self, append: Append, *, trace_id: str = "") -> int:
        """Add to the open transaction inside a savepoint of its own; give the stream's new length.

        Raises StaleSequence, GuardUsed (carrying the key); then nothing of this append stays.
        """

    def settle(self, effect_key: str, note: str) -> None: ...

    def mark_attempt(self, effect_key: str) -> int: ...

    def use_guards(self, guards: Sequence[Guard]) -> bool: ...

    def next_number(self, counter: str) -> int: ...

    def put_document(self, name: str, body: Any) -> None: ...

    def take_document(self, name: str) -> Any | None: ...

    def commit(self) -> None:
        """Make all since the last commit durable (fsync).

        Raises Unreachable: the disk refused. All of it stays readable, and the next commit tries it again.
        """

    @property
    def untidy(self) -> bool:
        """Tell whether `tidy` has enough to do to be worth it."""

    def tidy(self) -> None:
        """Do what can wait for a quiet moment and would otherwise fall into some commit. What is durable stays so."""

    def hold(self) -> None:
        """Have what is written by now outlast a rollback: it was acted upon, though it is not durable."""

    @property
    def held(self) -> int:
        """How many writes are acted upon and not durable."""

    def withdraw(self, stream: str) -> None:
        """Forget what was appended to a stream since the last commit."""

    def rollback(self) -> None:
        """Forget all since the last commit but what is held."""

    def prune(self, before: datetime) -> int:
        """Delete effects settled and guards expired before the instant; give how many."""

    def load(self, stream: str) -> StoredStream: ...

    def unsettled(self, destination: str, limit: int) -> tuple[UnsettledEffect, ...]: ...

    def register(self, kind: str, *, live_only: bool, account: str | None) -> tuple[tuple[str, StreamSummary], ...]: ...

    def turns(self, since: datetime) -> tuple[tuple[str, Any], ...]:
        """How trades began and ended, see TurnsQuestion."""

    def document(self, name: str) -> Any | None: ...

    def close(self) -> None: ...


class BackupPort(Protocol):
    """Copies of one store. Both methods may raise Unreachable."""

    def back_up(self) -> str:
        """Make a whole, checked copy and give its name. StateDamaged: the store in use fails the check."""

    def age_seconds(self) -> float | None:
        """Give how old the newest copy is; None when there is none."""


class FencePort(Protocol):
    """The run lock as seen at the moment of sending."""

    def check(self) -> None:
        """Raise Fenced when this process no longer holds the lock on the state."""


# --- the chat -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSaid:
    """The person wrote something in an allowed chat."""

    update_id: int
    chat_id: int
    user_id: int
    text: str
    said_at: datetime  # the message's own date


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTapped:
    """The person pressed a button in an allowed chat."""

    update_id: int
    chat_id: int
    user_id: int
    data: str
    message_id: int
    tapped_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatUp:
    name: str  # the bot's user name


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDown:
    reason: str
    conflict: bool = False  # another program polls with this token


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerIgnored:
    """Somebody outside the allow-list wrote; no answer was given."""

    user_id: int | None
    chat_id: int | None
    kind: str  # "message", "callback_query", ...


ChatReport: TypeAlias = OperatorSaid | OperatorTapped | ChatUp | ChatDown | StrangerIgnored


class ChatPort(Protocol):
    """One chat service. Its own thread and loop stay inside.

    send and edit may raise Unreachable (not sent), OutcomeUnknown (may have arrived), Throttled,
    Rejected (this text or chat will never be taken), AccessDenied (token refused).
    """

    def open(self, sink: Callable[[ChatReport], None]) -> None:
        """Start and return at once; keeps trying until the service answers. The sink must only enqueue."""

    def send(self, chat_id: int, screen: Screen) -> int:
        """Send, in several parts if need be; give the last part's message id."""

    def edit(self, chat_id: int, message_id: int, screen: Screen) -> int:
        """Replace a message; sends a new one when the old cannot be edited. Unchanged counts as done."""

    def close(self, deadline_seconds: float) -> None: ...
