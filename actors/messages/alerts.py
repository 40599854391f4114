"""Alerts on their way to the person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from actors.model.alert import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAlert:
    """Tell the person. An effect: it leaves through the outbox and settles when it was delivered or given up."""

    alert: Alert
    raised_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverAlert:
    """Hand one text to the chat."""

    effect_key: str
    chat_id: int
    text: str  # plain text; the chat adapter formats
    title: str
    silent: bool = False
    commands: tuple[tuple[str, str], ...] = ()  # of buttons: (label, command)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelivered:
    effect_key: str
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertNotDelivered:
    """`permanent`: the chat will never take it. `unclear`: it may have arrived."""

    effect_key: str
    permanent: bool
    unclear: bool
    retry_after_seconds: float | None
    text: str
