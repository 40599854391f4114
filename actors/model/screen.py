"""Screens: what a person is shown, in neutral words. The chat adapter escapes, formats and splits.

Enters: finished text and buttons. Stays out: markup, message ids, what a button does when pressed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One button under a screen; `data` comes back when it is pressed (64 bytes at most)."""

    label: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Plain text with an optional fixed-width table and rows of buttons."""

    title: str
    lines: tuple[str, ...] = ()
    table: tuple[str, ...] = ()  # rows of fixed-width text
    buttons: tuple[tuple[Button, ...], ...] = ()  # rows
    silent: bool = False
