"""Lifecycle: the ordered stop of a whole system, with one deadline over all of it.

Enters: a system and the time allowed. Stays out: the order itself (the tree's plans do it). What has not stopped in
time is declared lost and named; its thread is a daemon and cannot keep the process alive.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.supervisor import Supervisor
    from runtime.system import ActorSystem

WAITING_SHARE = 0.7  # of the deadline everyone is waited for; then whoever is in the way is cut short ...
STEP_SHARE = 0.05  # ... and the others get this much each time to stop in order after all
CLOSING_SHARE = 0.1  # of the deadline is kept for ending the threads
LONGEST_CLOSING_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """How an ordered stop went."""

    in_order: bool  # every actor stopped by itself and every thread ended
    not_stopped: tuple[str, ...]  # actors that were declared lost, in the order this happened
    stuck_threads: tuple[str, ...]  # threads still busy, each with the actor it is in
    seconds: float


def stop_in_order(system: "ActorSystem", supervisor: "Supervisor", deadline_seconds: float) -> StopReport:
    """Stop the tree from the last started to the first; at the deadline cut short whatever is left."""
    began = system.clock.monotonic()
    closing_seconds = min(LONGEST_CLOSING_SECONDS, deadline_seconds * CLOSING_SHARE)
    until = began + deadline_seconds - closing_seconds

    def wait_ended(seconds: float) -> None:
        system.wait(supervisor.root_changed, max(0.0, min(seconds, until - system.clock.monotonic())))

    supervisor.stop_root()
    wait_ended(deadline_seconds * WAITING_SHARE)
    while (late := supervisor.next_in_the_way()) is not None:
        supervisor.cut_short(late)
        wait_ended(deadline_seconds * STEP_SHARE)
    stuck = system.close_parts(closing_seconds)
    not_stopped = tuple(supervisor.overdue)
    return StopReport(
        in_order=not not_stopped and not stuck,
        not_stopped=not_stopped,
        stuck_threads=stuck,
        seconds=system.clock.monotonic() - began,
    )
