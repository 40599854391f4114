"""Cut points: every order operation, run once for each instant at which the daemon's process may end in it.

Enters: scripts. Leaves: how many points there are, how many runs they took, what did not come out as it does without
a crash. Stays out: chance; the same point is the same run.
The points of a script are found by running it whole. Those between which nothing changed outside the process are one
crash and one run (`Plug`); `every=True` runs each of them all the same. Every run is judged after each step and at
rest, and must come to what the uncrashed one came to: the same orders by role, each once, the same fills, stops,
alerts. Some crash a second time while they recover.
"""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

from actors.model.money import ZERO
from adapters.assembly.simulation.cut_scripts import SCRIPTS, Script
from adapters.assembly.simulation.cut_world import CutWorld, Move
from adapters.assembly.simulation.ending import Ending, ending_of
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.plug import CutPoint
from adapters.assembly.simulation.quiet import silence
from adapters.assembly.simulation.story import Line

PAUSE_SECONDS = 4.0  # between moves: by then everything has settled
REST_SECONDS = 60.0
LOOK_SECONDS = 5.0
AFTER_REST_SECONDS = 20.0  # what comes late comes within: lookups past the receive window, purges, slow beats
DOWN_SECONDS = (0.5, 3.0, 12.0)
MEANWHILE_EVERY = 3  # at every so many points one more run has something happen while the daemon is down
SECOND_CRASH_EVERY = 5  # every so many runs one more crashes again while it recovers
# What a crash may add to what the person is told.
EXTRA_ALERTS = frozenset({"run_started", "own_stop_late", "own_stop_in_place", "request_unclear"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where and how one run is crashed."""

    script: str
    point: int
    label: str = ""
    down: float = 0.5
    meanwhile: str = ""
    second: int = 0  # the point after the restart at which it crashes again; 0 for never

    def __str__(self) -> str:
        words = f"{self.script}, point {self.point} ({self.label}), down {self.down} s"
        words += f", {self.meanwhile} meanwhile" if self.meanwhile else ""
        return words + (f", again at point {self.second} after that" if self.second else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptReport:
    """How one script went."""

    script: str
    points: int
    worlds: int  # different ones among them, outside the process
    runs: int
    second_crashes: int
    failures: tuple[str, ...]
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReport:
    """How all of them went."""

    scripts: tuple[ScriptReport, ...]
    wall_seconds: float

    @property
    def failures(self) -> tuple[str, ...]:
        return tuple(each for script in self.scripts for each in script.failures)

    def in_words(self) -> Iterator[str]:
        """Say how each script went, what failed, and the sum."""
        for each in self.scripts:
            found = f"{len(each.failures)} FAILED" if each.failures else "all as without a crash"
            yield f"{each.script:<56} {each.points:>4} points {each.worlds:>3} worlds {each.runs:>3} runs  {found}"
        yield from self.failures
        sums = self.figures()
        yield (
            f"{sums['cut_points']} points in {sums['scripts']} scripts, {sums['distinct_worlds']} different worlds, "
            f"{sums['runs']} runs, {sums['second_crashes']} of them with a second crash: {sums['violations']} failed."
        )

    def figures(self) -> dict[str, object]:
        """Give what `--json` prints."""
        return {
            "scripts": len(self.scripts),
            "cut_points": sum(each.points for each in self.scripts),
            "distinct_worlds": sum(each.worlds for each in self.scripts),
            "runs": sum(each.runs for each in self.scripts),
            "second_crashes": sum(each.second_crashes for each in self.scripts),
            "violations": len(self.failures),
            "wall_seconds": round(self.wall_seconds, 1),
        }


def script_named(name: str) -> Script:
    """Find a script.

    Raises:
        LookupError: there is none of that name; says which there are.

    """
    for script in SCRIPTS:
        if script.name == name:
            return script
    raise LookupError(f"no script is called {name!r}; there are {', '.join(each.name for each in SCRIPTS)}")


def run_cut_points(script: str | None = None, jobs: int = 1, *, every: bool = False) -> CutReport:
    """Crash every order operation at every point.

    Args:
        script: the name of one; None for all.
        jobs: processes.
        every: run also the points between which nothing changed outside the process.

    Raises:
        LookupError: no script has that name.

    """
    began = time.perf_counter()
    names = [each.name for each in SCRIPTS] if script is None else [script_named(script).name]
    if jobs == 1:
        reports = [run_script(name, every=every) for name in names]
    else:
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            reports = list(pool.map(partial(run_script, every=every), names))
    return CutReport(scripts=tuple(reports), wall_seconds=time.perf_counter() - began)


def run_script(name: str, *, every: bool = False, to_the_end: bool = True) -> ScriptReport:
    """Run one script whole, then once for each of its points, and some of them with two crashes.

    Args:
        name: which.
        every: run also the points between which nothing changed outside the process.
        to_the_end: go on after the first failure.

    Raises:
        LookupError: no script has that name.

    """
    began = time.process_time()
    script = script_named(name)
    whole = live(script)
    failures: list[str] = [] if whole.violated is None else [f"{name}, whole: {whole.violated}"]
    runs = seconds = 0
    if whole.ending is not None:
        for place, cut in enumerate(cuts_of(script, whole.points, every=every)):
            if failures and not to_the_end:
                break
            lived = live(script, cut)
            runs += 1
            failures += _judge(script, cut, lived, whole.ending)
            if place % SECOND_CRASH_EVERY == 0 and lived.points:
                again = replace(cut, second=1 + place * 37 % len(lived.points))
                runs, seconds = runs + 1, seconds + 1
                failures += _judge(script, again, live(script, again), whole.ending)
    return ScriptReport(
        script=name,
        points=len(whole.points),
        worlds=len({each.changes for each in whole.points}),
        runs=runs,
        second_crashes=seconds,
        failures=tuple(failures),
        cpu_seconds=time.process_time() - began,
    )


def cuts_of(script: Script, points: Sequence[CutPoint], *, every: bool = False) -> Iterator[Cut]:
    """Give the runs that a script's points take; how long the daemon is down and what happens meanwhile goes round."""
    chosen = points if every else [next(same) for _, same in groupby(points, key=lambda each: each.changes)]
    for place, point in enumerate(chosen):
        down = DOWN_SECONDS[place % len(DOWN_SECONDS)]
        yield Cut(script=script.name, point=point.number, label=point.label, down=down)
        if script.meanwhile and place % MEANWHILE_EVERY == 0:
            each = script.meanwhile[place // MEANWHILE_EVERY % len(script.meanwhile)]
            yield Cut(script=script.name, point=point.number, label=point.label, down=down, meanwhile=each.what)


# --- one run ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """How one run went."""

    ending: Ending | None
    points: tuple[CutPoint, ...]  # of the watched time: the operation, or the recovery from a crash in it
    violated: str | None
    lines: tuple[Line, ...] = ()


def live(script: Script, cut: Cut | None = None, *, story: bool = False) -> Lived:
    """Live through a script.

    Args:
        script: which.
        cut: where it is crashed; None for not at all.
        story: keep the lines.

    """
    downs = () if cut is None else (cut.down, DOWN_SECONDS[0])
    meanwhile = None if cut is None else next((e.move for e in script.meanwhile if e.what == cut.meanwhile), None)
    ending, violated = None, None
    with silence(), tempfile.TemporaryDirectory(prefix="standfast-cut-", dir=memory_folder()) as folder:
        world = CutWorld(Path(folder), hedged=script.hedged, downs=downs, meanwhile=meanwhile, story=story)
        try:
            _go_through(world, script, cut)
            ending = ending_of(world)
        except Violated as found:
            violated = str(found)
        except Exception:  # noqa: BLE001 - whatever breaks has shown nothing, and belongs to this point
            violated = f"the simulation broke: {traceback.format_exc()}"
        finally:
            world.close()
    return Lived(ending=ending, points=tuple(world.plug.points), violated=violated, lines=world.story.lines())


def _go_through(world: CutWorld, script: Script, cut: Cut | None) -> None:
    world.watch.attend(world.chat)
    world.agenda.at(0.0, world.start_daemon)
    world.run_until(PAUSE_SECONDS)
    for move in script.before:
        _make(world, move, PAUSE_SECONDS)
    world.watch.check_rest(set())
    world.plug.watch(0 if cut is None else cut.point)
    if cut is not None:
        world.pull_after_restart(cut.second)
    for move in script.during:
        _make(world, move, script.seconds)
    if cut is None:
        world.plug.stop_watching()
    elif not world.crashes:
        raise Violated("determinism", script.name, f"point {cut.point} was not reached")
    _come_to_rest(world)
    world.plug.put_in()  # a second crash that was to come later than this would find nothing to recover from
    world.run_until(world.clock.monotonic() + AFTER_REST_SECONDS)
    world.watch.check_rest(set())
    world.watch.check_told(world.chat.waiting)
    world.watch.check_journals(world.store)


def _make(world: CutWorld, move: Move, seconds: float) -> None:
    world.later(0.0, move)
    world.run_until(world.clock.monotonic() + seconds)


def _come_to_rest(world: CutWorld) -> None:
    """Wait until everything agrees, as long as that may take; the judge says what is missing after that."""
    world.run_until(max(world.faults.last_at, world.clock.monotonic()) + 0.1)
    end = world.clock.monotonic() + REST_SECONDS
    while world.clock.monotonic() < end:
        world.run_until(world.clock.monotonic() + LOOK_SECONDS)
        if world.system is None:
            end = world.clock.monotonic() + REST_SECONDS
        elif _agrees(world):
            return


def _agrees(world: CutWorld) -> bool:
    if world.watch.unsettled or world.chat.waiting:
        return False
    try:
        world.watch.check_rest(set())
    except Violated:
        return False
    return True


def memory_folder() -> str | None:
    """Give a folder in memory where there is one: a run opens three stores and makes hundreds of commits."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - for folders with names of their own


# --- comparing --------------------------------------------------------------------------------------------------------
def _judge(script: Script, cut: Cut, lived: Lived, whole: Ending) -> list[str]:
    """Say what is wrong with a crashed run."""
    if lived.ending is None:
        return [f"{cut}: {lived.violated}"]
    meanwhile = next((each for each in script.meanwhile if each.what == cut.meanwhile), None)
    if meanwhile is None:
        if script.at_once:
            return [f"{cut}: {said}" for said in differences(_stop_aside(lived.ending), _stop_aside(whole))]
        return [f"{cut}: {said}" for said in differences(lived.ending, whole)]
    # The price went on without the daemon: what fills then hangs on where it was. The invariants have judged it.
    if meanwhile.ends_all and not lived.ending.is_over:
        return [f"{cut}: is not over: {lived.ending.trades} {lived.ending.positions}"]
    return []


def _stop_aside(ending: Ending) -> Ending:
    """Leave out where the stop stood last: who hears of the whole ladder at once has nothing left to move it for."""
    return replace(
        ending,
        trades=tuple(replace(each, stop_price=ZERO, at_breakeven=False) for each in ending.trades),
        told=frozenset(each for each in ending.told if "stop moved to breakeven" not in each),
    )


def differences(ending: Ending, whole: Ending) -> list[str]:
    """Say in what a crashed run came to something else than the uncrashed one."""
    found = [
        f"{name}: {getattr(ending, name)}, without a crash {getattr(whole, name)}"
        for name in ("trades", "positions")
        if getattr(ending, name) != getattr(whole, name)
    ]
    unheard = whole.told - ending.told
    if unheard:
        found.append(f"never told: {sorted(unheard)}")
    alarms = ending.alarms - whole.alarms - EXTRA_ALERTS
    if alarms:
        found.append(f"told beside: {sorted(alarms)}")
    return found
