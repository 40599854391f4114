"""The position book: one per account. It knows which trade holds what of each position, and owns the backstops.

It admits trades, keeps each side's position-level stop where it belongs, shares out executions that carry no id of
ours, counts what is foreign, and confirms to closing trades that the position agrees. All of that is decided in
rules.position_book; here it is carried out. Slices are told by the monitors; what cannot be told again is in its
journal, and stops that were on their way when an earlier life ended are taken up again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from actors.messages import addresses
from actors.messages.accounts import (
    AdmitTrade,
    BackstopQuestion,
    BackstopStanding,
    BookQuestion,
    BookReading,
    ExcessReported,
    PositionsRead,
    PriceFromRest,
    SliceReported,
    SnapshotWanted,
    WithdrawAdmission,
)
from actors.messages.booking import LookAgain
from actors.messages.monitoring import AskAgain
from actors.messages.orders import EffectSettled, ExecutionReported, PositionReported
from actors.messages.storing import (
    Append,
    AppendRefused,
    LoadStream,
    Perform,
    RegisterQuestion,
    Settle,
    StoredStream,
    StreamSummary,
    UnsettledQuestion,
)
from actors.messages.trading import TradeQuestion
from actors.model.trade import BackstopSettings
from actors.rules import book_admission, book_backstop, book_readings
from actors.rules.book_turn import Book, Turn
from actors.rules.position_book import decide
from runtime import LATER, Actor, Answered, NotAnswered, Refused, Reply, Restarted, handles

RETRY_SECONDS = 2.0
OUTCOME_SECONDS = 120.0  # after which a stop without an outcome is asked for again; the client knows what became of it
SILENCE_SECONDS = 30.0  # after which a monitor that has not told its slice holds back its own symbol only
EVERYDAY = {"backstop_moved", "execution_counted_before"}  # the other log events of a turn call for attention


class PositionBook(Actor):
    def __init__(self, *, account: str, settings: BackstopSettings, epoch: int) -> None:
        self._account = account
        self._settings = settings
        self._epoch = epoch
        self._stream = addresses.book_stream(account)
        self._sequence = 0
        self._stored: StoredStream | None = None
        self._register: tuple[tuple[str, StreamSummary], ...] | None = None
        self._loaded = False
        self._replies: dict[str, Reply] = {}  # owed to the desk, by trade id
        self._asking: set[str] = set()  # questions under way that are put once at a time
        self._looks: dict[str, float] = {}  # by symbol: when it is looked at again, monotonic seconds
        self._awaiting = False  # outcomes of stops; a timer runs

    # --- coming alive: the journal, which trades live, and what was on its way ------------------------------------
    def on_start(self) -> None:
        now = self.context.now()
        self._book = Book(
            account=self._account,
            settings=self._settings,
            inward_from=now + book_admission.ADMISSION_PATIENCE,
            silent_from=now + timedelta(seconds=SILENCE_SECONDS),
        )
        self.context.watch(addresses.STORE)
        self._ask("journal")
        self._ask("register")
        self._ask("promised")

    def _ask(self, tag: str) -> None:
        if tag in self._asking:
            return
        self._asking.add(tag)
        path, question = self._question(tag)
        self.context.ask(path, question, timeout_seconds=10, tag=tag)

    def _question(self, tag: str) -> tuple[str, object]:
        if tag in {"journal", "outcomes"}:
            return addresses.STORE, LoadStream(stream=self._stream)
        if tag == "promised":
            return addresses.STORE, UnsettledQuestion(destination=self.context.path)
        if tag in {"register", "admissions"}:
            return addresses.STORE, RegisterQuestion(kind="trade", account=self._account)
        told = self._book.slice_of(tag.removeprefix("alive/"))
        if tag.startswith("alive/") and told is not None:
            return told.path, TradeQuestion()
        return addresses.client(self._account), PriceFromRest(symbol=tag.removeprefix("price/"))

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        tag = str(message.tag)
        self._asking.discard(tag)
        if tag == "journal":
            self._stored = message.value
        elif tag == "register":
            self._register = message.value
        elif tag == "promised":
            for unsettled in message.value:
                self.context.tell(self.context.path, Perform(effect=unsettled.effect, repeat=True))
        elif tag == "outcomes":
            self._perform_again(message.value)
            self._awaiting = False
            self._await_outcomes()
        elif tag == "admissions":
            turn = self._turn()
            book_admission.looked_for(turn, {_trade_id(stream) for stream, _ in message.value})
            self._carry_out(turn)
        elif tag.startswith("alive/"):
            turn = self._turn()
            book_readings.take_voucher(turn, tag.removeprefix("alive/"), message.value.open_quantity)
            self._carry_out(turn)
        else:
            turn = self._turn()
            book_readings.take_price(turn, tag.removeprefix("price/"), message.value[1])
            self._carry_out(turn)
        if not self._loaded and self._stored is not None and self._register is not None:
            self._load(self._stored, self._register)
            self._stored = self._register = None

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        tag = str(message.tag)
        pause = RETRY_SECONDS
        if tag.startswith("alive/"):
            pause = book_readings.SILENCE_LOOK_SECONDS
        else:
            self._asking.discard(tag)
        self.context.log.warning("question_unanswered", about=tag, reason=message.reason)
        self.context.start_timer(f"again/{tag}", pause, AskAgain(about=tag))

    @handles(AskAgain)
    def _on_ask_again(self, message: AskAgain) -> None:
        if message.about.startswith("alive/"):
            self._asking.discard(message.about)  # the next reading asks, if there is still a reason
        else:
            self._ask(message.about)

    @handles(Restarted)
    def _on_restarted(self, message: Restarted) -> None:
        if message.path == addresses.STORE:
            self.context.restart("the store restarted: appends on their way to it may be lost")

    def _load(self, stored: StoredStream, register: tuple[tuple[str, StreamSummary], ...]) -> None:
        self._book.load(stored, [(_trade_id(stream), summary.symbol) for stream, summary in register])
        self._sequence = stored.sequence
        self._loaded = True
        self._perform_again(stored)
        self._await_outcomes()
        wanted = SnapshotWanted(path=self.context.path, first=self.context.incarnation == 1)
        self.context.tell(addresses.reconciler(self._account), wanted)
        self.context.unstash_all()

    def _perform_again(self, stored: StoredStream) -> None:
        """Have what has no outcome yet performed again: it may have gone with an earlier life, or was refused here."""
        for unsettled in stored.unsettled:
            # A stop is absolute, so asking again is harmless.
            if unsettled.effect.owner == self.context.path:
                self.context.tell(unsettled.effect.destination, Perform(effect=unsettled.effect, repeat=True))

    def _await_outcomes(self) -> None:
        """Keep asking for the outcomes of stops: a side without its own has no stop moved any more."""
        placing = any(side.placing for side in self._book.sides.values())
        if placing and not self._awaiting:
            self.context.start_timer("again/outcomes", OUTCOME_SECONDS, AskAgain(about="outcomes"))
        elif self._awaiting and not placing:
            self.context.cancel_timer("again/outcomes")
        self._awaiting = placing

    # --- messages -------------------------------------------------------------------------------------------------
    @handles(SliceReported, ExecutionReported, PositionsRead, EffectSettled, WithdrawAdmission, LookAgain)
    def _on_message(self, message: Any) -> None:
        if not self._loaded:
            self.context.stash()
            return
        if isinstance(message, LookAgain):
            self._looks.pop(message.symbol, None)
        self._carry_out(decide(self._book, message, self.context.now(), self._name))

    @handles(PositionReported)
    def _on_position(self, message: PositionReported) -> None:
        if self._loaded:  # else the first reading will tell
            self._carry_out(decide(self._book, message, self.context.now(), self._name))

    @handles(BookQuestion)
    def _on_question(self, message: BookQuestion) -> BookReading:
        refusal = book_admission.not_known(self._book, message.symbol, self.context.now())
        if refusal is not None:
            raise Refused(refusal)
        return book_admission.reading(self._book, message.symbol)

    @handles(BackstopQuestion)
    def _on_backstop_question(self, message: BackstopQuestion) -> BackstopStanding:
        refusal = book_admission.not_known(self._book, message.symbol, self.context.now())
        if refusal is not None:
            raise Refused(refusal)
        turn = self._turn()
        standing = book_backstop.standing(turn, message)
        self._carry_out(turn)
        return standing

    @handles(AdmitTrade)
    def _on_admit(self, message: AdmitTrade) -> Any:
        turn = self._turn()
        refusal = book_admission.admit(turn, message)
        if refusal is not None:
            raise Refused(refusal)
        self._replies[message.trade_id] = self.context.defer_reply()
        book_admission.answer(turn)
        self._carry_out(turn)
        return LATER

    @handles(Perform)
    def _on_perform(self, message: Perform) -> None:
        """Book what a monitor promised. Settled behind the booking's append: the store takes them in this order."""
        if not self._loaded:
            self.context.stash()
            return
        request = message.effect.request
        if isinstance(request, ExcessReported):
            self._carry_out(decide(self._book, request, self.context.now(), self._name))
        self.context.tell(addresses.STORE, Settle(effect_key=message.effect.key))

    @handles(AppendRefused)
    def _on_refused(self, message: AppendRefused) -> None:
        self.context.restart(f"the journal refused an append: {message.reason}")

    # --- carrying out ---------------------------------------------------------------------------------------------
    def _turn(self) -> Turn:
        return Turn(book=self._book, now=self.context.now(), name=self._name)

    def _name(self, about: str) -> str:
        return f"book/{self._account}/{self._epoch}/{self.context.new_id()}/{about}"

    def _carry_out(self, turn: Turn) -> None:
        """Commit what follows, then tell; all of it leaves together, the commit first."""
        for event, fields in turn.notes:
            log = self.context.log.info if event in EVERYDAY else self.context.log.warning
            log(event, **fields)
        if turn.facts or turn.effects or turn.settles:
            append = Append(
                stream=self._stream,
                expected_sequence=self._sequence,
                facts=tuple(turn.facts),
                effects=tuple(turn.effects),
                settles=tuple(turn.settles),
            )
            self.context.tell(addresses.STORE, append)
            self._sequence += len(turn.facts)
        for path, message in turn.tells:
            self.context.tell(path, message)
        self._answer(turn)
        if turn.reading_wanted:
            self.context.tell(addresses.reconciler(self._account), SnapshotWanted(path=self.context.path))
        if turn.overdue:
            self._ask("admissions")
        for trade in sorted(turn.vouchers_wanted):
            self._ask(f"alive/{trade}")
        for symbol in sorted(turn.prices_wanted):
            self._ask(f"price/{symbol}")
        for symbol, seconds in turn.looks.items():
            self._look_in(symbol, seconds)
        self._await_outcomes()

    def _answer(self, turn: Turn) -> None:
        for admitted in turn.admitted:
            reply = self._replies.pop(admitted.trade_id, None)
            if reply is not None:
                reply.answer(admitted)
        waiting = {trade for side in self._book.sides.values() for trade in side.admissions}
        for trade in [trade for trade in self._replies if trade not in waiting]:
            self._replies.pop(trade).refuse(Refused(f"the admission of {trade} was withdrawn"))

    def _look_in(self, symbol: str, seconds: float) -> None:
        due = self.context.monotonic() + seconds
        if due < self._looks.get(symbol, float("inf")):
            self._looks[symbol] = due
            self.context.start_timer(f"look/{symbol}", seconds, LookAgain(symbol=symbol))


def _trade_id(stream: str) -> str:
    return stream.removeprefix("trade/")
