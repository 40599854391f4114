"""`main.py adopt`: its arguments. What they mean is said in docs/trading.md; rules.adoption_words reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.usual_options import JsonOption, StateOption, YesOption

HELP = (
    "Watch a position that is at the exchange already: what of it belongs to no trade becomes one, with a stop and "
    "perhaps targets. Shows the plan, then asks. Nothing is bought. Your own stops there are removed once the trade's "
    "stop and the backstop stand.\n\nExample: main.py adopt main XRPUSDT --stop 1.15 --targets 1.22,1.24"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    state: Path | None
    words: tuple[str, ...]  # as the chat's /adopt takes them
    yes: bool
    as_json: bool


def adopt(
    *,
    account: Annotated[str, typer.Argument(help="Whose position, such as main.")],
    symbol: Annotated[str, typer.Argument(help="The exchange's name, such as BTCUSDT.")],
    side: Annotated[str, typer.Option("--side", help="long or short; needed in hedge mode.")] = "",
    stop: Annotated[str, typer.Option("--stop", help="Where its stop is to be.")] = "",
    targets: Annotated[
        str, typer.Option("--targets", help="Take-profit prices, nearest first (P@85% weighs one); none by default.")
    ] = "",
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Adopt:
    named = {"side": side, "stop": stop, "targets": targets}
    words = (account, symbol, *(word for name, value in named.items() if value for word in (name, value)))
    return Adopt(state=state, words=words, yes=yes, as_json=as_json)
