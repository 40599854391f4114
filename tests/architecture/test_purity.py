"""What the import contracts cannot see: wall clocks, dice, threads and floats in rooms that must not have them.

The runtime has a test of its own for this (tests/runtime/test_purity.py).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLOCKS = {"now", "utcnow", "today"}  # of datetime and date


def modules(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def parsed(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@pytest.mark.parametrize("path", modules("actors"), ids=relative)
def test_actors_have_no_clock_no_threads_and_no_ids_of_their_own(path: Path) -> None:
    tree = parsed(path)
    assert not {"time", "threading", "uuid", "secrets", "asyncio", "socket", "multiprocessing"} & set(imported(tree))
    clock_calls = [
        call for call in calls(tree) if call.split(".")[0] in {"datetime", "date"} and call.split(".")[-1] in CLOCKS
    ]
    assert not clock_calls
    assert "random" not in set(imported(tree)), "dice come from the context"


@pytest.mark.parametrize("path", modules("actors/model", "actors/rules", "actors/messages"), ids=relative)
def test_money_never_passes_through_a_float(path: Path) -> None:
    """Durations are floats; nothing is made a float, and no Decimal is made from one."""
    tree = parsed(path)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        assert function != "float", f"{relative(path)}:{node.lineno} makes a float"
        if function in {"Decimal", "D"}:
            made_from_float = any(
                isinstance(each, ast.Constant) and isinstance(each.value, float) for each in node.args
            )
            assert not made_from_float, f"{relative(path)}:{node.lineno} makes a Decimal from a float"


@pytest.mark.parametrize("path", modules("actors", "runtime", "adapters"), ids=relative)
def test_every_module_says_what_it_is(path: Path) -> None:
    if path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip():
        return
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{relative(path)} has no docstring"


def test_no_file_is_named_for_nothing() -> None:
    empty_words = ("utils", "helpers", "common", "misc", "manager", "enhanced_", "robust_", "smart_", "final")
    named = [relative(path) for path in modules("actors", "runtime", "adapters") if path.stem.startswith(empty_words)]
    assert not named
