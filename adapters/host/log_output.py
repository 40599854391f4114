"""Log output: every event as a JSON line in a file rotated daily, and readably on the console.

Enters: structlog's events and the standard library's records. Stays out: which events there are. Both outputs pass
the redactor last, so that a secret in a library's own words is hidden too. A thread of its own writes (log_writer).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import IO, Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from adapters.host.log_writer import LogWriter
from adapters.host.redaction import Redactor

KEPT_DAYS = 30
_TALKATIVE = ("httpx", "httpcore", "telegram", "websocket", "pybit", "urllib3", "asyncio", "aiohttp.access")
_OURS: list[logging.Handler] = []
_redactor = Redactor()


def configure_logging(
    folder: Path,
    *,
    console_level: str = "info",
    file_level: str = "debug",
    secrets: Iterable[str] = (),
    kept_days: int = KEPT_DAYS,
    console: TextIO | None = None,
) -> Path:
    """Send all logging to `folder`/standfast.jsonl and to the console, until `close_logging`; give the file.

    Args:
        folder: made (0700) when missing; rotated files get the UTC date of their day as ending.
        console_level: "debug", "info", "warning", "error" or "critical".
        file_level: likewise, for the file.
        secrets: values that must never be written.
        kept_days: how many rotated files stay.
        console: where readable lines go; stderr by default.

    """
    close_logging()
    _redactor.add(secrets)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream = console or sys.stderr
    to_file = _OwnerOnlyDailyFile(folder / "standfast.jsonl", kept_days)
    to_file.setLevel(file_level.upper())
    to_file.setFormatter(_formatter(structlog.processors.JSONRenderer(ensure_ascii=False)))
    to_console = logging.StreamHandler(stream)
    to_console.setLevel(console_level.upper())
    to_console.setFormatter(
        _formatter(structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="at", pad_event_to=22))
    )
    root = logging.getLogger()
    writer = LogWriter((to_file, to_console))
    root.addHandler(writer)
    _OURS.extend((to_console, to_file, writer))
    root.setLevel(writer.level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)  # httpx logs whole addresses at INFO, the bot's token in them
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            *_shared(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),  # here and now: the thread that writes has another stack
            structlog.processors.format_exc_info,
            writer.take,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=lambda *_names: root,  # finding a name for each would cost more than the event
        cache_logger_on_first_use=False,  # a logger made before would go on writing to a closed file
    )
    return Path(to_file.baseFilename)


def hide_in_logs(secrets: Iterable[str]) -> None:
    """Make further secrets known to the running outputs."""
    _redactor.add(secrets)


def flush_logs() -> None:
    """Write all that was logged before this call."""
    for handler in reversed(_OURS):
        handler.flush()


def close_logging() -> None:
    """Flush and close both outputs and leave logging as it was found. Twice is harmless."""
    root = logging.getLogger()
    if _OURS:
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        root.setLevel(logging.WARNING)
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.NOTSET)
    while _OURS:
        handler = _OURS.pop()
        root.removeHandler(handler)
        handler.close()


class _OwnerOnlyDailyFile(TimedRotatingFileHandler):
    """Rotated at midnight UTC, readable by its owner only."""

    def __init__(self, path: Path, kept_days: int) -> None:
        super().__init__(path, when="midnight", utc=True, backupCount=kept_days, encoding="utf-8")

    def _open(self) -> IO[Any]:  # type: ignore[override]  # the base class narrows to what open() gives
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=_owner_only)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _stamp,
    ]


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the instant of the event: a library's record brings its own along and is read here later."""
    record = event.get("_record")
    at = datetime.now(UTC) if record is None else datetime.fromtimestamp(record.created, UTC)
    event["at"] = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return event


def _formatter(renderer: Processor) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,  # of a library's record
            _redacted,
            renderer,
        ],
    )


def _redacted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _redactor.field(name, value) for name, value in event.items()}
