"""Trade changes: what a person changes of this trade, from the wish to the record of it.

A wish is judged (rules.trade_change) by a fresh reading of the market and of the backstop, recorded with the command's
id in the trade's journal, and answered once that is durable; the same command again finds it there. A stop that is to
go farther out waits, in any life of the monitor, until the position book says that the backstop reaches beyond it.

Enters: ChangeTrade, from the desk. Stays out: orders (rules.next_orders makes them of the trade), screens.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from actors.messages import addresses
from actors.messages.accounts import BackstopQuestion, BackstopStanding, OpeningViewQuestion
from actors.messages.monitoring import AskAgain
from actors.messages.storing import Append, Settle
from actors.messages.trading import ChangeTrade, TradeChanged
from actors.model.account import OpeningView
from actors.model.trade import Phase
from actors.monitored_trade import RunIdentity
from actors.rules.change_news import change_not_made
from actors.rules.outside_answers import judge
from actors.rules.trade_change import Situation, again, loosened, stop_on_tick
from actors.trade_prices import TradePrices
from runtime import LATER, Answered, NotAnswered, Refused, Reply, handles

VIEW_SECONDS = 8.0
STANDING_SECONDS = 5.0
PROMISED_SECONDS = 2.0  # before a promised change that could not be judged is taken up again
FIRST_LOOK_SECONDS = 0.1  # before the backstop is asked about again, ever more patiently
LONGEST_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ChangeStep:
    """Tag of a question: which wish it is for (empty: the loosening that waits), and what was read for it so far."""

    wish: str = ""
    view: OpeningView | None = None
    about: Decimal | None = None  # the price that waits


@dataclass(slots=True)
class _Wish:
    wanted: ChangeTrade
    reply: Reply | None  # None: it was promised
    effect_key: str = ""  # of the promise

    def refuse(self, text: str) -> None:
        if self.reply is not None:
            self.reply.refuse(Refused(text))


class TradeChanges(TradePrices):
    __slots__ = ("_look_pause", "_looking", "_recorded", "_wishes")

    def __init__(self, *, account: str, symbol: str, trade_id: str, identity: RunIdentity) -> None:
        super().__init__(account=account, symbol=symbol, trade_id=trade_id, identity=identity)
        self._wishes: dict[str, _Wish] = {}  # being judged
        self._recorded: list[tuple[int, Reply, TradeChanged]] = []  # answered once the journal is so far
        self._looking = False  # at the backstop, for a stop that waits
        self._look_pause = FIRST_LOOK_SECONDS

    def _not_yet(self) -> bool:
        """Keep the current message for later while the first reading is out."""
        if self._reconciled:
            return False
        self.context.stash()
        return True

    # --- a wish ---------------------------------------------------------------------------------------------------
    @handles(ChangeTrade)
    def _on_change(self, wanted: ChangeTrade) -> object:
        if self._not_yet():
            return None
        if wanted.command_id in self._known.commands and not wanted.preview:
            return again(self._known, wanted)
        name = self.context.new_id()
        self._wishes[name] = _Wish(wanted, self.context.defer_reply())
        self._ask_client(name)
        return LATER

    def _take_promised(self, wanted: ChangeTrade, effect_key: str) -> None:
        """Take a change that was committed elsewhere: it is settled here, whatever becomes of it."""
        if wanted.command_id in self._known.commands:
            self.context.tell(addresses.STORE, Settle(effect_key=effect_key, note="already so"))
        elif all(wish.effect_key != effect_key for wish in self._wishes.values()):
            name = self.context.new_id()
            self._wishes[name] = _Wish(wanted, None, effect_key)
            self._ask_client(name)

    def _ask_client(self, name: str) -> None:
        question = OpeningViewQuestion(symbol=self._symbol)
        self.context.ask(self._client, question, timeout_seconds=VIEW_SECONDS, tag=ChangeStep(name))

    def _on_change_answer(self, step: ChangeStep, message: Answered) -> None:
        if not step.wish:
            self._on_standing(step, message.value)
        elif step.wish in self._wishes and step.view is None:
            self._on_view(step.wish, message.value)
        elif step.wish in self._wishes and step.view is not None:
            self._judge(self._wishes.pop(step.wish), step.view, message.value)

    def _on_change_silence(self, step: ChangeStep, message: NotAnswered) -> None:
        if not step.wish:
            self._look_later()
            return
        wish = self._wishes.pop(step.wish, None)
        if wish is not None and wish.reply is None:
            self.context.start_timer("again/booked", PROMISED_SECONDS, AskAgain(about="booked"))
        elif wish is not None:
            what = "the exchange gave no fresh price" if step.view is None else "the backstop is not known"
            wish.refuse(f"{what} ({message.error}): nothing was changed, ask again in a moment")

    def _on_view(self, name: str, view: OpeningView | None) -> None:
        if view is None:
            self._refuse(self._wishes.pop(name), f"the exchange does not list {self._symbol}: nothing was changed")
            return
        question = self._backstop_question(stop_on_tick(self._known, self._wishes[name].wanted))
        book = addresses.position_book(self._account)
        self.context.ask(book, question, timeout_seconds=STANDING_SECONDS, tag=ChangeStep(name, view))

    def _judge(self, wish: _Wish, view: OpeningView, standing: BackstopStanding) -> None:
        trade, wanted = self._known, wish.wanted
        if wanted.command_id in trade.commands and not wanted.preview:
            self._answer(wish, again(trade, wanted))
            return
        situation = Situation(view=view, standing=standing, seen=self.price_seen(), now=self.context.now())
        verdict = judge(trade, wanted, situation)
        if isinstance(verdict, str):
            kind = wanted.change.kind.value
            self.context.log.info("trade_change_refused", trade=trade.label, change=kind, by=wanted.by, why=verdict)
            self._refuse(wish, verdict)
        elif wanted.preview:
            self._answer(wish, verdict.shown)
        else:
            self.context.log.info(
                "trade_changed",
                trade=trade.label,
                change=wanted.change.kind.value,
                by=wanted.by,
                before=str(verdict.shown.before),
                to=str(verdict.shown.price),
                command=wanted.command_id,
            )
            self._confirming = True
            self._take(verdict.fact, settles=(wish.effect_key,) if wish.effect_key else ())
            self._confirming = False
            if wish.reply is not None:
                self._recorded.append((self._sequence, wish.reply, verdict.shown))

    def _answer(self, wish: _Wish, shown: TradeChanged) -> None:
        if wish.reply is not None:
            wish.reply.answer(shown)
        else:
            self.context.tell(addresses.STORE, Settle(effect_key=wish.effect_key, note="already so"))

    def _refuse(self, wish: _Wish, text: str) -> None:
        """Say why it is not made: to who asked, or, where it was promised, to the person, in the settling commit."""
        wish.refuse(text)
        if wish.reply is None:
            alert = change_not_made(self._known, wish.wanted, text)
            append = Append(
                stream=self._stream,
                expected_sequence=self._sequence,
                facts=(),
                effects=(self._alert_promised(alert),),
                settles=(wish.effect_key,),
            )
            self.context.tell(addresses.STORE, append)

    def on_durable(self, sequence: int) -> None:
        for _, reply, shown in (each for each in self._recorded if each[0] <= sequence):
            reply.answer(shown)
        self._recorded = [each for each in self._recorded if each[0] > sequence]

    # --- a stop that waits for the backstop -------------------------------------------------------------------------
    def _backstop_question(self, stop_price: Decimal) -> BackstopQuestion:
        return BackstopQuestion(symbol=self._symbol, position_side=self._known.side, stop_price=stop_price)

    def _watch_loosening(self) -> None:
        if self._waits() and not self._looking:
            self._look_pause = FIRST_LOOK_SECONDS
            self._look_at_backstop()

    def _waits(self) -> bool:
        return self._known.loosening is not None and self._known.phase not in {Phase.CLOSING, Phase.CLOSED}

    def _look_at_backstop(self) -> None:
        """Ask behind the slice that told the book of the wish: what is answered counts it in."""
        wish = self._known.loosening
        if wish is None or not self._waits():
            self._looking = False
            return
        self._looking = True
        question = self._backstop_question(wish.stop_price)
        book = addresses.position_book(self._account)
        self.context.ask(book, question, timeout_seconds=STANDING_SECONDS, tag=ChangeStep(about=wish.stop_price))

    def _look_later(self) -> None:
        self.context.start_timer("again/backstop", self._look_pause, AskAgain(about="backstop"))
        self._look_pause = min(LONGEST_LOOK_SECONDS, self._look_pause * 2)

    def _on_standing(self, step: ChangeStep, standing: BackstopStanding) -> None:
        wish = self._known.loosening
        if wish is None or not self._waits():
            self._looking = False
        elif standing.reaches and wish.stop_price == step.about:
            self._looking = False
            self._take(loosened(self._known, self.price_seen(), self.context.now()))
        else:
            self._look_later()
