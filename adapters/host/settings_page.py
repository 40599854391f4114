"""The page docs/settings.md, made from the settings themselves so that it cannot fall behind them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from adapters.host.written_settings import Written, in_percent

_HEAD = """# Settings

Each setting has one name: in capitals in the environment and in `.env` (of the folder the daemon is started in), in
small letters in the settings file, which is `standfast.toml` in the state folder or the one named with `--settings`.
The environment wins over `.env`, and `.env` over the file. All faults are reported at once, with what to write instead;
the daemon then ends with exit code 78. Secrets are never shown or logged; keep the file that holds them readable by
yourself only.

| Name in the file | In the environment | What to write | Default | What for |
|---|---|---|---|---|
"""


def settings_page() -> str:
    """Give the page as Markdown."""
    rows = [
        f"| `{name}` | `{name.upper()}` | {field.title} | {_shown(field.default)} | {field.description} |"
        for name, field in Written.model_fields.items()
    ]
    return _HEAD + "\n".join(rows) + "\n"


def _shown(default: Any) -> str:
    """Write a default as a person would."""
    if isinstance(default, SecretStr) or default in (None, "", (), frozenset()):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{in_percent(default)}`"
    return f"`{default:f}`" if isinstance(default, Decimal) else f"`{default}`"
