"""Health checker: listens to what fails, reads the rest on every beat, and says so when the verdict changes.

Enters: facts of streams, accounts, the chat and the runtime; readings of the tree and the host. Stays out: judging
(rules.health), repairing (each part's own), anything that could block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.messages import addresses
from actors.messages.accounts import ClockOffsetQuestion
from actors.messages.alert_records import AlertGivenUp, AlertsQuestion, AlertsReading
from actors.messages.alerts import RaiseAlert
from actors.messages.health import ActorLine, Finding, HealthQuestion, HealthReading, HostReading, StreamLine, Verdict
from actors.messages.keeping import StoreQuestion, StoreReading
from actors.messages.lanes import AccountFenced, AccountRestored, AccountSuspended
from actors.messages.market import MarketStreamDown, MarketStreamUp
from actors.messages.orders import StreamDown, StreamFaulted, StreamUp
from actors.messages.reports import ReconcileFailed, ReconcileRecovered
from actors.messages.storing import Append, AppendRefused, PromisedEffect
from actors.model.alert import Alert, Severity
from actors.ports import ChatDown, ChatUp, StrangerIgnored
from actors.rules.health import HealthLimits, Readings, Trouble, is_monitor, judge, notes
from actors.trade_watch import Looked, TradeWatch
from runtime import (
    ActorParked,
    ActorRestarted,
    ActorUnparked,
    Answered,
    CellSnapshot,
    DeadLettered,
    MailboxOverflowed,
    NotAnswered,
    RuntimeEvent,
    SupervisorEscalated,
    handles,
)

BEAT_SECONDS = 10.0
OFFSET_SECONDS = 300.0
LATELY_SECONDS = 300.0
STREAM = "health"  # never holds a fact: a stream to promise alerts in
MARKET = "market"
BEATS_TO_BELIEVE = 2  # a change for the better, or to degraded, is told once it lasted this many beats

TOLD_BY_THEMSELVES = {
    "actor_parked",
    "account_suspended",
    "chat_conflict",
    "writes_failing",
}  # each has an alert of its own

DEFAULT_LIMITS = HealthLimits()
_SEVERITIES = {Verdict.OK: Severity.INFO, Verdict.DEGRADED: Severity.WARNING, Verdict.CRITICAL: Severity.CRITICAL}
_TOLD = (
    ActorRestarted,
    ActorParked,
    ActorUnparked,
    MailboxOverflowed,
    DeadLettered,
    SupervisorEscalated,
)


def concerns_health(event: RuntimeEvent) -> bool:
    """Tell whether a runtime event is to be told to the health checker; its own troubles would feed themselves."""
    return isinstance(event, _TOLD) and event.path != addresses.HEALTH


@dataclass(frozen=True, slots=True)
class _Beat:
    """Read everything and judge."""


@dataclass(frozen=True, slots=True)
class _AskOffsets:
    """Ask each account how far the clocks are apart."""


@dataclass(frozen=True, slots=True)
class _Line:
    """How a socket stands since an instant (monotonic seconds)."""

    up: bool
    since: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Heard:
    """Something that was told at an instant (monotonic seconds)."""

    text: str
    at: float


class HealthChecker(TradeWatch):
    """One for the daemon, at addresses.HEALTH."""

    def __init__(
        self,
        *,
        accounts: tuple[str, ...],
        read_tree: Callable[[], tuple[CellSnapshot, ...]],
        read_host: Callable[[], HostReading],
        beat: Callable[[], None],
        limits: HealthLimits = DEFAULT_LIMITS,
        installation: str = "",
    ) -> None:
        """Take the accounts, how to read the tree and the host at once, and what to do on each beat (a watchdog)."""
        super().__init__(accounts=accounts, installation=installation)
        self._accounts = accounts
        self._read_tree = read_tree
        self._read_host = read_host
        self._beat = beat
        self._limits = limits
        self._streams: dict[str, _Line] = {}
        self._suspended: dict[str, _Heard] = {}
        self._fenced: dict[str, _Heard] = {}
        self._unread: dict[str, _Heard] = {}
        self._parked: dict[str, _Heard] = {}
        self._escalated: dict[str, _Heard] = {}
        self._lost: list[tuple[float, int]] = []
        self._dropped: dict[str, int] = {}
        self._given_up: list[float] = []
        self._chat: _Line | None = None
        self._chat_conflict = False
        self._offsets: dict[str, float] = {}
        self._alerts: AlertsReading | None = None
        self._store: StoreReading | None = None
        self._restarts = 0
        self._dead_letters = 0
        self._strangers = 0
        self._told = Verdict.OK
        self._seen = Verdict.OK
        self._seen_beats = 0
        self._since = 0.0
        self._promised = 0

    def on_start(self) -> None:
        self._started = self._since = self.context.monotonic()
        self._run = f"{self.context.now():%Y%m%dT%H%M%S%f}-{self.context.incarnation}"
        self._last = self._judge(self._read_tree())
        self.context.start_timer("beat", 0.0, _Beat(), new_trace=True)
        self.context.start_timer("offsets", 0.0, _AskOffsets(), new_trace=True)
        self.begin_watching()

    # --- the beat -----------------------------------------------------------------------------------------------
    @handles(_Beat)
    def _on_beat(self, _: _Beat) -> None:
        self.context.start_timer("beat", BEAT_SECONDS, _Beat(), new_trace=True)
        self._beat()
        self._forget_the_old()
        tree = self._read_tree()
        self._last = self._judge(tree)
        self.guard_tree(tree)
        self.context.ask(addresses.ALERT_DISPATCHER, AlertsQuestion(), tag="alerts")
        self.context.ask(addresses.STORE, StoreQuestion(), tag="store")
        self._tell_change(self._last.verdict, self._last.findings)

    @handles(_AskOffsets)
    def _on_ask_offsets(self, _: _AskOffsets) -> None:
        self.context.start_timer("offsets", OFFSET_SECONDS, _AskOffsets(), new_trace=True)
        for account in self._accounts:
            path = addresses.client(account)
            self.context.ask(path, ClockOffsetQuestion(), timeout_seconds=15.0, tag=f"offset/{account}")

    @handles(Answered)
    def _on_answered(self, answer: Answered) -> None:
        if isinstance(answer.tag, Looked):
            self.on_looked(answer.tag, answer)
            return
        kind, _, account = str(answer.tag).partition("/")
        if kind == "offset":
            self._offsets[account] = float(answer.value)
        elif isinstance(answer.value, AlertsReading):
            self._alerts = answer.value
        elif isinstance(answer.value, StoreReading):
            self._store = answer.value

    @handles(NotAnswered)
    def _on_not_answered(self, silence: NotAnswered) -> None:
        """What is not known is not shown: an old figure would look like a fresh one."""
        if isinstance(silence.tag, Looked):
            self.on_looked(silence.tag, silence)
            return
        kind, _, account = str(silence.tag).partition("/")
        if kind == "offset":
            self._offsets.pop(account, None)
        elif kind == "store":
            self._store = None
        else:
            self._alerts = None

    def _forget_the_old(self) -> None:
        oldest = self.context.monotonic() - LATELY_SECONDS
        self._lost = [each for each in self._lost if each[0] >= oldest]
        self._given_up = [at for at in self._given_up if at >= oldest]
        self._escalated = {path: heard for path, heard in self._escalated.items() if heard.at >= oldest}

    # --- the verdict --------------------------------------------------------------------------------------------
    @handles(HealthQuestion)
    def _on_question(self, _: HealthQuestion) -> HealthReading:
        self._last = self._judge(self._read_tree())
        return self._last

    def _judge(self, tree: tuple[CellSnapshot, ...]) -> HealthReading:
        now = self.context.monotonic()
        readings = self._readings(tree, now)
        verdict, findings = judge(readings, self._limits)
        if verdict is not self._seen:
            self._seen, self._seen_beats, self._since = verdict, 0, now
        return HealthReading(
            verdict=verdict,
            since_seconds=now - self._since,
            findings=findings,
            notes=notes(readings),
            read_at=self.context.now(),
            uptime_seconds=now - self._started,
            restarts=self._restarts,
            dead_letters=self._dead_letters,
            actors=readings.actors,
            streams=readings.streams,
            clock_offsets=readings.clock_offsets,
            host=readings.host,
            alerts=readings.alerts,
            store=readings.store,
        )

    def _note_parked(self, tree: tuple[CellSnapshot, ...]) -> None:
        """Hold the tree's own word over what was heard: it also knows what was parked before this one began."""
        parked = {cell.path: cell for cell in tree if cell.state == "parked"}
        self._parked = {
            path: self._parked.get(path) or self._heard(cell.last_error or "no word why")
            for path, cell in parked.items()
        }

    def _readings(self, tree: tuple[CellSnapshot, ...], now: float) -> Readings:
        chat = self._chat
        self._note_parked(tree)
        return Readings(
            actors=tuple(_actor_line(cell) for cell in tree if cell.dispatcher),
            streams=tuple(
                StreamLine(name=name, up=line.up, since_seconds=now - line.since, reason=line.reason)
                for name, line in sorted(self._streams.items())
            ),
            suspended=_troubles(self._suspended, now),
            unread=_troubles(self._unread, now),
            fenced=_troubles(self._fenced, now),
            parked=_troubles(self._parked, now),
            escalated=_troubles(self._escalated, now),
            lost_messages=sum(lost for _, lost in self._lost),
            chat_up=None if chat is None else chat.up,
            chat_reason="" if chat is None else chat.reason,
            chat_conflict=self._chat_conflict,
            chat_down_seconds=0.0 if chat is None or chat.up else now - chat.since,
            clock_offsets=tuple(sorted(self._offsets.items())),
            host=self._read_host(),
            alerts=self._alerts,
            store=self._store,
            alerts_given_up=len(self._given_up),
            unprotected=self.unprotected,
            disagreements=self.disagreements,
        )

    def _tell_change(self, verdict: Verdict, findings: tuple[Finding, ...]) -> None:
        """Raise an alert when the verdict changed: at once when critical, else once it lasted."""
        self._seen_beats += 1
        if verdict is self._told or (verdict is not Verdict.CRITICAL and self._seen_beats < BEATS_TO_BELIEVE):
            return
        self.context.log.warning("health_changed", verdict=verdict.value, was=self._told.value)
        self._told = verdict
        worst = {finding.code for finding in findings if finding.verdict is verdict}
        if verdict is Verdict.CRITICAL and worst <= TOLD_BY_THEMSELVES:
            return
        title = {
            Verdict.OK: "All is well again.",
            Verdict.DEGRADED: "Standfast is degraded.",
            Verdict.CRITICAL: "Standfast needs you.",
        }[verdict]
        lines = tuple(finding.text for finding in findings)
        self._raise("health_changed", _SEVERITIES[verdict], f"{verdict.value}/{self._promised}", title, *lines)

    def _raise(self, kind: str, severity: Severity, about: str, title: str, *lines: str) -> None:
        self.promise(Alert(kind=kind, severity=severity, key=f"health/{kind}/{about}", title=title, lines=lines))

    def promise(self, alert: Alert) -> None:
        self._promised += 1
        effect = PromisedEffect(
            key=f"health/{self._run}/{self._promised}",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=self.context.now()),
        )
        self.context.tell(addresses.STORE, Append(stream=STREAM, expected_sequence=0, facts=(), effects=(effect,)))

    @handles(AppendRefused)
    def _on_append_refused(self, refusal: AppendRefused) -> None:
        self.context.log.error("health_alert_refused", reason=refusal.reason, error=refusal.text)

    # --- streams and accounts -------------------------------------------------------------------------------------
    @handles(StreamUp)
    def _on_stream_up(self, fact: StreamUp) -> None:
        self._note_stream(fact.account, up=True)

    @handles(StreamDown)
    def _on_stream_down(self, fact: StreamDown) -> None:
        self._note_stream(fact.account, up=False, reason=fact.reason)

    @handles(MarketStreamUp)
    def _on_market_up(self, _: MarketStreamUp) -> None:
        self._note_stream(MARKET, up=True)

    @handles(MarketStreamDown)
    def _on_market_down(self, fact: MarketStreamDown) -> None:
        self._note_stream(MARKET, up=False, reason=fact.reason)

    @handles(StreamFaulted)
    def _on_stream_faulted(self, _fact: StreamFaulted) -> None:
        """Skipped and logged by the stream itself; a socket that goes on talking is well."""

    def _note_stream(self, name: str, *, up: bool, reason: str = "") -> None:
        known = self._streams.get(name)
        since = known.since if known is not None and known.up is up else self.context.monotonic()
        self._streams[name] = _Line(up, since, reason)

    @handles(AccountSuspended)
    def _on_suspended(self, fact: AccountSuspended) -> None:
        self._suspended[fact.account] = self._heard(fact.text)
        self._raise(
            "account_suspended",
            Severity.CRITICAL,
            fact.account,
            f"Account {fact.account} is refused by the exchange.",
            fact.text,
            "Only stops and exits are still tried, slowly. Check the API key, its rights and its addresses.",
        )

    @handles(AccountRestored)
    def _on_restored(self, fact: AccountRestored) -> None:
        if self._suspended.pop(fact.account, None) is not None:
            title = f"Account {fact.account} is accepted again."
            self._raise("account_restored", Severity.INFO, fact.account, title)

    @handles(AccountFenced)
    def _on_fenced(self, fact: AccountFenced) -> None:
        self._fenced[fact.account] = self._heard(fact.text)

    @handles(ReconcileFailed)
    def _on_reconcile_failed(self, fact: ReconcileFailed) -> None:
        known = self._unread.get(fact.account)
        at = self.context.monotonic() if known is None else known.at
        self._unread[fact.account] = _Heard(f"{fact.text} ({fact.failures} times in a row)", at)

    @handles(ReconcileRecovered)
    def _on_reconcile_recovered(self, fact: ReconcileRecovered) -> None:
        self._unread.pop(fact.account, None)

    def _heard(self, text: str) -> _Heard:
        return _Heard(text, self.context.monotonic())

    # --- the chat ---------------------------------------------------------------------------------------------------
    @handles(ChatUp)
    def _on_chat_up(self, _: ChatUp) -> None:
        self._chat = _Line(up=True, since=self.context.monotonic())
        self._chat_conflict = False

    @handles(ChatDown)
    def _on_chat_down(self, fact: ChatDown) -> None:
        known = self._chat
        since = known.since if known is not None and not known.up else self.context.monotonic()
        self._chat = _Line(up=False, since=since, reason=fact.reason)
        if fact.conflict and not self._chat_conflict:
            title = "Another program takes this chat's messages away."
            advice = "Commands may get lost. Stop the other program, or give one of them a token of its own."
            self._raise("chat_conflict", Severity.CRITICAL, "", title, fact.reason, advice)
        self._chat_conflict = fact.conflict

    @handles(StrangerIgnored)
    def _on_stranger(self, _: StrangerIgnored) -> None:
        self._strangers += 1

    @handles(AlertGivenUp)
    def _on_given_up(self, _: AlertGivenUp) -> None:
        self._given_up.append(self.context.monotonic())

    # --- the runtime ------------------------------------------------------------------------------------------------
    @handles(ActorRestarted)
    def _on_actor_restarted(self, _event: ActorRestarted) -> None:
        self._restarts += 1

    @handles(ActorParked)
    def _on_parked(self, event: ActorParked) -> None:
        self._parked.setdefault(event.path, self._heard(event.error))
        monitor = is_monitor(event.path)
        name = "monitor_parked" if monitor else "actor_parked"
        keeper = "A guardian keeps its stop at the exchange." if event.has_stand_in else "Its work waits."
        self._raise(
            name,
            Severity.CRITICAL if monitor else Severity.WARNING,
            event.path,
            f"{event.path.rpartition('/')[2]} kept failing and is parked.",
            event.error,
            f"{keeper} It is tried again every {event.retry_seconds:.0f} s.",
        )

    @handles(ActorUnparked)
    def _on_unparked(self, event: ActorUnparked) -> None:
        self._parked.pop(event.path, None)
        self._raise("actor_unparked", Severity.INFO, event.path, f"{event.path.rpartition('/')[2]} works again.")

    @handles(MailboxOverflowed)
    def _on_overflowed(self, event: MailboxOverflowed) -> None:
        new = event.dropped - self._dropped.get(event.path, 0)
        self._dropped[event.path] = event.dropped
        self._lost.append((self.context.monotonic(), max(new, 1)))

    @handles(DeadLettered)
    def _on_dead_letter(self, _event: DeadLettered) -> None:
        self._dead_letters += 1

    @handles(SupervisorEscalated)
    def _on_escalated(self, event: SupervisorEscalated) -> None:
        self._escalated[event.path] = self._heard(f"{event.child}: {event.error}")


def _troubles(heard: dict[str, _Heard], now: float) -> tuple[Trouble, ...]:
    return tuple(
        Trouble(subject=subject, text=each.text, since_seconds=now - each.at) for subject, each in sorted(heard.items())
    )


def _actor_line(cell: CellSnapshot) -> ActorLine:
    return ActorLine(
        path=cell.path,
        state=cell.state,
        dispatcher=cell.dispatcher,
        incarnation=cell.incarnation,
        restarts_in_window=cell.restarts_in_window,
        mailbox_depth=cell.mailbox_depth,
        oldest_message_age_seconds=cell.oldest_message_age_seconds if cell.mailbox_depth else None,
        running_handler=cell.running_handler,
        running_seconds=cell.running_seconds if cell.running_handler else None,
        last_error=cell.last_error or None,
    )
