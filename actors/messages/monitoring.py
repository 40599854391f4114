"""What a position monitor tells itself and is told by the desk and the positions room."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveNow:
    """Close the trade. Answered True; a trade that is leaving already goes on leaving."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Look again whether something is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStopDue:
    """By now the own stop must cover what is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgain:
    """A question got no answer; put it once more. `about`: a client order id, or "snapshot", "journal"."""

    about: str
