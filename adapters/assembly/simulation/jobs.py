"""Jobs: many worlds over several processes, each world whole in one of them.

Enters: cases. Leaves: outcomes, in the order they are finished in. Stays out: what they are added up to (report).
A world depends on its case alone, so that the number of processes changes nothing but the time it takes. Processes
are spawned, never forked: what is loaded and patched here stays here.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from adapters.assembly.simulation.cases import TRADES_AN_HOUR, Case, draw_case
from adapters.assembly.simulation.report import Report, summarise
from adapters.assembly.simulation.runner import Outcome, run_case

_AHEAD = 2  # worlds handed to each process: the one it runs and the next


def usable_cores() -> int:
    """Count the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_cases(cases: Iterable[Case], *, jobs: int) -> Iterator[Outcome]:
    """Run worlds in `jobs` processes.

    Closing the iterator, or an interrupt in the consumer, ends the processes at once and takes their folders away.

    Raises:
        BrokenProcessPool: a process ended by itself (out of memory, say).

    """
    waiting = iter(cases)
    folder = Path(tempfile.mkdtemp(prefix="standfast-simulation-"))
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    running: set[Future[Outcome]] = set()
    try:
        while True:
            for case in islice(waiting, jobs * _AHEAD - len(running)):
                with _interrupts_are_ours():
                    running.add(pool.submit(run_case, case, folder=folder))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
            process.join()
        shutil.rmtree(folder, ignore_errors=True)


def run_simulation(
    seeds: Iterable[int],
    *,
    hours: float = 1.0,
    trades_an_hour: float = TRADES_AN_HOUR,
    without: Iterable[str] = (),
    jobs: int = 0,
) -> Report:
    """Run one world a seed and add them up.

    Args:
        seeds: which.
        hours: virtual time of each, before it comes to rest.
        trades_an_hour: plans the person writes.
        without: names of faults that are left out.
        jobs: processes; 0 runs them in this one, with whatever is patched in it.

    """
    left_out = tuple(without)
    cases = (draw_case(seed, hours=hours, trades_an_hour=trades_an_hour, without=left_out) for seed in seeds)
    began = time.perf_counter()
    outcomes = list(run_cases(cases, jobs=jobs) if jobs else map(run_case, cases))
    return summarise(outcomes, wall_seconds=time.perf_counter() - began)


@contextmanager
def _interrupts_are_ours() -> Iterator[None]:
    """Have a process that is spawned here ignore Ctrl-C from its first instant: this process ends it."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: interrupts do not come here either
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
