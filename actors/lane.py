"""Lane: one thread with one connection to an account. It makes one call for each message and answers how it ended.

Enters: order requests and questions, and a factory for the port. Stays out: every decision; nothing is retried here,
and nothing is sent under a fence that has fallen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.errors import (
    AccessDenied,
    DuplicateId,
    Fenced,
    Gone,
    OutcomeUnknown,
    OutsideError,
    Rejected,
    Throttled,
    TriggerPassed,
    Unreachable,
)
from actors.messages.accounts import (
    BalanceQuestion,
    ClockOffsetQuestion,
    ClosedPnlQuestion,
    EnsureLeverage,
    OpeningViewQuestion,
    OrderQuestion,
    PriceFromRest,
    PricesFromRest,
    RightsQuestion,
)
from actors.messages.lanes import AnswerKind, ExecutionsReading, LaneAnswer, OpenOrdersReading, PositionsReading
from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder, SetPositionStop
from actors.ports import ExchangePort, FencePort
from runtime import Actor, handles

# Most particular first: the first class that fits names the answer.
_KIND_OF_ERROR: tuple[tuple[type[OutsideError], AnswerKind], ...] = (
    (TriggerPassed, AnswerKind.TRIGGER_PASSED),
    (Gone, AnswerKind.GONE),
    (DuplicateId, AnswerKind.DUPLICATE_ID),
    (Rejected, AnswerKind.REJECTED),
    (Unreachable, AnswerKind.UNREACHABLE),
    (Throttled, AnswerKind.THROTTLED),
    (OutcomeUnknown, AnswerKind.UNKNOWN),
    (AccessDenied, AnswerKind.ACCESS_DENIED),
    (Fenced, AnswerKind.FENCED),
)
_CLASSED = tuple(error_class for error_class, _ in _KIND_OF_ERROR)


class Lane(Actor):
    """Asked by its client only; each question is answered with a LaneAnswer."""

    def __init__(self, *, port_factory: Callable[[], ExchangePort], fence: FencePort) -> None:
        self._port_factory = port_factory
        self._fence = fence

    def on_start(self) -> None:
        self._port = self._port_factory()

    def on_stop(self) -> None:
        self._port.close()

    # --- writes ---------------------------------------------------------------------------------------------------
    @handles(PlaceOrder)
    def _place(self, request: PlaceOrder) -> LaneAnswer:
        return self._call(lambda: self._port.place_order(request.order))

    @handles(AmendOrder)
    def _amend(self, request: AmendOrder) -> LaneAnswer:
        return self._call(lambda: self._port.amend_order(request))

    @handles(CancelOrder)
    def _cancel(self, request: CancelOrder) -> LaneAnswer:
        return self._call(lambda: self._port.cancel_order(request))

    @handles(SetPositionStop)
    def _set_position_stop(self, request: SetPositionStop) -> LaneAnswer:
        return self._call(lambda: self._port.set_position_stop(request))

    @handles(EnsureLeverage)
    def _ensure_leverage(self, request: EnsureLeverage) -> LaneAnswer:
        return self._call(lambda: self._port.set_leverage(request.symbol, request.leverage))

    # --- reads ----------------------------------------------------------------------------------------------------
    @handles(OrderQuestion)
    def _find_order(self, question: OrderQuestion) -> LaneAnswer:
        return self._call(lambda: self._port.find_order(question.symbol, question.client_order_id, question.order_id))

    @handles(OpenOrdersReading)
    def _open_orders(self, _question: OpenOrdersReading) -> LaneAnswer:
        return self._call(self._port.open_orders)

    @handles(PositionsReading)
    def _positions(self, _question: PositionsReading) -> LaneAnswer:
        return self._call(self._port.positions)

    @handles(ExecutionsReading)
    def _executions(self, question: ExecutionsReading) -> LaneAnswer:
        return self._call(lambda: self._port.executions(since=question.since))

    @handles(OpeningViewQuestion)
    def _opening_view(self, question: OpeningViewQuestion) -> LaneAnswer:
        return self._call(lambda: self._port.opening_view(question.symbol))

    @handles(PriceFromRest)
    def _last_price(self, question: PriceFromRest) -> LaneAnswer:
        return self._call(lambda: self._port.last_price(question.symbol))

    @handles(PricesFromRest)
    def _last_prices(self, question: PricesFromRest) -> LaneAnswer:
        return self._call(lambda: self._port.last_prices(question.symbols))

    @handles(RightsQuestion)
    def _key_rights(self, _question: RightsQuestion) -> LaneAnswer:
        return self._call(self._port.key_rights)

    @handles(BalanceQuestion)
    def _balance(self, _question: BalanceQuestion) -> LaneAnswer:
        return self._call(self._port.balance)

    @handles(ClockOffsetQuestion)
    def _clock_offset(self, _question: ClockOffsetQuestion) -> LaneAnswer:
        return self._call(self._port.clock_offset_seconds)

    @handles(ClosedPnlQuestion)
    def _closed_pnl(self, question: ClosedPnlQuestion) -> LaneAnswer:
        return self._call(lambda: self._port.closed_pnl(since=question.since, symbol=question.symbol))

    # --- one call -------------------------------------------------------------------------------------------------
    def _call(self, call: Callable[[], Any]) -> LaneAnswer:
        began_at = self.context.monotonic()
        try:
            self._fence.check()
            return LaneAnswer(kind=AnswerKind.DONE, began_at=began_at, value=call())
        except _CLASSED as error:
            return _answer(error, began_at)
        except BaseException:
            self._port.close()  # the next incarnation builds its own
            raise


def _answer(error: OutsideError, began_at: float) -> LaneAnswer:
    return LaneAnswer(
        kind=next(kind for error_class, kind in _KIND_OF_ERROR if isinstance(error, error_class)),
        began_at=began_at,
        code=error.code,
        text=str(error),
        expected_rise=error.expected_rise if isinstance(error, TriggerPassed) else None,
        until=error.until if isinstance(error, Throttled) else None,
        shared=error.shared if isinstance(error, Throttled) else True,
    )
