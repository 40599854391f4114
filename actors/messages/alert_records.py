"""What the alert dispatcher keeps and can be asked: alerts told, alerts given up, and where it stands.

The documents survive a restart; what still waits is in the outbox and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from actors.messages import codec
from actors.model.alert import Alert, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlert:
    """One piece of news that was taken for telling; the same news within the window is a duplicate of it."""

    chat_id: int | None
    key: str
    effect_key: str
    severity: Severity
    raised_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlerts:
    """Document: the news of the last minutes, so that a restart does not tell it twice."""

    alerts: tuple[ToldAlert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAlert:
    """An alert the chat will never take as it is."""

    effect_key: str
    alert: Alert
    chat_id: int
    raised_at: datetime
    failed_at: datetime
    text: str  # what the chat said
    retries: int = 0  # how often a person sent it again


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAlerts:
    """Document: the last failed alerts, oldest first, and the default chat a person chose."""

    failed: tuple[FailedAlert, ...] = ()
    default_chat_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAlertsQuestion:
    """Answered with a tuple of FailedAlert, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFailedAlerts:
    """Raise failed alerts again; answered with how many. No keys: all of them."""

    effect_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDefaultChat:
    """A person is here. Alerts without a chat go there from now on, unless a default chat is known already."""

    chat_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsQuestion:
    """Answered with AlertsReading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsReading:
    """Where the telling stands; the counts are those of this run."""

    waiting: int  # in memory
    waiting_critical: int
    spilled: bool  # more wait in the store alone
    oldest_waiting_seconds: float | None
    breaker: str  # closed, open, half_open
    raised: int  # after deduplication
    delivered: int
    deduplicated: int
    failed: int
    repeats_marked: int
    default_chat_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertGivenUp:
    """An alert was refused for good; it is kept among the failed ones. Told to the health checker."""

    effect_key: str
    chat_id: int
    text: str


codec.register(ToldAlerts, KeptAlerts)
