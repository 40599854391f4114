"""`main.py protection`: its arguments. What it does: docs/trading.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.usual_options import JsonOption, StateOption

HELP = (
    "Show whether what others have ordered is left alone, or switch that: on; off (once no trade of ours is left on a "
    "symbol and nothing is held there, reduce-only orders that others left on it are cancelled). It holds across "
    'restarts until it is switched again.\n\nExample: main.py protection off --why "the old bot left stops behind"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    state: Path | None
    wanted: str  # on, off; empty: only show it
    why: str
    as_json: bool


def _on_or_off(text: str) -> str:
    if text and text.lower() not in {"on", "off"}:
        raise typer.BadParameter(f"{text!r} is neither on nor off; write one of them")
    return text.lower()


def protection(
    *,
    wanted: Annotated[
        str, typer.Argument(help="on or off; none shows it.", parser=_on_or_off, metavar="[on|off]")
    ] = "",
    why: Annotated[str, typer.Option("--why", help="The reason, kept and shown beside it.")] = "",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> Protection:
    if wanted and not why.strip():
        raise typer.BadParameter(
            f'the reason is missing; write it, as in: main.py protection {wanted} --why "the old bot left stops behind"'
        )
    if why and not wanted:
        raise typer.BadParameter("--why belongs to on or off; write one of them")
    return Protection(state=state, wanted=wanted, why=why.strip(), as_json=as_json)
