"""Openings: what the desk holds of an order, or of a promised slice, on its way to a trade.

State only. Enters: what the steps of the desk find out. Stays out: the steps (guarded_openings, trade_desk).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from actors.messages.accounts import BookReading, TradeAdmitted
from actors.messages.fanning import HalfPromised, MirrorPromised
from actors.messages.trading import SliceOutcome, TradeAccepted, TradeOpened
from actors.model.account import OpeningView
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.rules import fan_out, guards
from runtime import Reply

SlicePromise: TypeAlias = HalfPromised | MirrorPromised


@dataclass(slots=True)
class Part:
    """One slice of an order on the order's own account."""

    name: str
    plan: TradePlan
    trade_id: str = ""
    sized: SizedPlan | None = None
    refused: str = ""  # why it cannot be opened
    main: SizedPlan | None = None  # of a mirror's slice: what it goes with

    def forget(self) -> None:
        """Begin anew: what was found out about it is old."""
        self.sized, self.refused = None, ""


@dataclass(slots=True)
class PreviewOnMirrors:
    """A preview that waits, for a moment, for what its order would come to on the mirrors."""

    opening: Opening
    slices: tuple[SliceOutcome, ...]
    mirrors: dict[str, tuple[SliceOutcome, ...]]  # by account; not judged yet: neither sized nor refused
    awaited: set[str]


@dataclass(slots=True)
class Opening:
    """One order on its way, or one slice that was promised with an order's first."""

    plan: TradePlan  # as asked: of a dual, both halves
    reply: Reply | None  # None: nobody waits
    asked_at: datetime
    command_id: str = ""  # empty: a preview
    by: str = ""
    parts: list[Part] = field(default_factory=list)
    looked_up: int = 0  # of the parts: whose journal was looked for
    promise: SlicePromise | None = None
    promise_key: str = ""
    preview: PreviewOnMirrors | None = None  # what a mirror is read for
    main_available_usdt: Decimal | None = None  # of a mirror's slices: what main's shares were shares of
    attempt: int = 0  # of finding a free trade id
    view: OpeningView | None = None
    book: BookReading | None = None
    waiting: dict[str, Decimal] = field(default_factory=dict)  # by trade id: entries without an answer yet
    passed: bool = False  # the guards; from here on it counts for the others
    admitted: TradeAdmitted | None = None
    draft: TradeOpened | None = None  # its first fact but for number, backstop and time
    fact: TradeOpened | None = None
    commits: int = 0  # asked of the store for it
    readings: int = 0  # of the account that had grown old when it was to be committed
    found: TradeOpened | None = None  # what the same command has opened before
    answering: Answering | None = None  # what is known of its other slices

    @classmethod
    def of(cls, plan: TradePlan, reply: Reply | None, asked_at: datetime, *, command_id: str, by: str) -> Opening:
        """Begin an order."""
        parts = [Part(each.name, each.plan) for each in fan_out.slices(plan)]
        return cls(plan=plan, reply=reply, asked_at=asked_at, command_id=command_id, by=by, parts=parts)

    @classmethod
    def promised(cls, promise: SlicePromise, key: str) -> Opening:
        """Begin a promised slice."""
        by, _, command_id = promise.order.partition("#")
        part = Part("", promise.plan, promise.trade_id)
        if isinstance(promise, HalfPromised):
            part.sized = promise.draft.sized
        main_available = promise.main_available_usdt if isinstance(promise, MirrorPromised) else None
        return cls(
            plan=promise.plan,
            reply=None,
            asked_at=promise.promised_at,
            command_id=command_id,
            by=by,
            parts=[part],
            promise=promise,
            promise_key=key,
            passed=True,  # with its order
            main_available_usdt=main_available,
        )

    @property
    def order(self) -> str:
        """Who asked and the command's id; the trades of one order share it."""
        return f"{self.by}#{self.command_id}"

    @property
    def open_parts(self) -> list[Part]:
        return [part for part in self.parts if not part.refused]

    @property
    def head(self) -> Part:
        """The part whose commit is the order's: the first that can be opened."""
        return next(iter(self.open_parts), self.parts[0])

    @property
    def trade_id(self) -> str:
        return self.head.trade_id

    @property
    def sized(self) -> SizedPlan | None:
        return self.head.sized

    @property
    def signal_key(self) -> str:
        return guards.signal_key(self.plan, self.asked_at)


@dataclass(slots=True)
class Answering:
    """An order whose first slice is committed, until those on its own account are, too."""

    accepted: TradeAccepted
    reply: Reply | None
    outcomes: dict[str, SliceOutcome]  # by trade id, in the order of the slices
    awaited: set[str]  # trade ids

    def answer(self) -> TradeAccepted:
        return replace(self.accepted, others=tuple(self.outcomes.values()))


def label_of(plan: TradePlan, trade_id: str) -> str:
    return f"{plan.account}/{plan.symbol}/{plan.position_side.value}/{plan.approach.value}/{trade_id}"


def outcomes(parts: Iterable[Part]) -> tuple[SliceOutcome, ...]:
    """Give what is known of parts that are not open: sized, or refused."""
    return tuple(
        SliceOutcome(
            account=part.plan.account,
            approach=part.plan.approach,
            trade_id=part.trade_id,
            label=label_of(part.plan, part.trade_id) if part.trade_id else "",
            sized=part.sized,
            refused=part.refused,
        )
        for part in parts
    )


def outcome_of(fact: TradeOpened) -> SliceOutcome:
    """Give what became of a slice that was opened."""
    plan = fact.sized.plan
    return SliceOutcome(
        account=plan.account,
        approach=plan.approach,
        trade_id=fact.trade_id,
        number=fact.number,
        label=fact.label,
        sized=fact.sized,
    )
