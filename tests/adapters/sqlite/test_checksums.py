"""A row's checksum: the same for ever, whatever reckons it."""

from __future__ import annotations

import json
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sqlite.checksums import SIZE, row_checksum

CELLS = st.none() | st.integers() | st.binary(max_size=40) | st.text(max_size=40)


@given(st.text(max_size=10), st.lists(CELLS, max_size=8))
def test_it_is_that_of_the_rows_json(table: str, values: list[str | int | bytes | None]) -> None:
    text = json.dumps((table, values), separators=(",", ":"), default=lambda blob: {"blob": blob.hex()})
    assert row_checksum(table, *values) == blake2b(text.encode(), digest_size=SIZE).digest()


@pytest.mark.parametrize("value", [1.5, True, ["a"]])
def test_what_no_row_holds_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        row_checksum("journal", value)  # type: ignore[arg-type]
