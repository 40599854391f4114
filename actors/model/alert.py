"""Alerts: what the person is told, how urgently, and under which key it counts as the same news."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    CRITICAL = "critical"  # money at risk or a person's hand needed; first in every queue, never dropped
    WARNING = "warning"
    INFO = "info"  # a step of a trade's life
    DEBUG = "debug"

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return {"critical": 0, "warning": 1, "info": 2, "debug": 3}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One piece of news in plain text; the chat adapter gives it its looks."""

    kind: str  # snake_case fact, e.g. "rung_filled"
    severity: Severity
    key: str  # same key within the window: the same news, told once
    title: str  # one line
    lines: tuple[str, ...] = ()
    chat_id: int | None = None  # None: the default chat
    commands: tuple[tuple[str, str], ...] = ()  # (label, command) of buttons under it: "Restore", "/answer 3 restore"
    subject: str = ""  # what its order is kept within, e.g. a trade's key
