"""The tree guard: actors without an owner, monitors without a guardian, sizes that stay without a stop."""

from __future__ import annotations

from decimal import Decimal

from actors.messages.health import Uncovered
from actors.rules.tree_guard import Placed, bare, disowned, violated

MONITOR = "accounts/main/positions/BTCUSDT-7K3Q9X"
ROOM = "accounts/main/positions"


def tree(*more: Placed) -> tuple[Placed, ...]:
    usual = (
        Placed(path="", parent=None, state="running"),
        Placed(path="accounts", parent="", state="running"),
        Placed(path="accounts/main", parent="accounts", state="running"),
        Placed(path=ROOM, parent="accounts/main", state="running"),
    )
    return (*usual, *more)


def words(*more: Placed) -> list[str]:
    return [each.text for each in disowned(tree(*more))]


def test_a_whole_tree_is_passed_in_silence_whatever_its_actors_do() -> None:
    states = ("waiting", "starting", "running", "clearing", "backoff", "stopping")
    assert words(*(Placed(path=f"{MONITOR}{state}", parent=ROOM, state=state) for state in states)) == []
    assert words(Placed(path=MONITOR, parent=ROOM, state="parked", stand_in=True)) == []


def test_a_parked_monitor_without_a_guardian_is_found() -> None:
    assert words(Placed(path=MONITOR, parent=ROOM, state="parked")) == [
        f"{MONITOR} is parked and no guardian stands in for it"
    ]
    assert words(Placed(path="desk", parent="", state="parked")) == [], "only a monitor has one"


def test_an_actor_whose_parent_is_gone_or_that_stands_twice_or_has_ended_is_found() -> None:
    assert words(Placed(path="lost/child", parent="lost", state="running")) == ["lost/child has no owner"]
    assert words(Placed(path="lost", parent=None, state="running")) == ["lost has no owner"]
    assert words(Placed(path=ROOM, parent="accounts/main", state="running")) == [f"{ROOM} stands in the tree twice"]
    assert words(Placed(path=MONITOR, parent=ROOM, state="ended")) == [f"{MONITOR} has ended and is still there"]


def test_only_what_two_readings_in_a_row_show_bare_counts() -> None:
    now = (Uncovered(symbol="BTCUSDT", side="long", quantity=Decimal("0.1")),)
    assert list(bare("main", {}, now)) == []
    (broken,) = bare("main", {("BTCUSDT", "long"): Decimal("0.2")}, now)
    assert (broken.invariant, broken.subject) == ("I2", "main/BTCUSDT/long")
    assert violated(broken).lines[0] == (
        "I2: two readings of main/BTCUSDT/long show 0.1 that no stop at the exchange covers"
    )
    assert list(bare("main", {("BTCUSDT", "short"): Decimal(1)}, now)) == []
