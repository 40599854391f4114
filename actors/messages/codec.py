"""Messages as JSON and back: what the journal, the outbox and the documents keep.

Enters: the frozen dataclasses registered here, by class name. Stays out: anything else (a KeyError naming it).
A name once written to a journal stays readable: rename a class and its old name must go on decoding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

_REGISTERED: dict[str, type[Any]] = {}


def register(*kinds: type[Any]) -> None:
    """Make these dataclasses storable. Two classes of one name are a programming error (ValueError)."""
    for kind in kinds:
        known = _REGISTERED.setdefault(kind.__name__, kind)
        if known is not kind:
            raise ValueError(f"two message types are called {kind.__name__}: {known!r} and {kind!r}")


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(_REGISTERED[name])
    except KeyError:
        raise KeyError(f"{name} is not a registered message type; add it to codec.register") from None


def encode(value: Any) -> tuple[str, str]:
    """Give a registered value's type name and its JSON text (Decimals as strings, instants in ISO 8601)."""
    name = type(value).__name__
    return name, _adapter(name).dump_json(value).decode()


def decode(name: str, text: str) -> Any:
    """Rebuild the value `encode` wrote; equal to the original."""
    return _adapter(name).validate_json(text)
