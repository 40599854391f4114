"""Log writer: a thread that renders and writes what others log, so that nobody waits for it.

Enters: events and log records, from any thread. Stays out: what they say, where they go (the handlers behind it).
Rendering a line
costs more than deciding about a fill, so it is put off until the fill's requests have long left: lines are written at
most LAG_SECONDS later, errors at once. Who is killed loses that much of its log, and nothing else: the journal is the
record. The thread looks by itself; waking it for each line would cost the logging thread the interpreter's lock.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, NoReturn

import structlog
from structlog.typing import EventDict, WrappedLogger

LAG_SECONDS = 0.05
MOST_WAITING = 100_000  # lines; while a disk hangs the oldest go first
_CLOSE_SECONDS = 5.0
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}


class LogWriter(logging.Handler):
    """Stands before handlers that write; each keeps its own level."""

    def __init__(self, outputs: Sequence[logging.Handler]) -> None:
        super().__init__(min((output.level for output in outputs), default=logging.NOTSET))
        self._outputs = tuple(outputs)
        self._waiting: deque[logging.LogRecord | tuple[int, str, Any, EventDict]] = deque(maxlen=MOST_WAITING)
        self._writing = threading.Lock()
        self._look = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="log-writer", daemon=True)
        self._thread.start()

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record; it is as good as written. No lock: a deque's append is one step."""
        if record.args:  # they may change before the line is written
            record.msg, record.args = record.getMessage(), None
        self._waiting.append(record)
        if record.levelno >= logging.ERROR:
            self._look.set()
        return True

    def take(self, logger: WrappedLogger, method: str, event: EventDict) -> NoReturn:
        """Take structlog's event as its last processor: here its way ends for the thread that logs."""
        level = _LEVELS[method]
        if level >= self.level:
            self._waiting.append((level, method, logger, event))
            if level >= logging.ERROR:
                self._look.set()
        raise structlog.DropEvent

    def flush(self) -> None:
        """Write everything that was logged before, on this thread."""
        with self._writing:
            while self._waiting:
                taken = self._waiting.popleft()
                record = taken if isinstance(taken, logging.LogRecord) else _record(*taken)
                for output in self._outputs:
                    if record.levelno >= output.level:
                        output.handle(record)

    def close(self) -> None:
        """Write what is left and end the thread; the outputs stay open."""
        if not self._closing:
            self._closing = True
            self._look.set()
            self._thread.join(_CLOSE_SECONDS)
            self.flush()
        super().close()

    def _work(self) -> None:
        while not self._closing:
            self._look.wait(LAG_SECONDS)
            self._look.clear()
            if self._waiting:
                self.flush()


def _record(level: int, method: str, logger: Any, event: EventDict) -> logging.LogRecord:
    """Wrap an event as structlog's formatter expects it."""
    record = logging.LogRecord(logger.name, level, "", 0, event, None, None)
    record._logger, record._name = logger, method  # noqa: SLF001 - how ProcessorFormatter knows structlog's own
    return record
