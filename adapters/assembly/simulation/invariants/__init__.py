"""Invariants: what must hold after every step of a simulated world, whatever has gone wrong.

Enters: the exchange's own record, what the store has made durable, what was shown. Stays out: what the daemon believes
in between; only what it has committed and what it has sent counts. Names follow the list in docs: I1, I2 and so on.
Each file judges one family and says what it exempts; `watch` has judged what each step touches.
"""

from adapters.assembly.simulation.invariants.violation import Violated
from adapters.assembly.simulation.invariants.watch import Watch

__all__ = ["Violated", "Watch"]
