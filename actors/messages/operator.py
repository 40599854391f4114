"""Between a person's session and the chat, and what a session keeps while a command is under way.

Enters: screens, buttons, commands on their way. Stays out: the chat service, trading decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from actors.messages import codec
from actors.messages.adopting import AdoptPosition
from actors.model.guarding import SafetyState
from actors.model.screen import Screen
from actors.model.trade_change import TradeChange
from actors.model.trade_plan import TradePlan


# --- asked of the courier --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class ShowScreen:
    """Show this in a chat. Answered with ScreenShown or ScreenNotShown."""

    chat_id: int
    screen: Screen
    edit_message_id: int | None = None  # replace this message in place of sending a new one


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenShown:
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenNotShown:
    """`permanent`: the chat will never take it. `unclear`: it may have arrived."""

    permanent: bool
    unclear: bool
    retry_after_seconds: float | None
    text: str


# --- what a confirmed button does ------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAction:
    """Open this plan, as it was previewed."""

    plan: TradePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAction:
    """Leave exactly the trades that were shown."""

    trade_ids: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyAction:
    """Set the safety state."""

    safety: SafetyState
    why: str
    loosens: bool  # as seen when it was asked for: it lets more through, so it is not done late


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionAction:
    """Switch the protection of others' orders."""

    protects: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyAction:
    """Leave an account."""

    account: str
    everything: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAction:
    """Open a lock by hand."""

    lock_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAction:
    """Change one trade, as it was previewed."""

    trade_id: str
    number: int
    change: TradeChange
    seen_price: Decimal  # where the stop or target was then


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptAction:
    """Adopt what was shown of a position."""

    wish: AdoptPosition


Action: TypeAlias = (
    OpenAction
    | CloseAction
    | SafetyAction
    | ProtectionAction
    | EmergencyAction
    | ReleaseAction
    | ChangeAction
    | AdoptAction
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonRecord:
    """Document "button/<nonce>": what a Confirm button under one message means. Taken away by its first use."""

    nonce: str
    chat_id: int
    action: Action
    expires_at: datetime


# --- a session's own record ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCommand:
    """One accepted command that has not ended in a visible outcome yet."""

    update_id: int
    user_id: int
    text: str  # what was written; "" for a tap
    data: str  # what the tapped button carries; "" for text
    message_id: int | None  # of the tapped message, which the outcome replaces
    said_at: datetime
    nonce: str = ""  # of the button it is asked back with: the same however often that is
    command_id: str = ""  # given with the action; a repeat carries the same
    action: Action | None = None  # what was confirmed
    confirmed_at: datetime | None = None
    outcome: Screen | None = None  # decided, perhaps shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRecord:
    """Document "chat/<id>": which updates were used, and the commands under way."""

    used_updates: tuple[int, ...] = ()  # the newest, oldest first
    pending: tuple[PendingCommand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChats:
    """Document "chats": which chats have a session."""

    chat_ids: tuple[int, ...]


codec.register(ButtonRecord, ChatRecord, KnownChats)
