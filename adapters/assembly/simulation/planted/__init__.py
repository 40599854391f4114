"""Planted bugs: mistakes put into the running code on purpose, to see whether the simulation finds each of them.

Enters: seeds. Stays out: files; every patch is in memory and is taken out again.
"""

from adapters.assembly.simulation.planted.garden import BUGS, Finding, find, run_planted
from adapters.assembly.simulation.planted.known_seeds import KNOWN_SEEDS
from adapters.assembly.simulation.planted.patch import Bug, Patch

__all__ = ["BUGS", "KNOWN_SEEDS", "Bug", "Finding", "Patch", "find", "run_planted"]
