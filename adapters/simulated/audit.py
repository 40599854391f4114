"""The exchange's own record of how long positions stood without enough stops.

Enters: how much of a position is covered, each time that changes. Stays out: deciding anything.
*Unprotected*: size above the sum of all stops there, position-level ones included. *Own stop late*: size above the sum
of the user's own reduce-only conditional stops, not counting the time after one of them fired. Wall milliseconds.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Slot = tuple[str, int]  # symbol, position index


@dataclass(slots=True)
class _Span:
    """A condition that comes and goes: when it began, and the longest it ever lasted."""

    since_ms: int | None = None
    longest_ms: int = 0

    def set(self, *, holds: bool, now_ms: int) -> None:
        if holds and self.since_ms is None:
            self.since_ms = now_ms
        elif not holds and self.since_ms is not None:
            self.longest_ms = max(self.longest_ms, now_ms - self.since_ms)
            self.since_ms = None

    def to_plain(self) -> list[int | None]:
        return [self.since_ms, self.longest_ms]

    def longest_until(self, now_ms: int) -> int:
        ongoing = now_ms - self.since_ms if self.since_ms is not None else 0
        return max(self.longest_ms, ongoing)


@dataclass(slots=True)
class _Exposure:
    uncovered: _Span = field(default_factory=_Span)
    own_stop_missing: _Span = field(default_factory=_Span)
    size: Decimal = Decimal(0)
    own_stop_fired: bool = False


@dataclass(slots=True)
class ExposureAudit:
    """One account's exposure, worst over its position slots."""

    _slots: dict[Slot, _Exposure] = field(default_factory=dict)

    def observe(self, slot: Slot, *, size: Decimal, all_stops: Decimal, own_stops: Decimal, now_ms: int) -> None:
        """Note a position of ``size`` with stops for ``all_stops``, of which ``own_stops`` are the user's."""
        exposure = self._slots.get(slot)
        if exposure is None:
            if not size:
                return
            exposure = self._slots[slot] = _Exposure()
        if not size or size > exposure.size:
            exposure.own_stop_fired = False
        exposure.size = size
        exposure.uncovered.set(holds=size > all_stops, now_ms=now_ms)
        missing = size > own_stops and not exposure.own_stop_fired
        exposure.own_stop_missing.set(holds=missing, now_ms=now_ms)

    def own_stop_fired(self, slot: Slot) -> None:
        """Note that one of the user's own stops there fired: from now on the stop is at work, not late."""
        if slot in self._slots:
            self._slots[slot].own_stop_fired = True

    def unprotected_ms(self, now_ms: int) -> int:
        """The longest time any position's size exceeded all its stops; what still lasts counts until ``now_ms``."""
        return max((each.uncovered.longest_until(now_ms) for each in self._slots.values()), default=0)

    def own_stop_late_ms(self, now_ms: int) -> int:
        """The longest time any position's size exceeded the user's own stops."""
        return max((each.own_stop_missing.longest_until(now_ms) for each in self._slots.values()), default=0)

    def to_plain(self) -> list[list[Any]]:
        """What outlives a restart, as JSON values."""
        return [
            [*slot, str(each.size), each.own_stop_fired, *each.uncovered.to_plain(), *each.own_stop_missing.to_plain()]
            for slot, each in self._slots.items()
        ]

    @classmethod
    def from_plain(cls, rows: list[list[Any]]) -> "ExposureAudit":
        """The audit that ``to_plain`` wrote."""
        audit = cls()
        for symbol, index, size, fired, since, longest, own_since, own_longest in rows:
            audit._slots[symbol, index] = _Exposure(
                _Span(since, longest), _Span(own_since, own_longest), Decimal(size), fired
            )
        return audit
