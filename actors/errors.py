"""What can go wrong with the outside, classed by what the caller may do next.

Enters: the words of the failed attempt and its address in the vendor's terms (`code`). Stays out: vendor exceptions.
Every message says what was attempted, on what, and what is now true.
"""

from __future__ import annotations

from datetime import datetime


class OutsideError(Exception):
    """The outside did not do what was asked; the subclass says what may be done next."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code  # the venue's own number, None where none was given


class Rejected(OutsideError):
    """The venue said no. The same request again would be refused again."""


class TriggerPassed(Rejected):
    """The trigger price lies behind the market already; `expected_rise` tells which side the venue objected to.

    Source: Bybit 110092 (expected a rising trigger) and 110093 (expected a falling one).
    """

    def __init__(self, message: str, *, expected_rise: bool, code: int | None = None) -> None:
        super().__init__(message, code=code)
        self.expected_rise = expected_rise


class Gone(Rejected):
    """The order is not there to be changed any more: filled, cancelled or unknown. Read it before deciding."""


class DuplicateId(Rejected):
    """The client order id was used before. Success only if a lookup shows our own identical order."""


class Unreachable(OutsideError):
    """Nothing was sent, or a read failed. It may be repeated."""


class Throttled(OutsideError):
    """Over a limit; nothing was executed. It may be repeated after `until` (aware UTC).

    `shared`: other requests of its kind would meet the same. A symbol whose trading is halted concerns itself only.
    """

    def __init__(self, message: str, *, until: datetime, code: int | None = None, shared: bool = True) -> None:
        super().__init__(message, code=code)
        self.until = until
        self.shared = shared


class OutcomeUnknown(OutsideError):
    """It may have happened. Look before repeating."""


class AccessDenied(OutsideError):
    """The venue refuses this key, address or account altogether. Stop using it and call for the person."""


class Denied(OutsideError):
    """Refused by us, before anything was sent."""


class Fenced(OutsideError):
    """Another run holds the state now. This one must not write or trade any more."""


class StaleSequence(OutsideError):
    """The stream has moved on: the writer is an old incarnation and must load again."""


class GuardUsed(OutsideError):
    """A key that may be used once was used before."""

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class StateDamaged(OutsideError):
    """The stored state fails its checks. Nothing was changed; a restore or the person must decide."""
