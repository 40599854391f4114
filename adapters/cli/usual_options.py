"""Options that most verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="The daemon's folder; by default 'standfast' in your state home.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking again.")]
