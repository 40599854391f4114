"""What a person is told after a damaged store was restored. Enters: what was done. Stays out: telling it."""

from __future__ import annotations

from adapters.sqlite.restoring import Restored


def restored_news(restored: Restored) -> tuple[str, ...]:
    """Give a title and the lines below it."""
    lost = "an unknown part" if restored.lost_commits is None else f"its last {restored.lost_commits} commits"
    return (
        f"The store was damaged and was restored from {restored.source}.",
        f"What was wrong: {restored.damage}.",
        f"It has forgotten {lost}. The damaged files are kept in {restored.set_aside}.",
        "Trades it knows are compared with the exchange. Of trades it does not know, stops and targets stay there,",
        "unfilled entries are cancelled, and each is told: look after those positions by hand.",
    )
