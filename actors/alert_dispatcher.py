"""Alert dispatcher: sees that the person is told, the most urgent first, each chat one message at a time.

Enters: the queue of its intake, the courier's outcomes. Stays out: the chat service (the courier's), who is told what
first (rules.alerting). Each attempt is counted in the store before it is made, so that a possible repeat says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.alert_intake import STORE_PAUSE_SECONDS, AlertIntake, Reading
from actors.messages import addresses
from actors.messages.alert_records import AlertGivenUp, AlertsQuestion, AlertsReading, FailedAlert
from actors.messages.alerts import AlertDelivered, AlertNotDelivered, DeliverAlert
from actors.messages.storing import MarkAttempt
from actors.model.alert import Severity
from actors.ports import ChatUp
from actors.rules.alerting import RETRY_MARK, AlertingPolicy, Waiting, wording
from runtime import Answered, NotAnswered, handles
from runtime.circuit_breaker import BreakerState, CircuitBreaker
from runtime.retry import ErrorClass, RetryAfter, RetryPolicy

DELIVERY_SECONDS = 60.0  # over all time limits of one send; past it the outcome is unknown

DEFAULT_POLICY = AlertingPolicy()
DEFAULT_BREAKER = CircuitBreaker(open_seconds=20.0)
# Never gives up. The cap: critical news is due within 30 s of the chat's being back, which nobody need report.
PATIENCE = RetryPolicy(max_attempts=1_000_000_000, base_seconds=1.0, cap_seconds=20.0, jitter=0.2)


@dataclass(frozen=True, slots=True)
class _Pump:
    """A pause is over: something may be sendable."""


@dataclass(frozen=True, slots=True)
class _Marking:
    """Tag of an attempt being counted."""

    chat_id: int
    delivery: int
    effect_key: str


@dataclass(frozen=True, slots=True)
class _Delivering:
    """Tag of a text at the courier."""

    chat_id: int
    delivery: int


@dataclass(slots=True)
class _Delivery:
    """One message on its way to one chat."""

    number: int
    group: tuple[Waiting, ...]
    unmarked: set[str]  # effect keys whose attempt is not counted yet
    breaker_before: CircuitBreaker


@dataclass(slots=True)
class _Line:
    """One chat: one message at a time, patience after failures."""

    delivery: _Delivery | None = None
    not_before: float = 0.0  # monotonic seconds
    throttled: bool = False  # that instant is the chat's own wish
    failures: int = 0  # in a row
    digests: bool = True  # off after a digest was refused, until something goes through


class AlertDispatcher(AlertIntake):
    """One for the daemon, at addresses.ALERT_DISPATCHER."""

    def __init__(
        self,
        *,
        default_chat_id: int | None,
        policy: AlertingPolicy = DEFAULT_POLICY,
        breaker: CircuitBreaker = DEFAULT_BREAKER,
    ) -> None:
        super().__init__(default_chat_id=default_chat_id, policy=policy)
        self._breaker = breaker
        self._lines: dict[int, _Line] = {}
        self._deliveries = 0

    # --- out: choose, count the attempt, hand over --------------------------------------------------------------
    @handles(_Pump)
    def _on_pump(self, _: _Pump) -> None:
        self.pump()

    def pump(self) -> None:
        """Start what may start now, the most urgent chat first, and set the timer for the rest."""
        if not self.ready:
            return
        self.reload_if_wanted()
        now = self.context.monotonic()
        pauses = [self._breaker.retry_after_seconds(at=now)]
        for chat_id, group in self._startable(now) if pauses == [0.0] else ():
            before = self._breaker
            self._breaker, may_send = before.try_call(at=now)
            if not may_send:  # the one before is the probe
                pauses.append(self._breaker.retry_after_seconds(at=now))
                break
            self._start(chat_id, group, before)
        pauses += [line.not_before - now for line in self._lines.values() if line.delivery is None]
        if ahead := [pause for pause in pauses if pause > 0]:
            self.context.start_timer("pump", min(ahead), _Pump())

    def _startable(self, now: float) -> list[tuple[int, tuple[Waiting, ...]]]:
        found: list[tuple[int, tuple[Waiting, ...]]] = []
        for chat_id in self.queue.chats():
            line = self._lines.setdefault(chat_id, _Line())
            if line.delivery is None and line.not_before <= now:
                group = self.queue.next_for(chat_id, at=now, digests=line.digests)
                if group:
                    found.append((chat_id, group))
        return sorted(found, key=lambda each: min(waiting.severity.rank for waiting in each[1]))

    def _start(self, chat_id: int, group: tuple[Waiting, ...], breaker_before: CircuitBreaker) -> None:
        self._deliveries += 1
        keys = {each.effect_key for each in group}
        self._lines[chat_id].delivery = _Delivery(self._deliveries, group, keys, breaker_before)
        for each in group:
            tag = _Marking(chat_id, self._deliveries, each.effect_key)
            self.context.ask(addresses.STORE, MarkAttempt(effect_key=each.effect_key), tag=tag)

    def _on_marked(self, tag: _Marking) -> None:
        """The attempt is on the disk: should this process end now, the next one knows that it may have been made."""
        line, delivery = self._under_way(tag)
        if line is None or delivery is None:
            return
        delivery.unmarked.discard(tag.effect_key)
        if not delivery.unmarked:
            self._hand_over(tag.chat_id, delivery)

    def _hand_over(self, chat_id: int, delivery: _Delivery) -> None:
        words = wording(delivery.group, now=self.context.now(), policy=self.policy)
        deliver = DeliverAlert(
            effect_key=delivery.group[0].effect_key,
            chat_id=chat_id,
            text="\n".join(words.lines),
            title=words.title,
            silent=words.silent,
            commands=words.commands,
        )
        tag = _Delivering(chat_id, delivery.number)
        self.context.ask(addresses.CHAT_COURIER, deliver, timeout_seconds=DELIVERY_SECONDS, tag=tag)

    def _under_way(self, tag: _Marking | _Delivering) -> tuple[_Line | None, _Delivery | None]:
        line = self._lines.get(tag.chat_id)
        if line is None or line.delivery is None or line.delivery.number != tag.delivery:
            return None, None  # an answer to what was given up meanwhile
        return line, line.delivery

    # --- outcomes -----------------------------------------------------------------------------------------------
    @handles(Answered)
    def _on_answered(self, answer: Answered) -> None:
        match answer.tag:
            case Reading():
                self.on_read(answer.tag, answer.value)
            case _Marking():
                self._on_marked(answer.tag)
            case _Delivering():
                self._on_outcome(answer.tag, answer.value)

    @handles(NotAnswered)
    def _on_not_answered(self, silence: NotAnswered) -> None:
        match silence.tag:
            case Reading():
                self.on_not_read(silence.tag, silence.reason)
            case _Marking():
                self._give_back(silence.tag)
            case _Delivering():
                unclear = silence.reason not in {"refused", "dead"}
                outcome = AlertNotDelivered(
                    effect_key="", permanent=False, unclear=unclear, retry_after_seconds=None, text=silence.error
                )
                self._on_outcome(silence.tag, outcome)

    def _give_back(self, tag: _Marking) -> None:
        """The attempt could not be counted, so it was not made."""
        line, delivery = self._under_way(tag)
        if line is None or delivery is None:
            return
        line.delivery = None
        line.not_before = self.context.monotonic() + STORE_PAUSE_SECONDS
        if self._breaker.state is BreakerState.HALF_OPEN:
            self._breaker = delivery.breaker_before  # the probe never left
        self.pump()

    def _on_outcome(self, tag: _Delivering, outcome: AlertDelivered | AlertNotDelivered) -> None:
        line, delivery = self._under_way(tag)
        if line is None or delivery is None:
            return
        line.delivery = None
        if isinstance(outcome, AlertDelivered):
            self._on_delivered(line, delivery, outcome)
        elif outcome.permanent:
            self._on_refused(tag.chat_id, line, delivery, outcome)
        else:
            self._on_failed(line, delivery, outcome)
        self.pump()

    def _on_delivered(self, line: _Line, delivery: _Delivery, outcome: AlertDelivered) -> None:
        self._door_answered()
        line.failures = 0
        line.digests = True
        for each in delivery.group:
            self.counts.delivered += 1
            self.counts.repeats_marked += each.maybe_sent
            self.settle(each.effect_key, "")
            self.context.log.info(
                "tg_sent",
                effect_key=each.effect_key,
                kind=each.alert.kind,
                severity=each.severity.value,
                subject=each.alert.subject,
                message_id=outcome.message_id,
                together=len(delivery.group),
                again=each.maybe_sent,
            )
        self.remember_told()

    def _on_refused(self, chat_id: int, line: _Line, delivery: _Delivery, outcome: AlertNotDelivered) -> None:
        """The chat will never take this text."""
        self._door_answered()
        if len(delivery.group) > 1:
            line.digests = False  # each alone: only what is really refused is given up
            self.context.log.warning("digest_refused", alerts=len(delivery.group), error=outcome.text)
            return
        (only,) = delivery.group
        now = self.context.now()
        failed = FailedAlert(
            effect_key=only.effect_key,
            alert=only.alert,
            chat_id=chat_id,
            raised_at=only.raised_at,
            failed_at=now,
            text=outcome.text,
            retries=int(only.effect_key.partition(RETRY_MARK)[2] or 0),
        )
        self.give_up(failed)
        self.settle(only.effect_key, f"failed: {outcome.text}")
        self.remember_told()
        self.context.log.error("alert_given_up", effect_key=only.effect_key, kind=only.alert.kind, error=outcome.text)
        given_up = AlertGivenUp(effect_key=only.effect_key, chat_id=chat_id, text=outcome.text)
        self.context.tell(addresses.HEALTH, given_up)

    def _on_failed(self, line: _Line, delivery: _Delivery, outcome: AlertNotDelivered) -> None:
        """It did not arrive, or may not have: the same again later."""
        now = self.context.monotonic()
        if outcome.unclear:
            self.queue.mark_maybe_sent(each.effect_key for each in delivery.group)
        if outcome.retry_after_seconds is not None:
            pause = outcome.retry_after_seconds  # a full chat, not a fault
            line.throttled = True
            if self._breaker.state is BreakerState.HALF_OPEN:
                self._door_answered()
        else:
            self._door_stayed_shut(now)
            line.throttled = False
            line.failures += 1
            decided = PATIENCE.after(line.failures, ErrorClass.REPEATABLE, self.context.random)
            pause = decided.delay_seconds if isinstance(decided, RetryAfter) else PATIENCE.cap_seconds
        line.not_before = now + pause
        self.context.log.warning(
            "tg_failed",
            effect_key=delivery.group[0].effect_key,
            together=len(delivery.group),
            unclear=outcome.unclear,
            error=outcome.text,
            retry_in_seconds=round(pause, 3),
        )

    @handles(ChatUp)
    def _on_chat_up(self, _: ChatUp) -> None:
        """The chat is in reach again: what has failed need not wait out its pause, which may be long by now."""
        now = self.context.monotonic()
        self._breaker = self._breaker.pause_cut(at=now)
        for line in self._lines.values():
            if not line.throttled:
                line.not_before = min(line.not_before, now)
        self.pump()

    def _door_answered(self) -> None:
        if self._breaker.state is not BreakerState.CLOSED:
            self.context.log.info("breaker_closed", breaker="chat")
        self._breaker = self._breaker.succeeded()

    def _door_stayed_shut(self, now: float) -> None:
        before, self._breaker = self._breaker, self._breaker.failed(at=now)
        if self._breaker.state is BreakerState.OPEN and before.state is not BreakerState.OPEN:
            self.context.log.warning("breaker_opened", breaker="chat", failures=self._breaker.failures)

    # --- asked by others ------------------------------------------------------------------------------------------
    @handles(AlertsQuestion)
    def _on_question(self, _: AlertsQuestion) -> AlertsReading:
        waiting = self.queue.all()
        now = self.context.monotonic()
        return AlertsReading(
            waiting=len(waiting),
            waiting_critical=sum(each.severity is Severity.CRITICAL for each in waiting),
            spilled=self.queue.spilled,
            oldest_waiting_seconds=max((now - each.taken_at for each in waiting), default=None),
            breaker=self._breaker.state.value,
            raised=self.counts.raised,
            delivered=self.counts.delivered,
            deduplicated=self.counts.deduplicated,
            failed=self.counts.failed,
            repeats_marked=self.counts.repeats_marked,
            default_chat_known=self.default_chat_id is not None,
        )
