"""Every saved case is lived again: what once broke an invariant holds now.

A file here was written by `main.py simulate --seed N --save`; it says which invariant broke and how that showed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.assembly.simulation.cases import read_case
from adapters.assembly.simulation.runner import run_case

CASES = sorted(Path(__file__).parent.glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_once_broke_holds_now(path: Path) -> None:
    case = read_case(path)
    assert case.invariant, "a case says what it violated when it was saved"
    violation = run_case(case).violation
    assert violation is None, f"{violation}\nmain.py simulate --case {path} --story"
