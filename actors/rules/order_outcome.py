"""Order outcome: what one answer of the exchange means for a request: it has its outcome, or what is tried next.

Enters: the request, where it stands, the answer, the instant. Stays out: lanes, errors as exceptions, clocks.
Instants are monotonic seconds.

    SEND --accepted or refused--> settled
    SEND --nothing was sent--> SEND again, later
    SEND --no answer, id in use, gone--> LOOK --seen--> settled, or SEND again
                                              --not listed, and too early to prove anything--> LOOK again
                                              --not listed after request + receive window + 1 s--> SEND again, same id

An outcome is given once, and only when it is known: a request in doubt is looked up for as long as that takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from actors.messages.lanes import AnswerKind, LaneAnswer
from actors.messages.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder, SetPositionStop, Settlement
from actors.model.order import ObservedOrder, OrderSide, OrderState
from actors.rules.order_identity import is_the_same_order, shows_the_target
from actors.rules.request_order import is_protective


class Step(StrEnum):
    SEND = "send"  # nothing of this request is at the exchange, or sending it again is harmless
    LOOK = "look"


class Doubt(StrEnum):
    """Why an order is being looked up."""

    NO_ANSWER = "no_answer"
    ID_IN_USE = "id_in_use"
    GONE = "gone"
    TRIGGER = "trigger"  # an amend's trigger was refused: which side of the market is the order on


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeTerms:
    """The exchange's windows and our patience, in seconds."""

    # A request is taken until its timestamp + the receive window; one more second for what is just being written.
    proof_seconds: float = 6.0  # receive window (5) + 1
    id_in_use_patience_seconds: float = 30.0  # how long an id that was called used may stay unlisted
    entry_patience_seconds: float = 60.0  # an entry that could not be sent for so long is not wanted any more
    denied_pause_seconds: float = 30.0  # between tries of a protective request while access is refused
    unclear_after_seconds: float = 2.0  # trouble that lasts longer is told to the owner


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """Where a request stands between two calls."""

    request: OrderRequest
    step: Step = Step.SEND
    doubt: Doubt | None = None
    proof_at: float = 0.0  # a look that left at this instant or later proves absence
    troubled_since: float | None = None  # the first answer that settled nothing
    failures: int = 0  # answers that settled nothing, since it was last sent with hope
    rounds: int = 0  # times it was looked up and then sent again
    answer: LaneAnswer | None = None  # the one that brought the doubt

    @property
    def aside(self) -> bool:
        """It is in doubt or backing off: other orders of its trade need not wait for it."""
        return self.step is Step.LOOK or self.failures > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The request has its outcome."""

    settlement: Settlement
    code: int | None = None
    text: str = ""
    observed: ObservedOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """Make the next call of `state` after the delay (seconds)."""

    state: RequestState
    delay_seconds: float


Verdict: TypeAlias = Settled | TryAgain


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a judgement rests on beside the request and the answer."""

    at: float  # monotonic seconds, now
    now: datetime  # wall clock, for instants the exchange names
    terms: OutcomeTerms
    pause: Callable[[int], float]  # failures in a row, 1 and up, to seconds; grows, capped, with jitter
    waiting_amends: Sequence[AmendOrder] = ()  # later amends of the same order, oldest first


def taken_up(request: OrderRequest, *, repeat: bool, at: float, terms: OutcomeTerms) -> RequestState:
    """Give a request's first state. One that may have been performed before is looked up first.

    A position stop is absolute and simply set again.
    """
    if not repeat or isinstance(request, SetPositionStop):
        return RequestState(request=request)
    return RequestState(
        request=request, step=Step.LOOK, doubt=Doubt.NO_ANSWER, proof_at=at + terms.proof_seconds, troubled_since=at
    )


def is_unclear(state: RequestState, *, at: float, terms: OutcomeTerms) -> bool:
    """Tell whether the owner should hear that there is no outcome yet."""
    if state.troubled_since is None:
        return False
    return state.doubt is Doubt.NO_ANSWER or at - state.troubled_since >= terms.unclear_after_seconds


def judge(state: RequestState, answer: LaneAnswer, situation: Situation) -> Verdict:
    """Decide what an answer means.

    Args:
        state: where the request stood when the call was made.
        answer: how the call ended; never FENCED (then nothing is judged any more).
        situation: the instant, the terms, and what else waits for the same order.

    Returns:
        The outcome, or the next call.

    """
    if state.step is Step.LOOK:
        return _after_look(state, answer, situation)
    return _after_send(state, answer, situation)


# --- a request was sent ----------------------------------------------------------------------------------------
def _after_send(state: RequestState, answer: LaneAnswer, situation: Situation) -> Verdict:
    request = state.request
    match answer.kind:
        case AnswerKind.DONE:
            return Settled(settlement=Settlement.DONE)
        case AnswerKind.TRIGGER_PASSED:
            return _after_trigger_refused(state, answer, situation)
        case AnswerKind.GONE if isinstance(request, AmendOrder | CancelOrder):
            return _look(state, answer, Doubt.GONE, situation)
        case AnswerKind.DUPLICATE_ID if isinstance(request, PlaceOrder):
            return _look(state, answer, Doubt.ID_IN_USE, situation)
        case AnswerKind.UNKNOWN if isinstance(request, SetPositionStop):
            return _later(state, situation)
        case AnswerKind.UNKNOWN:
            return _look(state, answer, Doubt.NO_ANSWER, situation)
        case AnswerKind.UNREACHABLE | AnswerKind.THROTTLED:
            return _not_sent(state, answer, situation)
        case AnswerKind.ACCESS_DENIED if is_protective(request):
            return _later(state, situation, at_least=situation.terms.denied_pause_seconds)
        case AnswerKind.ACCESS_DENIED:
            return Settled(settlement=Settlement.DENIED, code=answer.code, text=answer.text)
        case _:
            return Settled(settlement=Settlement.REJECTED, code=answer.code, text=answer.text)


def _after_trigger_refused(state: RequestState, answer: LaneAnswer, situation: Situation) -> Verdict:
    match state.request:
        case PlaceOrder(order=order):
            return _trigger_refused(order.order_side, answer, None)
        case SetPositionStop(position_side=side):
            return _trigger_refused(side.exit_side, answer, None)
        case AmendOrder():  # it does not know its order's side
            return _look(state, answer, Doubt.TRIGGER, situation)
        case CancelOrder():
            return Settled(settlement=Settlement.REJECTED, code=answer.code, text=answer.text)


def _trigger_refused(side: OrderSide, answer: LaneAnswer, observed: ObservedOrder | None) -> Settled:
    """A stop that buys waits for a rise, one that sells for a fall: only that objection means the price has passed."""
    passed = answer.expected_rise is (side is OrderSide.BUY)
    return Settled(
        settlement=Settlement.TRIGGER_PASSED if passed else Settlement.TRIGGER_WRONG_SIDE,
        code=answer.code,
        text=answer.text,
        observed=observed,
    )


def _not_sent(state: RequestState, answer: LaneAnswer, situation: Situation) -> Verdict:
    """Nothing reached the exchange. What protects is tried for ever; an entry only while it is still wanted."""
    if _not_wanted_any_more(state, situation):
        text = f"not sent for {situation.terms.entry_patience_seconds:.0f} s and not tried any more: {answer.text}"
        return Settled(settlement=Settlement.ABSENT, code=answer.code, text=text)
    if answer.kind is AnswerKind.THROTTLED and answer.until is not None:
        wait = (answer.until - situation.now).total_seconds()
        return _later(state, situation, at_least=max(0.0, wait))
    return _later(state, situation)


def _not_wanted_any_more(state: RequestState, situation: Situation) -> bool:
    """An entry is for its moment: what could not be sent for so long is given up."""
    if state.troubled_since is None or is_protective(state.request) or not isinstance(state.request, PlaceOrder):
        return False
    return situation.at - state.troubled_since >= situation.terms.entry_patience_seconds


def _look(state: RequestState, answer: LaneAnswer, doubt: Doubt, situation: Situation) -> TryAgain:
    """Turn from sending to looking, at once for the first time."""
    # A hung call may have left as late as now, so a missing answer counts from now, not from when the call began.
    left_by = situation.at if doubt is Doubt.NO_ANSWER else answer.began_at
    looking = replace(
        _troubled(state, situation),
        step=Step.LOOK,
        doubt=doubt,
        proof_at=left_by + situation.terms.proof_seconds,
        answer=answer,
    )
    return TryAgain(state=looking, delay_seconds=0.0)


def _troubled(state: RequestState, situation: Situation) -> RequestState:
    since = situation.at if state.troubled_since is None else state.troubled_since
    return replace(state, failures=state.failures + 1, troubled_since=since)


def _later(state: RequestState, situation: Situation, *, at_least: float = 0.0) -> TryAgain:
    """Make the same call again after the usual pause."""
    troubled = _troubled(state, situation)
    return TryAgain(state=troubled, delay_seconds=max(at_least, situation.pause(troubled.failures)))


# --- an order was looked up ------------------------------------------------------------------------------------
def _after_look(state: RequestState, answer: LaneAnswer, situation: Situation) -> Verdict:
    if answer.kind is AnswerKind.THROTTLED and answer.until is not None:
        return _later(state, situation, at_least=max(0.0, (answer.until - situation.now).total_seconds()))
    if answer.kind is AnswerKind.ACCESS_DENIED:
        return _later(state, situation, at_least=situation.terms.denied_pause_seconds)
    if answer.kind is not AnswerKind.DONE:
        return _later(state, situation)  # a look that failed says nothing
    seen: ObservedOrder | None = answer.value
    if seen is None:
        return _not_listed(state, answer, situation)
    match state.request:
        case PlaceOrder() as place:
            return _place_seen(place, seen, situation)
        case AmendOrder() as amend:
            return _amend_seen(state, amend, seen, answer, situation)
        case CancelOrder() if seen.state.terminal:
            return Settled(settlement=Settlement.DONE, observed=seen)
        case _ if state.doubt is Doubt.GONE and answer.began_at < state.proof_at:
            return _look_again(state, situation)  # called gone and listed as live: the lists lag behind
        case _:
            return _send_again(state, situation)


def _not_listed(state: RequestState, answer: LaneAnswer, situation: Situation) -> Verdict:
    if answer.began_at < state.proof_at:
        return _look_again(state, situation)
    match state.request:
        case PlaceOrder() if state.doubt is Doubt.ID_IN_USE:
            if answer.began_at < state.proof_at + situation.terms.id_in_use_patience_seconds:
                return _later(state, situation)
            text = "the exchange calls the client order id used, but lists no order under it"
            return Settled(settlement=Settlement.REJECTED, code=_code(state), text=text)
        case PlaceOrder() if _not_wanted_any_more(state, situation):
            text = (
                f"it never reached the exchange in {situation.terms.entry_patience_seconds:.0f} s; not tried any more"
            )
            return Settled(settlement=Settlement.ABSENT, text=text)
        case PlaceOrder():
            return _send_again(state, situation)
        case CancelOrder():
            return Settled(settlement=Settlement.DONE, code=_code(state), text="the exchange lists no such order")
        case _:
            return Settled(settlement=Settlement.GONE, code=_code(state), text="the exchange lists no such order")


def _place_seen(place: PlaceOrder, seen: ObservedOrder, situation: Situation) -> Settled:
    if not is_the_same_order(place.order, seen, situation.waiting_amends):
        text = f"the exchange holds a different order under {place.order.client_order_id}"
        return Settled(settlement=Settlement.REJECTED, text=text, observed=seen)
    if seen.state is OrderState.REJECTED:
        return Settled(settlement=Settlement.REJECTED, text=seen.reason, observed=seen)
    return Settled(settlement=Settlement.DONE, observed=seen)


def _amend_seen(
    state: RequestState, amend: AmendOrder, seen: ObservedOrder, answer: LaneAnswer, situation: Situation
) -> Verdict:
    if seen.state.terminal:
        return Settled(settlement=Settlement.GONE, code=_code(state), text=seen.reason, observed=seen)
    if state.doubt is Doubt.TRIGGER and state.answer is not None:
        return _trigger_refused(seen.order_side, state.answer, seen)
    if shows_the_target(amend, seen):
        return Settled(settlement=Settlement.DONE, observed=seen)
    if answer.began_at < state.proof_at:
        return _look_again(state, situation)  # it may still arrive
    return _send_again(state, situation)


def _look_again(state: RequestState, situation: Situation) -> TryAgain:
    """Look once more, and not later than when a look proves something."""
    again = _later(state, situation)
    until_proof = state.proof_at - situation.at
    return replace(again, delay_seconds=min(again.delay_seconds, until_proof)) if until_proof > 0 else again


def _send_again(state: RequestState, situation: Situation) -> TryAgain:
    """The request is proven not to be in force: send the same once more, at once the first time, then paced."""
    rounds = state.rounds + 1
    resend = replace(state, step=Step.SEND, doubt=None, proof_at=0.0, answer=None, failures=1, rounds=rounds)
    return TryAgain(state=resend, delay_seconds=0.0 if rounds == 1 else situation.pause(rounds - 1))


def _code(state: RequestState) -> int | None:
    return None if state.answer is None else state.answer.code
