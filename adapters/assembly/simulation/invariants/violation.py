"""Violated: an invariant that does not hold, by its name in the list (I1 to I15), about what, in words."""

from __future__ import annotations


class Violated(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, about: str, text: str) -> None:
        super().__init__(f"{invariant} {about}: {text}")
        self.invariant = invariant
        self.about = about
        self.text = text
