"""Ownership: whether tree, addresses, mailboxes and pykka's registry agree on who is alive and whose it is.

Enters: the tree's nodes and the system's cells at one moment of rest (nobody is changing the tree). Stays out: putting
anything right; a disagreement is a fault of the runtime's own.
"""

from collections.abc import Iterator, Mapping

from pykka import ActorRegistry

from runtime.cell import Cell
from runtime.spec import ChildSpec
from runtime.tree import Node, State

_UP = frozenset({State.RUNNING, State.PARKED})


def disowned(nodes: Mapping[str, Node], cells: Mapping[str, Cell]) -> tuple[str, ...]:
    """Give every disagreement in words; nothing when all is in order."""
    return (*_tree(nodes), *_cells(nodes, cells), *_behaviours(nodes))


def _tree(nodes: Mapping[str, Node]) -> Iterator[str]:
    for path, node in nodes.items():
        if node.path != path or node.state is State.ENDED:
            yield f"{path}: the tree holds a node of {node.path} that is {node.state.value}"
        parent = node.parent
        if parent is None:
            if path:
                yield f"{path}: has no parent and is not the root"
        elif nodes.get(parent.path) is not parent or (parent.children or {}).get(node.spec.name) is not node:
            yield f"{path}: its parent {parent.path or 'root'} does not know it"


def _cells(nodes: Mapping[str, Node], cells: Mapping[str, Cell]) -> Iterator[str]:
    for path, cell in cells.items():
        node = nodes.get(path)
        if node is None or node.cell is not cell:
            yield f"{path}: takes messages and stands nowhere in the tree"
    registered = {ref.actor_urn for ref in ActorRegistry.get_all()}
    for path, node in nodes.items():
        if not isinstance(node.spec, ChildSpec):
            continue
        if node.cell is None or cells.get(path) is not node.cell:
            yield f"{path}: stands in the tree and has no address"
        elif node.cell.actor_urn not in registered:
            yield f"{path}: stands in the tree and not in the registry"


def _behaviours(nodes: Mapping[str, Node]) -> Iterator[str]:
    for path, node in nodes.items():
        cell = node.cell
        if cell is None:
            continue
        if cell.behaviour is not None and not node.behaviour_up:
            yield f"{path}: its behaviour runs though the tree has it down ({node.state.value})"
        if node.state is State.RUNNING and cell.behaviour is None:
            yield f"{path}: is running without a behaviour"
        stands_in = cell.behaviour is not None and cell.is_stand_in
        if node.state is State.PARKED and cell.spec.parking.stand_in is not None and not stands_in:
            yield f"{path}: is parked and its stand-in does not run"
        mailbox = cell.actor_inbox
        waits = mailbox.system or (cell.behaviour is not None and mailbox.user)
        if waits and mailbox.idle and node.state in _UP:
            yield f"{path}: {len(mailbox.user)} messages wait and nobody will run it"
