"""What a person is told of an order's slices that were not opened. Enters: plans, reasons. Stays out: chat formats."""

from __future__ import annotations

from actors.messages.fanning import FollowMain
from actors.model.alert import Alert, Severity
from actors.model.trade_plan import TradePlan
from actors.rules.trade_names import on_account


def slice_not_opened(plan: TradePlan, trade_id: str, why: str) -> Alert:
    """Tell that one slice of an order stays unopened, and that the others are not touched by it."""
    return Alert(
        kind="slice_not_opened",
        severity=Severity.WARNING,
        key=f"{trade_id}/slice_not_opened",
        title=f"{plan.symbol} {plan.position_side.value}{on_account(plan.account)}: {plan.approach.value} not opened",
        lines=(why, "What else the order opened stays as it is, with its own stop."),
        chat_id=plan.chat_id,
        subject=f"{plan.account}/{plan.symbol}/{plan.position_side.value}/{plan.approach.value}/{trade_id}",
    )


def change_not_followed(follow: FollowMain, why: str) -> Alert:
    """Tell that a mirror's trade did not take over what a person changed on main."""
    account, trade_id = follow.follower.account, follow.follower.trade_id
    return Alert(
        kind="change_not_followed",
        severity=Severity.WARNING,
        key=f"{trade_id}/change_not_followed/{why}",
        title=f"{follow.symbol}{on_account(account)}: your change on main was not taken over",
        lines=(why, f"Trade {trade_id} stays as it is."),
        subject=f"{account}/{follow.symbol}/{trade_id}",
    )
