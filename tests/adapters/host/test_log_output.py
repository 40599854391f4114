"""What is written where, and what never is."""

from __future__ import annotations

import io
import json
import logging
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.host.log_output import close_logging, configure_logging, flush_logs, hide_in_logs
from adapters.host.redaction import HIDDEN, Redactor

TOKEN = "123456789:AAH-abcdefghijklmnopqrstuvwxyz_012345"
SECRET = "kJ8sQ2vXw0pZr5tYb7nM"


class Logs:
    def __init__(self, folder: Path) -> None:
        self.console = io.StringIO()
        self.file = folder / "standfast.jsonl"

    def written(self) -> str:
        flush_logs()
        return self.file.read_text()

    def shown(self) -> str:
        flush_logs()
        return self.console.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written().splitlines()]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Logs]]:
    def configure(**more: Any) -> Logs:
        logs = Logs(tmp_path / "log")
        assert configure_logging(tmp_path / "log", console=logs.console, secrets=(SECRET,), **more) == logs.file
        return logs

    yield configure
    close_logging()


def test_an_event_is_a_json_line_with_its_fields_and_a_readable_line(start: Callable[..., Logs]) -> None:
    logs = start()
    structlog.get_logger().bind(actor="alerts/dispatcher").info("tg_sent", chat_id=7, price=Decimal("64000.10"))
    (line,) = logs.lines()
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "tg_sent",
        "level": "info",
        "actor": "alerts/dispatcher",
        "chat_id": 7,
        "price": "64000.10",
    }
    assert "tg_sent" in logs.shown()
    assert "chat_id=7" in logs.shown()


def test_file_and_console_have_levels_of_their_own(start: Callable[..., Logs]) -> None:
    logs = start(console_level="error", file_level="info")
    for level in ("debug", "info", "error"):
        getattr(structlog.get_logger(), level)(f"said_{level}")
    assert [line["event"] for line in logs.lines()] == ["said_info", "said_error"]
    assert "said_info" not in logs.shown()
    assert "said_error" in logs.shown()


def test_the_libraries_speak_through_the_same_outputs(start: Callable[..., Logs]) -> None:
    logs = start()
    logging.getLogger("somebody").warning("odd %s", "thing", extra={"symbol": "BTCUSDT"})
    warnings.showwarning("old", DeprecationWarning, "file.py", 3)
    first, second = logs.lines()
    assert (first["event"], first["logger"], first["symbol"]) == ("odd thing", "somebody", "BTCUSDT")
    assert "DeprecationWarning: old" in second["event"]


def test_requests_of_httpx_are_not_told_since_their_addresses_hold_the_token(start: Callable[..., Logs]) -> None:
    logs = start(file_level="debug")
    logging.getLogger("httpx").info("HTTP Request: POST https://api.telegram.org/bot%s/sendMessage", TOKEN)
    logging.getLogger("httpx").warning("slow")
    assert [line["event"] for line in logs.lines()] == ["slow"]


def raise_with(text: str) -> None:
    raise ValueError(text)


def test_no_secret_is_written_whoever_says_it(start: Callable[..., Logs]) -> None:
    logs = start(console_level="debug", file_level="debug")
    log = structlog.get_logger()
    log.info("said", text=f"key {SECRET}!", deep={"list": [(SECRET,)], SECRET: 1}, odd=Path(f"/x/{SECRET}"))
    log.info("address", url=f"https://api.telegram.org/bot{TOKEN}/getMe")
    log.info("named", api_key="visible-otherwise", bot_token="also-visible", api_secret="and-this")
    log.info("in the event %s", SECRET)
    logging.getLogger("library").error("failed for %s", SECRET)
    try:
        raise_with(f"bad signature: param_str={TOKEN} api_key=AbCdEf123456&sign=0a1b2c3d4e5f {SECRET}")
    except ValueError:
        log.exception("failed")
    hide_in_logs(["learned-later-0001"])
    log.info("later", text="learned-later-0001")
    for written in (logs.written(), logs.shown()):
        for secret in (
            SECRET,
            TOKEN,
            "visible-otherwise",
            "also-visible",
            "and-this",
            "AbCdEf123456",
            "0a1b2c3d4e5f",
            "learned-later-0001",
        ):
            assert secret not in written, secret
        assert HIDDEN in written
        assert "ValueError" in written
    assert len(logs.lines()) == 7


@pytest.mark.parametrize(
    "harmless",
    ["order 7K3Q9X at 64000.5", "token expired", "10:30:00 to 11:00:00", "signature refused", "key/value store", ""],
)
def test_ordinary_words_are_left_alone(harmless: str) -> None:
    assert Redactor(["", "abc"]).text(harmless) == harmless


def test_values_keep_their_json_kind() -> None:
    given = {
        "a": None,
        "b": True,
        "c": 1.5,
        "d": (1, "x"),
        "at": datetime(2026, 3, 1, tzinfo=UTC),
        "e": ValueError("x"),
    }
    assert Redactor().value(given) == {
        "a": None,
        "b": True,
        "c": 1.5,
        "d": [1, "x"],
        "at": "2026-03-01T00:00:00+00:00",
        "e": "ValueError: x",
    }


def test_the_file_is_its_owners_only_and_a_new_one_begins_each_day(start: Callable[..., Logs]) -> None:
    logs = start()
    structlog.get_logger().info("before_midnight")
    flush_logs()
    (to_file,) = [each() for each in logging._handlerList if hasattr(each(), "rolloverAt")]
    to_file.rolloverAt = 0
    structlog.get_logger().info("after_midnight")
    assert [line["event"] for line in logs.lines()] == ["after_midnight"]
    rotated = [file for file in logs.file.parent.iterdir() if file != logs.file]
    assert len(rotated) == 1
    assert "before_midnight" in rotated[0].read_text()
    for file in (logs.file, *rotated):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(logs.file.parent.stat().st_mode) == 0o700


def test_closing_leaves_logging_as_it_was_and_may_be_done_twice(start: Callable[..., Logs]) -> None:
    before = list(logging.getLogger().handlers)
    logs = start()
    close_logging()
    close_logging()
    assert logging.getLogger().handlers == before
    logging.getLogger("somebody").error("into the void")
    assert logs.written() == ""


def test_a_logger_made_before_speaks_through_the_outputs_made_later(start: Callable[..., Logs]) -> None:
    early = structlog.get_logger()
    logs = start()
    early.info("still_heard")
    start()
    early.info("still_heard")
    assert len(logs.lines()) == 2


def test_a_line_is_written_soon_by_itself_and_whoever_logs_it_does_not_wait(
    start: Callable[..., Logs], monkeypatch: pytest.MonkeyPatch
) -> None:
    rendering, go_on = threading.Event(), threading.Event()

    def hung(_redactor: Redactor, name: str, value: Any) -> Any:
        rendering.set()
        go_on.wait(5)
        return value if name != "price" else "64000"

    logs = start()
    monkeypatch.setattr(Redactor, "field", hung)
    structlog.get_logger().info("order_filled", price=Decimal(64000))
    assert rendering.wait(5)  # and this thread is here
    structlog.get_logger().info("sltp_placed")
    assert logs.file.read_text() == ""
    go_on.set()
    assert [line["event"] for line in logs.lines()] == ["order_filled", "sltp_placed"]


def test_a_librarys_line_keeps_the_words_and_the_instant_of_its_record(start: Callable[..., Logs]) -> None:
    logs = start()
    about = ["first"]
    before = datetime.now(UTC)
    logging.getLogger("library").warning("odd %s", about)
    after = datetime.now(UTC)
    about.append("later")
    (line,) = logs.lines()
    assert line["event"] == "odd ['first']"
    assert before <= datetime.fromisoformat(line["at"]) <= after
