"""What the command line may ask of a running daemon, answered from the actors. Runs on the control socket's threads.

Every answer is one JSON object: `ok` with what was asked for, or `refused` (the person's input), or `failed` (ours).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeAlias

from actors.desk_guards import TroubleOutside
from actors.messages import addresses, codec
from actors.messages.accounts import AccountSnapshot, SnapshotQuestion
from actors.messages.adopting import AdoptionShown
from actors.messages.guarding import GuardsQuestion, GuardsReading, ReleaseLock, SetProtection, SetSafety
from actors.messages.health import HealthQuestion, HealthReading
from actors.messages.market import PriceQuestion, PriceReading
from actors.messages.trading import (
    ChangeTrade,
    CloseAccepted,
    CloseTrades,
    OpenTrade,
    OrderPreview,
    PreviewTrade,
    TradeAccepted,
    TradeChanged,
    TradeReading,
    TradesQuestion,
)
from actors.model.guarding import SafetyState
from actors.model.screen import Screen
from actors.model.trade_change import TradeChange
from actors.model.trade_plan import TradePlan
from actors.rules import (
    adoption_words,
    change_screens,
    emergency_screen,
    guard_screens,
    health_screen,
    trade_screens,
    verification,
)
from actors.rules.chat_commands import read_change
from actors.rules.refusals import Refusal
from adapters.assembly.daemon import Daemon
from adapters.assembly.verifying import READ_SECONDS, TRADE_SECONDS, findings_of, foreign_of
from adapters.cli.terminal_words import in_a_terminal
from runtime import ActorDead, AskFailed, AskTimeout, Refused

Answer: TypeAlias = dict[str, Any]
ReadPlan: TypeAlias = Callable[[str], TradePlan | tuple[Refusal, ...]]

VERIFY_PAUSE_SECONDS = 1.5

codec.register(TradePlan, OrderPreview, TradeReading, TradeAccepted, TradeChanged)


class Verbs:
    """The daemon as the command line sees it."""

    def __init__(self, daemon: Daemon, read_plan: ReadPlan, about: Answer) -> None:
        self._daemon = daemon
        self._read_plan = read_plan
        self._about = about  # version, mode, accounts: what never changes in a run
        self._verbs: dict[str, Callable[[Answer], Answer]] = {
            "status": self._status,
            "preview": self._preview,
            "open": self._open,
            "close": self._close,
            "change": self._change,
            "adopt": self._adopt,
            "safety": self._safety,
            "protection": self._protection,
            "locks": self._locks,
            "emergency": self._emergency,
            "verify": self._verify,
            "remaining": self._remaining,
            "foreign": self._foreign,
        }

    def handle(self, verb: str, body: Answer) -> Answer:
        """Answer one request; whatever goes wrong becomes an answer, too."""
        act = self._verbs.get(verb)
        if act is None:
            return {"refused": [f"{verb} is not a verb of this daemon; write one of: {', '.join(self._verbs)}"]}
        try:
            answer = act(body)
        except TroubleOutside as trouble:
            return {"failed": in_a_terminal(f"{trouble}")}
        except Refused as refusal:
            return {"refused": [in_a_terminal(line) for line in str(refusal).splitlines()]}
        except AskTimeout as late:
            return {"failed": f"no answer in time ({late}): it may have been done, look at main.py status"}
        except (ActorDead, AskFailed) as error:
            return {"failed": f"{error}: it may have been done, look at main.py status"}
        return {**answer, "text": [in_a_terminal(line) for line in answer["text"]]} if "text" in answer else answer

    def _status(self, _body: Answer) -> Answer:
        ready = self._daemon.ready()
        system = self._daemon.system
        trades: tuple[TradeReading, ...] = (
            system.ask(addresses.DESK, TradesQuestion(), timeout_seconds=READ_SECONDS) if ready else ()
        )
        health = system.ask(addresses.HEALTH, HealthQuestion(), timeout_seconds=READ_SECONDS)
        guards: GuardsReading = system.ask(addresses.DESK, GuardsQuestion(), timeout_seconds=READ_SECONDS)
        now = self._daemon.now()
        return {
            **self._about,
            "ready": ready,
            **_values(guards),
            "trades": [_values(trade) for trade in trades],
            "health": _health(health),
            "text": [
                *guard_screens.standing(guards, now=now),
                *_text(trade_screens.status(trades, self._prices(trades), now=now)),
                "",
                *_text(health_screen.health_screen(health)),
            ],
        }

    def _prices(self, trades: tuple[TradeReading, ...]) -> dict[str, PriceReading]:
        prices = {}
        for symbol in sorted({trade.symbol for trade in trades}):
            try:
                prices[symbol] = self._daemon.system.ask(addresses.PRICES, PriceQuestion(symbol=symbol))
            except (Refused, AskTimeout, ActorDead, AskFailed):
                continue  # shown as unknown
        return prices

    def _plan(self, body: Answer) -> TradePlan:
        plan = self._read_plan(str(body.get("words", "")))
        if isinstance(plan, tuple):
            raise Refused("\n".join(refusal.text for refusal in plan))
        return plan

    def _preview(self, body: Answer) -> Answer:
        preview: OrderPreview = self._daemon.system.ask(
            addresses.DESK, PreviewTrade(plan=self._plan(body)), timeout_seconds=TRADE_SECONDS
        )
        return {"ok": _values(preview), "text": _text(trade_screens.plan_shown(preview))}

    def _open(self, body: Answer) -> Answer:
        question = OpenTrade(command_id=str(body["command_id"]), plan=self._plan(body), by="cli")
        accepted: TradeAccepted = self._daemon.system.ask(addresses.DESK, question, timeout_seconds=TRADE_SECONDS)
        return {"ok": _values(accepted), "text": _text(trade_screens.accepted(accepted))}

    def _close(self, body: Answer) -> Answer:
        question = CloseTrades(which=str(body.get("which", "")), by="cli")
        closing: CloseAccepted = self._daemon.system.ask(addresses.DESK, question, timeout_seconds=TRADE_SECONDS)
        return {"ok": {"closing": list(closing.labels)}}

    def _change(self, body: Answer) -> Answer:
        """Change one trade as a person wishes; with `preview`, only say what would become of it."""
        verb, words = str(body.get("change", "")), [str(each) for each in body.get("words", [])]
        if verb not in {"stop", "breakeven", "target", "answer"}:
            raise Refused(f"{verb!r} is no change of a trade: write stop, breakeven, target or answer")
        change = read_change(verb, words)
        if isinstance(change, str):
            raise Refused(change)
        preview, seen = bool(body.get("preview")), body.get("seen")
        question = ChangeTrade(
            command_id="" if preview else f"cli-{body['command_id']}",
            which=str(body.get("which", "")),
            change=_pinned(change, body),
            by="cli",
            preview=preview,
            seen_price=None if seen is None else Decimal(str(seen)),
        )
        shown: TradeChanged = self._daemon.system.ask(addresses.DESK, question, timeout_seconds=TRADE_SECONDS)
        screen = change_screens.asked_back(shown) if preview else change_screens.changed(shown)
        return {"ok": _values(shown), "text": _text(screen)}

    def _adopt(self, body: Answer) -> Answer:
        """Have what belongs to no trade watched; with `preview`, only say what would become of it."""
        wish = adoption_words.read_wish([str(each) for each in body.get("words", [])], by="cli")
        if isinstance(wish, str):
            raise Refused(wish)
        preview, seen = bool(body.get("preview")), body.get("seen")
        wanted = replace(
            wish,
            command_id="" if preview else f"cli-{body['command_id']}",
            preview=preview,
            seen_quantity=None if seen is None else Decimal(str(seen)),
        )
        answer = self._daemon.system.ask(addresses.DESK, wanted, timeout_seconds=TRADE_SECONDS)
        shown = isinstance(answer, AdoptionShown)
        screen = adoption_words.asked_back(answer) if shown else adoption_words.accepted(answer)
        return {"ok": _values(answer), "text": _text(screen)}

    def _safety(self, body: Answer) -> Answer:
        """Show the safety state; with one named, set it."""
        if not body.get("state"):
            return self._guards(GuardsQuestion(), guard_screens.safety)
        try:
            state = SafetyState(str(body["state"]))
        except ValueError:
            names = ", ".join(each.value for each in SafetyState)
            raise Refused(f"{body['state']} is no safety state: write one of {names}") from None
        why = str(body.get("why", "")).strip()
        if not why:
            raise Refused("the reason is missing: write it beside the state")
        wanted = SetSafety(command_id=f"cli-{body['command_id']}", state=state, why=why, by="cli")
        return self._guards(wanted, guard_screens.safety)

    def _protection(self, body: Answer) -> Answer:
        """Show the protection of others' orders; with on or off, switch it."""
        if "on" not in body:
            return self._guards(GuardsQuestion(), guard_screens.protection)
        why = str(body.get("why", "")).strip()
        if not why:
            raise Refused("the reason is missing: write it beside on or off")
        command_id = f"cli-{body['command_id']}"
        wanted = SetProtection(command_id=command_id, on=body["on"] is True, why=why, by="cli")
        return self._guards(wanted, guard_screens.protection)

    def _locks(self, body: Answer) -> Answer:
        """List the locks; with one named, release it."""
        lock_id = str(body.get("release", ""))
        return self._guards(
            ReleaseLock(lock_id=lock_id, by="cli") if lock_id else GuardsQuestion(), guard_screens.locks
        )

    def _emergency(self, body: Answer) -> Answer:
        """Have every trade of an account left, and nothing new opened. Recorded in one commit, so no crash ends it."""
        account = str(body.get("account", ""))
        wanted = SetSafety(
            command_id=f"cli-{body['command_id']}",
            state=SafetyState.REDUCE_ONLY,
            why=f"emergency on {account}",
            by="cli",
            leave=account or "?",
            everything=body.get("everything") is True,
        )
        self._daemon.system.ask(addresses.DESK, wanted, timeout_seconds=TRADE_SECONDS)
        for trade in self._trades_of(account):  # one whose monitor is set aside hears a person's wish alone
            with suppress(Refused, AskTimeout, ActorDead, AskFailed):
                close = CloseTrades(which=trade.trade_id, by="cli")
                self._daemon.system.ask(addresses.DESK, close, timeout_seconds=READ_SECONDS)
        return self._remaining(body)

    def _trades_of(self, account: str) -> list[TradeReading]:
        trades = self._daemon.system.ask(addresses.DESK, TradesQuestion(), timeout_seconds=TRADE_SECONDS)
        return [trade for trade in trades if trade.account == account]

    def _remaining(self, body: Answer) -> Answer:
        """Tell what is still leaving on an account; when nothing is, what remains there that is not ours."""
        account = str(body.get("account", ""))
        trades, snapshot = self._trades_of(account), None
        if not trades:
            with suppress(Refused, AskTimeout, AskFailed):
                question = SnapshotQuestion(executions_since=None)
                snapshot = self._daemon.system.ask(addresses.client(account), question, timeout_seconds=TRADE_SECONDS)
        guards = self._daemon.system.ask(addresses.DESK, GuardsQuestion(), timeout_seconds=READ_SECONDS)
        clearing = account in guards.clearing
        left = [] if snapshot is None else list(emergency_screen.remaining_lines(snapshot))
        return {
            "ok": {
                "account": account,
                "leaving": [trade.label for trade in trades],
                "clearing": clearing,
                "foreign": None if snapshot is None else left,
            },
            "text": _text(emergency_screen.emergency(account, trades, snapshot, clearing=clearing)),
        }

    def _foreign(self, body: Answer) -> Answer:
        """Name what of an account is not ours."""
        account = str(body.get("account", ""))
        if account not in self._daemon.accounts:
            raise Refused(f"there is no account {account}: write one of {', '.join(self._daemon.accounts)}")
        ask, question = self._daemon.system.ask, SnapshotQuestion(executions_since=None)
        snapshot: AccountSnapshot = ask(addresses.client(account), question, timeout_seconds=TRADE_SECONDS)
        foreign = foreign_of(self._daemon.system, account, {position.symbol for position in snapshot.positions})
        by_side = {(each.symbol, each.side): each.quantity for each in foreign}
        lines = emergency_screen.foreign_lines(snapshot, by_side, self._daemon.identity.installation)
        return {"ok": {"foreign": list(lines)}, "text": _text(emergency_screen.asked_for_everything(account, lines))}

    def _verify(self, body: Answer) -> Answer:
        """Compare the trades with the exchange, twice, moments apart: what is on its way is no finding."""
        about = str(body.get("about", ""))
        abouts = (about,) if about else verification.ABOUTS
        first = self._findings(abouts)
        threading.Event().wait(VERIFY_PAUSE_SECONDS)
        found = verification.lasting(first, self._findings(abouts)) if first else ()
        trades = len(self._daemon.system.ask(addresses.DESK, TradesQuestion(), timeout_seconds=TRADE_SECONDS))
        return {
            "ok": {
                "findings": [{"about": each.about, "subject": each.subject, "text": each.text} for each in found],
                "trades": trades,
                "accounts": list(self._daemon.accounts),
            },
            "text": _text(verification.report(found, trades, self._daemon.accounts)),
        }

    def _findings(self, abouts: tuple[str, ...]) -> tuple[verification.Finding, ...]:
        daemon = self._daemon
        return findings_of(daemon.system, daemon.accounts, installation=daemon.identity.installation, abouts=abouts)

    def _guards(self, question: object, screen: Callable[..., Screen]) -> Answer:
        reading: GuardsReading = self._daemon.system.ask(addresses.DESK, question, timeout_seconds=TRADE_SECONDS)
        return {"ok": _values(reading), "text": _text(screen(reading, now=self._daemon.now()))}


def _pinned(change: TradeChange, body: Answer) -> TradeChange:
    """Give an answer as it was shown: about the very change that was asked back."""
    shown = body.get("shown")
    if not isinstance(shown, dict):
        return change
    price, place = shown.get("price"), shown.get("place")
    return replace(
        change, price=None if price is None else Decimal(str(price)), place=None if place is None else int(place)
    )


def _text(screen: Screen) -> list[str]:
    return [screen.title, *(f"  {line}" for line in screen.lines), *(f"  {row}" for row in screen.table)]


def _values(value: Any) -> Answer:
    """Turn a message into plain JSON values."""
    _, text = codec.encode(value)
    values: Answer = json.loads(text)
    return values


def _health(reading: HealthReading) -> Answer:
    return {
        "verdict": reading.verdict.value,
        "findings": [finding.text for finding in reading.findings],
        "uptime_seconds": round(reading.uptime_seconds, 1),
        "restarts": reading.restarts,
        "dead_letters": reading.dead_letters,
        "streams": [{"name": line.name, "up": line.up, "reason": line.reason} for line in reading.streams],
    }
