"""The token stays in this room."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import structlog

from actors.errors import OutsideError
from actors.model.screen import Screen
from actors.ports import ChatDown, ChatUp
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer, Fault
from adapters.simulated.bot_api_faults import FAULT_KINDS
from adapters.telegram.config import TelegramConfig

WAIT_SECONDS = 5.0
OPERATOR = 4242
SECRET = LOCAL_TOKEN.partition(":")[2]


def test_a_configuration_does_not_show_its_token() -> None:
    assert SECRET not in repr(TelegramConfig(token=LOCAL_TOKEN))


def test_a_whole_life_with_every_fault_writes_the_token_into_no_log_and_no_report(
    server: BotApiServer, open_chat: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []
    with structlog.testing.capture_logs() as lines:
        server.script(Fault(method="getMe", kind="refuse", code=401, description="Unauthorized"))
        server.script(Fault(method="getMe", kind="page", code=404))
        server.queue_update("message", {"message_id": 1})
        chat, heard = open_chat()
        shown += [heard.next(ChatDown), heard.next(ChatUp)]
        for kind in FAULT_KINDS - {"timeout_after_accept", "drop_after_accept"}:
            server.script(Fault(method="sendMessage", kind=kind, code=401))
            with pytest.raises(OutsideError) as raised:
                chat.send(OPERATOR, Screen(title="x"))
            shown += [raised.value, repr(raised.value)]
        for kind in FAULT_KINDS - {"timeout_before", "timeout_after_accept"}:
            server.script(Fault(method="getUpdates", kind=kind, code=401))
        server.outage(on=True)
        shown.append(heard.next(ChatDown))
        server.outage(on=False)
        heard.next(ChatUp)
        chat.close(WAIT_SECONDS)
        shown += [repr(chat), *heard.rest()]
    written = capfd.readouterr()
    everything = "\n".join([caplog.text, str(lines), *map(str, shown), written.out, written.err])
    assert "chat_update_skipped" in everything  # the log was caught at all
    assert SECRET not in everything


def test_a_wrong_token_reads_as_one_sentence_without_it(server: BotApiServer, open_chat: Any) -> None:
    wrong = "7000000001:a-token-that-was-revoked"
    _, heard = open_chat(token=wrong)
    down = heard.next(ChatDown)
    assert "TELEGRAM_API_URL" in down.reason
    assert "revoked" not in down.reason


def test_a_library_that_speaks_of_the_address_speaks_of_it_without_the_token(open_chat: Any) -> None:
    _, heard = open_chat(api_url="no-such-scheme://127.0.0.1")
    assert SECRET not in heard.next(ChatDown).reason
