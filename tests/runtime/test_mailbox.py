"""The mailbox: two lanes, a bound with a stated policy, and never an error or a wait for the sender."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime import Coalesce, DropOldest, MailboxOverflowed, MailboxSpec, Refused, Reject, Restarted, Terminated
from runtime.envelope import Envelope, Notice
from runtime.mailbox import Mailbox
from runtime.testing import Do, Doer, Gate, Record, Stage


@dataclass(frozen=True, slots=True)
class Price:
    symbol: str
    value: int


def by_symbol(message: Any) -> Any:
    return message.symbol if isinstance(message, Price) else None


class Recorder(Doer):
    """Records outside itself what it handles, so that a test can await it without sending more."""

    def __init__(self, record: Record[Any]) -> None:
        super().__init__()
        self.record = record

    def on_unhandled(self, message: Any) -> None:
        self.record.add(message)


def hold(stage: Stage, gate: Gate, path: str) -> None:
    """Have the actor stand at the gate, so that what comes now stays queued."""
    stage.system.tell(path, Do(lambda _: gate.pass_through()))
    gate.wait_entered()


def log_of(stage: Stage, path: str) -> list[Any]:
    return stage.system.ask(path, Do(lambda doer: doer.log))


def test_a_full_mailbox_rejects_the_new_to_the_dead_letters(threads: Stage) -> None:
    record: Record[int] = Record()
    threads.start("doer", lambda: Recorder(record), mailbox=MailboxSpec(capacity=3, overflow=Reject()))
    with Gate().held() as gate:
        hold(threads, gate, "doer")
        for number in range(8):
            threads.system.tell("doer", number)
        assert threads.state_of("doer").mailbox_depth == 3
    letters = [letter.message for letter in threads.system.dead_letters.letters()]
    assert letters == [3, 4, 5, 6, 7]
    assert threads.state_of("doer").mailbox_dropped == 5
    record.wait(int, times=3)
    assert record.all == (0, 1, 2)


def test_an_ask_into_a_full_mailbox_is_refused_at_once(threads: Stage) -> None:
    threads.start("doer", Doer, mailbox=MailboxSpec(capacity=1))
    with Gate().held() as gate:
        hold(threads, gate, "doer")
        threads.system.tell("doer", "fills it")
        with pytest.raises(Refused, match="mailbox_full"):
            threads.system.ask("doer", "one too many")


def test_overflow_is_told_at_powers_of_two_not_for_every_message(threads: Stage) -> None:
    threads.start("doer", Doer, mailbox=MailboxSpec(capacity=1))
    with Gate().held() as gate:
        hold(threads, gate, "doer")
        for number in range(11):
            threads.system.tell("doer", number)
    assert [event.dropped for event in threads.events.of(MailboxOverflowed)] == [1, 2, 4, 8]


def test_a_dropping_mailbox_gives_up_its_oldest(threads: Stage) -> None:
    record: Record[int] = Record()
    threads.start("doer", lambda: Recorder(record), mailbox=MailboxSpec(capacity=3, overflow=DropOldest()))
    with Gate().held() as gate:
        hold(threads, gate, "doer")
        for number in range(8):
            threads.system.tell("doer", number)
    record.wait(int, times=3)
    assert record.all == (5, 6, 7)
    assert threads.system.dead_letters.count(path="doer", reason="dropped_oldest") == 5


def test_a_dropped_question_is_refused(threads: Stage) -> None:
    threads.start("doer", Doer, mailbox=MailboxSpec(capacity=1, overflow=DropOldest()))
    with Gate().held() as gate:
        hold(threads, gate, "doer")
        future = threads.system.address("doer").ref.ask("asked first", block=False)
        threads.system.tell("doer", "pushes it out")
        with pytest.raises(Refused, match="dropped_oldest"):
            future.get(timeout=5)


def test_a_coalescing_mailbox_keeps_the_latest_of_each_key_in_the_first_ones_place(threads: Stage) -> None:
    record: Record[Any] = Record()
    threads.start("doer", lambda: Recorder(record), mailbox=MailboxSpec(capacity=3, overflow=Coalesce(key=by_symbol)))
    with Gate().held() as gate:
        hold(threads, gate, "doer")
        for value in range(1000):
            threads.system.tell("doer", Price("BTC", value))
            threads.system.tell("doer", Price("ETH", -value))
        threads.system.tell("doer", "keyless")
        threads.system.tell("doer", Price("SOL", 1))
    record.wait(str)
    assert record.all == (Price("BTC", 999), Price("ETH", -999), "keyless")
    assert [letter.message for letter in threads.system.dead_letters.letters()] == [Price("SOL", 1)]


def test_what_has_been_taken_is_never_coalesced_into(threads: Stage) -> None:
    threads.start("doer", Doer, mailbox=MailboxSpec(capacity=8, overflow=Coalesce(key=by_symbol)))
    for value in range(3):
        threads.system.tell("doer", Price("BTC", value))
        threads.settle("doer")
    assert log_of(threads, "doer") == [Price("BTC", 0), Price("BTC", 1), Price("BTC", 2)]


@pytest.mark.parametrize("faulty", [lambda message: 1 / 0, lambda message: []])
def test_a_faulty_coalescing_key_never_reaches_the_sender(stage: Stage, faulty: Callable[[Any], Any]) -> None:
    def key(message: Any) -> Any:
        return faulty(message) if isinstance(message, Price) else None

    stage.start("doer", Doer, mailbox=MailboxSpec(overflow=Coalesce(key=key)))
    stage.system.tell("doer", Price("BTC", 1))
    (letter,) = stage.system.dead_letters.letters()
    assert letter.reason.startswith("coalesce_key_failed")
    assert log_of(stage, "doer") == []


def test_commands_overtake_a_full_user_lane(threads: Stage) -> None:
    threads.start("doer", Doer)
    with Gate().held() as gate:
        hold(threads, gate, "doer")
        for number in range(500):
            threads.system.tell("doer", number)
        threads.system.kill("doer")
    threads.events.wait(lambda event: getattr(event, "error", "").startswith("Killed"))
    assert log_of(threads, "doer") == list(range(500))


def test_what_an_actor_asked_for_reaches_it_though_its_mailbox_is_full(threads: Stage) -> None:
    record: Record[Any] = Record()
    threads.start("watched", Doer)
    threads.start("watcher", lambda: Recorder(record), mailbox=MailboxSpec(capacity=1))
    threads.system.ask("watcher", Do(lambda doer: doer.context.watch("watched")))
    with Gate().held() as gate:
        hold(threads, gate, "watcher")
        threads.system.tell("watcher", "fills it")
        threads.system.tell("watched", Do(lambda _: 1 / 0))
        threads.events.wait(lambda event: getattr(event, "incarnation", 0) == 2)
        threads.system.stop_actor("watched")
    record.wait(Terminated)
    assert record.all == (
        "fills it",
        Restarted(path="watched", incarnation=2),
        Terminated(path="watched", incarnation=2, reason="stopped"),
    )


def test_no_message_is_lost_or_doubled_between_many_senders_and_the_pool(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("pool")
    stage.start("doer", Doer, mailbox=MailboxSpec(capacity=100_000))
    address = stage.system.address("doer")

    def send(sender: int) -> None:
        for number in range(2000):
            address.tell((sender, number))

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(20)
    log = stage.system.ask("doer", Do(lambda doer: doer.log), timeout_seconds=20)
    for sender in range(6):
        assert [number for who, number in log if who == sender] == list(range(2000))


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MailboxSpec(capacity=0)


class Meanwhile(list[None]):
    """A place for the token where something happens just before the token is put back."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def append(self, token: None) -> None:
        self._happens()
        super().append(token)


class Owner:
    """A mailbox's owner that counts."""

    def __init__(self) -> None:
        self.submitted = 0
        self.refused: list[tuple[Any, str]] = []

    def submit(self) -> None:
        self.submitted += 1

    def refuse(self, envelope: Envelope, reason: str) -> None:
        self.refused.append((envelope.message, reason))

    def adopt(self, foreign: Any) -> None:
        raise AssertionError(foreign)


def lone_mailbox() -> tuple[Mailbox, Owner]:
    mailbox, owner = Mailbox(), Owner()
    mailbox.attach(MailboxSpec(capacity=4), owner)
    return mailbox, owner


def letter(message: Any) -> Envelope:
    return Envelope(message, None, None, 1, 0.0, None)


def test_a_message_posted_as_the_worker_gives_the_cell_back_is_not_left_lying() -> None:
    mailbox, owner = lone_mailbox()
    mailbox.idle = Meanwhile(lambda: mailbox.post(letter("just then")))  # sees no token: leaves it to the worker
    assert mailbox.rest(ready=True) is True
    assert (len(mailbox.user), owner.submitted, mailbox.idle) == (1, 0, [])


def test_a_command_queued_as_the_worker_gives_the_cell_back_is_not_left_lying() -> None:
    mailbox, owner = lone_mailbox()
    mailbox.idle = Meanwhile(lambda: mailbox.command("now"))
    assert mailbox.rest(ready=False) is True
    assert owner.submitted == 0


def test_a_message_posted_as_the_mailbox_closes_is_refused_all_the_same() -> None:
    mailbox, owner = lone_mailbox()
    mailbox.idle.clear()
    mailbox.close("stopped")
    mailbox.user.append(letter("passed the bound before the close"))
    mailbox.rest(ready=False)
    assert owner.refused == [("passed the bound before the close", "stopped")]


def test_a_message_that_slips_into_a_closed_mailbox_is_refused_by_its_sender() -> None:
    mailbox, owner = lone_mailbox()
    mailbox.close("stopped")
    mailbox.user.append(letter("late"))
    mailbox.wake()
    assert owner.refused == [("late", "stopped")]
    assert owner.submitted == 0


class _News(Notice):
    """Something the runtime itself posts."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class MailboxMachine(RuleBasedStateMachine):
    """A mailbox beside a plain model of it, under every policy: any order of posting, taking, closing, reopening."""

    policy: Any = Reject()
    capacity = 4

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[tuple[Any, str]] = []
        self.submitted = 0
        self.mailbox = Mailbox()
        self.mailbox.attach(MailboxSpec(capacity=self.capacity, overflow=self.policy), self)
        self.model: deque[Any] = deque()
        self.model_refused: list[tuple[Any, str]] = []
        self.model_idle = True
        self.closed = False
        self.number = 0

    # the owner
    def submit(self) -> None:
        self.submitted += 1

    def refuse(self, envelope: Envelope, reason: str) -> None:
        self.refused.append((envelope.message, reason))

    def adopt(self, foreign: Any) -> None:
        raise AssertionError

    def envelope(self, message: Any) -> Envelope:
        self.number += 1
        return Envelope(message, None, None, self.number, 0.0, None)

    @rule(symbol=st.sampled_from("ABCDEF"), value=st.integers(0, 9))
    def post(self, symbol: str, value: int) -> None:
        message = Price(symbol, value)
        self.mailbox.post(self.envelope(message))
        if self.closed:
            self.model_refused.append((message, "parked"))
            return
        if isinstance(self.policy, Coalesce):
            for place, queued in enumerate(self.model):
                if isinstance(queued, Price) and queued.symbol == symbol:
                    self.model[place] = message
                    return
        if len(self.model) < self.capacity:
            self._model_append(message)
            return
        if not isinstance(self.policy, DropOldest):
            self.model_refused.append((message, "mailbox_full"))
            return
        oldest = next((queued for queued in self.model if not isinstance(queued, Notice)), None)
        if oldest is not None:
            self.model.remove(oldest)
            self.model_refused.append((oldest, "dropped_oldest"))
        self._model_append(message)

    @precondition(lambda self: not self.closed)
    @rule()
    def post_notice(self) -> None:
        notice = _News(self.number)
        self.mailbox.post_notice(self.envelope(notice))
        self._model_append(notice)

    def _model_append(self, message: Any) -> None:
        self.model.append(message)
        self.model_idle = False

    @rule(count=st.integers(1, 5))
    def run_batch(self, count: int) -> None:
        if self.model_idle:
            return
        for _ in range(min(count, len(self.model))):
            envelope = self.mailbox.user.popleft()
            self.mailbox.taken(envelope)
            assert envelope.message == self.model.popleft()
        keeps = self.mailbox.rest(ready=True)
        self.model_idle = not self.model
        assert keeps is not self.model_idle

    @precondition(lambda self: not self.closed)
    @rule()
    def close(self) -> None:
        self.mailbox.close("parked")
        self.closed = True
        self.model_refused.extend((message, "parked") for message in self.model)
        self.model.clear()

    @precondition(lambda self: self.closed)
    @rule()
    def reopen(self) -> None:
        self.mailbox.reopen()
        self.closed = False

    @invariant()
    def queue_and_refusals_are_the_models(self) -> None:
        assert [envelope.message for envelope in self.mailbox.user] == list(self.model)
        assert self.refused == self.model_refused

    @invariant()
    def someone_will_run_whatever_is_queued(self) -> None:
        assert self.mailbox.empty() or not self.mailbox.idle

    @invariant()
    def the_token_is_there_once_at_most(self) -> None:
        assert len(self.mailbox.idle) <= 1


class DroppingMachine(MailboxMachine):
    policy = DropOldest()


class CoalescingMachine(MailboxMachine):
    policy = Coalesce(key=by_symbol)


for machine in (MailboxMachine, DroppingMachine, CoalescingMachine):
    machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRejecting = MailboxMachine.TestCase
TestDropping = DroppingMachine.TestCase
TestCoalescing = CoalescingMachine.TestCase
