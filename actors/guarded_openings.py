"""Openings on their way through the guards: taken in turn, one at a time and account; what passes goes on at the desk.

An order meets the guards once (rules.guards), in order: at the door, with the account's reading, and at the commit the
safety state once more. Enters: plans, answers of the store. Stays out: reading the account, admission, committing (the
desk's, which builds on this), decisions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from actors.desk_guards import DeskGuards, Errand, LoadAgain, TroubleOutside
from actors.errors import Fenced
from actors.live_trades import LiveTrades
from actors.live_trades import Part as PartOfMany
from actors.messages import addresses
from actors.messages.accounts import OpeningViewQuestion, WithdrawAdmission
from actors.messages.guarding import GuardsQuestion, GuardsReading, ReleaseLock, SetProtection, SetSafety, TradeEnded
from actors.messages.storing import LoadStream, UnsettledEffect, UnsettledQuestion
from actors.messages.trading import OpenTrade, OrderPreview, PreviewTrade, TradeAccepted
from actors.model.account import OpeningView
from actors.model.guarding import GuardTerms
from actors.model.money import ZERO
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.openings import Opening, Part, label_of, outcomes
from actors.ports import FencePort
from actors.rules import fan_out, guards
from actors.rules.guard_history import PastTrade, history
from actors.rules.guards import Verdict
from runtime import LATER, Actor, Answered, NotAnswered, Refused, Reply, handles

ASK_SECONDS = 15.0
STORE_STEPS = frozenset({"journal", "intents", "turns", "found", "main"})  # what the store is asked on the way


class GuardedOpenings(Actor):
    def __init__(self, *, accounts: tuple[str, ...], guards: GuardTerms, fence: FencePort, salt: str) -> None:
        self._accounts = accounts
        self._terms = guards
        self._fence = fence
        self._salt = salt  # the installation: trade ids of two installations differ
        self._shut: str | None = None  # why nothing is opened for now
        self._queues: dict[str, deque[Opening]] = {account: deque() for account in accounts}
        self._next: dict[str, Callable[[Opening, Any], None]] = {
            "intents": self._on_intents,
            "turns": self._on_turns,
        }

    def on_start(self) -> None:
        self._live = LiveTrades(self.context)
        self._guards = DeskGuards(self.context, self._terms)
        self._guards.load()

    def on_passed(self, opening: Opening, view: OpeningView) -> None:
        """Go on with an opening that has passed every guard."""
        raise NotImplementedError

    def on_previewed(self, opening: Opening, preview: OrderPreview, view: OpeningView) -> None:
        """Answer a preview that has passed every guard."""
        raise NotImplementedError

    def on_trade_ended(self, trade_id: str) -> None:
        """Hear that a trade has ended."""

    # --- openings: taken in turn, one at a time and account -----------------------------------------------------------
    @handles(PreviewTrade)
    def _on_preview(self, message: PreviewTrade) -> Any:
        if not self._guards.known:
            self.context.stash()
            return None
        owed = self._owed(message.plan)
        return self._enter(Opening.of(message.plan, owed, self.context.now(), command_id="", by=""))

    @handles(OpenTrade)
    def _on_open(self, message: OpenTrade) -> Any:
        if not self._guards.known:
            self.context.stash()
            return None
        owed, asked_at = self._owed(message.plan), message.asked_at or self.context.now()
        return self._enter(Opening.of(message.plan, owed, asked_at, command_id=message.command_id, by=message.by))

    def _owed(self, plan: TradePlan) -> Reply:
        self._check_account(plan.account)
        return self.context.defer_reply()

    def _check_account(self, account: str) -> None:
        if account not in self._queues:
            known = ", ".join(self._accounts)
            raise Refused(f"account {account} is not configured; write one of: {known}")
        if self._shut is not None:
            raise TroubleOutside(self._shut)

    def _enter(self, opening: Opening) -> Any:
        queue = self._queues[opening.plan.account]
        queue.append(opening)
        if len(queue) == 1:
            self._begin(opening)
        return LATER

    def _begin(self, opening: Opening) -> None:
        opening.looked_up = 0
        if opening.preview is not None:
            self.ask_view(opening)  # its guards were asked on main
        elif opening.promise is not None:
            self._look_up(opening)
        elif opening.command_id:
            for part in opening.parts:
                part.forget()
                part.trade_id = fan_out.slice_id(self._salt, opening.command_id, part.name, opening.attempt)
            self._look_up(opening)
        else:
            self._at_the_door(opening)

    def _look_up(self, opening: Opening) -> None:
        """Ask whether the next of its parts has a journal already."""
        trade_id = opening.parts[opening.looked_up].trade_id
        self._ask(opening, "journal", addresses.STORE, LoadStream(stream=addresses.trade_stream(trade_id)))

    def _ask(self, opening: Opening, step: str, path: str, question: object) -> None:
        self.context.ask(path, question, timeout_seconds=ASK_SECONDS, tag=f"{step}/{opening.plan.account}")

    def _current(self, tag: str) -> tuple[str, Opening | None]:
        step, _, account = tag.partition("/")
        queue = self._queues.get(account)
        return step, queue[0] if queue else None

    def _finish(self, opening: Opening, answer: Any) -> None:
        self._leave(opening)
        if opening.reply is not None:
            opening.reply.answer(answer)

    def _refuse(self, opening: Opening, text: str, *, outside: bool = False) -> None:
        self.context.log.info("opening_refused", symbol=opening.plan.symbol, text=text)
        self._withdraw(opening)
        self._leave(opening)
        if opening.reply is not None:
            opening.reply.refuse(TroubleOutside(text) if outside else Refused(text))

    def _withdraw(self, opening: Opening) -> None:
        if opening.admitted is not None:
            book = addresses.position_book(opening.plan.account)
            self.context.tell(book, WithdrawAdmission(trade_id=opening.trade_id))

    def _leave(self, opening: Opening) -> None:
        queue = self._queues[opening.plan.account]
        queue.popleft()
        if queue:
            self._begin(queue[0])

    def _is_anothers(self, message: Answered | NotAnswered) -> bool:
        """Hand on what was asked for something else than an opening."""
        if isinstance(message.tag, PartOfMany):
            self._live.on_answer(message.tag, message)
        elif isinstance(message.tag, Errand):
            self._guards.on_answer(message.tag, message)
        else:
            return False
        return True

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        if self._is_anothers(message):
            return
        step, opening = self._current(str(message.tag))
        if opening is not None:
            self._next[step](opening, message.value)

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        if self._is_anothers(message):
            return
        step, opening = self._current(str(message.tag))
        if opening is None:
            return
        if message.reason == "refused":
            # A symbol nobody knows is answered with None: the account's reading is refused only when it failed.
            self._refuse(opening, message.error, outside=step in {"view", "number", *STORE_STEPS})
        elif step == "admit":
            book = addresses.position_book(opening.plan.account)
            self.context.tell(book, WithdrawAdmission(trade_id=opening.trade_id))
            self._refuse(
                opening, "the backstop could not be moved in time; nothing was opened, try again", outside=True
            )
        else:
            asked = "the store" if step in STORE_STEPS else step
            text = f"{asked} was not answered ({message.error}); nothing was opened, try again"
            self._refuse(opening, text, outside=True)

    # --- the guards an order passes -----------------------------------------------------------------------------------
    def _at_the_door(self, opening: Opening) -> None:
        for part in opening.parts:
            part.forget()
        opening.passed = False  # it may be here once more, and is not on its way beside itself
        verdicts = guards.at_the_door(opening.plan, self._guards.safety, self._terms, lost_lock=self._lost_lock())
        if self._passes(opening, verdicts):
            client = addresses.client(opening.plan.account)
            # Before the balance is read: what is answered in between is in the balance then.
            self._ask(opening, "intents", addresses.STORE, UnsettledQuestion(destination=client))

    def _lost_lock(self) -> str | None:
        try:
            self._fence.check()
        except Fenced as fenced:
            return str(fenced)
        return None

    def _passes(self, opening: Opening, verdicts: Iterable[Verdict]) -> bool:
        """Log each verdict; refuse with the first that blocks. A preview is no order: only what blocks it is logged."""
        symbol, preview = opening.plan.symbol, not opening.command_id
        for verdict in verdicts:
            if verdict.blocks:
                shown: dict[str, Any] = {**verdict.figures, "preview": preview}
                self.context.log.info("guard_blocked", guard=verdict.guard, **{"symbol": symbol, **shown})
                self._refuse(opening, verdict.text)
                return False
            if not preview:
                figures: dict[str, Any] = {"symbol": symbol, **verdict.figures}
                self.context.log.info("guard_passed", guard=verdict.guard, **figures)
        return True

    def _on_intents(self, opening: Opening, unsettled: tuple[UnsettledEffect, ...]) -> None:
        opening.waiting = guards.waiting_entries(each.effect.request for each in unsettled)
        self.ask_view(opening)

    def ask_view(self, opening: Opening) -> None:
        question = OpeningViewQuestion(symbol=opening.plan.symbol)
        self._ask(opening, "view", addresses.client(opening.plan.account), question)

    def _on_turns(self, opening: Opening, turns: tuple[tuple[str, Any], ...]) -> None:
        view, sized = opening.view, opening.sized
        if view is None or sized is None:
            raise RuntimeError("an opening reached the guards without a size")
        past = history(turns)
        sizes = [part.sized for part in opening.parts if part.sized is not None]
        order = guards.Order(
            sized=fan_out.together(sizes),
            slices=len(sizes),
            name=opening.order,
            signal_key=opening.signal_key,
            balance=view.balance,
            unsettled=opening.waiting,
        )
        locks = self._guards.locks(past)
        under_way = (*past, *self._under_way(past))
        verdicts = guards.with_the_account(order, under_way, locks, self._terms, now=self.context.now())
        if not self._passes(opening, verdicts):
            return
        if not opening.command_id:
            parts = [_told_dry(part) for part in opening.parts] if self._terms.dry_run else opening.parts
            self.on_previewed(opening, OrderPreview(plan=opening.plan, slices=outcomes(parts)), view)
        elif self._terms.dry_run:
            self._stay_dry(opening)
        else:
            opening.passed = True
            self.on_passed(opening, view)

    def _under_way(self, past: tuple[PastTrade, ...]) -> Iterator[PastTrade]:
        """Give the openings of other accounts that have passed and are in no journal yet."""
        known = {trade.trade_id for trade in past}
        for queue in self._queues.values():
            for each in queue:
                for part in each.open_parts if each.passed else ():
                    if part.sized is not None and part.trade_id not in known:
                        yield self._as_past(each, part, part.sized)

    def _as_past(self, opening: Opening, part: Part, sized: SizedPlan) -> PastTrade:
        return PastTrade(
            trade_id=part.trade_id,
            account=part.plan.account,
            symbol=part.plan.symbol,
            side=part.plan.position_side,
            order=opening.order,
            signal_key=opening.signal_key,
            opened_at=self.context.now(),
            quantity=sized.quantity,
            margin_usdt=sized.margin_usdt,
            notional_usdt=sized.notional_usdt,
            equity_usdt=ZERO,
        )

    def _stay_dry(self, opening: Opening) -> None:
        head = _told_dry(opening.head)
        if head.sized is None:
            raise RuntimeError("an order stays dry without a size")
        label = label_of(head.plan, head.trade_id)
        self.context.log.info("order_stayed_dry", trade=label)
        others = outcomes(_told_dry(part) for part in opening.parts if part is not opening.head)
        self._finish(
            opening,
            TradeAccepted(trade_id=head.trade_id, number=0, label=label, sized=head.sized, dry_run=True, others=others),
        )

    # --- what a person asks of the guards ------------------------------------------------------------------------
    @handles(GuardsQuestion)
    def _on_guards(self, _message: GuardsQuestion) -> GuardsReading | None:
        if self._guards.known:
            return self._guards.reading()
        self.context.stash()
        return None

    @handles(SetSafety, SetProtection, ReleaseLock)
    def _on_change(self, message: SetSafety | SetProtection | ReleaseLock) -> Any:
        if isinstance(message, SetSafety) and message.leave and message.leave not in self._accounts:
            raise Refused(f"there is no account {message.leave}: write one of {', '.join(self._accounts)}")
        if isinstance(message, SetSafety) and message.everything and not message.leave:
            raise Refused("everything is left on one account at a time: write which")
        if not self._guards.known:
            self.context.stash()
            return None
        self._guards.change(message)
        return LATER

    @handles(TradeEnded)
    def _on_trade_ended(self, message: TradeEnded) -> None:
        if self._guards.known:  # else it looks as soon as it knows them
            self._guards.look()
            self.on_trade_ended(message.trade_id)

    @handles(LoadAgain)
    def _on_load_again(self, _message: LoadAgain) -> None:
        self._guards.load()


def _told_dry(part: Part) -> Part:
    note = "DRY RUN: it passes every check, and nothing is sent (DRY_RUN)"
    sized = None if part.sized is None else replace(part.sized, notes=(*part.sized.notes, note))
    return replace(part, sized=sized)
