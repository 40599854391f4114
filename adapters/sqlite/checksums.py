"""Checksums of rows: SQLite's pages carry none, so a flipped bit in a text would be read back as the truth.

Enters: a table's name and a row's values; a chained row's values begin with the checksum of the row before it.
Stays out: tables, statements. The hash is not keyed: it finds damage, not forgery; who can write the file can also run
the program.
"""

from __future__ import annotations

from hashlib import blake2b
from json.encoder import encode_basestring_ascii
from typing import TypeAlias

Cell: TypeAlias = str | int | bytes | None

SIZE = 16  # bytes
START = b"\x00" * SIZE  # what the first row of a chain follows


def _written(value: Cell) -> str:
    """Write a value as JSON, in ASCII with escapes: the same text whatever Unicode version the interpreter carries."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f'{{"blob":"{value.hex()}"}}'
    if type(value) is int:
        return str(value)
    raise TypeError(f"a stored row holds no {type(value).__name__}")


def row_checksum(table: str, *values: Cell) -> bytes:
    """Give the checksum of one row: 16 bytes that depend on every value, its kind and its place.

    >>> row_checksum("counters", "trade", 1) == row_checksum("counters", "trade", "1")
    False
    """
    text = f"[{_written(table)},[{','.join(map(_written, values))}]]"
    return blake2b(text.encode(), digest_size=SIZE).digest()
