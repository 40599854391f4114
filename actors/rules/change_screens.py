"""A person's change of a trade as screens: what it would mean, how it was taken.

Enters: the change as it was judged. Stays out: markup, asking, deciding.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.messages.trading import TradeChanged, TradeReading
from actors.model.money import plain
from actors.model.screen import Screen
from actors.model.trade_change import ChangeKind, TradeChange
from actors.rules.chat_commands import confirm_buttons, say_button


def change_words(change: TradeChange) -> str:
    """Name a change as it was asked for."""
    match change.kind:
        case ChangeKind.STOP:
            return f"Stop to {_asked(change)}"
        case ChangeKind.BREAKEVEN:
            return "Stop to breakeven"
        case ChangeKind.TARGET:
            return f"Target {change.place} to {_asked(change)}"
        case ChangeKind.NO_TARGET:
            return f"Target {change.place} away"
        case ChangeKind.NO_STOP:
            return "Stop away"
        case ChangeKind.KEEP:
            return "Keep what was changed at the exchange"
        case ChangeKind.RESTORE:
            return "Restore what was changed at the exchange"


def _asked(change: TradeChange) -> str:
    return "?" if change.price is None else plain(change.price)


def _way(shown: TradeChanged) -> str:
    what = "stop" if shown.change.place is None else f"target {shown.change.place}"
    before = plain(shown.before)
    if shown.change.kind is ChangeKind.RESTORE:
        return f"{what} back to {before}"
    if shown.price is None:
        return f"{what} at {before} away"
    return f"{what} from {before} to {plain(shown.price)}"


def preview(shown: TradeChanged, nonce: str, seconds: float) -> Screen:
    """Show what it would mean, with the buttons that do it or do not."""
    return Screen(
        title=asked_back(shown).title,
        lines=(*shown.lines, "", f"Nothing is changed before you confirm, within {seconds:.0f} s."),
        buttons=confirm_buttons(nonce, _button(shown)),
    )


def asked_back(shown: TradeChanged) -> Screen:
    """Show what it would mean, to one who is asked elsewhere."""
    bare = shown.loosens and shown.price is None
    farther = ", UNPROTECTED" if bare else " FARTHER OUT" if shown.loosens else ""
    return Screen(title=f"#{shown.number}: {_way(shown)}{farther}?", lines=shown.lines)


def _button(shown: TradeChanged) -> str:
    if not shown.loosens:
        return "Confirm"
    return "Risk more" if shown.price is not None else "Run without a stop"


def changed(shown: TradeChanged) -> Screen:
    """Show that it is recorded; that the exchange has it is told when it does."""
    return Screen(
        title=f"#{shown.number}: {_way(shown)}, recorded.",
        lines=(*shown.lines, f"/status {shown.number} shows when it is at the exchange."),
    )


def choose_breakeven(trades: Sequence[TradeReading]) -> Screen:
    """Offer one button a trade that holds something."""
    held = [trade for trade in trades if trade.open_quantity]
    if not held:
        return Screen(title="No trade holds anything, so no stop can go to breakeven.")
    rows = tuple(
        (say_button(f"#{trade.number} {trade.symbol} {trade.position_side}", f"/breakeven {trade.number}"),)
        for trade in held
    )
    return Screen(title="Which stop goes to breakeven?", buttons=rows)
