"""Live trades: what is asked of several monitors at once, on the desk's behalf, and what is said of those silent.

Enters: questions about all live trades, wishes to leave some or to change one. Stays out: openings.
Whatever becomes of a monitor, the answer names every live trade: one whose monitor does not answer is read from its
journal, and said to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from actors.messages import addresses
from actors.messages.monitoring import LeaveNow
from actors.messages.storing import LoadStream, RegisterQuestion, StoredStream, StreamSummary
from actors.messages.trading import (
    ChangeTrade,
    CloseAccepted,
    CloseTrades,
    TradeQuestion,
    TradeReading,
    TradesQuestion,
)
from actors.rules.position_life import fold
from actors.rules.trade_reading import reading_of, reading_of_row
from runtime import Answered, Context, NotAnswered, Refused, Reply

REGISTER_SECONDS = 15.0
READING_SECONDS = 3.0
LEAVING_SECONDS = 15.0
CHANGING_SECONDS = 15.0


Wish: TypeAlias = TradesQuestion | CloseTrades | ChangeTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of which gathering a question belongs to: the register ("" as stream), a monitor, or a journal."""

    gathering: str
    stream: str = ""
    journal: bool = False


@dataclass(slots=True, kw_only=True)
class _Gathering:
    """One question under way: whom it is owed to, who was asked, who has answered."""

    wish: Wish
    reply: Reply
    rows: dict[str, StreamSummary] = field(default_factory=dict)  # of the trades it is about, by stream
    answers: dict[str, Any] = field(default_factory=dict)  # by stream
    silent: dict[str, str] = field(default_factory=dict)  # by stream: why there is no answer

    @property
    def complete(self) -> bool:
        return len(self.answers) + len(self.silent) == len(self.rows)


class LiveTrades:
    """Made anew with each life of the desk, whose context it works through."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gatherings: dict[str, _Gathering] = {}

    def begin(self, wish: Wish) -> None:
        """Take a question whose answer the running handler owes from now on."""
        gathering = self._context.new_id()
        self._gatherings[gathering] = _Gathering(wish=wish, reply=self._context.defer_reply())
        self._ask(addresses.STORE, RegisterQuestion(kind="trade"), REGISTER_SECONDS, Part(gathering=gathering))

    def on_answer(self, part: Part, message: Answered | NotAnswered) -> None:
        """Take what came of one part's question."""
        gathering = self._gatherings[part.gathering]
        if not part.stream:
            self._on_register(part, gathering, message)
        elif part.journal:
            self._on_journal(part, gathering, message)
        elif isinstance(message, Answered):
            gathering.answers[part.stream] = message.value
        elif isinstance(gathering.wish, ChangeTrade):
            self._on_change_silence(part, gathering, message)
        elif isinstance(gathering.wish, CloseTrades):
            gathering.silent[part.stream] = message.error
        else:
            question = LoadStream(stream=part.stream)
            journal = Part(gathering=part.gathering, stream=part.stream, journal=True)
            self._ask(addresses.STORE, question, READING_SECONDS, journal)
        if part.gathering in self._gatherings and gathering.complete:
            del self._gatherings[part.gathering]
            self._finish(gathering)

    def _ask(self, path: str, question: object, seconds: float, part: Part) -> None:
        self._context.ask(path, question, timeout_seconds=seconds, tag=part)

    def _on_register(self, part: Part, gathering: _Gathering, message: Answered | NotAnswered) -> None:
        if isinstance(message, NotAnswered):
            self._refuse(part, gathering, "the store did not answer; try again")
            return
        rows: dict[str, StreamSummary] = dict(message.value)
        wish = gathering.wish
        question: LeaveNow | TradeQuestion | ChangeTrade = TradeQuestion()
        seconds = READING_SECONDS
        if isinstance(wish, CloseTrades | ChangeTrade):
            meant = {stream: row for stream, row in rows.items() if _is_meant(wish.which, stream, row)}
            changing = isinstance(wish, ChangeTrade)
            if not meant or (changing and wish.which.strip().lower() == "all"):
                self._refuse(part, gathering, _not_meant(wish, rows))
                return
            gathering.rows = meant
            question = wish if isinstance(wish, ChangeTrade) else LeaveNow(by=wish.by)
            seconds = CHANGING_SECONDS if changing else LEAVING_SECONDS
        else:
            gathering.rows = rows
        for stream, row in gathering.rows.items():
            path = addresses.monitor(row.account, row.symbol, _trade_id(stream))
            self._ask(path, question, seconds, Part(gathering=part.gathering, stream=stream))

    def _on_journal(self, part: Part, gathering: _Gathering, message: Answered | NotAnswered) -> None:
        """Read a trade whose monitor is silent from what is durable; where that fails too, from its row."""
        note = "its monitor does not answer: as last journalled"
        row = gathering.rows[part.stream]
        gathering.answers[part.stream] = self._from_journal(message, note) or reading_of_row(
            _trade_id(part.stream), row, now=self._context.now(), note="its monitor does not answer: figures unknown"
        )

    def _from_journal(self, message: Answered | NotAnswered, note: str) -> TradeReading | None:
        if not isinstance(message, Answered):
            return None
        stored: StoredStream = message.value
        try:
            return reading_of(fold(stored.facts), note=note)
        except Exception:  # the monitor may be silent because this very journal cannot be folded
            self._context.log.exception("journal_unreadable", stream=stored.stream)
            return None

    def _on_change_silence(self, part: Part, gathering: _Gathering, message: NotAnswered) -> None:
        """Pass a refusal on. Where it may have been recorded nobody is answered: who asks again gets the truth."""
        row = gathering.rows[part.stream]
        if message.reason == "refused":
            self._refuse(part, gathering, message.error)
        elif message.reason == "dead":
            text = f"#{row.number} has no monitor at the moment ({message.error}): nothing was changed, look at /health"
            self._refuse(part, gathering, text)
        else:
            del self._gatherings[part.gathering]

    def _refuse(self, part: Part, gathering: _Gathering, text: str) -> None:
        del self._gatherings[part.gathering]
        gathering.reply.refuse(Refused(text))

    @staticmethod
    def _finish(gathering: _Gathering) -> None:
        rows, silent = gathering.rows, gathering.silent
        if isinstance(gathering.wish, TradesQuestion):
            gathering.reply.answer(tuple(sorted(gathering.answers.values(), key=lambda each: each.number)))
        elif isinstance(gathering.wish, ChangeTrade):
            gathering.reply.answer(next(iter(gathering.answers.values())))
        elif not silent:
            gathering.reply.answer(CloseAccepted(labels=tuple(row.label for row in rows.values())))
        else:
            leaving = ", ".join(f"#{rows[stream].number}" for stream in gathering.answers)
            unheard = "; ".join(f"#{rows[stream].number} did not answer ({why})" for stream, why in silent.items())
            begun = f"{leaving} closing; " if leaving else ""
            gathering.reply.refuse(Refused(f"{begun}{unheard}: look at /status and try again"))


def _trade_id(stream: str) -> str:
    return stream.removeprefix("trade/")


def _not_meant(wish: CloseTrades | ChangeTrade, rows: dict[str, StreamSummary]) -> str:
    numbers = ", ".join(f"#{row.number} {row.symbol}" for row in rows.values())
    if isinstance(wish, CloseTrades):
        missing = f"there is no open trade {wish.which}: open are {numbers}, or write all"
        return missing if rows else "no trade is open, so there is nothing to close"
    if wish.which.strip().lower() == "all":
        return f"one trade at a time is changed: open are {numbers or 'none'}"
    missing = f"there is no open trade {wish.which}: open are {numbers}"
    return missing if rows else "no trade is open, so there is nothing to change"


def _is_meant(which: str, stream: str, row: StreamSummary) -> bool:
    wanted = which.strip().removeprefix("#")
    return wanted.lower() == "all" or wanted == str(row.number) or stream == addresses.trade_stream(wanted.upper())
