"""Fanned openings: the slices of an order beyond its first, which were promised with it and are opened in their turn.

A promise is an effect to the desk. The store releases it after the first slice's commit; a new life of the desk asks
for those left over. It is settled in the commit that opens the slice, or with the news that it was not opened: too
late, the safety state, the account's own refusal. A mirror's outside trouble is tried again for as long as the promise
is fresh; after several failures in a row its breaker spares it. Nothing here is waited for by main.

Enters: promises, answers. Stays out: guards (once, with the order), the steps that all openings share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from actors.guarded_openings import GuardedOpenings
from actors.messages import addresses
from actors.messages.accounts import BookReading
from actors.messages.alerts import RaiseAlert
from actors.messages.fanning import FollowMain, HalfPromised, MainLeft, MirrorPromised
from actors.messages.storing import (
    Append,
    LoadStream,
    Perform,
    PromisedEffect,
    Settle,
    StoredStream,
    UnsettledQuestion,
)
from actors.messages.trading import (
    ChangeTrade,
    ExitStarted,
    OrderPreview,
    SliceOutcome,
    TradeAccepted,
    TradeClosed,
    TradeOpened,
)
from actors.model.account import OpeningView
from actors.model.guarding import GuardTerms, SafetyState
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.openings import Answering, Opening, Part, PreviewOnMirrors, outcome_of, outcomes
from actors.ports import FencePort
from actors.rules import book_admission, fan_out
from actors.rules.fan_out_news import change_not_followed, slice_not_opened
from actors.rules.refusals import Refusal
from runtime import Answered, NotAnswered, handles
from runtime.circuit_breaker import CircuitBreaker

AGAIN_SECONDS = 3.0
PREVIEW_SECONDS = 4.0  # how long a preview waits for the mirrors
MOST_VIEWS = 100
CHANGE_SECONDS = 15.0
LOADING = "is being loaded"  # what a monitor says that has just begun
BREAKER = CircuitBreaker(failure_threshold=3, open_seconds=60.0)


@dataclass(frozen=True, slots=True)
class TakeUpAgain:
    """A pause is over: try this promise once more; None: ask the store for those left over."""

    effect: PromisedEffect | None = None


@dataclass(frozen=True, slots=True)
class _Followed:
    """Tag of a question: whether the mirror's trade that is to hear this exists."""

    effect: PromisedEffect


@dataclass(frozen=True, slots=True)
class _Changed:
    """Tag of a question: a person's change of main's, asked of the mirror's trade."""

    effect: PromisedEffect


@dataclass(frozen=True, slots=True)
class PreviewDue:
    """A preview has waited for its mirrors long enough."""

    waiting: PreviewOnMirrors


class FannedOpenings(GuardedOpenings):
    def __init__(
        self,
        *,
        accounts: tuple[str, ...],
        mirrors: tuple[str, ...],
        guards: GuardTerms,
        fence: FencePort,
        salt: str,
    ) -> None:
        super().__init__(accounts=accounts, guards=guards, fence=fence, salt=salt)
        self._mirrors = mirrors
        self._breakers = dict.fromkeys(mirrors, BREAKER)
        self._answering: dict[str, Answering] = {}  # by order
        self._ended: set[str] = set()  # trade ids of slices that are not to be opened any more
        self._parked: dict[str, list[PromisedEffect]] = {}  # by trade id: what it hears once it is settled
        self._resting: set[str] = set()  # trade ids of slices that are tried again in a moment
        self._first_views: dict[tuple[str, str], OpeningView] = {}  # by order and mirror: its halves share a balance
        self._next |= {"found": self._on_found, "main": self._on_main}

    def on_start(self) -> None:
        super().on_start()
        self._ask_for_promises()

    # --- promises -----------------------------------------------------------------------------------------------------
    def _ask_for_promises(self) -> None:
        question = UnsettledQuestion(destination=self.context.path)
        self.context.ask(addresses.STORE, question, timeout_seconds=10, tag=TakeUpAgain())

    def _is_anothers(self, message: Answered | NotAnswered) -> bool:
        if isinstance(message.tag, _Changed):
            self._on_changed(message.tag.effect, message)
            return True
        if isinstance(message.tag, _Followed):
            if isinstance(message, Answered):
                self._on_followed(message.tag.effect, message.value)
            else:
                again = TakeUpAgain(message.tag.effect)
                self.context.start_timer(f"again/{message.tag.effect.key}", AGAIN_SECONDS, again, new_trace=True)
            return True
        if not isinstance(message.tag, TakeUpAgain):
            return super()._is_anothers(message)
        if isinstance(message, Answered):
            for unsettled in message.value:
                self.context.tell(self.context.path, Perform(effect=unsettled.effect, repeat=True))
        else:
            self.context.start_timer("promises", AGAIN_SECONDS, TakeUpAgain(), new_trace=True)
        return True

    @handles(TakeUpAgain)
    def _on_take_up_again(self, message: TakeUpAgain) -> None:
        if message.effect is None:
            self._ask_for_promises()
        else:
            self._on_perform(Perform(effect=message.effect, repeat=True))

    @handles(Perform)
    def _on_perform(self, message: Perform) -> None:
        """Take up a promised slice, behind the opening that is under way and before those that wait."""
        if not self._guards.known:
            self.context.stash()
            return
        promise, key = message.effect.request, message.effect.key
        if isinstance(promise, FollowMain):
            self._follow(message.effect, promise)
            return
        if not isinstance(promise, HalfPromised | MirrorPromised):
            self.context.tell(addresses.STORE, Settle(effect_key=key, note="not a slice"))
            return
        opening = Opening.promised(promise, key)
        self._resting.discard(promise.trade_id)
        queue = self._queues.get(promise.account)
        if queue is None:
            self._give_up(opening, f"account {promise.account} is not configured any more")
        elif any(each.promise_key == key for each in queue):
            return
        elif queue:
            ahead = sum(1 for each in queue if each.promise is not None and each is not queue[0])
            queue.insert(1 + ahead, opening)
        else:
            queue.append(opening)
            self._begin(opening)

    def take_up(self, opening: Opening) -> None:
        """Go on with a promised slice whose trade does not exist yet."""
        promise = opening.promise
        wrong = self._too_late(opening)
        if wrong is not None:
            self._refuse(opening, wrong)
        elif isinstance(promise, HalfPromised):
            self.admit(opening)
        elif isinstance(promise, MirrorPromised):
            opening.parts = [Part("", promise.plan, promise.trade_id)]  # nothing of an earlier try counts
            stream = LoadStream(stream=addresses.trade_stream(promise.follows))
            self._ask(opening, "main", addresses.STORE, stream)

    def admit(self, opening: Opening) -> None:
        """Have the position book admit it."""
        raise NotImplementedError

    def _on_main(self, opening: Opening, stored: StoredStream) -> None:
        """Read the mirror's account, once it is known what it goes with."""
        first = stored.facts[0] if stored.facts else None
        if not isinstance(first, TradeOpened):
            self._refuse(opening, "main's trade is not there")
            return
        if any(isinstance(fact, ExitStarted | TradeClosed) for fact in stored.facts):
            self._ended.add(opening.trade_id)
        wrong = self._too_late(opening)
        if wrong is not None:
            self._refuse(opening, wrong)
            return
        opening.parts[0].main = first.sized
        account = opening.plan.account
        self._breakers[account], may = self._breakers[account].try_call(at=self.context.monotonic())
        if not may:
            left = self._breakers[account].retry_after_seconds(at=self.context.monotonic())
            self._refuse(opening, f"account {account} did not answer lately; it is tried again in {left:.0f} s")
            return
        self.ask_view(opening)

    def _too_late(self, opening: Opening) -> str | None:
        """Say why a promised slice may not be opened any more."""
        safety = self._guards.safety
        age = (self.context.now() - opening.asked_at).total_seconds()
        if safety.state is not SafetyState.ACTIVE:
            return f"the safety state is {safety.state.value} ({safety.why})"
        if opening.trade_id in self._ended:
            return "main's trade has ended"
        lost = self._lost_lock()
        if lost is not None:
            return f"this run does not hold the run lock ({lost})"
        if age > fan_out.PROMISE_SECONDS:
            return f"it was asked for {age:.0f} s ago, and prices have moved on"
        return None

    def sizing_view(self, opening: Opening, view: OpeningView) -> OpeningView:
        """Give the view that an order's slices are sized by: on a mirror, both halves by one balance."""
        promise = opening.promise
        if not isinstance(promise, MirrorPromised):
            return view
        self._breakers[promise.account] = self._breakers[promise.account].succeeded()
        if len(self._first_views) > MOST_VIEWS:
            self._first_views.clear()
        first = self._first_views.setdefault((promise.order, promise.account), view)
        return replace(view, balance=first.balance)

    def judged(
        self, opening: Opening, part: Part, view: OpeningView, book: BookReading
    ) -> SizedPlan | tuple[Refusal, ...]:
        """Size a slice as its account allows it, on a mirror with what had to differ from main's."""
        available = opening.main_available_usdt
        if available is None:
            return self.judge(part.plan, view, book)
        part.plan, notes = fan_out.fitted(part.plan, view, book, available)
        sized = self.judge(part.plan, view, book)
        if not isinstance(sized, SizedPlan) or part.main is None:
            return sized
        note = fan_out.differing(sized, part.main, view.balance.available_usdt / available)
        return replace(sized, notes=(*sized.notes, *notes, *(() if note is None else (note,))))

    def judge(self, plan: TradePlan, view: OpeningView, book: BookReading) -> SizedPlan | tuple[Refusal, ...]:
        """Size a plan, or give all that is wrong with it."""
        raise NotImplementedError

    # --- previews -----------------------------------------------------------------------------------------------------
    def on_previewed(self, opening: Opening, preview: OrderPreview, view: OpeningView) -> None:
        """Answer a preview; where mirrors follow, once they have been read, or after a moment without them."""
        mirrors = self.mirrors_of(opening.plan)
        if not mirrors:
            self._finish(opening, preview)
            return
        waiting = PreviewOnMirrors(opening=opening, slices=preview.slices, mirrors={}, awaited=set(mirrors))
        available = view.balance.available_usdt
        self._leave(opening)
        self.context.start_timer(f"preview/{id(waiting)}", PREVIEW_SECONDS, PreviewDue(waiting))
        for account in mirrors:
            parts = [
                Part(part.name, fan_out.mirrored(part.plan, account, available), main=part.sized)
                for part in opening.open_parts
            ]
            waiting.mirrors[account] = outcomes(parts)
            there = Opening(plan=parts[0].plan, reply=None, asked_at=opening.asked_at, parts=parts, preview=waiting)
            there.main_available_usdt = available
            self._enter(there)

    def mirrors_of(self, plan: TradePlan) -> tuple[str, ...]:
        """Give the accounts that an order is repeated on."""
        return self._mirrors if plan.mirror and plan.account == self._accounts[0] else ()

    def mirror_previewed(self, opening: Opening) -> None:
        """Take what an order would come to on a mirror."""
        self._leave(opening)
        if opening.preview is not None:
            opening.preview.mirrors[opening.plan.account] = outcomes(opening.parts)
            opening.preview.awaited.discard(opening.plan.account)
            if not opening.preview.awaited:
                self._answer_preview(opening.preview)

    @handles(PreviewDue)
    def _on_preview_due(self, due: PreviewDue) -> None:
        self._answer_preview(due.waiting)

    @staticmethod
    def _answer_preview(waiting: PreviewOnMirrors) -> None:
        opening = waiting.opening
        reply, opening.reply = opening.reply, None
        if reply is not None:
            on_mirrors = (each for part in waiting.mirrors.values() for each in part)
            reply.answer(OrderPreview(plan=opening.plan, slices=(*waiting.slices, *on_mirrors)))

    # --- what followers hear of main ------------------------------------------------------------------------------
    def _follow(self, effect: PromisedEffect, follow: FollowMain) -> None:
        """Have a mirror's trade hear of main's; while it is still being opened, once that is settled."""
        trade_id = follow.follower.trade_id
        if self._is_under_way(trade_id):
            if isinstance(follow.what, MainLeft):
                self._ended.add(trade_id)
            parked = self._parked.setdefault(trade_id, [])
            if effect not in parked:
                parked.append(effect)
            return
        stream = LoadStream(stream=addresses.trade_stream(trade_id))
        self.context.ask(addresses.STORE, stream, timeout_seconds=10, tag=_Followed(effect))

    def _follow_parked(self, trade_id: str) -> None:
        for effect in self._parked.pop(trade_id, []):
            self.context.tell(self.context.path, Perform(effect=effect, repeat=True))

    def _on_followed(self, effect: PromisedEffect, stored: StoredStream) -> None:
        """Promise it to the monitor in the commit that settles the desk's part; a trade that is over needs no word."""
        follow: FollowMain = effect.request
        if not stored.facts or isinstance(stored.facts[-1], TradeClosed):
            note = "closed already" if stored.facts else "never opened"
            self.context.tell(addresses.STORE, Settle(effect_key=effect.key, note=note))
            return
        account, trade_id = follow.follower.account, follow.follower.trade_id
        monitor = addresses.monitor(account, follow.symbol, trade_id)
        if isinstance(follow.what, ChangeTrade):
            self.context.ask(monitor, follow.what, timeout_seconds=CHANGE_SECONDS, tag=_Changed(effect))
            return
        told = PromisedEffect(key=f"{effect.key}/told", destination=monitor, owner=monitor, request=follow.what)
        append = Append(
            stream=f"follow/{trade_id}", expected_sequence=0, facts=(), effects=(told,), settles=(effect.key,)
        )
        self.context.tell(addresses.STORE, append)
        self.context.log.info("mirror_told", trade_id=trade_id, account=account, what=type(follow.what).__name__)

    def _on_changed(self, effect: PromisedEffect, message: Answered | NotAnswered) -> None:
        """A person's change was recorded in the mirror's journal, or refused there: told, and settled with that."""
        follow: FollowMain = effect.request
        trade_id = follow.follower.trade_id
        if isinstance(message, Answered):
            self.context.tell(addresses.STORE, Settle(effect_key=effect.key, note="followed"))
            self.context.log.info("mirror_told", trade_id=trade_id, account=follow.follower.account, what="change")
        elif message.reason != "refused" or LOADING in message.error:
            again = TakeUpAgain(effect)
            self.context.start_timer(f"again/{effect.key}", AGAIN_SECONDS, again, new_trace=True)
        else:
            alert = PromisedEffect(
                key=f"alert/{effect.key}",
                destination=addresses.ALERT_DISPATCHER,
                owner=addresses.ALERT_DISPATCHER,
                request=RaiseAlert(alert=change_not_followed(follow, message.error), raised_at=self.context.now()),
            )
            stream = f"follow/{trade_id}"
            refused = Append(stream=stream, expected_sequence=0, facts=(), effects=(alert,), settles=(effect.key,))
            self.context.tell(addresses.STORE, refused)

    # --- refusing them ------------------------------------------------------------------------------------------------
    def _refuse(self, opening: Opening, text: str, *, outside: bool = False) -> None:
        if opening.preview is not None:
            for part in opening.parts:
                part.refused = text
            self.mirror_previewed(opening)
            return
        if opening.promise is None:
            super()._refuse(opening, text, outside=outside)
            return
        self._withdraw(opening)
        self._leave(opening)
        account = opening.plan.account
        outside = outside or book_admission.is_passing(text)
        if outside and account in self._breakers:
            self._breakers[account] = self._breakers[account].failed(at=self.context.monotonic())
        effect = PromisedEffect(
            key=opening.promise_key, destination=self.context.path, owner=self.context.path, request=opening.promise
        )
        if outside and self._too_late(opening) is None:
            self.context.log.info("slice_delayed", trade_id=opening.trade_id, account=account, text=text)
            self._resting.add(opening.trade_id)
            again = TakeUpAgain(effect)
            self.context.start_timer(f"again/{opening.promise_key}", AGAIN_SECONDS, again, new_trace=True)
        else:
            self._give_up(opening, text)

    def _give_up(self, opening: Opening, text: str) -> None:
        """Tell that a slice was not opened, and settle its promise, in one commit."""
        promise = opening.promise
        if promise is None:
            raise RuntimeError("only a promised slice can be given up")
        self.context.log.warning("slice_not_opened", trade_id=promise.trade_id, account=promise.account, text=text)
        opening.parts[0].refused = text
        alert = PromisedEffect(
            key=f"alert/{promise.trade_id}/not_opened",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(
                alert=slice_not_opened(promise.plan, promise.trade_id, text), raised_at=self.context.now()
            ),
        )
        self.context.tell(
            addresses.STORE,
            Append(
                stream=f"slice/{promise.trade_id}",
                expected_sequence=0,
                facts=(),
                effects=(alert,),
                settles=(opening.promise_key,),
            ),
        )
        (outcome,) = outcomes(opening.parts)
        self._note(opening.order, outcome)
        self._follow_parked(promise.trade_id)

    # --- answering an order ---------------------------------------------------------------------------------------
    def _opened(self, opening: Opening, accepted: TradeAccepted, fact: TradeOpened) -> None:
        """Answer the order of a slice that is open now, or keep the answer until the other half is settled."""
        if opening.promise is not None:
            self._leave(opening)
            answering = self._answering.get(opening.order)
            if answering is not None:
                self._expect_followers(answering, fact)
            self._note(opening.order, outcome_of(fact))
            self._follow_parked(fact.trade_id)
            return
        others = [part for part in opening.parts if part.trade_id != fact.trade_id]
        known = {each.trade_id: each for each in outcomes(others)}
        answering = Answering(
            accepted=accepted,
            reply=opening.reply,
            outcomes=known,
            awaited={part.trade_id for part in others if not part.refused},
        )
        self._expect_followers(answering, fact)
        if answering.awaited:
            self._answering[opening.order] = answering
            self._leave(opening)
        else:
            self._finish(opening, answering.answer())

    @staticmethod
    def _expect_followers(answering: Answering, fact: TradeOpened) -> None:
        """List the mirrors' slices that go with this one; they are not waited for."""
        for follower in fact.followers:
            answering.outcomes.setdefault(
                follower.trade_id,
                SliceOutcome(account=follower.account, approach=fact.sized.plan.approach, trade_id=follower.trade_id),
            )

    def _note(self, order: str, outcome: SliceOutcome) -> None:
        answering = self._answering.get(order)
        if answering is None:
            return
        answering.outcomes[outcome.trade_id] = outcome
        answering.awaited.discard(outcome.trade_id)
        if not answering.awaited:
            del self._answering[order]
            if answering.reply is not None:
                answering.reply.answer(answering.answer())

    # --- the same command again -----------------------------------------------------------------------------------
    def answer_found(self, opening: Opening, first: TradeOpened) -> None:
        """Answer a command that was carried out before: look what became of its other slices."""
        plans = {part.trade_id: part.plan for part in opening.parts if part.trade_id != first.trade_id}
        plans |= {each.trade_id: replace(first.sized.plan, account=each.account) for each in first.followers}
        opening.found = first
        opening.answering = Answering(
            accepted=TradeAccepted(
                trade_id=first.trade_id,
                number=first.number,
                label=first.label,
                sized=first.sized,
                already_open=not opening.commits,
            ),
            reply=opening.reply,
            outcomes={
                trade_id: SliceOutcome(account=plan.account, approach=plan.approach, trade_id=trade_id)
                for trade_id, plan in plans.items()
            },
            awaited=set(plans),
        )
        self._look_for_others(opening, opening.answering, first)

    def _look_for_others(self, opening: Opening, answering: Answering, first: TradeOpened) -> None:
        for trade_id in answering.outcomes:
            if trade_id in answering.awaited:
                stream = LoadStream(stream=addresses.trade_stream(trade_id))
                self._ask(opening, "found", addresses.STORE, stream)
                return
        self._accepted(first, already_open=answering.accepted.already_open)
        self._finish(opening, answering.answer())

    def _on_found(self, opening: Opening, stored: StoredStream) -> None:
        answering, first = opening.answering, opening.found
        if answering is None or first is None:
            raise RuntimeError("a slice was looked for that nobody asked about")
        trade_id = stored.stream.removeprefix("trade/")
        answering.awaited.discard(trade_id)
        fact = stored.facts[0] if stored.facts else None
        if isinstance(fact, TradeOpened) and fact.opened_by == opening.order:
            answering.outcomes[trade_id] = outcome_of(fact)
            for each in fact.followers:  # of the other half
                if each.trade_id not in answering.outcomes:
                    answering.awaited.add(each.trade_id)
                    answering.outcomes[each.trade_id] = SliceOutcome(
                        account=each.account, approach=fact.sized.plan.approach, trade_id=each.trade_id
                    )
        elif not self._is_under_way(trade_id):
            unknown = answering.outcomes[trade_id]
            answering.outcomes[trade_id] = replace(unknown, refused="it was not opened; an alert said why")
        self._look_for_others(opening, answering, first)

    def _is_under_way(self, trade_id: str) -> bool:
        waiting = (each for queue in self._queues.values() for each in queue if each.promise is not None)
        return trade_id in self._resting or any(each.trade_id == trade_id for each in waiting)

    def _accepted(self, fact: TradeOpened, *, already_open: bool) -> None:
        """Note that a trade is open."""
        raise NotImplementedError
