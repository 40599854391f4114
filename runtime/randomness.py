"""Randomness: the one home of chance and of ids. Seeded, everything drawn from it repeats; unseeded, nothing does.

Enters: a seed. Stays out: secrets (ids are unique, not unguessable).
"""

from random import Random, SystemRandom

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letters that read like digits
ID_LENGTH = 26  # 130 bits


class Randomness:
    """Generators and ids of one actor system. Each named generator is independent of all others and of their use."""

    def __init__(self, seed: int | None) -> None:
        self.seed = SystemRandom().getrandbits(63) if seed is None else seed
        self.jitter = self.generator("jitter")
        self._ids = self.generator("ids")

    def generator(self, name: str) -> Random:
        """Return a generator that depends on the seed and the name alone."""
        return Random(f"{self.seed}/{name}")  # noqa: S311 - repeatable chance is the point; nothing secret is drawn

    def new_id(self) -> str:
        """Return a fresh id of 26 letters and digits."""
        bits = self._ids.getrandbits(ID_LENGTH * 5)
        return "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(0, ID_LENGTH * 5, 5))
