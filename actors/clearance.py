"""Clearance: an emergency that leaves nothing at all on an account, carried on until a reading shows that.

Which accounts are being cleared is recorded with the safety state (desk_guards), so a kill ends nothing: every life of
the desk goes on from a fresh reading. Each request is promised in a commit before it leaves; one about each position
and order is under way at a time. Enters: the record, answers, outcomes. Stays out: what is due (rules.clearance), our
own trades (they leave by themselves first).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot, SnapshotQuestion
from actors.messages.orders import EffectSettled, OrderRequest, Settlement
from actors.messages.storing import Append, PromisedEffect, RegisterQuestion, Settle
from actors.rules import clearance
from runtime import Answered, Context, NotAnswered

ASK_SECONDS = 15.0
LOOK_SECONDS = 2.0
FIRST_LOOK_SECONDS = 4.0  # of a life: what an earlier one asked for has its outcome by then


@dataclass(frozen=True, slots=True)
class ClearingStep:
    """Tag of a question: for which account, and what the answer is for."""

    account: str
    name: str


@dataclass(frozen=True, slots=True)
class ClearOn:
    """A pause is over: look at this account again."""

    account: str


class Clearance:
    """Made anew with each life of the desk, whose context it works through."""

    def __init__(self, context: Context, installation: str, done: Callable[[str], None]) -> None:
        self._context = context
        self._installation = installation
        self._done = done  # records that an account is clear
        self._looking: set[str] = set()
        self._under_way: dict[str, str] = {}  # effect key to subject

    def go_on(self, accounts: frozenset[str], *, first: bool = False) -> None:
        """Look after these accounts until they are clear."""
        for account in sorted(accounts - self._looking):
            self._looking.add(account)
            self._look_in(account, FIRST_LOOK_SECONDS if first else LOOK_SECONDS)

    def _look_in(self, account: str, seconds: float) -> None:
        self._context.start_timer(f"clear/{account}", seconds, ClearOn(account), new_trace=True)

    def look(self, message: ClearOn, wanted: frozenset[str]) -> None:
        account = message.account
        if account not in wanted:
            self._looking.discard(account)
            return
        step = ClearingStep(account, "live")
        question = RegisterQuestion(kind="trade", account=account)
        self._context.ask(addresses.STORE, question, timeout_seconds=ASK_SECONDS, tag=step)

    def on_answer(self, step: ClearingStep, message: Answered | NotAnswered) -> None:
        if isinstance(message, NotAnswered):
            self._look_in(step.account, LOOK_SECONDS)
        elif step.name == "orders":
            self._on_snapshot(step.account, message.value)
        elif message.value:
            self._look_in(step.account, LOOK_SECONDS)  # trades of ours are still leaving
        else:
            question = SnapshotQuestion(executions_since=None)
            client, tag = addresses.client(step.account), ClearingStep(step.account, "orders")
            self._context.ask(client, question, timeout_seconds=ASK_SECONDS, tag=tag)

    def _on_snapshot(self, account: str, snapshot: AccountSnapshot) -> None:
        due = clearance.steps(snapshot, set(self._under_way.values()))
        if due.done:
            self._looking.discard(account)
            self._done(account)
            return
        effects = []
        for position in due.closes:
            name = f"{clearance.PREFIX}{self._installation}-{self._context.new_id()}"
            request: OrderRequest = clearance.close_of(account, position, name)
            effects.append(self._promise(account, clearance.position_subject(position), request))
        effects += [
            self._promise(account, order.order_id, clearance.cancel_of(account, order)) for order in due.cancels
        ]
        if effects:
            self._context.log.warning(
                "clearance_step", account=account, closes=len(due.closes), cancels=len(due.cancels)
            )
            append = Append(stream=f"clear/{account}", expected_sequence=0, facts=(), effects=tuple(effects))
            self._context.tell(addresses.STORE, append)
        self._look_in(account, LOOK_SECONDS)

    def _promise(self, account: str, subject: str, request: OrderRequest) -> PromisedEffect:
        key = f"clear/{account}/{self._context.new_id()}"
        self._under_way[key] = subject
        client = addresses.client(account)
        return PromisedEffect(key=key, destination=client, owner=self._context.path, request=request)

    def on_settled(self, outcome: EffectSettled) -> bool:
        """Take the outcome of one of these requests; False for any other."""
        if not outcome.effect_key.startswith("clear/"):
            return False
        self._under_way.pop(outcome.effect_key, None)
        if outcome.settlement not in {Settlement.DONE, Settlement.GONE}:
            self._context.log.error("clearance_refused", effect_key=outcome.effect_key, text=outcome.text)
        self._context.tell(addresses.STORE, Settle(effect_key=outcome.effect_key, note=outcome.settlement.value))
        return True
