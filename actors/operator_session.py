"""Operator session: what each command of a person's does. One for each chat.

Enters: accepted commands, answers of the desk, the health checker, the prices. Stays out: what words mean
(rules.chat_commands), how things look (rules.trade_screens), trading decisions (the desk's). That each command ends in
one outcome the person sees is the conversation's work, on which this builds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from actors.conversation import Conversation, Step
from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot, SnapshotQuestion
from actors.messages.adopting import AdoptionShown, AdoptPosition
from actors.messages.alert_records import OfferDefaultChat
from actors.messages.guarding import GuardsQuestion, GuardsReading
from actors.messages.health import HealthQuestion
from actors.messages.market import PriceQuestion, PriceReading
from actors.messages.operator import (
    Action,
    AdoptAction,
    ButtonRecord,
    ChangeAction,
    CloseAction,
    EmergencyAction,
    OpenAction,
    PendingCommand,
    ProtectionAction,
    ReleaseAction,
    SafetyAction,
)
from actors.messages.storing import DocumentQuestion, PutDocument, RegisterQuestion, StreamSummary, TakeDocument
from actors.messages.trading import (
    ChangeTrade,
    CloseTrades,
    OrderPreview,
    PreviewTrade,
    TradeAccepted,
    TradeChanged,
    TradeReading,
    TradesQuestion,
)
from actors.model.screen import Screen
from actors.model.trade_plan import TradePlan
from actors.rules import (
    adoption_words,
    change_screens,
    chat_commands,
    emergency_screen,
    guard_screens,
    session_record,
    trade_screens,
)
from actors.rules.ages import span
from actors.rules.chat_commands import (
    AskHealth,
    AskHelp,
    AskLocks,
    AskProtection,
    AskSafety,
    AskStatus,
    AskVersion,
    Command,
    DraftAdopt,
    DraftChange,
    DraftClose,
    DraftEmergency,
    DraftTrade,
    Misunderstood,
    Press,
)
from actors.rules.confirmed_wishes import wish_of
from actors.rules.health_screen import health_screen
from actors.rules.plan_text import parse_plan
from actors.rules.refusals import Refusal
from runtime import NotAnswered, handles

BUTTON_SECONDS = 60.0
PREVIEW_SECONDS = 20.0
DESK_SECONDS = 20.0
DESK_ATTEMPTS = 3
PRICE_SECONDS = 2.0
COMMAND_PREFIX = "chat-"  # before the button's nonce, in the id under which the desk knows a command


class ReadPlan(Protocol):
    """Reads the words behind /trade; `plan_text.parse_plan` with the daemon's settings bound."""

    def __call__(self, text: str, /, *, chat_id: int | None) -> TradePlan | tuple[Refusal, ...]: ...


@dataclass(frozen=True, slots=True)
class _Purge:
    """A button has expired: forget it."""

    nonce: str


@dataclass(slots=True)
class _Work:
    """What is known so far on the way to a command's outcome. Lost with the incarnation; the record is not."""

    command: Command | None = None
    wish: AdoptPosition | None = None  # as read from the command
    trades: tuple[TradeReading, ...] = ()
    registered: tuple[StreamSummary, ...] = ()
    prices: dict[str, PriceReading] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)  # what questions under way are about
    preview: Screen | None = None  # to be shown once its button is kept
    standing: tuple[str, ...] = ()  # what the guards shut, as lines
    results: dict[str, tuple[str, str]] = field(default_factory=dict)  # by trade id: how a close ended, the words
    attempts: int = 0  # at the desk


class OperatorSession(Conversation):
    """At addresses.session(chat_id)."""

    def __init__(self, *, chat_id: int, version: str, read_plan: ReadPlan = parse_plan) -> None:
        super().__init__(chat_id=chat_id)
        self._read_plan = read_plan
        self._version = version
        self._works: dict[int, _Work] = {}

    def _work(self, update_id: int) -> _Work:
        return self._works.setdefault(update_id, _Work())

    @property
    def _by(self) -> str:
        return f"chat:{self._chat_id}"

    def on_ended(self, update_id: int) -> None:
        self._works.pop(update_id, None)

    # --- understanding ------------------------------------------------------------------------------------------
    def begin(self, pending: PendingCommand) -> None:
        if not pending.data:
            self._carry_out(pending, chat_commands.parse(pending.text))
            return
        press = chat_commands.parse_press(pending.data)
        if isinstance(press, Press):
            self._take_button(pending.update_id, press)
        elif press is None:
            lines = ("This button is not one of ours.",)
            self._carry_out(pending, Misunderstood(lines=lines))
        else:
            self._carry_out(pending, chat_commands.parse(press))

    def _carry_out(self, pending: PendingCommand, command: Command) -> None:
        update_id, now = pending.update_id, self.context.now()
        work = self._work(update_id)
        work.command = command
        if chat_commands.acts_on_trades(command) and session_record.is_stale(pending.said_at, now):
            age = span((now - pending.said_at).total_seconds())
            lines = ("Nothing was done. Prices have moved on meanwhile.",)
            self.show(update_id, Screen(title=f"This command is {age} old, send it again.", lines=lines))
            return
        match command:
            case AskHelp():
                if command.welcome:
                    self.context.tell(addresses.ALERT_DISPATCHER, OfferDefaultChat(chat_id=self._chat_id))
                self.show(update_id, chat_commands.help_screen(command))
            case AskVersion():
                self.show(update_id, Screen(title=f"Standfast {self._version}"))
            case Misunderstood():
                self.show(update_id, Screen(title="Not understood", lines=command.lines))
            case AskHealth() | AskStatus():
                step = Step(update_id, "standing")
                self.question(step, addresses.DESK, GuardsQuestion(), timeout_seconds=PRICE_SECONDS)
            case AskSafety() | AskLocks() | AskProtection():
                self.question(Step(update_id, "guards"), addresses.DESK, GuardsQuestion())
            case DraftClose() | DraftChange(which=""):
                self._read_trades(update_id)
            case DraftTrade() | DraftChange() | DraftAdopt() | DraftEmergency():
                self._draft(update_id, command)

    # --- the guards -------------------------------------------------------------------------------------------------
    def _on_standing(self, update_id: int, reading: GuardsReading | None) -> None:
        """Go on to what was asked for, knowing what the guards shut; without an answer there is a line less."""
        work = self._work(update_id)
        if reading is not None:
            work.standing = guard_screens.standing(reading, now=self.context.now())
        if isinstance(work.command, AskHealth):
            self.question(Step(update_id, "health"), addresses.HEALTH, HealthQuestion())
        else:
            self._read_trades(update_id)

    def _on_guards(self, update_id: int, reading: GuardsReading) -> None:
        now = self.context.now()
        match self._work(update_id).command:
            case AskSafety(wanted=wanted, why=why) if wanted is not None:
                action = SafetyAction(safety=wanted, why=why, loosens=wanted.rank < reading.safety.state.rank)
                nonce = self._nonce(update_id)
                if action.loosens:
                    screen = guard_screens.confirm_safety(wanted, why, reading, nonce, now=now)
                    self._offer(update_id, nonce, action, screen)
                else:
                    self._confirm(update_id, nonce, action)
            case AskSafety():
                self.show(update_id, guard_screens.safety(reading, now=now))
            case AskProtection() as asked:
                self._on_protection(update_id, asked, reading)
            case AskLocks(release=lock_id) if lock_id:
                self._draft_release(update_id, lock_id, reading)
            case _:
                self.show(update_id, guard_screens.locks(reading, now=now))

    def _on_protection(self, update_id: int, asked: AskProtection, reading: GuardsReading) -> None:
        now = self.context.now()
        if asked.wanted is None:
            self.show(update_id, guard_screens.protection(reading, now=now))
            return
        nonce, action = self._nonce(update_id), ProtectionAction(protects=asked.wanted, why=asked.why)
        if asked.wanted:
            self._confirm(update_id, nonce, action)
        else:
            screen = guard_screens.confirm_protection(asked.why, reading, nonce, now=now)
            self._offer(update_id, nonce, action, screen)

    def _draft_release(self, update_id: int, lock_id: str, reading: GuardsReading) -> None:
        lock = next((each for each in reading.locks if each.lock_id == lock_id), None)
        if lock is None:
            self.show(update_id, guard_screens.no_such_lock(lock_id, reading))
            return
        nonce = self._nonce(update_id)
        screen = guard_screens.confirm_release(lock, nonce, now=self.context.now())
        self._offer(update_id, nonce, ReleaseAction(lock_id=lock_id), screen)

    def _on_changed(self, update_id: int, reading: GuardsReading) -> None:
        pending, now = self.pending(update_id), self.context.now()
        match None if pending is None else pending.action:
            case ReleaseAction():
                screen = guard_screens.locks(reading, now=now)
            case ProtectionAction():
                screen = guard_screens.protection(reading, now=now)
            case _:
                screen = guard_screens.safety(reading, now=now)
        self.decide(update_id, screen)

    # --- readings -----------------------------------------------------------------------------------------------
    def _read_trades(self, update_id: int) -> None:
        """Ask the desk for the trades, and the register for those whose monitor may not answer."""
        self._work(update_id).awaited = {"register", "trades"}
        self.question(Step(update_id, "trades"), addresses.DESK, TradesQuestion(), timeout_seconds=8.0)
        self.question(Step(update_id, "register"), addresses.STORE, RegisterQuestion(kind="trade"))

    def _on_trades(self, update_id: int, step: Step, value: Any) -> None:
        work = self._work(update_id)
        work.awaited.discard(step.name)
        if step.name == "trades":
            work.trades = value
        else:
            work.registered = tuple(summary for _, summary in value)
        if work.awaited:
            return
        symbols = {trade.symbol for trade in work.trades}
        work.awaited = set(symbols)
        for symbol in sorted(symbols):
            question = PriceQuestion(symbol=symbol)
            self.question(Step(update_id, "price", symbol), addresses.PRICES, question, timeout_seconds=PRICE_SECONDS)
        if not symbols:
            self._on_all_read(update_id)

    def _on_price(self, update_id: int, symbol: str, price: PriceReading | None) -> None:
        work = self._work(update_id)
        if price is not None:
            work.prices[symbol] = price
        work.awaited.discard(symbol)
        if not work.awaited:
            self._on_all_read(update_id)

    def _on_all_read(self, update_id: int) -> None:
        work, now = self._work(update_id), self.context.now()
        match work.command:
            case AskStatus(table=True):
                screen = trade_screens.status_table(work.trades, work.prices, now=now)
                self._show_status(update_id, screen)
            case AskStatus(number=None):
                self._show_status(update_id, trade_screens.status(work.trades, work.prices, now=now))
            case AskStatus(number=number):
                self.show(update_id, trade_screens.status(work.trades, work.prices, now=now, number=number))
            case DraftClose(which=which):
                self._draft_close(update_id, which)
            case DraftChange():
                self.show(update_id, change_screens.choose_breakeven(work.trades))

    def _show_status(self, update_id: int, screen: Screen) -> None:
        work = self._work(update_id)
        screen = trade_screens.with_silent(screen, work.registered, work.trades)
        self.show(update_id, replace(screen, lines=(*work.standing, *screen.lines)))

    # --- drafts: a preview with two buttons -----------------------------------------------------------------------
    def _draft(self, update_id: int, command: DraftTrade | DraftChange | DraftAdopt | DraftEmergency) -> None:
        if isinstance(command, DraftEmergency):
            question = SnapshotQuestion(executions_since=None)
            client = addresses.client(command.account)
            self.question(Step(update_id, "account"), client, question, timeout_seconds=PREVIEW_SECONDS)
            return
        if isinstance(command, DraftAdopt):
            self._draft_adoption(update_id, command)
            return
        if isinstance(command, DraftChange):
            wish = ChangeTrade(command_id="", which=command.which, change=command.change, by=self._by, preview=True)
            self.question(Step(update_id, "weigh"), addresses.DESK, wish, timeout_seconds=PREVIEW_SECONDS)
            return
        plan = self._read_plan(command.words, chat_id=self._chat_id)
        if isinstance(plan, TradePlan):
            step = Step(update_id, "preview")
            self.question(step, addresses.DESK, PreviewTrade(plan=plan), timeout_seconds=PREVIEW_SECONDS)
        else:
            lines = (*(refusal.text for refusal in plan), "", *chat_commands.HELP["trade"])
            self.show(update_id, Screen(title="Not sent: the plan is not complete.", lines=lines))

    def _draft_adoption(self, update_id: int, command: DraftAdopt) -> None:
        wish = adoption_words.read_wish(command.words, by=self._by, chat_id=self._chat_id)
        if isinstance(wish, str):
            lines = (*wish.split("\n"), "", *chat_commands.HELP["adopt"])
            self.show(update_id, Screen(title="Nothing was touched: the wish is not complete.", lines=lines))
            return
        self._work(update_id).wish = wish
        step = Step(update_id, "weigh")
        self.question(step, addresses.DESK, replace(wish, preview=True), timeout_seconds=PREVIEW_SECONDS)

    def _draft_emergency(self, update_id: int, snapshot: AccountSnapshot) -> None:
        command = self._work(update_id).command
        if not isinstance(command, DraftEmergency):
            raise TypeError("an account was read that nobody wants to leave")
        nonce = self._nonce(update_id)
        action = EmergencyAction(account=command.account, everything=command.everything)
        screen = emergency_screen.confirm(snapshot, nonce, BUTTON_SECONDS, everything=command.everything)
        self._offer(update_id, nonce, action, screen)

    def _draft_close(self, update_id: int, which: str) -> None:
        work = self._work(update_id)
        meant = trade_screens.pick(work.trades, which) if which else ()
        if not which:
            self.show(update_id, trade_screens.choose_close(work.trades))
        elif not meant:
            self.show(update_id, trade_screens.nothing_to_close(which, work.trades, work.registered))
        else:
            nonce = self._nonce(update_id)
            action = CloseAction(
                trade_ids=tuple(trade.trade_id for trade in meant), labels=tuple(trade.label for trade in meant)
            )
            preview = trade_screens.close_preview(meant, work.prices, nonce, BUTTON_SECONDS)
            self._offer(update_id, nonce, action, trade_screens.with_silent(preview, work.registered, work.trades))

    def _on_weighed(
        self, update_id: int, weighed: OrderPreview | TradeChanged | AdoptionShown | AccountSnapshot
    ) -> None:
        """Ask back, with what an order, a change, an adoption or an emergency comes to."""
        if isinstance(weighed, AccountSnapshot):
            self._draft_emergency(update_id, weighed)
            return
        nonce, wish = self._nonce(update_id), self._work(update_id).wish
        action: Action
        if isinstance(weighed, AdoptionShown):
            if wish is None:
                raise RuntimeError("an adoption was weighed that nobody asked for")
            action = AdoptAction(wish=replace(wish, seen_quantity=weighed.sized.quantity))
            self._offer(update_id, nonce, action, adoption_words.preview(weighed, nonce, BUTTON_SECONDS))
            return
        if isinstance(weighed, TradeChanged):
            action = ChangeAction(
                trade_id=weighed.trade_id, number=weighed.number, change=weighed.change, seen_price=weighed.before
            )
            self._offer(update_id, nonce, action, change_screens.preview(weighed, nonce, BUTTON_SECONDS))
        else:
            action = OpenAction(plan=weighed.plan)
            self._offer(update_id, nonce, action, trade_screens.preview(weighed, nonce, BUTTON_SECONDS))

    def _nonce(self, update_id: int) -> str:
        """Give the button's name. Asked again after a crash, both questions confirm the one command."""
        pending = self.pending(update_id)
        return (pending.nonce if pending is not None else "") or self.context.new_id()

    def _offer(self, update_id: int, nonce: str, action: Action, preview: Screen) -> None:
        """Keep what the button means, then show it."""
        self._work(update_id).preview = preview
        expires_at = self.context.now() + timedelta(seconds=BUTTON_SECONDS)
        button = ButtonRecord(nonce=nonce, chat_id=self._chat_id, action=action, expires_at=expires_at)
        self.question(Step(update_id, "offer", nonce), addresses.STORE, PutDocument(name=_button(nonce), body=button))
        self.context.start_timer(f"purge/{nonce}", 2 * BUTTON_SECONDS, _Purge(nonce), new_trace=True)

    @handles(_Purge)
    def _on_purge(self, purge: _Purge) -> None:
        self._forget_button(purge.nonce)

    def _forget_button(self, nonce: str) -> None:
        self.context.ask(addresses.STORE, TakeDocument(name=_button(nonce)), tag=_Purge(nonce))

    # --- a pressed button -----------------------------------------------------------------------------------------
    def _take_button(self, update_id: int, press: Press) -> None:
        """Find out what a button means. A confirmed one is kept until that is in the record: a crash loses no press."""
        name = _button(press.nonce)
        if press.confirmed:
            self.question(Step(update_id, "confirm", press.nonce), addresses.STORE, DocumentQuestion(name=name))
        else:
            self.question(Step(update_id, "cancel", press.nonce), addresses.STORE, TakeDocument(name=name))

    def _on_button(self, step: Step, value: Any) -> None:
        button = value if isinstance(value, ButtonRecord) and value.chat_id == self._chat_id else None
        if button is None:
            self.show_apart(step.update_id)  # the message may show the outcome of its first use
            lines = ("This press did nothing. Write the command again.",)
            self.show(step.update_id, Screen(title="This button was used or has expired.", lines=lines))
        elif step.name == "cancel":
            self.show(step.update_id, Screen(title=f"{_what(button.action)}: cancelled, nothing was sent."))
        elif button.expires_at <= self.context.now():
            lines = ("Nothing was sent. Write the command again.",)
            self.show(step.update_id, Screen(title=f"{_what(button.action)}: the button has expired.", lines=lines))
        else:
            self._confirm(step.update_id, button.nonce, button.action)

    def _confirm(self, update_id: int, nonce: str, action: Action) -> None:
        """Keep what is to be done, then do it."""
        command_id = f"{COMMAND_PREFIX}{nonce}"
        confirmed = session_record.confirm(
            self.known, update_id, command_id=command_id, action=action, at=self.context.now()
        )
        self.change_first(update_id, confirmed, lambda: self._on_confirmed(update_id))

    def _on_confirmed(self, update_id: int) -> None:
        pending = self.pending(update_id)
        if pending is not None:
            self.proceed(pending)

    def proceed(self, pending: PendingCommand) -> None:
        """Ask the desk for what was confirmed. The stored ids make a repeat harmless."""
        update_id, by = pending.update_id, self._by
        work = self._work(update_id)
        work.attempts += 1
        self._forget_button(pending.command_id.removeprefix(COMMAND_PREFIX))
        action = pending.action
        if isinstance(action, CloseAction):
            unknown = {each for each in action.trade_ids if work.results.get(each, ("unknown",))[0] == "unknown"}
            work.awaited = unknown
            for trade_id in action.trade_ids:
                if trade_id in unknown:
                    close = CloseTrades(which=trade_id, by=by)
                    self.question(
                        Step(update_id, "close", trade_id), addresses.DESK, close, timeout_seconds=DESK_SECONDS
                    )
        elif action is not None:
            name, wish = wish_of(action, command_id=pending.command_id, by=by, asked_at=pending.confirmed_at)
            self.question(Step(update_id, name), addresses.DESK, wish, timeout_seconds=DESK_SECONDS)

    def _on_close_answer(self, step: Step, result: str, text: str) -> None:
        work = self._work(step.update_id)
        work.results[step.about] = (result, text)
        work.awaited.discard(step.about)
        pending = self.pending(step.update_id)
        if work.awaited or pending is None or not isinstance(pending.action, CloseAction):
            return
        if any(result == "unknown" for result, _ in work.results.values()) and work.attempts < DESK_ATTEMPTS:
            self.later(Step(step.update_id, "close"))
            return
        names = zip(pending.action.trade_ids, pending.action.labels, strict=True)
        self.decide(
            step.update_id, trade_screens.closing([(label, *work.results[trade_id]) for trade_id, label in names])
        )

    def _on_open_silence(self, step: Step, silence: NotAnswered) -> None:
        work = self._work(step.update_id)
        pending = self.pending(step.update_id)
        if pending is None or pending.action is None:
            return
        if silence.reason == "refused":
            self.decide(step.update_id, trade_screens.refused(_what(pending.action), silence.error))
        elif work.attempts < DESK_ATTEMPTS:
            self.later(step)
        else:
            self.decide(step.update_id, trade_screens.unknown(_what(pending.action), silence.error))

    def too_late(self, pending: PendingCommand, age: str) -> None:
        safer = isinstance(pending.action, SafetyAction) and not pending.action.loosens
        if safer or isinstance(pending.action, EmergencyAction):
            self.proceed(pending)  # what makes safer is never too late
        elif pending.action is not None:
            text = f"It was confirmed {age} ago and the daemon stopped meanwhile; it was not sent again so late."
            self.decide(pending.update_id, trade_screens.unknown(_what(pending.action), text))

    # --- answers and silences ---------------------------------------------------------------------------------------
    def on_step(self, step: Step, value: Any) -> None:
        update_id, work = step.update_id, self._work(step.update_id)
        match step.name:
            case "standing" | "guards" | "change" as step_name:
                then = {"standing": self._on_standing, "guards": self._on_guards, "change": self._on_changed}
                then[step_name](update_id, value)
            case "health":
                self.show(update_id, health_screen(value, work.standing))
            case "trades" | "register":
                self._on_trades(update_id, step, value)
            case "price":
                self._on_price(update_id, step.about, value)
            case "preview" | "weigh" | "account":
                self._on_weighed(update_id, value)
            case "offer" if work.preview is not None:
                self.show(update_id, work.preview)
            case "confirm" | "cancel":
                self._on_button(step, value)
            case "open" | "alter":
                self.decide(update_id, _outcome(value))
            case "close":
                self._on_close_answer(step, "leaving", "")

    def on_silent_step(self, step: Step, silence: NotAnswered) -> None:
        update_id, refused = step.update_id, silence.reason == "refused"
        work = self._work(update_id)
        match step.name:
            case "standing":
                self._on_standing(update_id, None)
            case "price":
                self._on_price(update_id, step.about, None)
            case "preview" if refused:
                self.show(update_id, trade_screens.refused("Open", silence.error))
            case "account" if silence.reason == "dead" and isinstance(work.command, DraftEmergency):
                nothing = Screen(
                    title=f"There is no account {work.command.account}.",
                    lines=("Nothing was closed. /status names the accounts of open trades.",),
                )
                self.show(update_id, nothing)
            case "weigh" if refused:
                self.show(update_id, trade_screens.refused(_what_is_meant(work.command), silence.error))
            case "open" | "change" | "alter":
                self._on_open_silence(step, silence)
            case "close":
                self._on_close_answer(step, "refused" if refused else "unknown", silence.error)
            case "confirm" | "cancel":
                self.later(step)
            case _:
                lines = (silence.error, "Nothing was changed. Try again in a moment.")
                self.show(update_id, Screen(title="No answer from inside the daemon.", lines=lines))

    def on_step_again(self, step: Step) -> None:
        pending = self.pending(step.update_id)
        if pending is None:
            return
        if step.name in {"open", "close", "change", "alter"}:
            self.proceed(pending)
        else:
            self._take_button(step.update_id, Press(nonce=step.about, confirmed=step.name == "confirm"))


def _outcome(value: TradeAccepted | TradeChanged) -> Screen:
    if isinstance(value, TradeChanged):
        return change_screens.changed(value)
    adopted = value.sized.plan.adopted is not None
    return adoption_words.accepted(value) if adopted else trade_screens.accepted(value)


def _what_is_meant(command: Command | None) -> str:
    if isinstance(command, DraftAdopt):
        return "Adopt"
    if not isinstance(command, DraftChange):
        return "Change"
    return f"#{command.which} {change_screens.change_words(command.change)}"


def _button(nonce: str) -> str:
    return f"button/{nonce}"


def _what(action: Action) -> str:
    match action:
        case OpenAction(plan=plan):
            return f"Open {plan.symbol} {plan.position_side.value}"
        case CloseAction(labels=labels):
            return "Close " + ", ".join(labels)
        case SafetyAction(safety=state):
            return f"Safety state {state.value}"
        case EmergencyAction(account=account):
            return f"Emergency on {account}"
        case ProtectionAction(protects=on):
            return f"Protection of others' orders {'on' if on else 'off'}"
        case ChangeAction(number=number, change=change):
            return f"#{number} {change_screens.change_words(change)}"
        case AdoptAction(wish=wish):
            return adoption_words.words_of(wish)
        case ReleaseAction(lock_id=lock_id):
            return f"Release lock {lock_id}"
