"""Patch: a change of the running code that can be taken back.

Enters: the object or mapping to change. Stays out: what the change means. A patch whose place is gone says so at once:
a bug that plants nothing would pass for one that cannot be found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from adapters.assembly.simulation.features import NO_FEATURES, Features

_GONE = object()


class Patch:
    """Changes made so far, newest last."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put `value` in the place of an attribute of a class or module.

        Raises:
            LookupError: it has no such attribute of its own.

        """
        before = vars(owner).get(name, _GONE)
        if before is _GONE:
            raise LookupError(
                f"{getattr(owner, '__name__', owner)} has no {name} to patch; the bug must follow the code"
            )
        self._undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)

    def wrap(self, owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace a function by one made from it. Handlers of actors are looked up by class: use `rewire` for them."""
        honest = vars(owner).get(name)
        self.replace(owner, name, make(honest) if isinstance(honest, FunctionType) else honest)
        if not isinstance(honest, FunctionType):
            raise TypeError(f"{getattr(owner, '__name__', owner)}.{name} is no function to wrap")

    def item(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Put `value` in the place of a mapping's entry.

        Raises:
            LookupError: there is no such entry.

        """
        if key not in mapping:
            raise LookupError(f"no entry {key} to patch")
        before = mapping[key]
        self._undo.append(lambda: mapping.__setitem__(key, before))
        mapping[key] = value

    def rewire(self, actor: type, message: type, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace an actor's handler of one message by one made from it."""
        handlers: dict[type, Callable[..., Any]] = vars(actor)["handlers"]
        self.item(handlers, message, make(handlers[message]))

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A mistake somebody could make."""

    name: str
    mistake: str  # in a sentence
    plant: Callable[[Patch], None]
    optioned: float = 0.0  # the share of plans with options in the worlds it is looked for in
    guards: str | None = None  # of these worlds' desks; None: as drawn
    features: Features = NO_FEATURES  # of these worlds

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Have the mistake in the code for a while."""
        patch = Patch()
        try:
            self.plant(patch)
            yield
        finally:
            patch.undo()
