"""An actor runtime on pykka that has never heard of what its actors are for. This is its public face.

A pykka actor is a permanent cell; the behaviour inside is what people write and what a restart replaces.
"""

from runtime.actor import LATER, Actor, handles
from runtime.address import Address
from runtime.clock import Clock, SystemClock, VirtualClock
from runtime.context import Context, Reply
from runtime.dead_letters import DeadLetter, DeadLetters
from runtime.dispatch.deterministic import DeterministicDispatcher, RanTooLong, Step
from runtime.dispatch.pooled import PooledDispatcher
from runtime.dispatch.port import Dispatcher
from runtime.dispatch.threaded import ThreadedDispatcher
from runtime.environment import InjectedFault
from runtime.errors import (
    ActorDead,
    AskFailed,
    AskTimeout,
    BlockingAskInActor,
    ChildEscalated,
    ContextNotBound,
    HandlerOverran,
    Killed,
    Refused,
    RuntimeFault,
)
from runtime.events import (
    ActorParked,
    ActorRestarted,
    ActorStarted,
    ActorStopped,
    ActorUnparked,
    DeadLettered,
    HandlerLost,
    HandlerSlow,
    MailboxOverflowed,
    MessageRefused,
    RuntimeEvent,
    StopFailed,
    SupervisorEscalated,
    WorkerReplaced,
)
from runtime.lifecycle import StopReport
from runtime.notices import Answered, NotAnswered, Restarted, Terminated
from runtime.restart_policy import Backoff, Intensity
from runtime.snapshot import CellSnapshot
from runtime.spec import (
    ONE_FOR_ONE,
    PERMANENT,
    REST_FOR_ONE,
    TEMPORARY,
    TRANSIENT,
    ChildSpec,
    Coalesce,
    DropOldest,
    MailboxSpec,
    OnExhausted,
    Parking,
    PoisonPolicy,
    Reject,
    RestartType,
    Spec,
    Strategy,
    SupervisorSpec,
)
from runtime.system import ActorSystem, tune_interpreter

__all__ = [
    "LATER",
    "ONE_FOR_ONE",
    "PERMANENT",
    "REST_FOR_ONE",
    "TEMPORARY",
    "TRANSIENT",
    "Actor",
    "ActorDead",
    "ActorParked",
    "ActorRestarted",
    "ActorStarted",
    "ActorStopped",
    "ActorSystem",
    "ActorUnparked",
    "Address",
    "Answered",
    "AskFailed",
    "AskTimeout",
    "Backoff",
    "BlockingAskInActor",
    "CellSnapshot",
    "ChildEscalated",
    "ChildSpec",
    "Clock",
    "Coalesce",
    "Context",
    "ContextNotBound",
    "DeadLetter",
    "DeadLettered",
    "DeadLetters",
    "DeterministicDispatcher",
    "Dispatcher",
    "DropOldest",
    "HandlerLost",
    "HandlerOverran",
    "HandlerSlow",
    "InjectedFault",
    "Intensity",
    "Killed",
    "MailboxOverflowed",
    "MailboxSpec",
    "MessageRefused",
    "NotAnswered",
    "OnExhausted",
    "Parking",
    "PoisonPolicy",
    "PooledDispatcher",
    "RanTooLong",
    "Refused",
    "Reject",
    "Reply",
    "RestartType",
    "Restarted",
    "RuntimeEvent",
    "RuntimeFault",
    "Spec",
    "Step",
    "StopFailed",
    "StopReport",
    "Strategy",
    "SupervisorEscalated",
    "SupervisorSpec",
    "SystemClock",
    "Terminated",
    "ThreadedDispatcher",
    "VirtualClock",
    "WorkerReplaced",
    "handles",
    "tune_interpreter",
]
