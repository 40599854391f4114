"""Actor: the behaviour people write, one short handler for each message type. A restart builds a new one.

Enters: messages, one at a time, and a `Context` to act through. Stays out: threads, mailboxes, supervision.

    class Counter(Actor):
        def __init__(self) -> None:
            self._count = 0

        @handles(Add)
        def _on_add(self, message: Add) -> None:
            self._count += message.amount

        @handles(HowMany)
        def _on_how_many(self, question: HowMany) -> int:
            return self._count
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final, Never, TypeAlias, TypeVar, cast

from runtime.context import Context
from runtime.errors import ContextNotBound

Handler: TypeAlias = Callable[[Any, Any], Any]  # (behaviour, message) -> answer
_Method = TypeVar("_Method", bound=Callable[..., Any])


class _Later:
    def __repr__(self) -> str:
        return "LATER"


LATER: Final = _Later()  # returned by a handler that took `context.defer_reply()`: the answer comes later


class _UnboundContext:
    """Stands where the context will be; an instance attribute hides it once the cell has bound one."""

    def __get__(self, instance: object, owner: type) -> Never:
        raise ContextNotBound(f"{owner.__name__}.context exists from on_start on, not in __init__")


def handles(*message_types: type) -> Callable[[_Method], _Method]:
    """Mark a method as the handler of these message types (exact types, not their subclasses)."""

    def mark(method: _Method) -> _Method:
        method.__dict__["handled_message_types"] = message_types
        return method

    return mark


class Actor:
    """Base of every behaviour. Subclasses inherit handlers and may override or add to them."""

    handlers: ClassVar[dict[type, Handler]] = {}  # built once for each class
    drain_every: ClassVar[int] = 256  # messages after which on_drained runs though more are waiting
    drains: ClassVar[bool] = False  # whether the class overrides on_drained

    context: Context = cast("Context", _UnboundContext())

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = _handler_table(cls)
        cls.drains = cls.on_drained is not Actor.on_drained

    def on_start(self) -> None:
        """Begin: read durable state, start timers and children. Failing here is a failure like any other."""

    def on_stop(self) -> None:
        """End in order; not called after a crash."""

    def on_drained(self) -> None:
        """Close a run of messages: the mailbox is empty, or `drain_every` messages have been handled since the last."""

    def on_unhandled(self, message: Any) -> Any:
        """Take a message that has no handler; by default it becomes a dead letter, reason "unhandled"."""
        return self.context.leave_unhandled(message)


def _handler_table(cls: type[Actor]) -> dict[type, Handler]:
    """Collect the marked methods, bases first; an override of a marked method keeps its types."""
    table: dict[type, str] = {}
    for base in reversed(cls.__mro__):
        own: set[type] = set()
        for name, member in vars(base).items():
            for message_type in getattr(member, "handled_message_types", ()):
                if message_type in own:
                    raise TypeError(f"{base.__name__} has two handlers for {message_type.__name__}")
                own.add(message_type)
                table[message_type] = name
    return {message_type: getattr(cls, name) for message_type, name in table.items()}
