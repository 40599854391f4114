"""Story: what happened in a simulated world, line by line, for the one who has to understand a violation.

Enters: lines with their virtual instant. Stays out: deciding what is wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: float  # monotonic seconds
    who: str  # price, stream, request, journal, alert, person, fault, world
    about: str  # a symbol, an account, a trade; "" for all
    text: str

    def __str__(self) -> str:
        return f"{self.at:11.4f}  {self.who:<8} {self.about:<10} {self.text}"


class Story:
    """Lines, the newest last. Not kept at all unless wanted: words cost time."""

    def __init__(self, now: Callable[[], float], *, wanted: bool) -> None:
        self.wanted = wanted
        self._now = now
        self._lines: deque[Line] = deque(maxlen=KEPT)

    def tell(self, who: str, about: str, text: str) -> None:
        if self.wanted:
            self._lines.append(Line(self._now(), who, about, text))

    def lines(self, *, about: str = "", last: int | None = None) -> tuple[Line, ...]:
        """Give the lines about something (and those about everything), the newest `last` of them."""
        chosen = [line for line in self._lines if not about or not line.about or line.about in about]
        return tuple(chosen if last is None else chosen[-last:])
