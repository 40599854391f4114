"""Health as a screen. Enters: a reading. Stays out: judging it."""

from __future__ import annotations

from actors.messages.health import ActorLine, HealthReading, StreamLine, Verdict
from actors.model.screen import Screen
from actors.rules.ages import span
from actors.rules.chat_commands import say_button

_TITLES = {Verdict.OK: "All is well", Verdict.DEGRADED: "Degraded", Verdict.CRITICAL: "CRITICAL"}
ROWS = 12  # of the busiest actors; the others are counted
NAME_WIDTH = 18  # of the table's first column
MEBIBYTE = 1024 * 1024


def health_screen(reading: HealthReading, standing: tuple[str, ...] = ()) -> Screen:
    """Show a reading; `standing` is what the guards shut, on top."""
    lines = [*standing]
    lines += [f"{finding.verdict.value}: {finding.text}" for finding in reading.findings]
    lines += [_stream(stream) for stream in reading.streams]
    lines += [
        f"exchange clock of {account}: {seconds * 1000:+.0f} ms from ours" for account, seconds in reading.clock_offsets
    ]
    if reading.alerts is not None:
        alerts = reading.alerts
        waiting = f"{alerts.waiting} waiting" + (" and more in the store" if alerts.spilled else "")
        lines.append(f"alerts: {alerts.delivered} delivered, {waiting}, {alerts.failed} given up")
    if reading.host is not None:
        host = reading.host
        lines.append(
            f"disk {host.disk_free_bytes // MEBIBYTE} MiB free, memory {host.memory_used_bytes // MEBIBYTE} MiB"
        )
    if reading.store is not None and reading.store.backup_age_seconds is not None:
        lines.append(f"last backup {span(reading.store.backup_age_seconds)} ago")
    lines.append(f"up {span(reading.uptime_seconds)}, {reading.restarts} restarts, {reading.dead_letters} dead letters")
    lines += reading.notes
    return Screen(
        title=f"{_TITLES[reading.verdict]} for {span(reading.since_seconds)}, read at {reading.read_at:%H:%M:%S} UTC",
        lines=tuple(lines),
        table=_table(reading.actors),
        buttons=((say_button("Refresh", "/health"),),),
    )


def _stream(stream: StreamLine) -> str:
    state = "up" if stream.up else "DOWN"
    return f"stream {stream.name}: {state} for {span(stream.since_seconds)}" + (
        f" ({stream.reason})" if stream.reason else ""
    )


def _table(actors: tuple[ActorLine, ...]) -> tuple[str, ...]:
    """Give a row for each of the actors most worth looking at, 32 columns wide."""
    notable = sorted(
        actors, key=lambda line: (line.state == "running", -line.restarts_in_window, -line.mailbox_depth, line.path)
    )
    rows = [
        f"{_short(line.path):<{NAME_WIDTH}}{line.restarts_in_window:>8}{line.mailbox_depth:>6}"
        for line in notable[:ROWS]
    ]
    rest = len(actors) - len(rows)
    more = (f"and {rest} more",) if rest > 0 else ()
    return (f"{'actor':<{NAME_WIDTH}}{'restarts':>8}{'wait':>6}", *rows, *more) if rows else ()


def _short(path: str) -> str:
    return path if len(path) < NAME_WIDTH else f"~{path[2 - NAME_WIDTH :]}"
