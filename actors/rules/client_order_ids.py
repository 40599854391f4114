"""Client order ids: one written form for whose order it is, of which run, trade, role and revision.

Enters: the parts. Stays out: the exchange, storage, randomness (bits arrive as an argument).

    SF{installation}{epoch}-{trade}-{role}-{revision}      SF7QK2C-7K3Q9X-T1-0

- installation: 4 of 0-9 A-Z, made once per state folder; keeps two daemons, or a restored copy, out of each other's
  orders.
- epoch: base 36 without leading zeros, of the run that first committed the intent. It needs no separator, because the
  installation before it has a fixed length.
- trade: 6 of Crockford's base 32 (no I, L, O, U: a person can read it aloud).
- role: E1, E2 … entries, T1, T2 … targets, S stop-loss, X exit.
- revision: decimal without leading zeros; 0 is the first order of its role, an order placed anew gets the next.

An id is made once, stored with its intent and never recomputed. At most 36 characters of digits, letters, `-` and `_`.
Source: Bybit v5 order/create, `orderLinkId`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_LENGTH = 36

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TRADE_ID_LENGTH = 6
_INSTALLATION_LENGTH = 4

_INSTALLATION = re.compile(rf"[0-9A-Z]{{{_INSTALLATION_LENGTH}}}")
_TRADE_ID = re.compile(rf"[{_CROCKFORD}]{{{_TRADE_ID_LENGTH}}}")
_ROLE = re.compile(r"[ET][1-9][0-9]*|[SX]")
_FORM = re.compile(
    r"SF"
    rf"(?P<installation>{_INSTALLATION.pattern})"
    r"(?P<epoch>0|[1-9A-Z][0-9A-Z]*)"
    rf"-(?P<trade_id>{_TRADE_ID.pattern})"
    rf"-(?P<role>{_ROLE.pattern})"
    r"-(?P<revision>0|[1-9][0-9]*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOrderId:
    """The parts of one of our ids."""

    installation: str
    epoch: int  # 0 and up
    trade_id: str
    role: str  # "E1", "T2", "S", "X"
    revision: int  # 0 and up


def format_client_order_id(*, installation: str, epoch: int, trade_id: str, role: str, revision: int) -> str:
    """Write an id.

    Args:
        installation: 4 of 0-9 A-Z.
        epoch: the run's, 0 and up.
        trade_id: 6 of Crockford's base 32.
        role: what the order does for its trade: "E1" and up, "T1" and up, "S", "X".
        revision: 0 and up.

    Raises:
        ValueError: a part is not of its form, or the whole would be longer than 36 characters.

    >>> format_client_order_id(installation="7QK2", epoch=12, trade_id="7K3Q9X", role="T1", revision=0)
    'SF7QK2C-7K3Q9X-T1-0'

    """
    text = f"SF{installation}{_base36(epoch)}-{trade_id}-{role}-{revision}"
    parts = (installation, _INSTALLATION), (trade_id, _TRADE_ID), (role, _ROLE)
    formed = all(form.fullmatch(part) for part, form in parts) and epoch >= 0 and revision >= 0
    if not formed or len(text) > MAX_LENGTH:
        raise ValueError(f"client order id {text!r}: a part is not of its form, or it is over {MAX_LENGTH} characters")
    return text


@lru_cache(maxsize=1024)  # every report and every reading names the same few orders
def parse_client_order_id(text: str | None) -> ClientOrderId | None:
    """Read an id back; None for anything `format_client_order_id` would not have written."""
    found = _FORM.fullmatch(text) if text and len(text) <= MAX_LENGTH else None
    if found is None:
        return None
    return ClientOrderId(
        installation=found["installation"],
        epoch=int(found["epoch"], 36),
        trade_id=found["trade_id"],
        role=found["role"],
        revision=int(found["revision"]),
    )


def is_ours(text: str | None, installation: str) -> bool:
    """Tell whether this installation made the id; another Standfast's orders are foreign."""
    parsed = parse_client_order_id(text)
    return parsed is not None and parsed.installation == installation


def epoch_of(text: str) -> int:
    """Give the run that first committed the order's intent; 0 for an id that is not of our form."""
    parsed = parse_client_order_id(text)
    return 0 if parsed is None else parsed.epoch


def new_trade_id(random_bits: int) -> str:
    """Write the lowest 30 of the given random bits as a trade id.

    >>> new_trade_id(0), new_trade_id(33), new_trade_id(2**30 - 1)
    ('000000', '000011', 'ZZZZZZ')
    """
    return "".join(_CROCKFORD[(random_bits >> shift) & 31] for shift in range(5 * (_TRADE_ID_LENGTH - 1), -1, -5))


def new_installation(random_bits: int) -> str:
    """Write random bits (21 or more of them) as an installation part.

    >>> new_installation(0), new_installation(36**4 - 1)
    ('0000', 'ZZZZ')
    """
    return _base36(random_bits % 36**_INSTALLATION_LENGTH).rjust(_INSTALLATION_LENGTH, "0")


def _base36(number: int) -> str:
    digits = ""
    while number > 0:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
