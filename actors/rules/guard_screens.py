"""The guards as screens: the safety state, the locks, and the line every other screen carries when they shut.

Enters: a reading. Stays out: markup, asking, deciding.
"""

from __future__ import annotations

from datetime import datetime

from actors.messages.guarding import GuardsReading
from actors.model.guarding import Lock, Protection, Safety, SafetyState
from actors.model.screen import Screen
from actors.rules.ages import span
from actors.rules.chat_commands import confirm_buttons, say_button
from actors.rules.guard_news import means, protection_means, what_is_shut

DRY = "DRY RUN: new orders pass every check and are not sent; open trades are watched as ever."


def standing(reading: GuardsReading, *, now: datetime) -> tuple[str, ...]:
    """Give the lines that belong on top of every status: nothing where all is open."""
    shut = reading.safety.state is not SafetyState.ACTIVE
    return (
        *((DRY,) if reading.dry_run else ()),
        *((f"SAFETY STATE {_state(reading.safety, now)}",) if shut else ()),
        *(f"EMERGENCY on {account}: everything there is being closed and cancelled" for account in reading.clearing),
        *((f"PROTECTION OF OTHERS' ORDERS {_protection(reading.protection, now)}",) * (not reading.protection.on)),
        *(_lock(lock, now) for lock in reading.locks),
    )


def _protection(protection: Protection, now: datetime) -> str:
    since = "" if protection.since is None else f" for {span((now - protection.since).total_seconds())}"
    who = f" (by {protection.by}: {protection.why})" if protection.by else " (by the settings)"
    return f"{'on' if protection.on else 'OFF'}{since}{who}"


def protection(reading: GuardsReading, *, now: datetime) -> Screen:
    """Show whether others' orders are left alone, and how to change it."""
    on = reading.protection.on
    return Screen(
        title=f"Protection of others' orders: {_protection(reading.protection, now)}",
        lines=(protection_means(on=on), f"To change it: /protection {'off' if on else 'on'} REASON"),
    )


def confirm_protection(why: str, reading: GuardsReading, nonce: str, *, now: datetime) -> Screen:
    """Ask before it is switched off."""
    return Screen(
        title="Switch the protection of others' orders off?",
        lines=(f"It is {_protection(reading.protection, now)}.", protection_means(on=False), f"Reason: {why}"),
        buttons=confirm_buttons(nonce, "Confirm"),
    )


def _state(safety: Safety, now: datetime) -> str:
    since = "" if safety.since is None else f" for {span((now - safety.since).total_seconds())}"
    who = f" (by {safety.by}: {safety.why})" if safety.by else ""
    return f"{safety.state.value}{since}{who}"


def _lock(lock: Lock, now: datetime) -> str:
    left = span((lock.until - now).total_seconds())
    return f"LOCKED {lock.lock_id}: no new entries on {what_is_shut(lock)} for another {left}; {lock.reason}"


def safety(reading: GuardsReading, *, now: datetime) -> Screen:
    """Show the safety state and how to change it."""
    state = reading.safety.state
    others = [each for each in SafetyState if each is not state]
    return Screen(
        title=f"Safety state: {_state(reading.safety, now)}",
        lines=(
            means(state),
            *((DRY,) if reading.dry_run else ()),
            "To change it: " + " or ".join(f"/safety {each.value} REASON" for each in others),
        ),
    )


def confirm_safety(wanted: SafetyState, why: str, reading: GuardsReading, nonce: str, *, now: datetime) -> Screen:
    """Ask before a looser state is set."""
    return Screen(
        title=f"Set the safety state to {wanted.value}?",
        lines=(f"It is {_state(reading.safety, now)}.", means(wanted), f"Reason: {why}"),
        buttons=confirm_buttons(nonce, "Confirm"),
    )


def locks(reading: GuardsReading, *, now: datetime) -> Screen:
    """List the locks that hold, with a button each."""
    if not reading.locks:
        return Screen(title="No lock holds.", lines=("New entries are locked by none of the protections.",))
    count = len(reading.locks)
    return Screen(
        title="1 lock holds" if count == 1 else f"{count} locks hold",
        lines=tuple(_lock(lock, now) for lock in reading.locks),
        buttons=tuple(
            (say_button(f"Release {lock.lock_id}", f"/locks release {lock.lock_id}"),) for lock in reading.locks
        ),
    )


def confirm_release(lock: Lock, nonce: str, *, now: datetime) -> Screen:
    """Ask before a lock is opened by hand."""
    return Screen(
        title=f"Release lock {lock.lock_id}?",
        lines=(_lock(lock, now), "New entries pass again; what was lost before counts for no further lock."),
        buttons=confirm_buttons(nonce, "Confirm"),
    )


def no_such_lock(lock_id: str, reading: GuardsReading) -> Screen:
    names = ", ".join(lock.lock_id for lock in reading.locks)
    line = f"Those that hold: {names}." if names else "No lock holds, so nothing is shut."
    return Screen(title=f"There is no lock {lock_id} to release.", lines=(line,))
