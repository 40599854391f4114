"""What a state folder belongs to: paper or live, and which accounts. Trades of one never meet the money of another.

Enters: what the store remembers and what this run has found. Stays out: reading either.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.messages import codec

DOCUMENT = "state/binding"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBinding:
    """Kept in the store at the first start."""

    mode: str  # "paper" or "live"
    users: tuple[tuple[str, str], ...]  # (account, the exchange's user id), as far as they could be read


codec.register(StateBinding)


def contradiction(known: StateBinding, found: StateBinding) -> str | None:
    """Say why this run must not use the folder; None when it may."""
    if known.mode != found.mode:
        return (
            f"this state folder belongs to {known.mode} trading and this run is {found.mode}: "
            "name another folder with --state, so that neither meets the other's trades"
        )
    remembered = dict(known.users)
    for account, user in found.users:
        if remembered.get(account, user) != user:
            return (
                f"account {account} is the exchange's user {user}, and this state folder belongs to user "
                f"{remembered[account]}: use that account's key, or name another folder with --state"
            )
    return None


def joined(known: StateBinding, found: StateBinding) -> StateBinding:
    """Remember accounts that are new to the folder."""
    return StateBinding(mode=known.mode, users=tuple(sorted({**dict(found.users), **dict(known.users)}.items())))
