"""Trade adoption: an adopted trade waits for its backstop to stand, and notes it; then others' stops may go.

Enters: whatever the trade has become. Stays out: whose stop goes when (rules.adopted_stops), the backstop itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.messages import addresses
from actors.messages.accounts import BackstopQuestion, BackstopStanding
from actors.messages.adopting import ProtectionStands
from actors.messages.monitoring import AskAgain
from actors.monitored_trade import RunIdentity
from actors.rules.adopted_stops import awaits_backstop
from actors.trade_changes import TradeChanges
from runtime import Answered, NotAnswered

STANDING_SECONDS = 5.0
LOOK_SECONDS = 0.25
ABOUT = "protection"  # of the reminder


@dataclass(frozen=True, slots=True)
class ProtectionStep:
    """Tag of the question whether the backstop stands."""


class TradeAdoption(TradeChanges):
    __slots__ = ("_looking_at_protection",)

    def __init__(self, *, account: str, symbol: str, trade_id: str, identity: RunIdentity) -> None:
        super().__init__(account=account, symbol=symbol, trade_id=trade_id, identity=identity)
        self._looking_at_protection = False

    def _watch_protection(self) -> None:
        if awaits_backstop(self._known) and not self._looking_at_protection:
            self._look_at_protection()

    def _look_at_protection(self) -> None:
        """Ask behind the slice that told the book of the own stop: what is answered counts that in."""
        trade = self._known
        self._looking_at_protection = awaits_backstop(trade)
        if self._looking_at_protection:
            question = BackstopQuestion(symbol=self._symbol, position_side=trade.side, stop_price=trade.stop_price)
            book = addresses.position_book(self._account)
            self.context.ask(book, question, timeout_seconds=STANDING_SECONDS, tag=ProtectionStep())

    def _on_protection(self, message: Answered | NotAnswered) -> None:
        standing: BackstopStanding | None = message.value if isinstance(message, Answered) else None
        backstop = standing.backstop_price if standing is not None and standing.reaches else None
        if backstop is not None and awaits_backstop(self._known):
            self._looking_at_protection = False
            self._take(ProtectionStands(backstop_price=backstop, seen_at=self.context.now()))
        else:
            self.context.start_timer(f"again/{ABOUT}", LOOK_SECONDS, AskAgain(about=ABOUT))
