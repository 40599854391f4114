"""Access: where a Bybit account is reached, and with which key. Mainnet, testnet, demo and local differ by URL only.

Enters: addresses, key, secret, patience. Stays out: connections. The secret is in no text this room makes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAINNET_REST_URL = "https://api.bybit.com"
MAINNET_WS_URL = "wss://stream.bybit.com"
TESTNET_REST_URL = "https://api-testnet.bybit.com"
TESTNET_WS_URL = "wss://stream-testnet.bybit.com"
DEMO_REST_URL = "https://api-demo.bybit.com"
DEMO_WS_URL = "wss://stream-demo.bybit.com"  # private topics only: demo prices are mainnet's

_HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True, kw_only=True)
class BybitAccess:
    """Facts needed to connect."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    rest_url: str = MAINNET_REST_URL
    ws_url: str = MAINNET_WS_URL  # base of the private socket, without a path
    public_ws_url: str | None = None  # base of the public socket; None: as `ws_url`
    connect_timeout_seconds: float = 3.0
    read_timeout_seconds: float = 5.0
    receive_window_ms: int = 5000  # how late a request may arrive at the exchange and still count

    @property
    def private_stream_url(self) -> str:
        return f"{self.ws_url.rstrip('/')}/v5/private"

    @property
    def public_stream_url(self) -> str:
        base = MAINNET_WS_URL if self.public_ws_url is None and self.ws_url == DEMO_WS_URL else self.public_ws_url
        return f"{(base or self.ws_url).rstrip('/')}/v5/public/linear"

    def without_secrets(self, words: str) -> str:
        """Blot out key and secret: a refused signature comes back with the signed text, key included."""
        for secret in (self.api_secret, self.api_key):
            if secret:
                words = words.replace(secret, _HIDDEN)
        return words
