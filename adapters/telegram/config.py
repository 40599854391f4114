"""What the Telegram room is told at start: one frozen value, read once.

Enters: settings already checked elsewhere. Stays out: files, environment. The token is a password: it is kept out of
`repr`, and every text that leaves this room passes `redacted`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TELEGRAM_URL = "https://api.telegram.org"
LONGEST_POLL_SECONDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramConfig:
    """Addresses come without "/bot"; durations are seconds."""

    token: str = field(repr=False)
    allowed_users: frozenset[int] = frozenset()  # numeric user ids; an empty list admits nobody
    allowed_groups: frozenset[int] = frozenset()  # groups where an allowed user is heard; none: private chats only
    api_url: str = TELEGRAM_URL
    file_url: str = ""  # where files are fetched; empty: beside api_url
    commands: tuple[tuple[str, str], ...] = ()  # name and description, shown by the person's app
    poll_seconds: int = 25  # how long Telegram may hold a getUpdates
    request_seconds: float = 5.0  # connect, read and write of any other request
    send_seconds: float = 20.0  # a whole send or edit, waiting for the budget included
    patience_seconds: float = 3.0  # the longest wait for the budget before Throttled is raised
    backoff_first_seconds: float = 1.0
    backoff_longest_seconds: float = 30.0
    conflict_retry_seconds: float = 30.0  # between polls while another program polls
    conflict_clear_seconds: float = 60.0  # polled undisturbed for so long before the conflict counts as over
    refused_retry_seconds: float = 60.0  # after 401 or 404: a proxy's page looks the same as a revoked token
    stranger_window_seconds: float = 3600.0  # one report per stranger in it

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("the Telegram token is empty; without one use the console chat")
        if not 1 <= self.poll_seconds <= LONGEST_POLL_SECONDS:
            raise ValueError(
                f"poll_seconds is {self.poll_seconds}; Telegram holds a poll 1 to {LONGEST_POLL_SECONDS} s"
            )

    @property
    def base_url(self) -> str:
        return f"{self.api_url.rstrip('/')}/bot"

    @property
    def base_file_url(self) -> str:
        return f"{(self.file_url or self.api_url).rstrip('/')}/file/bot"

    def redacted(self, text: str) -> str:
        """Take the token out of a vendor's words."""
        return text.replace(self.token, "***") if self.token else text
