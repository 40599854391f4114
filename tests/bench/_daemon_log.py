"""A daemon's log, followed from outside: what it has done, and when by its own clock (wall, of the same machine)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from _stand import until


class DaemonLog:
    """The file as it grows; lines from before are passed over."""

    def __init__(self, state: Path) -> None:
        self._file = state / "log" / "standfast.jsonl"
        self._read_to = self._file.stat().st_size if self._file.exists() else 0
        self._rest = b""

    def events(self) -> Iterator[dict[str, Any]]:
        """Give the lines since the last call."""
        if not self._file.exists():
            return
        with self._file.open("rb") as log:
            log.seek(self._read_to)
            fresh = log.read()
        self._read_to += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        for line in lines:
            yield json.loads(line)

    def wait_reconciled(self, trades: int) -> float:
        """Wait for so many monitors to agree with the exchange (none: for one reading); give the last one's instant.

        Seconds since 1970. TimeoutError when it takes longer than anybody would wait.
        """
        agreed: dict[str, float] = {}

        def all_of_them() -> bool:
            for event in self.events():
                if event["event"] == ("monitor_reconciled" if trades else "account_read"):
                    agreed[event["actor"]] = datetime.fromisoformat(event["at"]).timestamp()
            return len(agreed) >= max(1, trades)

        until(f"{trades} monitors to agree with the exchange", all_of_them)
        return max(agreed.values())
