"""The runtime reads clocks, chance and ids only in their named homes, and knows nothing of what it is used for."""

import ast
from pathlib import Path

import pytest

RUNTIME = Path(__file__).resolve().parents[2] / "runtime"
MODULES = sorted(RUNTIME.rglob("*.py"))

# Real threads measure real time for themselves; everything else has a clock.
MAY_READ_TIME = {"clock.py", "dispatch/pooled.py", "dispatch/threaded.py"}
MAY_DRAW = {
    "randomness.py",
    "context.py",
    "retry.py",
    "dispatch/deterministic.py",
}  # the last three name the type alone
FORBIDDEN = {"time": MAY_READ_TIME, "random": MAY_DRAW, "uuid": set(), "secrets": set(), "asyncio": set()}
# Threads live in the dispatchers and behind the clock's timers. What is called from several threads (mailboxes,
# futures, the way in from outside) holds a lock or waits for an event, and starts nothing.
MAY_START_THREADS = {"dispatch/pooled.py", "dispatch/threaded.py", "timers.py"}
MAY_LOCK = {
    "mailbox.py",
    "asks.py",  # futures, and who asks whom
    "bulletin.py",
    "dead_letters.py",
    "registry.py",
    "system.py",
    "plans.py",
    "testing.py",
}
LOCKS = {"Lock", "RLock", "Condition", "Event", "Semaphore", "local"}
WORLD = {"pybit", "telegram", "aiohttp", "requests", "sqlite3", "socket", "os", "actors", "adapters"}


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_a_module_imports_nothing_that_would_make_runs_differ(path: Path) -> None:
    name = str(path.relative_to(RUNTIME))
    found = imports(ast.parse(path.read_text()))
    assert {module for module, homes in FORBIDDEN.items() if module in found and name not in homes} == set()
    assert found & WORLD == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_a_module_reads_the_wall_clock_only_at_home(path: Path) -> None:
    name = str(path.relative_to(RUNTIME))
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    wall = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
    assert (calls & wall == set()) or name == "clock.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_a_module_says_what_room_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert docstring.split("\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_a_module_starts_threads_or_locks_only_at_home(path: Path) -> None:
    name = str(path.relative_to(RUNTIME))
    tree = ast.parse(path.read_text())
    assert imports(tree) & {"concurrent", "multiprocessing", "_thread", "queue"} <= (
        {"queue"} if "dispatch/" in name else set()
    )
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "threading"
    }
    if name in MAY_START_THREADS:
        return
    assert used <= LOCKS
    assert "threading" not in imports(tree) or name in MAY_LOCK


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_a_module_takes_clocks_dice_and_threads_by_their_whole_name(path: Path) -> None:
    """`from time import time` would slip past the rules above."""
    taken = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    assert taken & {"time", "threading", "uuid", "secrets"} == set()
