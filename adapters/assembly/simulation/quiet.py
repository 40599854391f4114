"""Quiet: the daemon's log kept to itself while worlds are run by the thousand.

Enters: nothing. Stays out: what is logged in production.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog


@contextmanager
def silence() -> Iterator[None]:
    """Write no log for a while."""
    before = structlog.get_config()
    only_critical = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=only_critical, processors=[_drop], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _method: str, _event: object) -> NoReturn:
    raise structlog.DropEvent
