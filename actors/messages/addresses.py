"""Where each actor lives: the paths of design's tree, in one place.

Paths are plain text so that messages may carry them through the journal.
"""

from __future__ import annotations

STORE = "store"
ALERT_DISPATCHER = "alerts/dispatcher"
CHAT_COURIER = "alerts/courier"
PRICES = "market/prices"
DESK = "desk"
HEALTH = "health"


def account(name: str) -> str:
    return f"accounts/{name}"


def client(account_name: str) -> str:
    return f"accounts/{account_name}/client"


def private_stream(account_name: str) -> str:
    return f"accounts/{account_name}/private_stream"


def reconciler(account_name: str) -> str:
    return f"accounts/{account_name}/reconciler"


def position_book(account_name: str) -> str:
    return f"accounts/{account_name}/position_book"


def positions(account_name: str) -> str:
    return f"accounts/{account_name}/positions"


def monitor_name(symbol: str, trade_id: str) -> str:
    return f"{symbol}-{trade_id}"


def monitor(account_name: str, symbol: str, trade_id: str) -> str:
    """Give the path of a trade's monitor, known from any of its orders alone."""
    return f"{positions(account_name)}/{monitor_name(symbol, trade_id)}"


def session(chat_id: int) -> str:
    return f"chats/{chat_id}"


def trade_stream(trade_id: str) -> str:
    """Name of a trade's journal."""
    return f"trade/{trade_id}"


def book_stream(account_name: str) -> str:
    """Name of an account's position book journal."""
    return f"book/{account_name}"
