"""Log context: runtime events as log lines with fixed names and bound fields.

Enters: runtime events, as an observer. Stays out: where lines go and how they look (the host's processors).
Inside actors `context.log` is bound to actor, incarnation and trace_id; here the same names are used.
"""

from dataclasses import fields
from typing import Any

import structlog

from runtime import events

# The name of the line and its level; every event type has one.
LOG_LINES: dict[type, tuple[str, str]] = {
    events.ActorStarted: ("actor_started", "debug"),
    events.ActorRestarted: ("actor_restarted", "error"),
    events.ActorParked: ("actor_parked", "critical"),
    events.ActorUnparked: ("actor_unparked", "warning"),
    events.ActorStopped: ("actor_stopped", "debug"),
    events.StopFailed: ("actor_stop_failed", "error"),
    events.HandlerSlow: ("handler_slow", "warning"),
    events.HandlerLost: ("handler_lost", "error"),
    events.MailboxOverflowed: ("mailbox_overflowed", "warning"),
    events.DeadLettered: ("dead_lettered", "warning"),
    events.MessageRefused: ("message_refused", "info"),
    events.SupervisorEscalated: ("supervisor_escalated", "critical"),
    events.WorkerReplaced: ("worker_replaced", "warning"),
}


def log_event(event: events.RuntimeEvent) -> None:
    """Write one runtime event as one log line; give it to `ActorSystem` as an observer."""
    name, level = LOG_LINES[type(event)]
    bound: dict[str, Any] = {field.name: getattr(event, field.name) for field in fields(event)}
    if "path" in bound:
        bound["actor"] = bound.pop("path")
    if isinstance(event, events.DeadLettered):
        # The message itself may be large or hold what logs must not; its kind is enough to find it by.
        bound["message_type"] = type(bound.pop("message")).__name__
    getattr(structlog.get_logger(), level)(name, **bound)
