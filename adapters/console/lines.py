"""Lines from a stream, read on a thread that can be ended while nobody types.

Enters: a text stream. Leaves: whole lines to a callback. Stays out: their meaning. A thread blocked in `readline` could
not be ended before the next key, so the file descriptor is watched beside a pipe that says "stop".
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import threading
from collections.abc import Callable
from typing import TextIO

_CHUNK = 4096
_LINE_LIMIT = 16_384  # characters; a longer line is given in pieces


class LineReader:
    """Reads one stream until its end or `stop`."""

    def __init__(self, source: TextIO) -> None:
        self._source = source
        self._wake_read, self._wake_write = -1, -1
        self._thread: threading.Thread | None = None

    def start(self, take: Callable[[str], None]) -> None:
        """Call `take` with each line, on the reader's thread. A stream that is closed already gives none."""
        try:
            descriptor = self._source.fileno()
        except (OSError, ValueError):
            return
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._read, args=(descriptor, take), name="console", daemon=True)
        self._thread.start()

    def stop(self, deadline_seconds: float) -> None:
        if self._thread is None:
            return
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")
        self._thread.join(deadline_seconds)
        if not self._thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._thread = None

    def _read(self, descriptor: int, take: Callable[[str], None]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        with selectors.DefaultSelector() as watched:
            watched.register(self._wake_read, selectors.EVENT_READ)
            try:
                watched.register(descriptor, selectors.EVENT_READ)
            except (OSError, ValueError):  # a plain file cannot be watched, a closed one is gone
                return
            while all(key.fd == descriptor for key, _ in watched.select()):
                try:
                    chunk = os.read(descriptor, _CHUNK)
                except OSError:  # the terminal was hung up
                    return
                if not chunk:
                    return
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                for line in lines:
                    take(line)
                if len(rest) > _LINE_LIMIT:
                    take(rest)
                    rest = ""
