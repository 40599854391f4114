"""Statements of many rows: one statement is prepared once, and gives the interpreter's lock away once.

Enters: names of tables and columns of ours. Stays out: what the values mean, transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

MOST_ROWS = 64  # in one statement: SQLite takes 32,766 values


def insert_rows(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Sequence[Any]) -> None:
    """Insert rows in their order. A row that cannot be inserted raises what SQLite says; earlier ones may stand."""
    for start in range(0, len(rows), MOST_ROWS):
        part = rows[start : start + MOST_ROWS]
        values = part[0] if len(part) == 1 else [value for row in part for value in row]
        connection.execute(_insert(table, columns, len(part)), values)


@lru_cache(maxsize=256)
def _insert(table: str, columns: tuple[str, ...], count: int) -> str:
    row = f"({marks(len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"  # noqa: S608


def marks(count: int) -> str:
    """Give so many places for values."""
    return ", ".join("?" * count)
