"""The stage: one actor system per way of running actors, observed, and stopped at the end of every test."""

from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest

from runtime.testing import Stage

EVERY_WAY = ("deterministic", "pool", "thread")
REAL_THREADS = ("pool", "thread")


@pytest.fixture
def make_stage() -> Iterator[Callable[..., Stage]]:
    """Build stages as a test wants them."""
    stages: list[Stage] = []

    def make(way: str, **options: Any) -> Stage:
        stages.append(Stage(way, **options))
        return stages[-1]

    yield make
    for stage in stages:
        stage.system.stop(5.0)
    assert pykka.ActorRegistry.get_all() == []


@pytest.fixture(params=EVERY_WAY)
def stage(request: pytest.FixtureRequest, make_stage: Callable[..., Stage]) -> Stage:
    """A system of each kind in turn: what runs on this stage is a promise of all three dispatchers."""
    return make_stage(request.param)


@pytest.fixture(params=REAL_THREADS)
def threads(request: pytest.FixtureRequest, make_stage: Callable[..., Stage]) -> Stage:
    """A system on real threads, of both kinds."""
    return make_stage(request.param)


@pytest.fixture
def simulation(make_stage: Callable[..., Stage]) -> Stage:
    """A system in virtual time."""
    return make_stage("deterministic")
