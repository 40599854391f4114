"""docs/testing.md names every fault and every invariant of the simulation, and nothing that is not there."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from adapters.assembly.simulation.faults import NAMES

ROOT = Path(__file__).resolve().parents[2]
SIMULATION = ROOT / "adapters" / "assembly" / "simulation"
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| ([IF]\d+) \|.*$", PAGE, re.MULTILINE)}
WORDS = {word for row in ROWS.values() for quoted in re.findall(r"`([^`]+)`", row) for word in quoted.split()}


def test_every_invariant_and_every_kind_of_fault_has_its_row() -> None:
    assert set(ROWS) == {f"I{number}" for number in range(1, 22)} | {f"F{number}" for number in range(1, 21)}


def test_every_fault_is_named() -> None:
    assert [name for name in NAMES if not any(fnmatchcase(name, word) for word in WORDS)] == []


def test_every_named_file_is_there() -> None:
    files = set(re.findall(r"`([a-z_]+\.py)`", PAGE))
    here = {path.name for room in (SIMULATION, ROOT / "tests", ROOT / "actors") for path in room.rglob("*.py")}
    assert files - here == set()
    families = {word for name, row in ROWS.items() if name[0] == "I" for word in re.findall(r"`([a-z_]+)`", row)}
    assert {family for family in families if not (SIMULATION / "invariants" / f"{family}.py").is_file()} == set()
