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
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.assembly.simulation.cases import TRADES_AN_HOUR, Case, draw_case
from adapters.assembly.simulation.report import Report, summarise
from adapters.assembly.simulation.runner import FOLDER_PREFIX, Outcome, quick_folder, run_case

_AHEAD = 2  # worlds handed to each process: the one it runs and the next


class WorldProcesses:
    """Processes that run worlds. Leaving the block ends them at once, whatever they are at."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=quick_folder()))
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, spawn, initializer=_end_with_the_parent)
        self._others = set(multiprocessing.active_children())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for process in set(multiprocessing.active_children()) - self._others:
            process.terminate()
            process.join()
        self._pool.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, case: Case, *, tell: bool = False) -> Outcome:
        """Run one world and wait for it.

        Raises:
            BrokenProcessPool: the process ended by itself (out of memory, say).

        """
        return self._submit(case, tell=tell).result()

    def run_all(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Run worlds side by side; raises as `run` does."""
        waiting = iter(cases)
        running: set[Future[Outcome]] = set()
        while True:
            for case in islice(waiting, self._jobs * _AHEAD - len(running)):
                running.add(self._submit(case))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()

    def _submit(self, case: Case, *, tell: bool = False) -> Future[Outcome]:
        with _interrupts_ignored():
            return self._pool.submit(run_case, case, tell=tell, folder=self._folder)


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
    if not jobs:
        outcomes = list(map(run_case, cases))
    else:
        with WorldProcesses(jobs) as processes:
            outcomes = list(processes.run_all(cases))
    return summarise(outcomes, wall_seconds=time.perf_counter() - began)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Have a process that is spawned meanwhile ignore Ctrl-C from its first instant: this process ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_with_the_parent() -> None:
    """Leave no process behind when the one that spawned this is killed."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, name="follow-the-parent", daemon=True).start()
