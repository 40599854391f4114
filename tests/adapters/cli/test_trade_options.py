"""The options of `main.py trade` are the words of the one-line order: what is not given is not said."""

from __future__ import annotations

import pytest

from actors.model.trade_plan import TradePlan
from actors.rules.plan_text import parse_plan
from adapters.cli.arguments import Trade, parse

SHARED = ("--targets", "1.2,1.21", "--stop", "1.15", "--leverage", "10")


def words_of(*options: str) -> str:
    command = parse(["trade", "XRPUSDT", "long", *options], version="1")
    assert isinstance(command, Trade)
    return command.words


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--approach", "fast", "--slippage", "0.3%", "--risk", "1%"), "approach fast slippage 0.3% risk 1%"),
        (("--entries", "1.19,1.18", "--weights", "front", "--margin", "200usdt"), None),
        (("--entries", "1.19,1.18", "--margin", "2%", "--account", "main"), None),
        (("--approach", "fast", "--margin", "2%"), "approach fast margin 2%"),
    ],
)
def test_options_mean_what_the_words_of_the_chat_mean(options: tuple[str, ...], line: str | None) -> None:
    written = line or " ".join(options).replace("--", "")
    plan = parse_plan(words_of(*options, *SHARED))
    assert isinstance(plan, TradePlan)
    assert plan == parse_plan(f"/trade XRPUSDT long {written} targets 1.2,1.21 stop 1.15 leverage 10")


def test_a_preset_is_not_overruled_by_what_was_not_written() -> None:
    presets = {"scalp": "approach fast margin 2% slippage 0.1% account mirror"}
    plan = parse_plan(words_of("--preset", "scalp", *SHARED), presets=presets, accounts=("main", "mirror"))
    assert isinstance(plan, TradePlan)
    assert (plan.approach.value, plan.account, plan.preset) == ("fast", "mirror", "scalp")


def test_help_names_every_size_and_entry_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["trade", "--help"], version="1") == 0
    text = capsys.readouterr().out
    for option in ("--margin", "--risk", "--weights", "--slippage", "--approach", "--preset"):
        assert option in text
