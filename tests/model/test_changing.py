"""Changed copies are what dataclasses.replace would have made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from actors.model.changing import replace
from actors.model.trade import TradeParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    share: Decimal

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError("a share is at most one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    parts: tuple[int, ...]
    name: str = ""
    total: int | None = field(default=None, init=False, compare=False, metadata={"of": ("parts",)})


def test_what_was_worked_out_is_kept_until_what_it_was_worked_out_from_changes() -> None:
    before = Summed(parts=(1, 2))
    object.__setattr__(before, "total", 3)
    assert replace(before, name="other").total == 3
    assert replace(before, parts=(1, 2, 3)).total is None
    assert before.total == 3


def test_a_copy_has_the_changes_and_keeps_the_rest() -> None:
    before = TradeParameters(entry_rebuilds=5)
    after = replace(before, exit_pace_seconds=3.0)
    assert after == dataclasses.replace(before, exit_pace_seconds=3.0)
    assert hash(after) == hash(dataclasses.replace(before, exit_pace_seconds=3.0))
    assert before == TradeParameters(entry_rebuilds=5)


def test_a_copy_is_as_frozen_as_its_original() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(TradeParameters()).entry_rebuilds = 4  # type: ignore[misc]  # that is the point


def test_a_name_that_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="TradeParameters has no field 'entry_rebuild'"):
        replace(TradeParameters(), entry_rebuild=4)


def test_a_value_that_checks_itself_is_not_copied_past_its_check() -> None:
    with pytest.raises(TypeError, match="checks itself"):
        replace(Checked(share=Decimal(1)), share=Decimal(2))
