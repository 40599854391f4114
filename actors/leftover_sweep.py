"""Leftover sweep: when a trade has ended and the protection of others' orders is off, what they left there goes.

One conversation for each trade that ended: where it was, whether another one is live there, what the exchange lists.
The cancels are promised in one commit with the news. A kill before that commit leaves the orders there, which is
harmless: they can close nothing. Enters: ended trades, answers, outcomes. Stays out: which orders (rules.leftovers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot, SnapshotQuestion
from actors.messages.alerts import RaiseAlert
from actors.messages.orders import CancelOrder, EffectSettled, Settlement
from actors.messages.storing import (
    Append,
    LoadStream,
    Perform,
    PromisedEffect,
    RegisterQuestion,
    Settle,
    StoredStream,
    UnsettledQuestion,
)
from actors.messages.trading import TradeOpened
from actors.model.order import ObservedOrder
from actors.rules.leftovers import cleared, leftovers
from runtime import Answered, Context, NotAnswered

ASK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SweepStep:
    """Tag of a question: which ended trade it is about, and what the answer is for."""

    name: str
    trade_id: str = ""
    account: str = ""
    symbol: str = ""


class LeftoverSweep:
    """Made anew with each life of the desk, whose context it works through."""

    def __init__(self, context: Context, installation: str) -> None:
        self._context = context
        self._installation = installation

    def take_up(self, accounts: tuple[str, ...]) -> None:
        """Have cancels that an earlier life promised performed again: the client looks before it sends."""
        for account in accounts:
            question = UnsettledQuestion(destination=addresses.client(account))
            self._ask(addresses.STORE, question, SweepStep("promised", account=account))

    def begin(self, trade_id: str) -> None:
        """Look at the symbol of a trade that has ended."""
        stream = LoadStream(stream=addresses.trade_stream(trade_id))
        self._ask(addresses.STORE, stream, SweepStep("where", trade_id))

    def _ask(self, path: str, question: object, step: SweepStep) -> None:
        self._context.ask(path, question, timeout_seconds=ASK_SECONDS, tag=step)

    def on_answer(self, step: SweepStep, message: Answered | NotAnswered) -> None:
        if isinstance(message, NotAnswered):
            self._context.log.warning("sweep_given_up", trade_id=step.trade_id, step=step.name, error=message.error)
        elif step.name == "promised":
            self._perform_again(message.value)
        elif step.name == "where":
            self._on_where(step, message.value)
        elif step.name == "live":
            self._on_live(step, message.value)
        else:
            self._on_snapshot(step, message.value)

    def _perform_again(self, unsettled: Any) -> None:
        for each in unsettled:
            if each.effect.owner == self._context.path:
                self._context.tell(each.effect.destination, Perform(effect=each.effect, repeat=True))

    def _on_where(self, step: SweepStep, stored: StoredStream) -> None:
        first = stored.facts[0] if stored.facts else None
        if isinstance(first, TradeOpened):
            plan = first.sized.plan
            there = SweepStep("live", step.trade_id, plan.account, plan.symbol)
            self._ask(addresses.STORE, RegisterQuestion(kind="trade", account=plan.account), there)

    def _on_live(self, step: SweepStep, rows: Any) -> None:
        if any(row.symbol == step.symbol for _, row in rows):
            return  # another trade stands there: its end looks again
        there = SweepStep("orders", step.trade_id, step.account, step.symbol)
        self._ask(addresses.client(step.account), SnapshotQuestion(executions_since=None), there)

    def _on_snapshot(self, step: SweepStep, snapshot: AccountSnapshot) -> None:
        found = leftovers(snapshot, step.symbol, self._installation)
        if not found:
            return
        raised = RaiseAlert(
            alert=cleared(step.account, step.symbol, step.trade_id, found), raised_at=self._context.now()
        )
        alert = PromisedEffect(
            key=f"alert/{step.trade_id}/leftovers",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=raised,
        )
        cancels = tuple(self._cancel(step, order) for order in found)
        stream = f"leftovers/{step.trade_id}"
        append = Append(stream=stream, expected_sequence=0, facts=(), effects=(*cancels, alert))
        self._context.tell(addresses.STORE, append)
        self._context.log.info("leftovers_cleared", symbol=step.symbol, account=step.account, orders=len(found))

    def _cancel(self, step: SweepStep, order: ObservedOrder) -> PromisedEffect:
        request = CancelOrder(
            account=step.account,
            trade_id=step.trade_id,
            symbol=step.symbol,
            client_order_id="",
            order_id=order.order_id,
        )
        key = f"leftovers/{step.trade_id}/{order.order_id}"
        client = addresses.client(step.account)
        return PromisedEffect(key=key, destination=client, owner=self._context.path, request=request)

    def on_settled(self, outcome: EffectSettled) -> None:
        if outcome.settlement not in {Settlement.DONE, Settlement.GONE}:
            self._context.log.warning("leftover_stays", effect_key=outcome.effect_key, text=outcome.text)
        self._context.tell(addresses.STORE, Settle(effect_key=outcome.effect_key, note=outcome.settlement.value))
