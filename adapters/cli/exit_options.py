"""The exit rules of `main.py trade` as options. What they mean: docs/trading.md; rules.plan_options reads."""

from __future__ import annotations

from typing import Annotated

import typer

NetOption = Annotated[
    str, typer.Option("--net", help="net-target: USDT to net after both fees; 10 by default.", show_default=False)
]
FloorOption = Annotated[
    str,
    typer.Option(
        "--floor",
        help="net-target: once more would be netted, leave when it is met again; 7, or none.",
        show_default=False,
    ),
]
LossOption = Annotated[
    str, typer.Option("--loss", help="net-target: USDT lost at the stop after both fees; 10.", show_default=False)
]
BreakevenOption = Annotated[
    str, typer.Option("--breakeven", help="Target after which the stop goes to breakeven; 1, or never.")
]
FollowOption = Annotated[
    str, typer.Option("--follow", help="From this target on the stop goes to the one before it, as in 2.")
]
TrailOption = Annotated[
    str, typer.Option("--trail", help="The stop trails the best price by this: 0.5%, or a price distance.")
]
TrailFromOption = Annotated[
    str, typer.Option("--trail-from", help="Trailing begins this far beyond the average entry: 1%, or a distance.")
]
LeaveAfterOption = Annotated[
    str, typer.Option("--leave-after", help="Leave at market so long after the first fill, as in 4h.")
]
ExpireOption = Annotated[
    str, typer.Option("--expire", help="Cancel unfilled entries after 30m; on touch of target or stop; 30m,touch.")
]
