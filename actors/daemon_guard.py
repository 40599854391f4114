"""Daemon guard: has the invariants of the whole daemon checked on the health checker's beat, and tells what is broken.

Enters: the tree as it stands, sizes that readings show without a stop. Stays out: judging (rules.tree_guard), putting
right. A violation is told once until it is good again; it stops nothing and sends nothing but its alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from actors.messages.health import CoverRead
from actors.model.alert import Alert
from actors.rules import tree_guard
from actors.rules.tree_guard import Broken, Placed
from runtime import Actor, CellSnapshot, handles


class DaemonGuard(Actor):
    def __init__(self) -> None:
        self._broken: dict[str, frozenset[str]] = {}  # what was told and is not good again, by what was looked at
        self._bare: dict[str, dict[tuple[str, str], Decimal]] = {}  # by account: what its last reading has shown

    def promise(self, alert: Alert) -> None:
        """Have an alert told, even if this process ends right after."""
        raise NotImplementedError

    def guard_tree(self, tree: Iterable[CellSnapshot]) -> None:
        """Look for actors without an owner, and for parked monitors without a guardian."""
        placed = (
            Placed(path=cell.path, parent=cell.parent, state=cell.state, stand_in=bool(cell.stand_in)) for cell in tree
        )
        self._tell("tree", tuple(tree_guard.disowned(placed)))

    @handles(CoverRead)
    def _on_cover(self, read: CoverRead) -> None:
        before = self._bare.get(read.account, {})
        self._bare[read.account] = {(each.symbol, each.side): each.quantity for each in read.uncovered}
        self._tell(f"cover/{read.account}", tuple(tree_guard.bare(read.account, before, read.uncovered)))

    def _tell(self, about: str, found: tuple[Broken, ...]) -> None:
        known = self._broken.get(about, frozenset())
        self._broken[about] = frozenset(each.subject for each in found)
        for broken in found:
            if broken.subject not in known:
                self.context.log.critical(
                    "invariant_violated", invariant=broken.invariant, subject=broken.subject, text=broken.text
                )
                self.promise(tree_guard.violated(broken))
