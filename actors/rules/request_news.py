"""Request news: the log lines of a request's way to its outcome, one for each decision.

Enters: requests, states, answers, verdicts. Stays out: writing them. Facts are text or numbers.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from actors.messages.lanes import LaneAnswer
from actors.messages.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder, SetPositionStop, Settlement
from actors.rules.order_outcome import Doubt, RequestState, Settled, Step, TryAgain

News: TypeAlias = tuple[str, dict[str, Any]]  # (event, facts)

_DONE: dict[type, str] = {
    PlaceOrder: "order_placed",
    AmendOrder: "order_amended",
    CancelOrder: "order_cancelled",
    SetPositionStop: "position_stop_set",
}
_VALUES = ("symbol", "order_side", "kind", "quantity", "price", "trigger_price", "attached_stop", "stop_price")


def news_of_outcome(state: RequestState, settled: Settled) -> tuple[News, ...]:
    """Tell what was done or refused, and, of a request that was in doubt, how the doubt ended."""
    outcome = {"settlement": settled.settlement.value, "code": settled.code, "text": settled.text}
    news: list[News] = []
    if settled.settlement is Settlement.DONE:
        news.append((_DONE[type(state.request)], asked_for(state.request)))
    elif settled.settlement is Settlement.DENIED:
        news.append(("request_denied", outcome))
    elif settled.settlement is Settlement.ABSENT:
        news.append(("request_dropped", outcome))
    elif settled.settlement is not Settlement.GONE:
        news.append(("request_rejected", outcome))
    if state.doubt is not None:
        seen = None if settled.observed is None else settled.observed.state.value
        news.append(("request_resolved", {**outcome, "seen": seen}))
    return tuple(news)


def news_of_trying_again(before: RequestState, again: TryAgain, answer: LaneAnswer) -> tuple[News, ...]:
    """Tell of a doubt that begins and of every further sending; further looks are no news."""
    if again.state.doubt is Doubt.NO_ANSWER and before.doubt is None:
        return (("request_unknown", {"error": answer.text}),)
    if before.step is Step.LOOK and again.state.step is Step.LOOK:
        return ()
    facts = {
        "kind": answer.kind.value,
        "code": answer.code,
        "error": answer.text,
        "step": again.state.step.value,
        "delay_seconds": round(again.delay_seconds, 3),
    }
    return (("request_retried", facts),)


def asked_for(request: OrderRequest) -> dict[str, str]:
    """Give the values a request asks for, as text, without those it leaves alone."""
    values = request.order if isinstance(request, PlaceOrder) else request
    found = ((name, getattr(values, name, None)) for name in _VALUES)
    return {name: str(value) for name, value in found if value is not None}
