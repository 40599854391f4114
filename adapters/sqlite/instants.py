"""Instants as text: UTC with microseconds, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime


def written(at: datetime) -> str:
    """Write an aware instant.

    Raises:
        ValueError: the instant is naive; whose local time it is would be a guess.

    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)
