"""Size and entry of `main.py trade` as options. What they mean: docs/trading.md; rules.plan_text reads."""

from __future__ import annotations

from typing import Annotated

import typer

MarginOption = Annotated[
    str, typer.Option("--margin", help="A share of the available balance, such as 2%, or an amount, such as 200usdt.")
]
RiskOption = Annotated[
    str, typer.Option("--risk", help="Instead of a margin: the share of the equity to lose at the stop, such as 1%.")
]
WeightsOption = Annotated[
    str, typer.Option("--weights", help="Of entries without shares: even (by default), front or back.")
]
SlippageOption = Annotated[
    str, typer.Option("--slippage", help="How far from the last price a market entry may fill; fast: 0.5% by default.")
]
PresetOption = Annotated[
    str, typer.Option("--preset", help="A preset of the settings; what is written here wins over it.")
]
PolicyOption = Annotated[
    str,
    typer.Option("--policy", help="What you change at the exchange itself: restore (by default), respect or ask."),
]
MirrorOption = Annotated[
    str, typer.Option("--mirror", help="on (by default) or off: repeat the order on the mirror accounts there are.")
]
