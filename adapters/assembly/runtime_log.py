"""Runtime events as log events: the runtime's own words, but for the one that has a name of old."""

from __future__ import annotations

import structlog

from runtime import ActorParked, RuntimeEvent
from runtime.log_context import LOG_LINES, log_event

NAMES = LOG_LINES
MONITORS = "/positions/"


def log_runtime_event(event: RuntimeEvent) -> None:
    """Write one event of the runtime; a parked monitor is called so."""
    if isinstance(event, ActorParked) and MONITORS in event.path:
        structlog.get_logger().critical(
            "monitor_parked", actor=event.path, error=event.error, retry_seconds=event.retry_seconds
        )
    else:
        log_event(event)
