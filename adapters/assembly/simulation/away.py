"""Away: a mirror account that is out of reach for a while: slow, refusing, or silent. Main goes on as if nothing was.

Enters: a world whose orders are mirrored. Stays out: when (strewn). Lateness is excused on that account alone.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from adapters.assembly.simulation.scenario import MIRROR

if TYPE_CHECKING:
    from adapters.assembly.simulation.world import World
    from runtime.clock import Clock

SLOW, REFUSING, SILENT = "slow", "refusing", "silent"
SLOW_SECONDS = (1.0, 4.0)
REFUSED_WITH = 10016  # the server's own error: it may have been done, it was not
BACK_SECONDS = 60.0  # from being back to everything being as it should: what was tried in vain waits its turn


class Away:
    """Accounts that are away: how, and until when (monotonic seconds)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, tuple[float, str]] = {}

    def go(self, account: str, how: str, until: float) -> None:
        self._until[account] = until, how

    def how(self, account: str) -> str:
        """Say how an account is away now; "" while it is not."""
        until, how = self._until.get(account, (0.0, ""))
        return how if until > self._clock.monotonic() else ""


def send_away(world: World, dice: Random) -> None:
    """Put the mirror out of reach; at times its stream goes, too."""
    if not world.scenario.features.mirrored:
        return
    seconds, how = dice.choice((5.0, 30.0, 90.0, 200.0)), dice.choice((SLOW, REFUSING, SILENT))
    until = world.clock.monotonic() + seconds
    world.line.away.go(MIRROR, how, until)
    world.faults.note("mirror_away", until, about=MIRROR, excuses_seconds=BACK_SECONDS)
    world.story.tell("fault", "", f"account {MIRROR} is {how} for {seconds:.0f} s")
    if how == SILENT and dice.random() < 0.5:  # noqa: PLR2004 - one in two
        world.line.streams[MIRROR].drop(seconds)
