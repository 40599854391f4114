"""Ages and waits as the person reads them. Enters: seconds. Stays out: clocks, instants of their own."""

from __future__ import annotations

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def span(seconds: float) -> str:
    """Write a duration in the two units that matter (a negative one as nothing).

    >>> span(3.4), span(250), span(8_100), span(200_000)
    ('3 s', '4 min', '2 h 15 min', '2 d 7 h')
    """
    whole = max(0, int(seconds))
    if whole < 2 * MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"
