"""What the person is told when the disk takes no writes, and when it does again.

Enters: what the disk said, since when. Stays out: when to tell.
"""

from __future__ import annotations

from datetime import datetime

from actors.model.alert import Alert, Severity


def writes_failing(reason: str, since: datetime) -> Alert:
    """Tell that the daemon acts from memory."""
    return Alert(
        kind="writes_failing",
        severity=Severity.CRITICAL,
        key=f"writes_failing/{_instant(since)}",
        title="The disk takes no writes.",
        lines=(
            reason,
            "Open trades stay protected: stops and exits go on from memory. Nothing new is opened until writes work.",
            "Make the disk work and do not stop Standfast meanwhile: what is only in memory would be forgotten.",
        ),
    )


def writes_work(held: int, lasted: str, since: datetime) -> Alert:
    """Tell that everything is durable again. `lasted`: in words."""
    return Alert(
        kind="writes_work",
        severity=Severity.INFO,
        key=f"writes_work/{_instant(since)}",
        title="The disk takes writes again.",
        lines=(f"{held} writes were kept in memory for {lasted}; all of them are on the disk now.",),
    )


def _instant(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%S%f}"
