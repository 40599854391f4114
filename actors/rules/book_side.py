"""One side of one position as an account's book knows it: the trades' slices, what is foreign, the backstop.

Enters: values only; frozen. Stays out: what to do about any of it (book_admission, book_backstop, book_sharing,
book_readings). Quantities are base units; prices quote per base; instants aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias, TypeVar

from actors.messages.accounts import SliceReported
from actors.model.changing import replace
from actors.model.money import ZERO
from actors.model.position import PositionSide

SideKey: TypeAlias = tuple[str, PositionSide]  # symbol, side
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A trade let in whose monitor has not reported its slice yet."""

    stop_price: Decimal
    leverage: Decimal
    admitted_at: datetime
    answered: bool = False
    adopts: bool = False  # it takes over what is held here: nothing that protects it is moved yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """A position-level stop on its way to the exchange."""

    stop_price: Decimal
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    symbol: str
    position_side: PositionSide
    position_index: int = 0
    tick_size: Decimal | None = None  # None while no trade of ours has ever stood here
    quantity_step: Decimal | None = None
    # who stands here
    slices: Mapping[str, SliceReported] = field(default_factory=dict)  # by trade id
    shares: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)  # by trade: booked, not yet in its slice
    admissions: Mapping[str, Admission] = field(default_factory=dict)  # by trade id
    foreign_quantity: Decimal = ZERO
    counted_at: datetime | None = None  # executions up to here are in slices and foreign quantity already
    # the exchange's word
    size: Decimal | None = None  # None before the first
    exchange_stop: Decimal | None = None  # position-level stop
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    sequence: int | None = None  # of the newest position report
    read_at: datetime | None = None
    differs_by: Decimal = ZERO  # size less what is expected, at the last readings
    differs_since: datetime | None = None
    vouched_at: Mapping[str, datetime] = field(default_factory=dict)  # by trade: its monitor stood by its slice then
    agreed_at: Mapping[str, datetime] = field(default_factory=dict)  # first of two readings that verify a trade
    # the backstop
    backstop: Decimal | None = None  # where it is to be
    told: Mapping[str, Decimal] = field(default_factory=dict)  # by trade: the backstop on its way to the monitor
    placing: Mapping[str, Placing] = field(default_factory=dict)  # by effect key
    stop_set_at: datetime | None = None  # the exchange's older word about its stop is out of date
    refusals: int = 0  # of the backstop, in a row
    not_before: datetime | None = None

    @property
    def key(self) -> SideKey:
        return self.symbol, self.position_side

    # --- who holds what -----------------------------------------------------------------------------------------
    def holding(self, trade_id: str) -> Decimal:
        """What the trade holds: its word less what was booked to it since."""
        booked = sum(self.shares.get(trade_id, {}).values(), ZERO)
        return max(ZERO, self.slices[trade_id].open_quantity - booked)

    def holdings(self) -> dict[str, Decimal]:
        """Give every trade's holding, by trade id in its order."""
        return {trade_id: self.holding(trade_id) for trade_id in sorted(self.slices)}

    @property
    def held(self) -> Decimal:
        """What the trades hold together."""
        return sum(self.holdings().values(), ZERO)

    @property
    def expected(self) -> Decimal:
        """The size the position should have."""
        return self.held + self.foreign_quantity

    @property
    def difference(self) -> Decimal:
        """How much larger the position is than expected; 0 while its size is unknown."""
        return ZERO if self.size is None else self.size - self.expected

    @property
    def trades(self) -> int:
        """Count the trades that are live or admitted."""
        return len(self.slices) + len(self.admissions)

    def stood(self, at: datetime) -> bool:
        """Tell whether anybody held something here at that instant, or may have. Older trades are gone from here."""
        return bool(self.foreign_quantity) or any(each.opened_at <= at for each in self.slices.values())

    @property
    def stop_to_come(self) -> bool:
        """Part of it is being adopted, and what protects that part now has to stay until our own stop stands."""
        return any(each.stop_to_come for each in self.slices.values()) or any(
            each.adopts for each in self.admissions.values()
        )

    @property
    def cost(self) -> Decimal:
        """What the trades entered for what they hold, quote."""
        return sum(
            (self.holding(trade) * (told.average_entry_price or ZERO) for trade, told in self.slices.items()), ZERO
        )

    @property
    def flat(self) -> bool:
        """Neither the exchange nor a trade knows of anything open."""
        return not self.size and not self.held

    def stops(self) -> tuple[Decimal, ...]:
        """Give the stop prices that the backstop must lie beyond."""
        live = [each.stop_price for each in self.slices.values() if each.stop_price is not None]
        return (*live, *(each.stop_price for each in self.admissions.values()))

    # --- changes ------------------------------------------------------------------------------------------------
    def with_slice(self, told: SliceReported) -> Side:
        """Take a monitor's word; what was booked to the trade and is in its figure now is not counted twice."""
        trade = told.trade_id
        left = {key: part for key, part in self.shares.get(trade, {}).items() if key not in told.reductions}
        side = self._without(trade)
        if told.ended:
            return side
        return replace(
            side,
            position_index=told.position_index,
            tick_size=told.tick_size,
            quantity_step=told.quantity_step,
            slices={**side.slices, trade: told},
            shares={**side.shares, trade: left} if left else side.shares,
            agreed_at=self.agreed_at if told.wants_verification else side.agreed_at,
        )

    def _without(self, trade_id: str) -> Side:
        return replace(
            self,
            slices=_without(self.slices, trade_id),
            shares=_without(self.shares, trade_id),
            admissions=_without(self.admissions, trade_id),
            told=_without(self.told, trade_id),
            vouched_at=_without(self.vouched_at, trade_id),
            agreed_at=_without(self.agreed_at, trade_id),
        )

    def without_admission(self, trade_id: str) -> Side:
        return replace(self, admissions=_without(self.admissions, trade_id))

    def with_booking(self, execution_id: str, foreign_change: Decimal, shares: Mapping[str, Decimal]) -> Side:
        """Book one execution: a share counts until the trade's own word contains it."""
        booked = dict(self.shares)
        for trade, part in shares.items():
            booked[trade] = {**booked.get(trade, {}), execution_id: part}
        foreign = max(ZERO, self.foreign_quantity + foreign_change)
        return replace(self, shares=booked, foreign_quantity=foreign, differs_since=None)


def _without(entries: Mapping[str, _Value], key: str) -> Mapping[str, _Value]:
    return {each: value for each, value in entries.items() if each != key} if key in entries else entries
