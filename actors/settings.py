"""The settings tree the daemon runs under: frozen values, read once at the edge. Every field has a unit and a reason.

Enters: checked values (adapters.host.settings_file reads and checks them). Stays out: files, environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from actors.model.guarding import GuardTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One account's key. An empty key: paper mode."""

    name: str  # "main" or "mirror"
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    rest_url: str = "https://api.bybit.com"
    ws_url: str = "wss://stream.bybit.com"
    paper_feed: str = "generated"  # prices of paper mode's own exchange: "generated", "live", or an address
    public_ws_url: str = ""  # empty: as ws_url (demo: the mainnet's, which serves demo's prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    token: str = field(default="", repr=False)  # empty: the terminal is the chat
    api_url: str = "https://api.telegram.org"
    file_url: str = ""  # empty: beside api_url
    allowed_users: frozenset[int] = frozenset()  # numeric user ids; nobody else is heard
    default_chat_id: int | None = None  # where alerts go; None: the only allowed user's own chat


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSettings:
    rung_fractions: tuple[Decimal, ...] = (Decimal("0.85"), Decimal("0.05"), Decimal("0.05"), Decimal("0.05"))
    presets: tuple[tuple[str, str], ...] = ()  # names of plan presets, and the words of an order they stand for
    fast_slippage: Decimal = Decimal("0.005")  # of the last price: how far from it a fast trade may enter
    breakeven_margin: Decimal = Decimal("0.0002")  # fraction of notional left over at breakeven
    backstop_distance: Decimal = Decimal("0.003")  # fraction beyond the farthest stop
    backstop_min_ticks: int = 5
    cancel_entries_on_first_target: bool = True
    mirrored: bool = False  # repeat main's orders on the other accounts
    most_trades_per_symbol: int = 8  # the exchange allows 10 conditional orders, moving one needs a spare


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    dedup_window_seconds: float = 300.0
    queue_bound: int = 1000  # in memory; the rest waits in the store
    failed_kept: int = 100
    breaker_failures: int = 5
    breaker_open_seconds: float = 20.0  # critical news is due within 30 s of the chat's being back


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingSettings:
    own_stop_deadline_seconds: float = 2.0  # from a fill to the trade's own stop
    slow_read_seconds: float = 60.0  # between readings of an account while its stream is up
    stop_deadline_seconds: float = 20.0  # for an orderly end


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingSettings:
    backup_seconds: float = 3600.0  # between copies of the store
    backups_kept: int = 48  # copies; those from before a migration stay beside them
    settled_days: float = 30.0  # how long settled requests and expired keys stay in the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    accounts: tuple[AccountSettings, ...] = (AccountSettings(name="main"),)
    exchange: ExchangeSettings = ExchangeSettings()
    chat: ChatSettings = ChatSettings()
    trading: TradingSettings = TradingSettings()
    guards: GuardTerms = GuardTerms()  # noqa: RUF009 - an immutable value
    alerts: AlertSettings = AlertSettings()
    timing: TimingSettings = TimingSettings()
    keeping: KeepingSettings = KeepingSettings()

    @property
    def paper(self) -> bool:
        """No key was given: trade on paper, against a local exchange."""
        return not self.accounts[0].api_key
