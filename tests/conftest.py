"""What all tests share: generated cases that do not depend on the load of the machine, and a clean actor registry."""

from __future__ import annotations

from collections.abc import Iterator

import pykka
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_actors_left_behind() -> Iterator[None]:
    """Forget the actors of systems in virtual time that a test dropped: pykka's list is one for the whole process."""
    before = set(pykka.ActorRegistry.get_all())
    yield
    for left in set(pykka.ActorRegistry.get_all()) - before:
        pykka.ActorRegistry.unregister(left)
