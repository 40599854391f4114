"""docs/log-events.md lists every log event with its level and fields, and none that the code does not write."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from actors.position_book import EVERYDAY
from runtime.log_context import LOG_LINES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "log-events.md"
METHODS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
NAME = re.compile(r"[a-z]+(_[a-z]+)+")

# Where a name reaches the log by way of a variable, and where those names are written.
CARRIERS = {
    "actors/account_client.py",  # news of a request: actors/rules/request_news.py
    "actors/position_book.py",  # the notes of a turn: actors/rules/book_*.py
    "runtime/log_context.py",  # runtime events: LOG_LINES
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A place that writes a log event."""

    where: str
    name: str
    level: str
    fields: frozenset[str] = frozenset()
    whole: bool = False  # these are all the fields; else more are added on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    levels: frozenset[str]
    fields: frozenset[str]


# --- the code -----------------------------------------------------------------------------------------------------
def parsed(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def is_logger(node: ast.expr) -> bool:
    words = ast.unparse(node)
    return words.split(".")[-1].lstrip("_") in {"log", "logger"} or words.startswith(
        ("structlog.get_logger(", "logging.getLogger(")
    )


def literal(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def keywords(call: ast.Call) -> tuple[frozenset[str], bool]:
    """Give the fields a call names, and whether it names them all."""
    named = frozenset(each.arg for each in call.keywords if each.arg is not None)
    return named, len(named) == len(call.keywords)


@cache
def logged() -> tuple[list[Said], set[str]]:
    """Give what is logged under a name written at the call, and the modules that log under any other name."""
    said: list[Said] = []
    carriers: set[str] = set()
    for path, tree in parsed("actors", "adapters", "runtime"):
        named: set[ast.expr] = set()
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            function = call.func
            if isinstance(function, ast.Name) and function.id == "getattr" and is_logger(call.args[0]):
                carriers.add(path)
            if not (isinstance(function, ast.Attribute) and function.attr in METHODS and is_logger(function.value)):
                continue
            name = literal(call.args[0]) if call.args else None
            if name is None:
                continue
            named.add(function)
            level = "error" if function.attr == "exception" else function.attr
            told, whole = keywords(call)
            said.append(Said(where=f"{path}:{call.lineno}", name=name, level=level, fields=told, whole=whole))
        for node in ast.walk(tree):
            method_of_logger = isinstance(node, ast.Attribute) and node.attr in METHODS and is_logger(node.value)
            if method_of_logger and node not in named:
                carriers.add(path)
    return said, carriers


def news_of_requests() -> Iterator[Said]:
    """Events of a request's way: pairs of a name and its facts, and the names of what was done."""
    for path, tree in parsed("actors"):
        if path not in {"actors/rules/request_news.py", "actors/account_client.py"}:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and path.startswith("actors/rules/"):
                names = [literal(value) for value in node.values] if all(map(is_class, node.keys)) else []
            elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and is_facts(node.elts[1]):
                names = [literal(node.elts[0])]
            else:
                continue
            for name in filter(None, names):
                yield Said(where=f"{path}:{node.lineno}", name=name, level="info")


def is_class(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Name) and node.id[0].isupper()


def is_facts(node: ast.expr) -> bool:
    return isinstance(node, ast.Dict | ast.Name | ast.Call)


def notes_of_the_book() -> Iterator[Said]:
    """Events of a turn of an account's position book."""
    for path, tree in parsed("actors/rules"):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "note"):
                continue
            name = literal(call.args[0])
            assert name is not None, f"{path}:{call.lineno} notes an event without writing its name there"
            told, whole = keywords(call)
            level = "info" if name in EVERYDAY else "warning"
            yield Said(where=f"{path}:{call.lineno}", name=name, level=level, fields=told, whole=whole)


def runtime_events() -> Iterator[Said]:
    """Events of the runtime, under the names its observer gives them; a message itself is not logged, its type is."""
    renamed = {"path": "actor", "message": "message_type"}
    for kind, (name, level) in LOG_LINES.items():
        shown = frozenset(renamed.get(field.name, field.name) for field in fields(kind))
        yield Said(where=f"runtime/log_context.py, {kind.__name__}", name=name, level=level, fields=shown, whole=True)


@cache
def events() -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = defaultdict(list)
    for each in (*logged()[0], *news_of_requests(), *notes_of_the_book(), *runtime_events()):
        found[each.name].append(each)
    return found


# --- the page -----------------------------------------------------------------------------------------------------
def rows() -> list[tuple[str, Documented]]:
    page = PAGE.read_text(encoding="utf-8")
    table = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| `")]
    return [
        (
            cells[0].strip().strip("`"),
            Documented(
                levels=frozenset(cells[1].strip().split(", ")), fields=frozenset(re.findall(r"`(\w+)`", cells[2]))
            ),
        )
        for cells in table
    ]


def test_every_event_of_the_code_stands_in_the_table() -> None:
    documented = dict(rows())
    missing = {name: said[0].where for name, said in events().items() if name not in documented}
    assert not missing, f"give each a row in docs/log-events.md: {missing}"


def test_every_name_in_the_table_is_written_by_the_code() -> None:
    gone = {name for name, _ in rows()} - set(events())
    assert not gone, f"no code writes these any more, take their rows out of docs/log-events.md: {sorted(gone)}"


def test_every_event_has_one_row() -> None:
    names = [name for name, _ in rows()]
    assert not {name for name in names if names.count(name) > 1}


def test_levels_in_the_table_are_those_of_the_code() -> None:
    documented = dict(rows())
    wrong = {
        name: sorted({each.level for each in said})
        for name, said in events().items()
        if name in documented and documented[name].levels != {each.level for each in said}
    }
    assert not wrong, f"these are logged at other levels than docs/log-events.md says: {wrong}"


def test_fields_in_the_table_are_those_of_the_code() -> None:
    """Where a call adds fields from elsewhere the row may name more."""
    documented = dict(rows())
    wrong = {}
    for name, said in events().items():
        written = frozenset[str]().union(*(each.fields for each in said))
        told = documented[name].fields if name in documented else written
        if not written <= told or (all(each.whole for each in said) and written != told):
            wrong[name] = sorted(written ^ told)
    assert not wrong, f"these fields stand in the code or in docs/log-events.md, not in both: {wrong}"


def test_names_are_facts_in_snake_case() -> None:
    odd = {name: said[0].where for name, said in events().items() if not NAME.fullmatch(name)}
    assert not odd


def test_a_name_comes_by_a_variable_only_where_this_file_follows_it() -> None:
    assert logged()[1] == CARRIERS
