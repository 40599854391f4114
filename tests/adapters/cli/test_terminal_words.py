"""Sentences that name commands, as a terminal shows them."""

from __future__ import annotations

import pytest

from adapters.cli.terminal_words import in_a_terminal


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("/help trade shows how to open one.", "main.py trade --help shows how to open one."),
        ("/status 12 follows it, /close 12 leaves it.", "main.py status follows it, main.py close 12 leaves it."),
        ("look at /status.", "look at main.py status."),
        ("/locks release L3 opens it by hand", "main.py locks release L3 opens it by hand"),
        (
            "To change it: /safety reduce-only REASON or /safety halted REASON",
            "To change it: main.py safety reduce-only --why REASON or main.py safety halted --why REASON",
        ),
        ("close a trade (/close lets you choose)", "close a trade (main.py close lets you choose)"),
    ],
)
def test_a_command_of_the_chat_becomes_the_terminals(said: str, shown: str) -> None:
    assert in_a_terminal(said) == shown


@pytest.mark.parametrize("line", ["main/BTCUSDT/long/fast/XJ5P34", "3/4 close", "/srv/standfast/status", "and/stop"])
def test_paths_labels_and_fractions_stay(line: str) -> None:
    assert in_a_terminal(line) == line
