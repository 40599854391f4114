"""Cell: the permanent pykka actor. The behaviour inside it is what people write and what a restart replaces.

Enters: batches of turns from a dispatcher, commands from the tree, messages from anywhere. Stays out: deciding what a
failure means (supervision) and who runs next (dispatchers).

A batch holds a lease: a list that contains the envelope being handled and nothing between messages. Taking the envelope
out is atomic and decides the outcome once: the worker takes it out when the handler has returned or raised, the
watchdog (or a kill) takes it out when the handler is declared lost. Whoever comes second finds nothing and discards.
"""

from typing import TYPE_CHECKING, Any

import pykka
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from runtime import errors
from runtime.actor import LATER, Actor, Handler
from runtime.asks import ReplyFuture, running
from runtime.commands import Begin, Command, Drained, End, StopMark
from runtime.context import STASH_LIMIT, Context
from runtime.envelope import Cause, Envelope, Lease, Notice
from runtime.events import MailboxOverflowed, MessageRefused
from runtime.failure import crash, crash_outside_handler, discard
from runtime.inspection import inspect
from runtime.mailbox import Mailbox
from runtime.poison import PoisonBook
from runtime.registry import EndFlag, retire
from runtime.spec import ChildSpec
from runtime.virtual_time import conclude_later

if TYPE_CHECKING:
    from runtime.dispatch.port import Dispatcher
    from runtime.environment import Environment


class Cell(pykka.Actor):
    """One place in the tree: address, mailbox and lease outlive every behaviour that runs in it."""

    actor_inbox: Mailbox

    def __init__(self, path: str, spec: ChildSpec, dispatcher: "Dispatcher", environment: "Environment") -> None:
        super().__init__()
        self.actor_stopped = self._actor_ref.actor_stopped = EndFlag()
        self.path = path
        self.spec = spec
        self.urgent = spec.urgent
        self.blocks = spec.blocks
        self.dispatcher = dispatcher
        self.environment = environment
        # pykka draws a random name; ours is readable and the same in every run of a seed.
        self.actor_urn = self._actor_ref.actor_urn = f"urn:actor:{environment.run_id}:{path}"
        self.lease: Lease = []
        self.running_since = 0.0
        self.handled = 0
        self.incarnation = 0
        self.behaviour: Actor | None = None
        self.context: Context | None = None
        self.handlers: dict[type, Handler] = {}
        self._careful = False  # every message is inspected before its handler is looked up
        self.is_stand_in = False
        self.poison: PoisonBook | None = None
        self.undrained = 0  # messages handled since the last on_drained
        self.in_virtual_handler = False  # the handler has returned, its virtual time has not passed yet

    # -- pykka's extension points

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> ReplyFuture:
        return ReplyFuture()

    def _start_actor_loop(self) -> None:
        self.environment.cells[self.path] = self
        self.actor_inbox.attach(self.spec.mailbox, self)

    def adopt(self, foreign: Any) -> None:
        """Take an envelope that came through one of pykka's own references."""
        message, reply_to = foreign.message, foreign.reply_to
        environment = self.environment
        if reply_to is not None:
            reply_to.turn = environment.turn
        if isinstance(message, _ActorStop):
            environment.supervision.stop(self.path, reply_to)
        elif isinstance(message, ProxyCall | ProxyGetAttr | ProxySetAttr):
            refusal = errors.Refused(f"{self.path} takes messages; a proxy reaches into no behaviour")
            if reply_to is not None:
                reply_to.decline("refused", refusal)
        else:
            now = environment.monotonic()
            self.actor_inbox.post(Envelope(message, reply_to, None, next(environment.numbers), now, None))

    # -- the mailbox's owner

    def command(self, command: Command) -> None:
        """Queue a command of the tree's."""
        self.actor_inbox.command(command)

    def stop_after_queued(self, incarnation: int) -> None:
        """Have that behaviour stopped once what is queued by now has been handled."""
        self.actor_inbox.post_notice(self.mark(StopMark(incarnation), None))

    def submit(self) -> None:
        self.dispatcher.submit(self)

    def refuse(self, envelope: Envelope, reason: str) -> None:
        """Answer for a message that the mailbox could not take: dead letter, and the asker is told."""
        if isinstance(envelope.message, Notice):
            return
        if envelope.reply_to is not None:
            fault = errors.ActorDead if reason == "stopped" else errors.Refused
            envelope.reply_to.decline(
                "dead" if reason == "stopped" else "refused", fault(f"{self.path} took no message: {reason}")
            )
        self.environment.undelivered(self.path, envelope, reason)
        dropped = self.actor_inbox.dropped
        if reason in {"mailbox_full", "dropped_oldest"} and dropped & (dropped - 1) == 0:
            policy = type(self.spec.mailbox.overflow).__name__
            self.environment.emit(MailboxOverflowed(path=self.path, policy=policy, dropped=dropped))

    # -- batches

    def run(self, limit: int, seconds: float) -> bool:
        """Run one batch: commands first, then messages. Never raises.

        Returns:
            True when there is more to do: the worker keeps the cell and runs it again, or submits it.

        """
        lease: Lease = []
        self.lease = lease
        mailbox = self.actor_inbox
        system, user = mailbox.system, mailbox.user
        monotonic = self.environment.monotonic
        until = monotonic() + seconds
        taken = 0
        running.cell = self
        try:
            while taken < limit and self.lease is lease and not self.in_virtual_handler:
                if system:
                    taken += 1
                    self._obey(system.pop(0), lease)
                elif self.behaviour is None:
                    break
                elif user:
                    taken += self._handle_queued(lease, limit - taken, until)
                    if monotonic() > until:
                        break
                elif self.undrained:
                    taken += 1
                    self.drain(lease)
                else:
                    break
        except BaseException as error:  # noqa: BLE001 - a fault of the runtime's own must not cost the worker
            crash_outside_handler(self, lease, error)
        finally:
            running.cell = None
        return self.lease is lease and not self.in_virtual_handler and self.rest()

    def rest(self) -> bool:
        """Give the cell back; True when there is more to do and whoever calls still has it."""
        if self.context is not None:
            self.context.let_go()
        ready = self.behaviour is not None
        return (ready and self.undrained > 0) or self.actor_inbox.rest(ready=ready)

    def hand_back(self) -> None:
        """Give the cell back, to be run again if there is more to do."""
        if self.rest():
            self.submit()

    def _handle_queued(self, lease: Lease, limit: int, until: float) -> int:
        """Handle messages until a command comes, the behaviour goes, or the batch is over; return how many were taken.

        The hot path: what is rare is in the methods it calls, and what cannot change while it runs is looked up once.
        """
        behaviour, context = self.behaviour, self.context
        assert behaviour is not None and context is not None  # noqa: S101, PT018 - narrows for the checker
        mailbox, handlers, careful, drains = self.actor_inbox, self.handlers, self._careful, behaviour.drains
        system, user, monotonic = mailbox.system, mailbox.user, self.environment.monotonic
        taken = 0
        while user and taken < limit and not system:
            envelope = user.popleft()
            taken += 1
            started = monotonic()
            handler = handlers.get(envelope.message.__class__)
            if handler is None or careful or envelope.deadline is not None:
                found = inspect(self, envelope, lease, started)
                if found is None:
                    break  # it may have been the mark at which to stop; the batch goes on if there is reason to
                envelope, handler = found
            context.envelope = envelope
            self.running_since = started
            lease.append(envelope)
            try:
                value = handler(behaviour, envelope.message)
            except BaseException as error:  # noqa: BLE001 - whatever a handler raises is this actor's failure alone
                self._raised(lease, context, envelope, error)
                break
            if context.held or envelope.reply_to is not None or value is LATER:
                if not self._returned(lease, context, envelope, value):
                    break
            else:
                try:
                    lease.pop()
                except IndexError:
                    break  # declared lost meanwhile
            self.handled += 1
            if drains and not self.count_undrained(lease):
                break
            if started > until:
                break
        return taken

    def _raised(self, lease: Lease, context: Context, envelope: Envelope, error: BaseException) -> None:
        if context.spent_seconds:
            conclude_later(self, lease, context, envelope, value=None, error=error)
        else:
            self.conclude_raised(lease, context, envelope, error)

    def _returned(self, lease: Lease, context: Context, envelope: Envelope, value: Any) -> bool:
        """Conclude a handler that sent or owes something; True when the next message may be taken."""
        if context.spent_seconds:
            conclude_later(self, lease, context, envelope, value=value, error=None)
            return False
        return self.conclude(lease, context, envelope, value) and self.behaviour is not None

    def count_undrained(self, lease: Lease) -> bool:
        """Count a message towards on_drained, and run it when it is due; True when the next message may be taken."""
        self.undrained += 1
        if self.behaviour is not None and self.undrained >= self.behaviour.drain_every:
            self.drain(lease)
            return self.behaviour is not None and not self.in_virtual_handler
        return True

    # -- after a handler

    def conclude(self, lease: Lease, context: Context, envelope: Envelope, value: Any) -> bool:
        """The handler returned: its sends leave together, then its answer. False when it was declared lost before."""
        try:
            lease.pop()
        except IndexError:
            return False
        deferred = context.deferred
        context.deferred = False
        if value is LATER and not deferred:
            error = errors.RuntimeFault("a handler returned LATER without having called context.defer_reply()")
            crash(self, context, envelope, error)
            return True
        self._send_held(context, envelope)
        if envelope.reply_to is not None and not deferred:
            envelope.reply_to.answer(value)
        return True

    def _send_held(self, context: Context, envelope: Envelope) -> None:
        held = context.held
        if held:
            context.held = []
            context.starting = None
            cause = Cause(envelope.trace, envelope.id, self.path)
            for effect, first, second in held:
                effect(self, cause, first, second)

    def conclude_raised(self, lease: Lease, context: Context, envelope: Envelope, error: BaseException) -> None:
        """The handler raised: nothing leaves. A refusal is an answer, anything else ends this behaviour."""
        try:
            lease.pop()
        except IndexError:
            return
        if not isinstance(error, errors.Refused):
            crash(self, context, envelope, error)
            return
        context.held = []
        context.starting = None
        context.deferred = False
        self.handled += 1
        if envelope.reply_to is not None:
            envelope.reply_to.decline("refused", error)
            return
        self.environment.undelivered(self.path, envelope, "refused", str(error))
        self.environment.emit(
            MessageRefused(
                path=self.path,
                message_type=type(envelope.message).__name__,
                error=str(error),
                trace_id=self.environment.trace_text(envelope.trace),
            )
        )

    def drain(self, lease: Lease) -> None:
        self.undrained = 0
        self._run_hook(lease, Drained(), Actor.on_drained.__name__)

    def _run_hook(self, lease: Lease, mark: Any, hook: str) -> None:
        context, behaviour = self.context, self.behaviour
        if context is None or behaviour is None:
            return
        envelope = self.mark(mark, context.envelope)
        context.envelope = envelope
        self.running_since = envelope.sent_at
        lease.append(envelope)
        error: BaseException | None = None
        try:
            getattr(behaviour, hook)()
        except BaseException as raised:  # noqa: BLE001 - as for any handler
            error = raised
        if context.spent_seconds:
            conclude_later(self, lease, context, envelope, value=None, error=error)
        elif isinstance(mark, End):
            self.conclude_end(lease, context, envelope, error)
        elif error is not None:
            self.conclude_raised(lease, context, envelope, error)
        else:
            self.conclude(lease, context, envelope, None)

    def mark(self, mark: Any, after: Envelope | None) -> Envelope:
        """Make an envelope for what is run though no message asked for it."""
        environment = self.environment
        cause = None if after is None else Cause(after.trace, after.id, self.path)
        return Envelope(mark, None, cause, next(environment.numbers), environment.monotonic(), None)

    # -- commands

    def _obey(self, command: Command, lease: Lease) -> None:
        if isinstance(command, Begin):
            self._begin(command, lease)
        elif isinstance(command, End):
            self.end(command.incarnation, lease)
        elif self.context is None or self.behaviour is None or command.incarnation != self.incarnation:
            return  # too late: that behaviour is gone
        else:
            crash(self, self.context, self.mark(command, None), command.error)

    def _begin(self, command: Begin, lease: Lease) -> None:
        environment = self.environment
        self.running_since = environment.monotonic()
        envelope = Envelope(command, None, command.cause, next(environment.numbers), self.running_since, None)
        if self.context is not None:
            discard(self, self.context)  # one that was cut short before it could be taken down
        context = Context(self, command.incarnation, envelope)
        self.incarnation = command.incarnation
        self.context = context
        self.undrained = 0
        lease.append(envelope)
        behaviour: Actor | None = None
        error: BaseException | None = None
        try:
            behaviour = command.factory()
            behaviour.context = context
            behaviour.on_start()
        except BaseException as raised:  # noqa: BLE001 - factory and on_start fail as handlers do
            error = raised
        if context.spent_seconds:
            conclude_later(self, lease, context, envelope, value=behaviour, error=error)
        else:
            self.conclude_begin(lease, context, envelope, behaviour, error)

    def conclude_begin(
        self, lease: Lease, context: Context, envelope: Envelope, behaviour: Actor | None, error: BaseException | None
    ) -> None:
        try:
            lease.pop()
        except IndexError:
            return
        if error is not None or behaviour is None:
            crash(self, context, envelope, error or errors.RuntimeFault("the factory built nothing"))
            return
        command: Begin = envelope.message
        self.behaviour = behaviour
        self.handlers = behaviour.handlers
        self.is_stand_in = command.is_stand_in
        self.look_closely()
        self._send_held(context, envelope)
        self.environment.supervision.started(self.path, self.incarnation)

    def look_closely(self) -> None:
        """Decide whether messages need more than a look into the handler table; again after an interceptor came."""
        self._careful = (
            self.poison is not None or self.environment.interceptor is not None or self.actor_inbox.coalesces
        )

    def end(self, incarnation: int, lease: Lease) -> None:
        """Stop the behaviour of that incarnation: what it has not yet closed (on_drained), then on_stop."""
        if self.behaviour is not None and incarnation == self.incarnation and self.undrained:
            self.drain(lease)
            if self.in_virtual_handler:
                self.actor_inbox.system.insert(0, End(incarnation))
                return
        if self.behaviour is not None and incarnation == self.incarnation:
            self._run_hook(lease, End(incarnation), Actor.on_stop.__name__)

    def conclude_end(self, lease: Lease, context: Context, envelope: Envelope, error: BaseException | None) -> None:
        try:
            lease.pop()
        except IndexError:
            return
        if error is None:
            self._send_held(context, envelope)
        discard(self, context)
        self.environment.supervision.down(self.path, self.incarnation, error)

    # -- what effects need

    def stash(self, envelope: Envelope) -> None:
        context = self.context
        if context is None:
            return
        if context.stashed is None:
            context.stashed = []
        if len(context.stashed) < STASH_LIMIT:
            context.stashed.append(envelope)
            return
        if envelope.reply_to is not None:
            envelope.reply_to.decline("refused", errors.Refused(f"{self.path} has {STASH_LIMIT} messages stashed"))
        self.environment.undelivered(self.path, envelope, "stash_full")

    def leave_unhandled(self, context: Context, message: Any) -> None:
        envelope = context.envelope
        if envelope.reply_to is not None:
            envelope.reply_to.decline(
                "refused", errors.Refused(f"{self.path} has no handler for {type(message).__name__}")
            )
        self.environment.undelivered(self.path, envelope, "unhandled")

    # -- the end

    def close(self, *, forced: bool) -> None:
        """End for good: the mailbox refuses, pykka's registry forgets, references see a dead actor.

        Forced, a worker that still has the cell loses it without having been declared stuck in a handler.
        """
        if forced:
            self.lease = []
            self.actor_inbox.idle[:] = [None]
        self.actor_stopped.set()
        self.environment.cells.pop(self.path, None)
        retire(self.actor_ref)
        self.actor_inbox.system.clear()
        self.actor_inbox.close("stopped")
        self.dispatcher.release(self)
